//! The lists of all clusters, and the one list that they are together. Pure.

use std::collections::BTreeSet;
use std::net::IpAddr;

use flatnet_k8s_client::Set;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The list of one cluster that was accepted last.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct List {
    /// `metadata.uid` of the set: another one of the same name counts its generations anew.
    pub uid: String,
    /// Its generation.
    pub generation: i64,
    /// Its addresses.
    pub addresses: BTreeSet<IpAddr>,
}

/// Why what a cluster says is not taken. What was accepted last stays.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Untaken {
    /// addressd has not looked at it yet.
    #[error(
        "it is not resolved yet: `kubectl get addresssets` shows a generation once addressd runs"
    )]
    Unresolved,
    /// The status has fewer or more addresses than it says.
    #[error("its status says that it has {said} addresses, and has {has}: somebody has changed it")]
    NotWhole {
        /// What `count` says.
        said: u32,
        /// How many there are.
        has: usize,
    },
    /// What is in it is no address.
    #[error("{text:?} in its status is not an address: somebody has changed it")]
    NoAddress {
        /// What is there.
        text: String,
    },
    /// It is older than what was accepted.
    #[error(
        "generation {generation} is older than generation {accepted}, which was accepted; where the cluster was \
         restored from a backup, stop this, move the state file away, and start it again"
    )]
    Older {
        /// What it is.
        generation: i64,
        /// What was accepted.
        accepted: i64,
    },
    /// A generation has another list than it had.
    #[error(
        "generation {generation} has other addresses than it had: somebody has changed its status"
    )]
    Contradiction {
        /// Which one.
        generation: i64,
    },
}

/// The lists of all clusters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Merge(Vec<Option<List>>);

impl Merge {
    /// With what was accepted before, in the order of the clusters.
    pub fn new(known: Vec<Option<List>>) -> Self {
        Self(known)
    }

    /// What was accepted, by cluster.
    pub fn lists(&self) -> &[Option<List>] {
        &self.0
    }

    /// Takes what a cluster says; whether it is another list or generation.
    ///
    /// # Errors
    /// [`Untaken`]; what was accepted last stays.
    pub fn take(&mut self, cluster: usize, set: &Set) -> Result<bool, Untaken> {
        let list = list(set)?;
        let Some(slot) = self.0.get_mut(cluster) else {
            return Ok(false);
        };
        if let Some(known) = slot.as_ref().filter(|known| known.uid == list.uid) {
            if list.generation < known.generation {
                return Err(Untaken::Older {
                    generation: list.generation,
                    accepted: known.generation,
                });
            }
            if list.generation == known.generation {
                return match list.addresses == known.addresses {
                    true => Ok(false),
                    false => Err(Untaken::Contradiction {
                        generation: list.generation,
                    }),
                };
            }
        }
        *slot = Some(list);
        Ok(true)
    }

    /// The list of all together; `None` while that of one cluster is not known.
    pub fn union(&self) -> Option<BTreeSet<IpAddr>> {
        let mut all = BTreeSet::new();
        for list in &self.0 {
            all.extend(&list.as_ref()?.addresses);
        }
        Some(all)
    }
}

fn list(set: &Set) -> Result<List, Untaken> {
    let status = &set.status;
    let generation = status.generation.ok_or(Untaken::Unresolved)?;
    let said = status.count.ok_or(Untaken::Unresolved)?;
    let has = status.addresses.len();
    if usize::try_from(said) != Ok(has) {
        return Err(Untaken::NotWhole { said, has });
    }
    let one = |text: &String| {
        text.parse()
            .map_err(|_| Untaken::NoAddress { text: text.clone() })
    };
    Ok(List {
        uid: set.uid.clone(),
        generation,
        addresses: status.addresses.iter().map(one).collect::<Result<_, _>>()?,
    })
}

#[cfg(test)]
mod tests {
    use flatnet_k8s_api::addresses::{AddressSetSpec, AddressSetStatus, Selector};
    use flatnet_k8s_client::Key;
    use proptest::prelude::*;

    use super::*;

    fn set(uid: &str, generation: i64, addresses: &[&str]) -> Set {
        Set {
            key: Key {
                namespace: "shop".to_owned(),
                name: "web".to_owned(),
            },
            uid: uid.to_owned(),
            version: String::new(),
            spec_generation: None,
            spec: AddressSetSpec {
                selector: Selector::default(),
                families: Vec::new(),
                on_missing: None,
                proceed_after_seconds: None,
                subscribers: Vec::new(),
            },
            status: AddressSetStatus {
                generation: Some(generation),
                count: u32::try_from(addresses.len()).ok(),
                addresses: addresses.iter().map(|a| (*a).to_owned()).collect(),
                ..AddressSetStatus::default()
            },
        }
    }

    fn union(merge: &Merge) -> Vec<String> {
        let all = merge.union().expect("all are known");
        all.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn two_clusters_are_one_list_and_neither_is_written_without_the_other() {
        let mut merge = Merge::new(vec![None, None]);
        assert_eq!(merge.take(0, &set("a", 3, &["10.0.0.1"])), Ok(true));
        assert_eq!(merge.union(), None);
        assert_eq!(
            merge.take(1, &set("b", 1, &["fd00::1", "10.0.0.1"])),
            Ok(true)
        );
        assert_eq!(union(&merge), ["10.0.0.1", "fd00::1"]);
        // The generations of two clusters have nothing to do with each other.
        assert_eq!(merge.take(1, &set("b", 2, &[])), Ok(true));
        assert_eq!(union(&merge), ["10.0.0.1"]);
        assert_eq!(merge.take(1, &set("b", 2, &[])), Ok(false));
    }

    #[test]
    fn what_is_not_whole_or_old_or_contradicts_leaves_the_list_of_before() {
        let mut merge = Merge::new(vec![None]);
        merge.take(0, &set("a", 3, &["10.0.0.1"])).expect("taken");
        let mut lost = set("a", 4, &["10.0.0.1"]);
        lost.status.addresses.clear();
        let mut unresolved = set("a", 4, &[]);
        unresolved.status = AddressSetStatus::default();
        let contradiction = Untaken::Contradiction { generation: 3 };
        for (said, why) in [
            (lost, Untaken::NotWhole { said: 1, has: 0 }),
            (unresolved, Untaken::Unresolved),
            (
                set("a", 2, &[]),
                Untaken::Older {
                    generation: 2,
                    accepted: 3,
                },
            ),
            (set("a", 3, &[]), contradiction),
            (
                set("a", 4, &["x"]),
                Untaken::NoAddress {
                    text: "x".to_owned(),
                },
            ),
        ] {
            assert_eq!(merge.take(0, &said), Err(why));
            assert_eq!(union(&merge), ["10.0.0.1"]);
        }
        // Another set of that name begins anew, and may say that it is empty.
        assert_eq!(merge.take(0, &set("b", 1, &[])), Ok(true));
        assert_eq!(union(&merge).len(), 0);
    }

    proptest! {
        /// Whatever the order in which events of one cluster come, the newest generation is in force.
        #[test]
        fn the_newest_generation_wins(order in proptest::collection::vec(1_i64..9, 1..20)) {
            let mut merge = Merge::new(vec![None]);
            for generation in &order {
                let address = format!("10.0.0.{generation}");
                let _ = merge.take(0, &set("a", *generation, &[&address]));
            }
            let newest = order.iter().max().expect("one");
            prop_assert_eq!(union(&merge), [format!("10.0.0.{newest}")]);
        }
    }
}
