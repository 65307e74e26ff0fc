//! A small piece of work, searched through for an order that keeps the quota.

use std::collections::HashSet;

use super::classify::{Change, Removal, Work};
use super::state::State;
use super::with_headroom::{create, delete, make_before_break, modify};
use super::{CreateReason, Op, Rules};
use crate::model::DesiredEntry;

/// The most changes that are searched through: 4,096 states, some milliseconds.
const MOST: usize = 12;

#[derive(Clone, Copy)]
enum Item<'a> {
    Add(&'a DesiredEntry),
    Modify(Change<'a>),
    Recreate(Change<'a>),
    Delete(Removal<'a>),
}

/// An order of all the work that keeps the quota, if the work is small and there is one.
pub(super) fn search<'a>(
    work: &Work<'a>,
    state: State<'a>,
    rules: &Rules,
    quota: usize,
) -> Option<Vec<Op>> {
    let adds = work.adds.iter().map(|e| Item::Add(e));
    let modifies = work.modifies.iter().map(|c| Item::Modify(*c));
    let recreations = work.recreations.iter().map(|c| Item::Recreate(*c));
    let deletes = work.deletes.iter().map(|r| Item::Delete(*r));
    // The last is tried first: deletions free room.
    let items: Vec<Item<'a>> = adds
        .chain(recreations)
        .chain(modifies)
        .chain(deletes)
        .collect();
    if items.len() > MOST {
        return None;
    }
    let all = (1u32 << items.len()) - 1;
    let mut seen = HashSet::from([0u32]);
    let mut open = vec![(0u32, state, Vec::new())];
    while let Some((done, state, ops)) = open.pop() {
        if done == all {
            return Some(ops);
        }
        for (i, item) in items.iter().enumerate() {
            let next = done | (1 << i);
            if seen.contains(&next) {
                continue;
            }
            let mut after = state.clone();
            if let Some(steps) = step(*item, &mut after, rules, quota) {
                seen.insert(next);
                let ops: Vec<Op> = ops.iter().cloned().chain(steps).collect();
                open.push((next, after, ops));
            }
        }
    }
    None
}

/// Does one change, if it harms nothing now.
fn step<'a>(item: Item<'a>, state: &mut State<'a>, rules: &Rules, quota: usize) -> Option<Vec<Op>> {
    match item {
        Item::Add(entry) => {
            let fits = state.used() < quota && state.can_set(entry.destination, &entry.next_hops);
            fits.then(|| {
                state.set(entry.destination, &entry.next_hops);
                vec![create(entry, rules, CreateReason::New)]
            })
        }
        Item::Modify(change) => {
            let fits = state.can_set(change.to.destination, &change.to.next_hops);
            fits.then(|| {
                state.set(change.to.destination, &change.to.next_hops);
                vec![modify(change, rules)]
            })
        }
        Item::Recreate(change) => {
            let parts = make_before_break(change, state, rules);
            let fits = state.used() + parts[0].len() <= quota
                && state.can_set(change.to.destination, &change.to.next_hops);
            fits.then(|| {
                state.set(change.to.destination, &change.to.next_hops);
                parts.into_iter().flatten().collect()
            })
        }
        Item::Delete(removal) => state.can_lose(removal.entry.destination).then(|| {
            state.remove(removal.entry.destination);
            vec![delete(removal)]
        }),
    }
}
