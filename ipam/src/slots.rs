//! Slots: one number for each attachment, from which its OpenFlow port and ifindex are derived.

use std::collections::VecDeque;

/// The free slots, in the order of their use.
///
/// # Guarantees
/// - A slot is free or of exactly one attachment.
/// - A freed slot is used after all that were free before it, so that a late event for its former
///   attachment does not hit a new one.
#[derive(Debug, Clone)]
pub(crate) struct Slots {
    free: VecDeque<u16>,
    count: u16,
}

impl Slots {
    /// The slots 1 to `count` that are not `in_use`. First come those that were never used or whose
    /// release is forgotten, beginning after `last_given`; then `freed`, in the order of release.
    pub(crate) fn restore(
        count: u16,
        in_use: impl IntoIterator<Item = u16>,
        freed: impl IntoIterator<Item = u16>,
        last_given: u16,
    ) -> Self {
        #[derive(Clone, Copy, PartialEq)]
        enum Place {
            Unknown,
            InUse,
            Freed(usize),
        }
        let mut place = vec![Place::Unknown; usize::from(count) + 1];
        for (order, slot) in freed.into_iter().enumerate() {
            if let Some(p) = place.get_mut(usize::from(slot)) {
                *p = Place::Freed(order);
            }
        }
        for slot in in_use {
            if let Some(p) = place.get_mut(usize::from(slot)) {
                *p = Place::InUse;
            }
        }
        let onwards = (last_given.saturating_add(1)..=count).chain(1..=last_given.min(count));
        let mut free: VecDeque<u16> = onwards
            .filter(|&slot| place[usize::from(slot)] == Place::Unknown)
            .collect();
        let mut freed: Vec<(usize, u16)> = (1..=count)
            .filter_map(|slot| match place[usize::from(slot)] {
                Place::Freed(order) => Some((order, slot)),
                Place::Unknown | Place::InUse => None,
            })
            .collect();
        freed.sort_unstable();
        free.extend(freed.into_iter().map(|(_, slot)| slot));
        Self { free, count }
    }

    /// The slot that [`Slots::take`] would give.
    pub(crate) fn peek(&self) -> Option<u16> {
        self.free.front().copied()
    }

    /// The next `n` slots that [`Slots::take`] will give, in its order; fewer if fewer are free.
    pub(crate) fn upcoming(&self, n: usize) -> impl Iterator<Item = u16> + '_ {
        self.free.iter().copied().take(n)
    }

    /// The slot that has been free for longest.
    pub(crate) fn take(&mut self) -> Option<u16> {
        self.free.pop_front()
    }

    /// Frees a slot; one above `count` is dropped.
    pub(crate) fn release(&mut self, slot: u16) {
        if (1..=self.count).contains(&slot) {
            self.free.push_back(slot);
        }
    }

    pub(crate) fn count(&self) -> u16 {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_slot_waits_until_all_others_were_used() {
        let mut slots = Slots::restore(4, [], [], 0);
        assert_eq!(slots.upcoming(2).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(slots.take(), Some(1));
        assert_eq!(slots.take(), Some(2));
        slots.release(1);
        assert_eq!(
            [slots.take(), slots.take(), slots.take(), slots.take()],
            [Some(3), Some(4), Some(1), None]
        );
    }

    #[test]
    fn the_rotation_goes_on_after_a_restart() {
        let mut slots = Slots::restore(6, [2], [5, 4, 5], 3);
        let order: Vec<u16> = std::iter::from_fn(|| slots.take()).collect();
        assert_eq!(order, [6, 1, 3, 4, 5]);
    }

    #[test]
    fn a_slot_beyond_the_configured_ones_is_not_reused() {
        let mut slots = Slots::restore(1, [9], [], 9);
        slots.release(9);
        assert_eq!((slots.take(), slots.take()), (Some(1), None));
    }
}
