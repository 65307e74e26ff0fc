//! The order where the quota has room for everything at once: few, large batches.

use super::classify::{Change, Removal, Work};
use super::state::State;
use super::{CreateReason, DeleteReason, Op, Plan, Rules};
use crate::model::{DesiredEntry, Owner, Prefix};

/// Additions, the more specific first; changes in place; what is deleted and made anew, behind its
/// two more specific prefixes; deletions, the less specific first.
///
/// An addition of a less specific entry serves only addresses that no more specific desired
/// entry waits for, and a deletion of a more specific one falls back only on what stays: so an
/// address goes from its old next hop to its new one and to none between them.
pub(super) fn order<'a>(work: &Work<'a>, mut state: State<'a>, rules: &Rules, plan: &mut Plan) {
    let mut adds = work.adds.clone();
    adds.sort_by_key(|e| std::cmp::Reverse(e.destination.length()));
    for entry in adds {
        plan.ops.push(create(entry, rules, CreateReason::New));
        state.set(entry.destination, &entry.next_hops);
    }
    for change in &work.modifies {
        plan.ops.push(modify(*change, rules));
        state.set(change.to.destination, &change.to.next_hops);
    }
    recreate_all(work, &mut state, rules, plan);
    let mut deletes = work.deletes.clone();
    deletes.sort_by_key(|r| r.entry.destination.length());
    plan.ops.extend(deletes.into_iter().map(delete));
}

/// Entries that do not overlap are made anew together, so that they share batches.
fn recreate_all<'a>(work: &Work<'a>, state: &mut State<'a>, rules: &Rules, plan: &mut Plan) {
    let mut waiting = work.recreations.clone();
    waiting.sort_by_key(|c| std::cmp::Reverse(c.to.destination.length()));
    while !waiting.is_empty() {
        let mut group: Vec<Change<'a>> = Vec::new();
        let mut later = Vec::new();
        for change in waiting {
            // One that covers or is covered by another must stand still meanwhile.
            if group
                .iter()
                .any(|g| g.to.destination.overlaps(change.to.destination))
            {
                later.push(change);
            } else {
                group.push(change);
            }
        }
        waiting = later;
        let mut parts: [Vec<Op>; 4] = Default::default();
        for change in group {
            for (part, steps) in parts
                .iter_mut()
                .zip(make_before_break(change, state, rules))
            {
                part.extend(steps);
            }
            state.set(change.to.destination, &change.to.next_hops);
        }
        plan.ops.extend(parts.into_iter().flatten());
    }
}

/// How one entry gets other next hops where that cannot be done in place. With 10.0.0.0/24 by
/// A and B that is to lead to B and C:
///
/// ```text
///   + 10.0.0.0/25, 10.0.0.128/25 by B and C     every address leads to where it shall
///   - 10.0.0.0/24 by A and B
///   + 10.0.0.0/24 by B and C
///   - 10.0.0.0/25, 10.0.0.128/25
/// ```
///
/// A part that has an entry already needs no other; and where a covering entry serves as well
/// while this one is away, no part is made.
pub(super) fn make_before_break(
    change: Change<'_>,
    state: &State<'_>,
    rules: &Rules,
) -> [Vec<Op>; 4] {
    let Change { entry, to } = change;
    let destination = entry.destination;
    let parts: Vec<Prefix> = if state.can_lose(destination) {
        Vec::new()
    } else {
        // Classification let only entries through that have more specific prefixes.
        let parts = destination.more_specifics().into_iter().flatten();
        parts.filter(|part| !state.has(*part)).collect()
    };
    let stand_in = |part: &Prefix| DesiredEntry {
        destination: *part,
        ..to.clone()
    };
    [
        parts
            .iter()
            .map(|part| create(&stand_in(part), rules, CreateReason::MoreSpecific))
            .collect(),
        vec![delete(Removal {
            entry,
            why: DeleteReason::Anew,
        })],
        vec![create(to, rules, CreateReason::Anew)],
        parts
            .iter()
            .map(|part| Op::Delete {
                destination: *part,
                next_hops: to.next_hops.clone(),
                id: None,
                why: DeleteReason::MoreSpecific,
            })
            .collect(),
    ]
}

pub(super) fn create(entry: &DesiredEntry, rules: &Rules, why: CreateReason) -> Op {
    Op::Create {
        destination: entry.destination,
        next_hops: entry.next_hops.clone(),
        name: name(entry, rules),
        why,
    }
}

pub(super) fn modify(change: Change<'_>, rules: &Rules) -> Op {
    Op::Modify {
        destination: change.entry.destination,
        from: change.entry.next_hops.clone(),
        to: change.to.next_hops.clone(),
        name: name(change.to, rules),
        id: change.entry.id.clone(),
    }
}

pub(super) fn delete(removal: Removal<'_>) -> Op {
    Op::Delete {
        destination: removal.entry.destination,
        next_hops: removal.entry.next_hops.clone(),
        id: removal.entry.id.clone(),
        why: removal.why,
    }
}

fn name(entry: &DesiredEntry, rules: &Rules) -> String {
    let owner = Owner {
        cluster: rules.cluster.clone(),
        generation: rules.generation,
        label: entry.label.clone(),
    };
    owner.name()
}
