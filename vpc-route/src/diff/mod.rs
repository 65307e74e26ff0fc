//! From a table as it should be and as it is to the ops between the two, in an order that
//! keeps every address reachable and the quota kept at each step.
//!
//! ```text
//!   desired ─┐
//!   actual  ─┼─▶ [classify] ──▶ Work ──▶ room for all? ──▶ [with_headroom] ─┐
//!   rules   ─┘       │                       └── no ─────▶ [under_quota] ──┴─▶ Plan.ops
//!                    └─▶ conflicts, orphans, refused
//! ```
//!
//! Guarantees, for every prefix of an op list whose ops succeeded so far:
//! - an address that a desired entry holds and that had a route has one, and it leads where it
//!   led before or where it shall lead, never to a third place;
//! - the quota is not exceeded;
//! - only entries are changed whose names bear the cluster's mark.
//!
//! Destinations are unique in a table, so an entry whose next hop
//! changes is modified in place; where that cannot be (several next hops of equal cost), its two
//! next more specific prefixes stand in for it while it is deleted and made anew.

mod classify;
mod interleave;
mod op;
mod rules;
mod search;
mod state;
mod under_quota;
mod with_headroom;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

pub use op::{
    Conflict, ConflictKind, CreateReason, DeleteReason, Op, Orphan, Plan, Refusal, Unmanaged,
};
pub use rules::{InPlace, MassDelete, QuotaKind, Rules, Sightings};

use crate::model::{DesiredTable, EntryKind, Status, Table, Timestamp};
use classify::{Work, classify};
use state::State;

/// The ops that turn `actual` into `desired`, as far as `rules` allow.
///
/// `seen` says since when each orphan of this table is known; `now` is the time of the listing.
/// While any entry is unsettled the plan has no ops: an unstable entry blocks every write in its
/// VPC, and one that is not in force yet cannot replace another.
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
    // Entries of two families never overlap, so each counted set can be ordered for itself.
    for counted in rules.quota_kind.counts() {
        let work = work.within(*counted);
        let state = State::new(
            actual
                .entries
                .iter()
                .filter(|e| e.kind == EntryKind::Custom && counted.has(e.destination)),
            &work,
            desired,
        );
        // What has no destination is in no state, and uses up quota all the same.
        let quota = rules.quota.unwrap_or(usize::MAX);
        let quota = quota.saturating_sub(actual.hidden());
        let peak = state.used() + work.adds.len() + 2 * work.recreations.len();
        if peak <= quota {
            with_headroom::order(&work, state, rules, plan);
        } else {
            under_quota::order(&work, &state, rules, quota, plan);
        }
    }
}
