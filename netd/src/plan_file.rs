//! The node's part of the accepted plan: taking over what is live, and the problems of what is not.
//!
//! ```text
//!   the source ─ State ─▶ [watch]: refused? ──────────────────────────▶ Board: plan-invalid
//!     ▲   [NodePlan::of]        └─ accepted ─▶ [take_over]: what is live, is in force
//!     └─ the node's part                └─ the rest, with its verdict ─▶ Board: plan-changed
//! ```
//!
//! Changes that need a restart take effect at the next one.

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use flatnet_plan::takeover::{changes, taken_over};
use flatnet_plan::{NodeSpec, node};
use flatnet_plan_source::{COPY, Refusal, State};
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::allocator::networks;
use crate::metrics::Metrics;
use crate::node_ops::NodeOps;
use crate::node_plan::{NodePlan, PlanReceiver};
use crate::problems::Problem;
use crate::ranges::{DrainingRanges, with_ranges};
use crate::source::Origin;
use crate::state::NodeState;

/// Interval between two comparisons with the spec that netd runs by, which ipamd changes too.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Source name of these problems on the board.
const SOURCE: &str = "plan-file";
/// How many changes a problem lists; the others are counted.
const LISTED_MAX: usize = 6;
/// The command after which the accepted plan is in force.
const RESTART: &str = "systemctl restart netd";

/// The node's plan while netd runs.
#[derive(Debug)]
pub struct PlanFile {
    /// Where the plan comes from.
    pub origin: Origin,
    /// The state directory, which has the copy of the accepted plan.
    pub state: PathBuf,
    /// The state of the source.
    pub plan: PlanReceiver,
    /// Whether the node's ranges and peers come from ipamd and not from the plan.
    pub ipamd: bool,
    /// The ranges that drain; empty where the plan declares them.
    pub drains: DrainingRanges,
}

/// Takes over accepted plans, and posts problems and metrics of the source's state. Runs for ever;
/// cancel safe.
pub async fn watch<N: NodeOps>(mut file: PlanFile, state: NodeState<N>, metrics: Arc<Metrics>) {
    let mut ticks = interval(POLL_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut reported_for: Option<Arc<NodeSpec>> = None;
    metrics.plan.observe(&*file.plan.borrow_and_update());
    loop {
        let mut plan_changed = false;
        tokio::select! {
            _ = ticks.tick() => {}
            changed = file.plan.changed() => {
                if changed.is_err() {
                    // The source has ended: netd is stopping.
                    return;
                }
                file.take_over(&state);
                (reported_for, plan_changed) = (None, true);
            }
        }
        let spec = state.spec();
        if reported_for.as_ref().is_some_and(|j| Arc::ptr_eq(j, &spec)) {
            continue;
        }
        let plan = file.plan.borrow().clone();
        let problems = file.problems(&plan, &spec);
        state.board().post(SOURCE, problems);
        if plan_changed {
            // Last, so that when the metrics show a version, its live changes are in force and the
            // others are on the board.
            metrics.plan.observe(&plan);
        }
        reported_for = Some(spec);
        // Reading or comparing a plan of thousands of hosts has used much memory.
        flatnet_kernel::memory::give_back();
    }
}

impl PlanFile {
    /// The problems of a state, while netd runs by `running`.
    fn problems(&self, state: &State<NodePlan>, running: &NodeSpec) -> Vec<Problem> {
        let changed = self.change_problem(state, running);
        let refused = state.refused.as_ref().map(|refused| {
            let (code, what) = match refused.why {
                Refusal::Cluster(_) => ("plan-unreachable", "cannot be read"),
                _ => ("plan-invalid", "is of no use"),
            };
            let noun = match &self.origin {
                Origin::File(_) => "the plan's file",
                Origin::Object { .. } => "the plan's object",
            };
            let text = format!(
                "{noun} {} {what}: {}; the plan that was accepted before \
                 ({}, kept in {}) stands, also over a restart",
                self.origin,
                refused.why.headline(),
                state.accepted.version.short(),
                self.state.join(COPY).display(),
            );
            Problem::non_blocking(code, text).repaired_by(self.origin.inspected_by())
        });
        let unkept = state.unkept.as_ref().map(|why| {
            let text = format!(
                "the accepted plan is not kept on disk: {why}; while that lasts, a restart with a \
                 wrong plan goes back to an older plan"
            );
            Problem::non_blocking("plan-unkept", text)
        });
        changed.into_iter().chain(refused).chain(unkept).collect()
    }

    /// Applies those changes of the accepted plan that are possible while containers run.
    fn take_over<N: NodeOps>(&self, state: &NodeState<N>) {
        let accepted = self.plan.borrow().accepted.clone();
        let next = |running: &NodeSpec| {
            // Ranges that the plan has no place for are reported on the board.
            let fresh = self.part(&accepted.plan, running).ok()?;
            let next = taken_over(running, &fresh);
            (next != *running).then_some(next)
        };
        if next(&state.spec()).is_none() {
            return;
        }
        state.update_spec(|spec| {
            let Some(next) = next(spec) else { return };
            let ranges = match networks(&next.networks) {
                Ok(ranges) => ranges,
                Err(e) => {
                    warn!(error = %e, "the plan's ranges are not taken over");
                    return;
                }
            };
            // Under the lock of the spec, so that no change of ipamd's comes between.
            state.ipam().reconfigure(ranges);
            for change in changes(spec, &next) {
                info!(version = accepted.version.short(), "taken over: {change}");
            }
            *spec = next;
        });
    }

    /// The problem that lists the changes which wait for a restart, or for containers to be
    /// deleted.
    fn change_problem(&self, state: &State<NodePlan>, running: &NodeSpec) -> Option<Problem> {
        let left: Vec<String> = match self.part(&state.accepted.plan, running) {
            Ok(spec) => changes(running, &spec)
                .iter()
                .map(ToString::to_string)
                .collect(),
            // The plan has no place for a range that ipamd granted.
            Err(why) => vec![why],
        };
        let (count, listed) = (left.len(), &left[..left.len().min(LISTED_MAX)]);
        let more = match count - listed.len() {
            0 => String::new(),
            n => format!("; and {n} more"),
        };
        let text = format!(
            "netd does not run by all of the accepted plan ({}, from {}): {count} for this node wait \
             for a restart of netd, and where it says drain, until no container needs what goes: {}{more}",
            state.accepted.version.short(),
            self.origin,
            listed.join("; "),
        );
        (count > 0).then(|| Problem::non_blocking("plan-changed", text).repaired_by(RESTART))
    }

    /// The node's part of an accepted plan, with ranges and peers from ipamd where it manages them.
    fn part(&self, accepted: &NodePlan, running: &NodeSpec) -> Result<NodeSpec, String> {
        let Some(plan) = &accepted.whole else {
            return Ok(accepted.spec.clone());
        };
        let mut plan = plan.clone();
        with_ranges(&mut plan, running);
        let mut spec = node::derive(&plan, &running.node).map_err(|e| e.to_string())?;
        spec.peers.clone_from(&running.peers);
        // A draining range is excluded as a whole. An excluded range of `running` does not have to
        // drain: an older plan may have excluded it.
        let draining = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        for range in spec.networks.iter_mut().flat_map(|n| &mut n.ranges) {
            if draining.contains(&range.prefix) && !range.exclude.contains(&range.prefix) {
                range.exclude.push(range.prefix);
            }
        }
        Ok(spec)
    }
}
