//! Which addresses a set has. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_k8s_api::addresses::{AddressSetSpec, Family};
use flatnet_k8s_client::{Key, Pod};

/// All pods of a cluster, as they were seen last.
#[derive(Debug, Clone, Default)]
pub struct Pods {
    /// By namespace, then by name.
    pods: BTreeMap<String, BTreeMap<String, Pod>>,
    /// How many pods that have not ended have an address of the pod network.
    borne: BTreeMap<IpAddr, usize>,
}

impl Pods {
    /// These pods.
    pub fn of(all: impl IntoIterator<Item = Pod>) -> Self {
        let mut pods = Self::default();
        for pod in all {
            pods.put(pod);
        }
        pods
    }

    /// Takes a pod in, in place of what was seen of it before; returns that.
    pub fn put(&mut self, pod: Pod) -> Option<Pod> {
        let before = self.remove(&pod.key);
        for address in bears(&pod) {
            *self.borne.entry(*address).or_default() += 1;
        }
        let key = pod.key.clone();
        let names = self.pods.entry(key.namespace).or_default();
        names.insert(key.name, pod);
        before
    }

    /// Forgets a pod; returns it.
    pub fn remove(&mut self, key: &Key) -> Option<Pod> {
        let names = self.pods.get_mut(&key.namespace)?;
        let pod = names.remove(&key.name)?;
        if names.is_empty() {
            self.pods.remove(&key.namespace);
        }
        for address in bears(&pod) {
            if let Some(count) = self.borne.get_mut(address) {
                *count -= 1;
                if *count == 0 {
                    self.borne.remove(address);
                }
            }
        }
        Some(pod)
    }

    /// Whether a pod has that address now: one that has not ended, of any namespace.
    pub fn bear(&self, address: &IpAddr) -> bool {
        self.borne.contains_key(address)
    }

    fn of_namespace(&self, namespace: &str) -> impl Iterator<Item = &Pod> {
        self.pods
            .get(namespace)
            .into_iter()
            .flat_map(BTreeMap::values)
    }
}

/// The addresses that a pod holds: none once it has ended, none where they are its host's.
fn bears(pod: &Pod) -> &[IpAddr] {
    match pod.ended || pod.host_network {
        true => &[],
        false => &pod.addresses,
    }
}

/// What a selector is now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selected {
    /// The addresses of the selected pods.
    pub addresses: BTreeSet<IpAddr>,
    /// How many pods are selected that have not ended.
    pub pods: usize,
    /// How many of them have no address (yet).
    pub without: usize,
    /// How many of them have their host's addresses, which are left out: they would let in the whole host.
    pub host_network: usize,
}

/// What the selector of a set in `namespace` is. A pod that is being deleted is still selected.
pub fn select(spec: &AddressSetSpec, namespace: &str, pods: &Pods) -> Selected {
    let mut selected = Selected::default();
    for pod in pods.of_namespace(namespace) {
        if pod.ended || !spec.selector.selects(&pod.labels) {
            continue;
        }
        selected.pods += 1;
        if pod.host_network {
            selected.host_network += 1;
        } else if pod.addresses.is_empty() {
            selected.without += 1;
        } else {
            let wanted = pod.addresses.iter().filter(|a| wanted(spec, a));
            selected.addresses.extend(wanted);
        }
    }
    selected
}

fn wanted(spec: &AddressSetSpec, address: &IpAddr) -> bool {
    let family = match address {
        IpAddr::V4(_) => Family::IPv4,
        IpAddr::V6(_) => Family::IPv6,
    };
    spec.families.is_empty() || spec.families.contains(&family)
}

/// Addresses whose pod is gone, and since when that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lingering(BTreeMap<IpAddr, Duration>);

impl Lingering {
    /// Whether one of them is in it.
    pub fn has(&self, address: &IpAddr) -> bool {
        self.0.contains_key(address)
    }

    /// Which of the published addresses that the selector is not any more stay for now, and when the first of
    /// them goes. One that a pod has, selected or not, does not stay: whoever has it now is another, or does not
    /// bear the label any more. Published addresses are all that a new leader needs to know of the one before it.
    pub fn keep(
        &mut self,
        published: &BTreeSet<IpAddr>,
        selected: &Selected,
        stay: &Stay<'_>,
    ) -> (BTreeSet<IpAddr>, Option<Duration>) {
        let left = published.difference(&selected.addresses);
        let left = left.filter(|a| wanted(stay.spec, a) && !stay.pods.bear(a));
        let since = |address: &IpAddr| (*address, *self.0.get(address).unwrap_or(&stay.now));
        let known: BTreeMap<IpAddr, Duration> = left.map(since).collect();
        let ends = |since: &Duration| *since + stay.linger;
        let staying = known.iter().filter(|(_, since)| ends(since) > stay.now);
        let kept: BTreeSet<IpAddr> = staying.clone().map(|(address, _)| *address).collect();
        let next = staying.map(|(_, since)| ends(since)).min();
        self.0 = known;
        (kept, next)
    }
}

/// What decides whether an address stays whose pod is gone.
#[derive(Debug, Clone, Copy)]
pub struct Stay<'a> {
    /// What the set declares.
    pub spec: &'a AddressSetSpec,
    /// All pods.
    pub pods: &'a Pods,
    /// For how long it stays.
    pub linger: Duration,
    /// The time now, by a clock that never goes back.
    pub now: Duration,
}
