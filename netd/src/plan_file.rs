//! The plan of this node, as its source accepts it, and what netd says of one that it does not run
//! by.
//!
//! ```text
//!   FileSource ─ State ─▶ [watch]: refused? ──────────────────────────▶ Board: plan-invalid
//!     ▲   [NodePlan::of]        └─ accepted ─▶ [take_over]: what is live, is in force
//!     └─ the node's part                └─ the rest, with its verdict ─▶ Board: plan-changed
//! ```
//!
//! What needs a restart is taken by the next one, whenever that is.

mod start;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use anyhow::Context;
use flatnet_plan::takeover::{changes, taken_over};
use flatnet_plan::{NetworkPlan, NodeSpec, node};
use flatnet_plan_source::{COPY, State, UnusablePlan};
use flatnet_types::NodeName;
use tokio::sync::watch as watched;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use crate::attach::Engine;
use crate::metrics::Metrics;
use crate::problems::Problem;
use crate::ranges::{Drains, with_ranges};
use crate::run::networks;
use crate::world::World;

pub(crate) use start::{Started, derive, start};

/// Between two looks at what netd runs by, which ipamd changes too.
const EVERY: Duration = Duration::from_secs(1);
/// This part's name on the board of problems.
const SOURCE: &str = "plan-file";
/// Changes that are told; the rest is counted.
const TOLD: usize = 6;
/// What takes the plan that was accepted.
const RESTART: &str = "systemctl restart netd";

/// The plan as its source accepts it.
pub type Plans = watched::Receiver<State<NodePlan>>;

/// What this node takes of a plan.
#[derive(Debug)]
pub struct NodePlan {
    /// Its part, with the ranges and peers that the plan declares.
    pub spec: NodeSpec,
    /// All of it, where ranges are ipamd's: they are joined to it.
    whole: Option<NetworkPlan>,
}

impl NodePlan {
    /// A node's part of a plan, if netd could start with it.
    ///
    /// # Errors
    /// The node is not in the plan, or nothing could be given out of one of its ranges.
    pub fn of(plan: NetworkPlan, node: &NodeName, ipamd: bool) -> Result<Self, UnusablePlan> {
        let spec = node::derive(&plan, node)?;
        if !ipamd {
            networks(&spec.networks)?;
        }
        // A plan of thousands of hosts is not kept in memory without a need.
        let whole = ipamd.then_some(plan);
        Ok(Self { spec, whole })
    }

    /// All of the plan.
    ///
    /// # Errors
    /// It was taken for a node whose ranges are the plan's own.
    pub(crate) fn whole(&self) -> anyhow::Result<&NetworkPlan> {
        let whole = self.whole.as_ref();
        whole.context("only this node's part of the plan was taken")
    }
}

/// The node's plan while netd runs.
#[derive(Debug)]
pub struct PlanFile {
    /// Where it comes from.
    pub path: PathBuf,
    /// Where its accepted copy is.
    pub state: PathBuf,
    /// What the source says.
    pub plan: Plans,
    /// Whether the node's ranges and its peers are ipamd's to say, not the file's.
    pub ipamd: bool,
    /// Which of the ranges drain; empty where they are the plan's.
    pub drains: Drains,
}

/// Says on the board and in the metrics what the source says, for ever. It holds nothing, and may be
/// cancelled at any time.
pub async fn watch<W: World>(mut file: PlanFile, engine: Engine<W>, metrics: Arc<Metrics>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut judged: Option<Arc<NodeSpec>> = None;
    metrics.plan.observe(&*file.plan.borrow_and_update());
    loop {
        let mut news = false;
        tokio::select! {
            _ = ticks.tick() => {}
            changed = file.plan.changed() => {
                if changed.is_err() {
                    // The source has ended, and netd with it.
                    return;
                }
                file.take_over(&engine);
                (judged, news) = (None, true);
            }
        }
        let spec = engine.spec();
        if judged.as_ref().is_some_and(|j| Arc::ptr_eq(j, &spec)) {
            continue;
        }
        let state = file.plan.borrow().clone();
        let problems = file.judge(&state, &spec);
        engine.board().post(SOURCE, problems);
        if news {
            // Last, so that whoever sees a version in the metrics finds what is live of it in force and
            // the rest named.
            metrics.plan.observe(&state);
        }
        judged = Some(spec);
        // A plan of thousands of hosts was read, or compared.
        flatnet_kernel::memory::give_back();
    }
}

