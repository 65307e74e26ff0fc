//! The order where the quota has room for everything at once: few, large batches.

use super::classify::{Change, Removal, Work};
use super::state::State;
use super::{CreateReason, DeleteReason, Op, Plan, Rules};
use crate::model::{DesiredEntry, Owner, Prefix};

/// Additions, the more specific first; changes in place; what is made anew, behind its halves;
/// deletions, the less specific first.
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
    bridges(work, &mut state, rules, plan);
    let mut deletes = work.deletes.clone();
    deletes.sort_by_key(|r| r.entry.destination.length());
    plan.ops.extend(deletes.into_iter().map(delete));
}

/// Entries that do not overlap are made anew together, so that they share batches.
fn bridges<'a>(work: &Work<'a>, state: &mut State<'a>, rules: &Rules, plan: &mut Plan) {
    let mut waiting = work.bridges.clone();
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
            for (part, steps) in parts.iter_mut().zip(bridge(change, state, rules)) {
                part.extend(steps);
            }
            state.set(change.to.destination, &change.to.next_hops);
        }
        plan.ops.extend(parts.into_iter().flatten());
    }
}

/// How one entry is made anew: its halves come, it goes, it comes back, its halves go. No
/// halves where what covers it serves as well, and none where one is already there.
pub(super) fn bridge(change: Change<'_>, state: &State<'_>, rules: &Rules) -> [Vec<Op>; 4] {
    let Change { entry, to } = change;
    let destination = entry.destination;
    let halves: Vec<Prefix> = if state.can_lose(destination) {
        Vec::new()
    } else {
        // Classification let only entries through that have halves.
        let halves = destination.halves().into_iter().flatten();
        halves.filter(|h| !state.has(*h)).collect()
    };
    let stand_in = |half: &Prefix| DesiredEntry {
        destination: *half,
        ..to.clone()
    };
    [
        halves
            .iter()
            .map(|h| create(&stand_in(h), rules, CreateReason::Half))
            .collect(),
        vec![delete(Removal {
            entry,
            why: DeleteReason::Anew,
        })],
        vec![create(to, rules, CreateReason::Anew)],
        halves
            .iter()
            .map(|half| Op::Delete {
                destination: *half,
                next_hops: to.next_hops.clone(),
                id: None,
                why: DeleteReason::Half,
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
