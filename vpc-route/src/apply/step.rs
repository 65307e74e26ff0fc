//! Whether an op is still to be done, by what the table looks like now.

use crate::diff::Op;
use crate::model::{ClusterName, EntryKind, NextHops, Table};

/// What is to be made of an op.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To be written, with the entry's present ID.
    Todo(Op),
    /// In force.
    Done,
    /// Neither: somebody changed the table.
    Changed(String),
}

/// Looks at the table. An entry that is not ours is never written, whatever the plan said.
pub(super) fn look(op: &Op, table: &Table, cluster: &ClusterName) -> Step {
    let destination = op.destination();
    let found = table
        .entries
        .iter()
        .find(|e| e.kind == EntryKind::Custom && e.destination == destination);
    let Some(entry) = found else {
        return match op {
            Op::Create { .. } => Step::Todo(op.clone()),
            Op::Delete { .. } => Step::Done,
            Op::Modify { .. } => Step::Changed(format!("{destination} is gone")),
        };
    };
    if entry.owner_in(cluster).is_none() {
        return Step::Changed(format!(
            "{destination} via {} is `{}`, not ours",
            entry.next_hops, entry.name
        ));
    }
    let elsewhere = |expected: &NextHops| {
        Step::Changed(format!(
            "{destination} leads to {}, not to {expected}",
            entry.next_hops
        ))
    };
    match op {
        Op::Create { next_hops, .. } if entry.next_hops == *next_hops => Step::Done,
        Op::Create { next_hops, .. } => elsewhere(next_hops),
        Op::Modify { to, .. } if entry.next_hops == *to => Step::Done,
        Op::Modify { from, to, name, .. } if entry.next_hops == *from => Step::Todo(Op::Modify {
            destination,
            from: from.clone(),
            to: to.clone(),
            name: name.clone(),
            id: entry.id.clone(),
        }),
        Op::Modify { from, .. } => elsewhere(from),
        Op::Delete { next_hops, why, .. } if entry.next_hops == *next_hops => {
            Step::Todo(Op::Delete {
                destination,
                next_hops: next_hops.clone(),
                id: entry.id.clone(),
                why: *why,
            })
        }
        Op::Delete { next_hops, .. } => elsewhere(next_hops),
    }
}
