//! Who has to take note of a pod's addresses before it is in service.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::GatedPod;
use crate::addresses::{AddressSetSpec, AddressSetStatus, Family};

/// Namespace and name of a set.
type Key = (String, String);

/// What a pod waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A set that selects it does not have its address yet.
    Listed {
        /// The name of the AddressSet, in the pod's namespace.
        set: String,
        /// The address.
        address: IpAddr,
    },
    /// A subscriber has not acknowledged a generation that has its address.
    Acknowledged {
        /// The name of the AddressSet, in the pod's namespace.
        set: String,
        /// The subscriber.
        subscriber: String,
        /// The first generation that would do.
        generation: i64,
    },
}

/// A set, and since which generation addresses have been in it without a gap.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    spec: AddressSetSpec,
    status: AddressSetStatus,
    /// Whether addressd has said all of it of the spec as it is.
    current: bool,
    since: BTreeMap<IpAddr, i64>,
}

/// The AddressSets as they were seen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sets(BTreeMap<Key, Seen>);

impl Sets {
    /// A set that is new or changed; `spec_generation` is its `metadata.generation`. Of its addresses those that
    /// were in it before keep the generation since which they are.
    pub fn apply(
        &mut self,
        key: Key,
        spec_generation: Option<i64>,
        spec: AddressSetSpec,
        status: AddressSetStatus,
    ) {
        let before = self.0.remove(&key).map(|seen| seen.since);
        let generation = status.generation.unwrap_or_default();
        // A generation that goes back is another life of the set.
        let kept = |ip: &IpAddr| {
            let since = before.as_ref().and_then(|since| since.get(ip)).copied();
            since.filter(|since| *since <= generation)
        };
        let addresses = status.addresses.iter().filter_map(|ip| ip.parse().ok());
        let since = addresses
            .map(|ip| (ip, kept(&ip).unwrap_or(generation)))
            .collect();
        let seen = Seen {
            current: status.generation.is_some() && status.observed_generation == spec_generation,
            spec,
            status,
            since,
        };
        self.0.insert(key, seen);
    }

    /// A set that is gone.
    pub fn delete(&mut self, key: &Key) {
        self.0.remove(key);
    }

    /// Forgets sets that are none of those.
    pub fn retain(&mut self, keys: &[Key]) {
        self.0.retain(|key, _| keys.contains(key));
    }

    /// What that pod waits for, by the names of sets.
    pub fn waits(&self, pod: &GatedPod) -> Vec<Wait> {
        let of_pod = self.0.iter().filter(|((namespace, _), seen)| {
            *namespace == pod.namespace && seen.spec.selector.selects(&pod.labels)
        });
        of_pod
            .flat_map(|((_, name), seen)| seen.waits(name, pod))
            .collect()
    }
}

impl Seen {
    fn waits(&self, set: &str, pod: &GatedPod) -> Vec<Wait> {
        let mut waits = Vec::new();
        let of_families = pod.addresses.iter().filter(|ip| self.has_family(**ip));
        for address in of_families {
            let (true, Some(since)) = (self.current, self.since.get(address).copied()) else {
                waits.push(Wait::Listed {
                    set: set.to_owned(),
                    address: *address,
                });
                continue;
            };
            // Roles, leases and onMissing are addressd's to judge: `awaited` is what it made of them.
            let awaited = self.status.subscribers.iter().filter(|s| s.awaited);
            let missing = awaited.filter(|s| {
                let has = s.acknowledged.max(self.status.acknowledgement(&s.name));
                has.is_none_or(|has| has < since)
            });
            waits.extend(missing.map(|s| Wait::Acknowledged {
                set: set.to_owned(),
                subscriber: s.name.clone(),
                generation: since,
            }));
        }
        waits
    }

    fn has_family(&self, ip: IpAddr) -> bool {
        let family = match ip {
            IpAddr::V4(_) => Family::IPv4,
            IpAddr::V6(_) => Family::IPv6,
        };
        self.spec.families.is_empty() || self.spec.families.contains(&family)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::in_service::state::tests::pod;

    fn key() -> Key {
        ("shop".to_owned(), "web".to_owned())
    }

    fn put(sets: &mut Sets, generation: i64, addresses: &[&str], acknowledged: Option<i64>) {
        put_awaited(sets, generation, addresses, (acknowledged, true));
    }

    fn put_awaited(
        sets: &mut Sets,
        generation: i64,
        addresses: &[&str],
        (acknowledged, awaited): (Option<i64>, bool),
    ) {
        let spec = json!({"selector": {"matchLabels": {"app": "web"}}, "families": ["IPv4"]});
        let status = json!({
            "observedGeneration": 1, "generation": generation, "addresses": addresses,
            "subscribers": [{"name": "edge-fw", "role": "Required", "state": "Behind",
                "awaited": awaited, "acknowledged": acknowledged}],
        });
        let spec = serde_json::from_value(spec).expect("a spec");
        let status = serde_json::from_value(status).expect("a status");
        sets.apply(key(), Some(1), spec, status);
    }

    #[test]
    fn a_pod_waits_for_the_list_and_then_for_who_is_awaited() {
        let mut sets = Sets::default();
        put(&mut sets, 4, &[], None);
        assert!(matches!(sets.waits(&pod())[..], [Wait::Listed { .. }]));
        put(&mut sets, 5, &["10.0.0.2"], Some(4));
        let [Wait::Acknowledged { generation: 5, .. }] = &sets.waits(&pod())[..] else {
            panic!("{:?}", sets.waits(&pod()));
        };
        put(&mut sets, 5, &["10.0.0.2"], Some(5));
        assert_eq!(sets.waits(&pod()), []);
        put_awaited(&mut sets, 5, &["10.0.0.2"], (Some(4), false));
        assert_eq!(sets.waits(&pod()), [], "nobody is waited for");
    }

    #[test]
    fn a_list_that_grows_on_does_not_make_an_address_wait_anew() {
        let mut sets = Sets::default();
        put(&mut sets, 5, &["10.0.0.2"], Some(4));
        put(&mut sets, 9, &["10.0.0.2", "10.0.0.3"], Some(5));
        assert_eq!(sets.waits(&pod()), []);
        put(&mut sets, 10, &["10.0.0.3"], Some(9));
        put(&mut sets, 11, &["10.0.0.2", "10.0.0.3"], Some(10));
        assert_eq!(sets.waits(&pod()).len(), 1, "it was out in between");
    }

    #[test]
    fn a_set_whose_spec_addressd_has_not_seen_is_waited_for() {
        let mut sets = Sets::default();
        put(&mut sets, 5, &["10.0.0.2"], Some(5));
        let Seen { spec, status, .. } = sets.0[&key()].clone();
        sets.apply(key(), Some(2), spec, status);
        assert!(matches!(sets.waits(&pod())[..], [Wait::Listed { .. }]));
        sets.delete(&key());
        assert_eq!(sets.waits(&pod()), []);
    }
}
