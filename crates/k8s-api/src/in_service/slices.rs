//! Where a pod's addresses are offered: the EndpointSlices of Services.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_types::Datagrams;
use kube::api::DynamicObject;

use super::{GatedPod, Offered};

/// An EndpointSlice (`discovery.k8s.io/v1`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slice {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// Every address, and whether new connections are sent to it.
    addresses: BTreeMap<IpAddr, bool>,
    /// Its ports of UDP and SCTP.
    datagrams: BTreeSet<(Datagrams, u16)>,
}

impl Slice {
    /// From an EndpointSlice of `discovery.k8s.io/v1`; `None` where it has no `metadata.name`.
    ///
    /// An endpoint gets new connections where `ready` is not false, unless `serving` is: that is a Service with
    /// `publishNotReadyAddresses`, which sends to pods whatever they say.
    pub fn of_api(object: &DynamicObject) -> Option<Self> {
        let list = |of: &serde_json::Value| of.as_array().cloned().unwrap_or_default();
        let mut addresses = BTreeMap::new();
        for endpoint in list(&object.data["endpoints"]) {
            let conditions = &endpoint["conditions"];
            let takes = conditions["ready"] != false && conditions["serving"] != false;
            for address in list(&endpoint["addresses"]) {
                if let Some(ip) = address.as_str().and_then(|text| text.parse().ok()) {
                    *addresses.entry(ip).or_insert(false) |= takes;
                }
            }
        }
        let datagrams = list(&object.data["ports"]).into_iter().filter_map(|port| {
            let kind = match port["protocol"].as_str()? {
                "UDP" => Datagrams::Udp,
                "SCTP" => Datagrams::Sctp,
                _ => return None,
            };
            Some((kind, u16::try_from(port["port"].as_u64()?).ok()?))
        });
        Some(Self {
            namespace: object.metadata.namespace.clone()?,
            name: object.metadata.name.clone()?,
            addresses,
            datagrams: datagrams.collect(),
        })
    }
}

/// The EndpointSlices of one namespace, by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Slices(BTreeMap<String, Slice>);

impl Slices {
    /// All of them.
    pub fn of(all: Vec<Slice>) -> Self {
        Self(all.into_iter().map(|s| (s.name.clone(), s)).collect())
    }

    /// One that is new or changed.
    pub fn apply(&mut self, slice: Slice) {
        self.0.insert(slice.name.clone(), slice);
    }

    /// One that is gone.
    pub fn delete(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// Whether one of them offers an address of the pod.
    pub fn offered(&self, pod: &GatedPod) -> Offered<'_> {
        let takes = |slice: &&Slice| {
            let mut ips = pod.addresses.iter();
            ips.any(|ip| slice.addresses.get(ip) == Some(&true))
        };
        match self.0.values().find(takes) {
            Some(slice) => Offered::In(&slice.name),
            None => Offered::Nowhere,
        }
    }

    /// The ports of UDP and SCTP that Services have on the pod, whether or not they send to it at present.
    pub fn datagrams(&self, pod: &GatedPod) -> BTreeSet<(Datagrams, u16)> {
        let of_pod = self.0.values().filter(|slice| {
            let mut ips = pod.addresses.iter();
            ips.any(|ip| slice.addresses.contains_key(ip))
        });
        of_pod
            .flat_map(|slice| slice.datagrams.iter().copied())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::in_service::state::tests::pod;

    fn slice(name: &str, conditions: &serde_json::Value) -> Slice {
        let object = json!({
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": name}, "addressType": "IPv4",
            "ports": [{"protocol": "TCP", "port": 80}, {"protocol": "UDP", "port": 53}, {"protocol": "UDP"}],
            "endpoints": [
                {"addresses": ["10.0.0.9"], "conditions": {"ready": true}},
                {"addresses": ["10.0.0.2"], "conditions": conditions},
            ],
        });
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        Slice::of_api(&object).expect("a slice")
    }

    #[test]
    fn a_pod_is_offered_while_a_slice_says_that_its_address_is_ready() {
        let mut slices = Slices::of(vec![slice("a", &json!({"ready": true, "serving": true}))]);
        assert_eq!(slices.offered(&pod()), Offered::In("a"));
        // What is not said is ready (discovery.k8s.io/v1, EndpointConditions).
        slices.apply(slice("a", &json!({})));
        assert_eq!(slices.offered(&pod()), Offered::In("a"));
        slices.apply(slice(
            "a",
            &json!({"ready": false, "serving": true, "terminating": true}),
        ));
        assert_eq!(slices.offered(&pod()), Offered::Nowhere);
        slices.apply(slice("b", &json!({"ready": true})));
        assert_eq!(slices.offered(&pod()), Offered::In("b"));
        slices.delete("b");
        assert_eq!(slices.offered(&pod()), Offered::Nowhere);
    }

    #[test]
    fn a_service_that_publishes_who_is_not_ready_is_not_waited_for() {
        let slices = Slices::of(vec![slice("a", &json!({"ready": true, "serving": false}))]);
        assert_eq!(slices.offered(&pod()), Offered::Nowhere);
    }

    #[test]
    fn ports_of_datagrams_stay_while_the_address_is_in_the_slice() {
        let slices = Slices::of(vec![slice("a", &json!({"ready": false}))]);
        assert_eq!(slices.datagrams(&pod()), [(Datagrams::Udp, 53)].into());
        let mut other = pod();
        other.addresses = vec!["10.0.0.77".parse().expect("an address")];
        assert!(slices.datagrams(&other).is_empty());
    }
}