impl PlanFile {
    /// What is to be said of a state beside which netd runs by `running`.
    fn judge(&self, state: &State<NodePlan>, running: &NodeSpec) -> Vec<Problem> {
        let changed = self.changed(state, running);
        let refused = state.refused.as_ref().map(|refused| {
            let path = self.path.display();
            let text = format!(
                "the plan's file {path} is of no use: {}; the plan that was accepted before \
                 ({}, kept in {}) stands, also over a restart",
                refused.why.headline(),
                state.accepted.version.short(),
                self.state.join(COPY).display(),
            );
            Problem::named("plan-invalid", text).repaired_by(format!("flatctl plan check {path}"))
        });
        let unkept = state.unkept.as_ref().map(|why| {
            let text = format!(
                "the accepted plan is not kept on disk: {why}; while that lasts, a restart with a \
                 wrong plan's file goes back to an older plan"
            );
            Problem::named("plan-unkept", text)
        });
        changed.into_iter().chain(refused).chain(unkept).collect()
    }

    /// Goes over to what of the accepted plan can be taken over while containers run.
    fn take_over<W: World>(&self, engine: &Engine<W>) {
        let accepted = self.plan.borrow().accepted.clone();
        let next = |running: &NodeSpec| {
            // What has no place in it is told on the board.
            let fresh = self.part(&accepted.plan, running).ok()?;
            let next = taken_over(running, &fresh);
            (next != *running).then_some(next)
        };
        if next(&engine.spec()).is_none() {
            return;
        }
        engine.update_spec(|spec| {
            let Some(next) = next(spec) else { return };
            let ranges = match networks(&next.networks) {
                Ok(ranges) => ranges,
                Err(e) => {
                    warn!(error = %e, "the plan's ranges are not taken over");
                    return;
                }
            };
            // With the spec in one step: no change of ipamd's comes between.
            engine.ipam().reconfigure(ranges);
            for change in changes(spec, &next) {
                info!(version = accepted.version.short(), "taken over: {change}");
            }
            *spec = next;
        });
    }

    /// What of the accepted plan waits for a restart, or for containers to go.
    fn changed(&self, state: &State<NodePlan>, running: &NodeSpec) -> Option<Problem> {
        let left: Vec<String> = match self.part(&state.accepted.plan, running) {
            Ok(spec) => changes(running, &spec)
                .iter()
                .map(ToString::to_string)
                .collect(),
            // Of ranges that ipamd gave, and that the plan has no place for.
            Err(why) => vec![why],
        };
        let (count, told) = (left.len(), &left[..left.len().min(TOLD)]);
        let more = match count - told.len() {
            0 => String::new(),
            n => format!("; and {n} more"),
        };
        let text = format!(
            "netd does not run by all of the accepted plan ({}, from {}): {count} for this node wait \
             for a restart of netd, and where it says drain, until no container needs what goes: {}{more}",
            state.accepted.version.short(),
            self.path.display(),
            told.join("; "),
        );
        (count > 0).then(|| Problem::named("plan-changed", text).repaired_by(RESTART))
    }

    /// The node's part of an accepted plan, with ranges and peers by who says them.
    fn part(&self, accepted: &NodePlan, running: &NodeSpec) -> Result<NodeSpec, String> {
        let Some(plan) = &accepted.whole else {
            return Ok(accepted.spec.clone());
        };
        let mut plan = plan.clone();
        with_ranges(&mut plan, running);
        let mut spec = node::derive(&plan, &running.node).map_err(|e| e.to_string())?;
        spec.peers.clone_from(&running.peers);
        // One that drains is excluded as a whole. That a range is excluded in what netd runs by does not
        // say that it drains: an older plan may have excluded it.
        let draining = self.drains.lock().unwrap_or_else(PoisonError::into_inner);
        for range in spec.networks.iter_mut().flat_map(|n| &mut n.ranges) {
            if draining.contains(&range.prefix) && !range.exclude.contains(&range.prefix) {
                range.exclude.push(range.prefix);
            }
        }
        Ok(spec)
    }
}
