//! Batches: what is left of one for each object, and large ones in parts. Pure.

use std::collections::BTreeMap;

use super::head::Pending;
use super::{Entry, RangeChange};
use crate::assign::keys::{Key, key_of, overlap};

/// The most changes of leases that a head holds: about 300 kB of the megabyte that a ConfigMap may have.
pub(super) const MOST: usize = 1_000;

/// What becomes of each object: of several changes of one the last.
pub(super) fn last_of_each(pending: &[Pending]) -> BTreeMap<Key, RangeChange> {
    let change = |change: &Pending| match change {
        Pending::Put(lease) => (key_of(lease.prefix), RangeChange::Put(lease.clone())),
        Pending::Remove(prefix) => (key_of(*prefix), RangeChange::Remove(*prefix)),
    };
    pending.iter().map(change).collect()
}

/// Cuts a batch into parts of about `most` entries that may be committed one after the other.
///
/// # Guarantees
/// - The parts are the batch, in its order.
/// - No part ends between the removal of a range and a later entry that records any of its addresses again:
///   a crash between two parts leaves no range without a record that a host holds. Such a part may be up to
///   twice as long; what is longer still is cut, for then what was removed are ranges whose quarantine is over.
pub(super) fn parts(entries: &[Entry], most: usize) -> Vec<&[Entry]> {
    let together = together(entries, most);
    let mut parts = Vec::new();
    let mut begin = 0;
    while begin < entries.len() {
        let mut end = (begin + most).min(entries.len());
        let last = (begin + 2 * most).min(entries.len());
        while end < last && together[end - 1] > end {
            end = together[end - 1].min(last);
        }
        parts.push(&entries[begin..end]);
        begin = end;
    }
    parts
}

/// For each entry: where a part that has it must end at the earliest, as the number of entries from the
/// beginning.
fn together(entries: &[Entry], most: usize) -> Vec<usize> {
    let mut furthest = 0;
    let mut all = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if let Entry::Remove(prefix) = entry
            // Most batches are one part.
            && entries.len() > most
        {
            let again = |e: &Entry| matches!(e, Entry::Put(l) if overlap(l.prefix, *prefix));
            let last = entries[index..].iter().rposition(again);
            furthest = furthest.max(last.map_or(0, |last| index + last + 1));
        }
        all.push(furthest.max(index + 1));
    }
    all
}
