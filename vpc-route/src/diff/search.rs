//! A small piece of work, searched through for an order that keeps the quota.

use std::collections::HashSet;

use super::classify::{Change, Removal, Work};
use super::state::State;
use super::with_headroom::{create, delete, make_before_break, modify};
use super::{CreateReason, Op, Rules};
use crate::model::{DesiredEntry, Prefix};

/// The most changes that are searched through: 4,096 states, some milliseconds.
const MOST: usize = 12;
/// The most pieces of addresses for which orders are searched in which some go back and forth.
const MOST_PIECES: usize = 64;

#[derive(Clone, Copy)]
enum Item<'a> {
    Add(&'a DesiredEntry),
    Modify(Change<'a>),
    Recreate(Change<'a>),
    Delete(Removal<'a>),
}

impl Item<'_> {
    fn destination(&self) -> Prefix {
        match self {
            Self::Add(entry) => entry.destination,
            Self::Modify(change) | Self::Recreate(change) => change.to.destination,
            Self::Delete(removal) => removal.entry.destination,
        }
    }
}

/// An order of all the work that keeps the quota, if the work is small and there is one: where there is, one in
/// which no address goes back to where it led before.
pub(super) fn search<'a>(
    work: &Work<'a>,
    state: &State<'a>,
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
    let straight = |item, after: &mut State<'a>| step(item, after, rules, quota);
    if let Some(ops) = first_order(&items, state, straight) {
        return Some(ops);
    }
    let destinations: Vec<Prefix> = items.iter().map(Item::destination).collect();
    let pieces = state.pieces(&destinations, MOST_PIECES)?;
    let back_and_forth = |item: Item<'a>, after: &mut State<'a>| {
        let ops = any_step(item, after, rules, quota)?;
        after.keeps(&pieces, item.destination()).then_some(ops)
    };
    first_order(&items, state, back_and_forth)
}

/// The first order of the items in which `step` does each.
fn first_order<'a>(
    items: &[Item<'a>],
    state: &State<'a>,
    step: impl Fn(Item<'a>, &mut State<'a>) -> Option<Vec<Op>>,
) -> Option<Vec<Op>> {
    let all = (1u32 << items.len()) - 1;
    let mut seen = HashSet::from([0u32]);
    let mut open = vec![(0u32, state.clone(), Vec::new())];
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
            if let Some(steps) = step(*item, &mut after) {
                seen.insert(next);
                let ops: Vec<Op> = ops.iter().cloned().chain(steps).collect();
                open.push((next, after, ops));
            }
        }
    }
    None
}

/// Does one change, whatever it does to addresses; but for an entry that is made anew, which takes several ops.
fn any_step<'a>(
    item: Item<'a>,
    state: &mut State<'a>,
    rules: &Rules,
    quota: usize,
) -> Option<Vec<Op>> {
    match item {
        Item::Add(entry) => (state.used() < quota).then(|| {
            state.set(entry.destination, &entry.next_hops);
            vec![create(entry, rules, CreateReason::New)]
        }),
        Item::Modify(change) => {
            state.set(change.to.destination, &change.to.next_hops);
            Some(vec![modify(change, rules)])
        }
        Item::Delete(removal) => {
            state.remove(removal.entry.destination);
            Some(vec![delete(removal)])
        }
        Item::Recreate(_) => step(item, state, rules, quota),
    }
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
