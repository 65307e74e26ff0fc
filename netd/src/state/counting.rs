//! Containers whose new connections are counted.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use flatnet_types::Datagrams;

use crate::flows::{COUNTED_MAX, Counted};

/// What is counted, by the generation of the attachment. Not kept on disk: a netd that starts counts anew.
#[derive(Debug, Default)]
pub(crate) struct Counting(Mutex<BTreeMap<u64, Counted>>);

impl Counting {
    fn all(&self) -> MutexGuard<'_, BTreeMap<u64, Counted>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted of all attachments.
    pub(crate) fn list(&self) -> BTreeMap<u64, Counted> {
        self.all().clone()
    }

    /// Counts what comes to exactly these attachments, and the datagrams to these ports of each; `node`: the node's own
    /// addresses. An attachment that is counted already stays so, in the same meters. Those beyond [`COUNTED_MAX`] are
    /// left out. Whether anything changed.
    pub(crate) fn set(
        &self,
        wanted: &BTreeMap<u64, BTreeSet<(Datagrams, u16)>>,
        node: &BTreeSet<IpAddr>,
    ) -> bool {
        let mut all = self.all();
        let before = all.clone();
        all.retain(|generation, _| wanted.contains_key(generation));
        for (generation, datagrams) in wanted {
            let taken: BTreeSet<u16> = all.values().map(|counted| counted.index).collect();
            let known = all.get(generation).map(|counted| counted.index);
            let free = || (0..COUNTED_MAX).find(|index| !taken.contains(index));
            if let Some(index) = known.or_else(free) {
                let counted = Counted {
                    index,
                    datagrams: datagrams.clone(),
                    node: node.clone(),
                };
                all.insert(*generation, counted);
            }
        }
        *all != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_counted_keeps_its_meters_and_no_two_have_the_same() {
        let counting = Counting::default();
        let ports = |port| BTreeSet::from([(Datagrams::Udp, port)]);
        let none = BTreeSet::new;
        let node = BTreeSet::from([IpAddr::from([10, 0, 0, 1])]);
        let set = |wanted| counting.set(&wanted, &node);
        assert!(set([(7, none()), (8, none())].into()));
        let second = counting.list()[&8].index;
        assert_ne!(counting.list()[&7].index, second);
        assert!(set([(8, ports(53)), (9, none())].into()));
        let all = counting.list();
        assert_eq!(all.keys().collect::<Vec<_>>(), [&8, &9]);
        assert_eq!((all[&8].index, &all[&8].datagrams), (second, &ports(53)));
        assert!(!set([(8, ports(53)), (9, none())].into()));
        let many = (0..u64::from(COUNTED_MAX) + 5).map(|generation| (generation, none()));
        assert!(set(many.collect()));
        let indices: BTreeSet<u16> = counting.list().values().map(|c| c.index).collect();
        assert_eq!(indices.len(), usize::from(COUNTED_MAX));
    }
}
