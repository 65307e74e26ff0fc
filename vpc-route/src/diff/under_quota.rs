//! The order where the quota has no room for everything at once.
//!
//! Changes that do not overlap do not depend on each other, so the work falls apart into
//! [`Part`]s. Each is ordered by itself into a [`Chain`], with as little room as it can; then the
//! chains are interleaved ([`super::interleave`]). Where that gets stuck and the work is small, all
//! orders are searched ([`super::search`]), so that nothing is refused only because the heuristic
//! failed.
//!
//! An example: a table with a quota of 3, full, of which the first two entries lead to A and the
//! third, to B, is an orphan whose grace period has ended. Desired are 10.0.0.0/23 by A and
//! 10.1.0.0/24 by C.
//!
//! ```text
//!   listed            part 1                 part 2             part 3
//!   10.0.0.0/24  A    + 10.0.0.0/23  A       + 10.1.0.0/24  C   - 10.9.0.0/24
//!   10.0.1.0/24  A    - 10.0.0.0/24
//!   10.9.0.0/24  B    - 10.0.1.0/24
//!
//!   part 1: the /23 leads where both /24 do, so it may come first, and then they may go.
//!
//!   op               entries after it   why next
//!   - 10.9.0.0/24    2                  needs no room, and gives some back
//!   + 10.0.0.0/23    3                  needs 1, which its first deletion gives back
//!   - 10.0.0.0/24    2
//!   - 10.0.1.0/24    1
//!   + 10.1.0.0/24    2                  takes room for good: last
//! ```

use std::cmp::Reverse;

use super::classify::{Change, Removal, Work};
use super::interleave::{Chain, interleave};
use super::search::search;
use super::state::State;
use super::with_headroom::{create, delete, make_before_break, modify};
use super::{CreateReason, Op, Plan, Refusal, Rules};
use crate::model::{DesiredEntry, Prefix};

/// Ops in an order that keeps the quota; what has no such order is refused.
pub(super) fn order<'a>(
    work: &Work<'a>,
    state: &State<'a>,
    rules: &Rules,
    quota: usize,
    plan: &mut Plan,
) {
    let parts = parts(work);
    let mut ordered = state.clone();
    let chains = parts
        .iter()
        .map(|part| chain(part.clone(), &mut ordered, rules));
    let interleaved = interleave(chains.collect(), state.used(), quota);
    if interleaved.stuck.is_empty() {
        plan.ops.extend(interleaved.ops);
    } else if let Some(ops) = search(work, state, rules, quota) {
        plan.ops.extend(ops);
    } else {
        plan.ops.extend(interleaved.ops);
        plan.refused.push(Refusal::NoOrder {
            quota,
            destinations: interleaved.stuck,
        });
    }
}

/// Changes that overlap: they depend on each other and on no others.
#[derive(Clone, Default)]
struct Part<'a> {
    adds: Vec<&'a DesiredEntry>,
    modifies: Vec<Change<'a>>,
    recreations: Vec<Change<'a>>,
    deletes: Vec<Removal<'a>>,
}

/// Cuts the work where nothing overlaps.
fn parts<'a>(work: &Work<'a>) -> Vec<Part<'a>> {
    enum Item<'a> {
        Add(&'a DesiredEntry),
        Modify(Change<'a>),
        Recreate(Change<'a>),
        Delete(Removal<'a>),
    }
    let mut items: Vec<(Prefix, Item<'a>)> = Vec::new();
    items.extend(work.adds.iter().map(|e| (e.destination, Item::Add(e))));
    let modifies = work.modifies.iter().copied();
    items.extend(modifies.map(|c| (c.to.destination, Item::Modify(c))));
    let recreations = work.recreations.iter().copied();
    items.extend(recreations.map(|c| (c.to.destination, Item::Recreate(c))));
    let deletes = work.deletes.iter().copied();
    items.extend(deletes.map(|r| (r.entry.destination, Item::Delete(r))));
    items.sort_by_key(|(prefix, _)| *prefix);

    let mut parts: Vec<(Prefix, Part<'a>)> = Vec::new();
    for (prefix, item) in items {
        if !parts.last().is_some_and(|(root, _)| root.covers(prefix)) {
            parts.push((prefix, Part::default()));
        }
        if let Some((_, part)) = parts.last_mut() {
            match item {
                Item::Add(entry) => part.adds.push(entry),
                Item::Modify(change) => part.modifies.push(change),
                Item::Recreate(change) => part.recreations.push(change),
                Item::Delete(removal) => part.deletes.push(removal),
            }
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Orders one part: whatever frees room as soon as it may go, then the addition that lets the
/// next deletion happen the soonest.
fn chain<'a>(mut part: Part<'a>, state: &mut State<'a>, rules: &Rules) -> Chain {
    let mut ops = Vec::new();
    part.adds.sort_by_key(|e| Reverse(e.destination.length()));
    part.recreations
        .sort_by_key(|c| Reverse(c.to.destination.length()));
    part.deletes
        .sort_by_key(|r| Reverse(r.entry.destination.length()));
    loop {
        if free_move(&mut part, state, rules, &mut ops) {
            continue;
        }
        if let Some(at) = next_add(&part, state) {
            let entry = part.adds.remove(at);
            ops.push(create(entry, rules, CreateReason::New));
            state.set(entry.destination, &entry.next_hops);
        } else if !part.recreations.is_empty() {
            let change = part.recreations.remove(0);
            ops.extend(
                make_before_break(change, state, rules)
                    .into_iter()
                    .flatten(),
            );
            state.set(change.to.destination, &change.to.next_hops);
        } else {
            break;
        }
    }
    Chain::new(ops)
}

/// A deletion or a change in place that harms nothing now.
fn free_move<'a>(
    part: &mut Part<'a>,
    state: &mut State<'a>,
    rules: &Rules,
    ops: &mut Vec<Op>,
) -> bool {
    let goes = |r: &Removal<'_>| state.can_lose(r.entry.destination);
    if let Some(at) = part.deletes.iter().position(goes) {
        let removal = part.deletes.remove(at);
        ops.push(delete(removal));
        state.remove(removal.entry.destination);
        return true;
    }
    let ready = |c: &Change<'_>| state.can_set(c.to.destination, &c.to.next_hops);
    if let Some(at) = part.modifies.iter().position(ready) {
        let change = part.modifies.remove(at);
        ops.push(modify(change, rules));
        state.set(change.to.destination, &change.to.next_hops);
        return true;
    }
    false
}

/// The addition to make next: one that may come now, of those that the cheapest deletion waits
/// for. The longest may always come: no other desired entry that is not there yet lies in it.
fn next_add(part: &Part<'_>, state: &State<'_>) -> Option<usize> {
    let may = |e: &DesiredEntry| state.can_set(e.destination, &e.next_hops);
    let cheapest = part
        .deletes
        .iter()
        .filter_map(|removal| {
            let target = removal.entry.destination;
            // A covering entry that leads the same way replaces it alone.
            let covers = |e: &DesiredEntry| {
                e.destination.covers(target) && e.next_hops == removal.entry.next_hops && may(e)
            };
            if let Some(at) = part.adds.iter().position(|e| covers(e)) {
                return Some((1, at));
            }
            let touches = |e: &DesiredEntry| e.destination.overlaps(target);
            let needed = part.adds.iter().filter(|e| touches(e)).count();
            let first = part.adds.iter().position(|e| touches(e) && may(e))?;
            Some((needed, first))
        })
        .min();
    match cheapest {
        Some((_, at)) => Some(at),
        None => part.adds.iter().position(|e| may(e)),
    }
}
