//! What is on the API server, as it was seen last, and which sets a change concerns. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use flatnet_k8s_client::{Key, Pod, Set, SubscriberLease, Told};

use crate::members::Pods;
use crate::plan::{Memory, Now, Planned, SeenLease, Surroundings, plan};

type Leases = BTreeMap<Key, BTreeMap<String, SeenLease>>;

/// Everything that is known.
#[derive(Debug, Default)]
pub struct World {
    pods: Option<Pods>,
    sets: Option<BTreeMap<Key, Set>>,
    leases: Option<Leases>,
    memory: BTreeMap<Key, Memory>,
}

impl World {
    /// Whether pods, sets and leases have all been listed. Before that nothing is decided: a set of which the pods
    /// are not known is not empty.
    pub fn is_complete(&self) -> bool {
        self.pods.is_some() && self.sets.is_some() && self.leases.is_some()
    }

    /// The keys of all sets.
    pub fn keys(&self) -> BTreeSet<Key> {
        self.sets().keys().cloned().collect()
    }

    /// All sets.
    pub fn sets(&self) -> &BTreeMap<Key, Set> {
        static NONE: BTreeMap<Key, Set> = BTreeMap::new();
        self.sets.as_ref().unwrap_or(&NONE)
    }

    /// A set.
    pub fn set(&self, key: &Key) -> Option<&Set> {
        self.sets().get(key)
    }

    /// Takes in what is told of pods; the sets that it may concern.
    pub fn pods(&mut self, told: Told<Pod>) -> BTreeSet<Key> {
        match told {
            Told::Listed(all) => {
                self.pods = Some(Pods::of(all));
                self.keys()
            }
            Told::Applied(pod) => {
                let mut concerned = self.concerned(&pod);
                // Nothing counts before all have been listed.
                let before = self.pods.as_mut().and_then(|pods| pods.put(pod));
                concerned.extend(before.iter().flat_map(|pod| self.concerned(pod)));
                concerned
            }
            Told::Deleted(pod) => {
                let before = self.pods.as_mut().and_then(|pods| pods.remove(&pod.key));
                self.concerned(&before.unwrap_or(pod))
            }
            Told::Away(_) => BTreeSet::new(),
        }
    }

    /// Those whose selector it is, and those in which one of its addresses lingers.
    fn concerned(&self, pod: &Pod) -> BTreeSet<Key> {
        let selects = |key: &Key, set: &Set| {
            key.namespace == pod.key.namespace && set.spec.selector.selects(&pod.labels)
        };
        let lingers = |key: &Key| {
            let memory = self.memory.get(key);
            memory.is_some_and(|m| pod.addresses.iter().any(|a| m.lingering.has(a)))
        };
        let all = self.sets().iter();
        let some = all.filter(|(key, set)| selects(key, set) || lingers(key));
        some.map(|(key, _)| key.clone()).collect()
    }

    /// Takes in what is told of sets; those that it concerns.
    pub fn set_told(&mut self, told: Told<Set>) -> BTreeSet<Key> {
        match told {
            Told::Listed(all) => {
                let all = all.into_iter().map(|set| (set.key.clone(), set));
                let all: BTreeMap<Key, Set> = all.collect();
                self.memory.retain(|key, _| all.contains_key(key));
                self.sets = Some(all);
                self.keys()
            }
            Told::Applied(set) => {
                let key = set.key.clone();
                let Some(sets) = &mut self.sets else {
                    return BTreeSet::new();
                };
                let uid = set.uid.clone();
                let before = sets.insert(key.clone(), set);
                // Another one of the same name.
                if before.is_some_and(|before| before.uid != uid) {
                    self.memory.remove(&key);
                }
                [key].into()
            }
            Told::Deleted(set) => {
                self.memory.remove(&set.key);
                if let Some(sets) = &mut self.sets {
                    sets.remove(&set.key);
                }
                BTreeSet::new()
            }
            Told::Away(_) => BTreeSet::new(),
        }
    }

    /// Takes in what is told of leases at a time; the sets that it concerns.
    pub fn leases(&mut self, told: Told<SubscriberLease>, now: Duration) -> BTreeSet<Key> {
        match told {
            Told::Listed(all) => {
                let mut before = self.leases.take().unwrap_or_default();
                let mut leases = Leases::new();
                for lease in all {
                    let old = before.get_mut(&lease.set);
                    let old = old.and_then(|l| l.remove(&lease.subscriber));
                    see(&mut leases, lease, old, now);
                }
                self.leases = Some(leases);
                self.keys()
            }
            Told::Applied(lease) => {
                let key = lease.set.clone();
                let Some(leases) = &mut self.leases else {
                    return BTreeSet::new();
                };
                let old = leases
                    .get_mut(&key)
                    .and_then(|l| l.remove(&lease.subscriber));
                see(leases, lease, old, now);
                [key].into()
            }
            Told::Deleted(lease) => {
                let of_set = self.leases.as_mut().and_then(|l| l.get_mut(&lease.set));
                of_set.and_then(|leases| leases.remove(&lease.subscriber));
                [lease.set].into()
            }
            Told::Away(_) => BTreeSet::new(),
        }
    }

    /// Looks at a set: what is to be said of it, where everything is known.
    pub fn look(&mut self, key: &Key, linger: Duration, now: Now) -> Option<(&Set, Planned)> {
        let (Some(pods), Some(sets), Some(leases)) = (&self.pods, &self.sets, &self.leases) else {
            return None;
        };
        let set = sets.get(key)?;
        let around = Surroundings {
            pods,
            leases: leases.get(key),
            linger,
            now,
        };
        let memory = self.memory.entry(key.clone()).or_default();
        Some((set, plan(set, &around, memory)))
    }
}

/// Keeps a lease; the time when it was seen is that of a change.
fn see(leases: &mut Leases, lease: SubscriberLease, old: Option<SeenLease>, now: Duration) {
    let seen = match old {
        Some(old) if old.said == lease.renewed => old,
        _ => SeenLease {
            said: lease.renewed,
            at: now,
        },
    };
    let of_set = leases.entry(lease.set).or_default();
    of_set.insert(lease.subscriber, seen);
}
