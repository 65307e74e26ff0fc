//! From a table as it should be and as it is to the ops between the two, in an order that
//! keeps every address reachable and the quota kept at each step.
//!
//! ```text
//!   desired ─┐
//!   actual  ─┼─▶ [classify] ──▶ Work ──▶ room for all? ──▶ [roomy] ─┐
//!   rules   ─┘       │                       └── no ────▶ [tight] ─┴─▶ Plan.ops
//!                    └─▶ conflicts, orphans, refused
//! ```
//!
//! Guarantees, for every prefix of an op list whose ops succeeded so far:
//! - an address that a desired entry holds and that had a route has one, and it leads where it
//!   led before or where it shall lead, never to a third place;
//! - the quota is not exceeded;
//! - only entries are changed whose names bear the cluster's mark.
//!
//! Destinations are unique in a table (`InvalidCIDRBlock.Duplicate`), so an entry whose next hop
//! changes is modified in place; where that cannot be (several next hops of equal cost), its two
//! halves stand in for it while it is deleted and made anew.

mod classify;
mod op;
mod roomy;
mod rules;
mod search;
mod state;
mod tight;
mod weave;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use op::{
    Conflict, ConflictKind, CreateReason, DeleteReason, Foreign, Op, Orphan, Plan, Refusal,
};
pub use rules::{InPlace, MassDelete, Rules, Sightings};

use crate::model::{DesiredTable, EntryKind, Status, Table, Timestamp};
use classify::{Work, classify};
use state::State;

/// The ops that turn `actual` into `desired`, as far as `rules` allow.
///
/// `seen` says since when each orphan of this table is known; `now` is the time of the listing.
/// While any entry is unsettled the plan has no ops: an unstable entry blocks every write in its
/// VPC (`TaskConflict`), and one that is not in force yet cannot replace another.
pub fn diff(
    desired: &DesiredTable,
    actual: &Table,
    rules: &Rules,
    seen: &Sightings,
    now: Timestamp,
) -> Plan {
    let (mut plan, work) = classify(desired, actual, rules, seen, now);
    plan.unsettled = actual
        .entries
        .iter()
        .filter(|e| e.kind == EntryKind::Custom && e.status != Status::Available)
        .map(|e| e.destination)
        .collect();
    let Some(work) = work.filter(|_| plan.unsettled.is_empty()) else {
        return plan;
    };
    order(&work, desired, actual, rules, &mut plan);
    plan
}

fn order(work: &Work<'_>, desired: &DesiredTable, actual: &Table, rules: &Rules, plan: &mut Plan) {
    let state = State::new(
        actual
            .entries
            .iter()
            .filter(|e| e.kind == EntryKind::Custom),
        work,
        desired,
    );
    let quota = rules.quota.unwrap_or(usize::MAX);
    let peak = state.used() + work.adds.len() + 2 * work.bridges.len();
    if peak <= quota {
        roomy::order(work, state, rules, plan);
    } else {
        tight::order(work, state, rules, quota, plan);
    }
}
