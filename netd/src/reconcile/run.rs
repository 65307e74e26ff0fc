//! The loop: observe, plan, apply, and look again.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Mutex;
use std::time::Duration;

use flatnet_ipam::RecordState;
use flatnet_types::AttachmentKey;
use flatnet_types::api::view::ReconcileView;
use ipnetwork::IpNetwork;
use tracing::{debug, info, warn};

use super::actual::Actual;
use super::desired::{Desired, NodeOptions};
use super::op::{Op, Subject};
use super::plan::{Plan, plan};
use crate::attach::Engine;
use crate::attach::plan::Holding;
use crate::world::{World, WorldError};

/// A bridge, its ports, their addresses and then the flows: each needs the one before. More
/// rounds mean that something undoes what netd does.
const MAX_ROUNDS: usize = 8;
/// How long the switch may take to say in the database which number a port has: it tells of
/// the port on its OpenFlow connection first. Nobody may tell of it again, and the next
/// reconcile may be a resync away.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two looks meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The effects that the reconciler needs beside those of ADD and DEL.
pub trait NodeWorld: World {
    /// Reads the node.
    fn observe(
        &self,
        sysctls: &[String],
    ) -> impl Future<Output = Result<Actual, WorldError>> + Send;

    /// Carries out one op.
    fn apply(&self, op: &Op) -> impl Future<Output = Result<(), WorldError>> + Send;
}

/// What a reconcile did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// As it is shown.
    pub view: ReconcileView,
    /// The kinds of the ops that were applied, for metrics.
    pub kinds: Vec<&'static str>,
}

/// Keeps a node as it should be.
pub struct Reconciler<W: NodeWorld> {
    engine: Engine<W>,
    options: NodeOptions,
    /// One reconcile at a time.
    running: tokio::sync::Mutex<()>,
    last: Mutex<ReconcileView>,
    /// The addresses that the host's port was to have so far.
    given: Mutex<BTreeSet<IpNetwork>>,
}

impl<W: NodeWorld> Reconciler<W> {
    /// A reconciler for the engine's node.
    pub fn new(engine: Engine<W>, options: NodeOptions) -> Self {
        Self {
            engine,
            options,
            running: tokio::sync::Mutex::default(),
            last: Mutex::default(),
            given: Mutex::default(),
        }
    }

    /// What the last reconcile did.
    pub fn last(&self) -> ReconcileView {
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone()
    }

    /// What a reconcile would do now: a dry run.
    ///
    /// # Errors
    /// Where the node cannot be read.
    pub async fn dry_run(&self) -> Result<(Actual, Plan), WorldError> {
        let keys = self.sysctl_keys();
        let actual = self.engine.world().observe(&keys).await?;
        let plan = plan(&self.desired(), &actual);
        Ok((actual, plan))
    }

    /// Observes, plans and applies until a plan is empty.
    pub async fn reconcile(&self) -> Report {
        let _alone = self.running.lock().await;
        let mut kinds = Vec::new();
        let mut report = ReconcileView::default();
        for leftover in self.engine.finish_undoing().await {
            report.failed.push(leftover);
        }
        let mut round = 0;
        let mut waited = Duration::ZERO;
        while round < MAX_ROUNDS {
            let (_, plan) = match self.dry_run().await {
                Ok(seen) => seen,
                Err(e) => {
                    report.failed.push(format!("observe: {e}"));
                    break;
                }
            };
            report.problems = plan.problems;
            if plan.waits.is_some() && waited < PATIENCE {
                tokio::time::sleep(LOOK_AGAIN).await;
                waited += LOOK_AGAIN;
                continue;
            }
            report.problems.extend(plan.waits.map(str::to_owned));
            if plan.ops.is_empty() {
                self.engine.set_ports(plan.ports);
                report.converged = true;
                break;
            }
            debug!(round, ops = plan.ops.len(), "reconciling");
            round += 1;
            let before = report.failed.len();
            for op in &plan.ops {
                if self.apply(op, &mut report).await {
                    kinds.push(op.kind());
                }
            }
            if plan.ports.is_some() && report.failed.len() == before {
                // The ports are known and the flows are in: ADD can be served while the rest
                // settles.
                self.engine.set_ports(plan.ports);
            }
            if report.failed.len() > before {
                break;
            }
        }
        if !report.converged && report.failed.is_empty() {
            report.failed.push(format!(
                "not settled after {MAX_ROUNDS} rounds: something undoes what netd does"
            ));
        }
        log(&report);
        self.last
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .clone_from(&report);
        Report {
            view: report,
            kinds,
        }
    }

    /// Whether it was applied.
    async fn apply(&self, op: &Op, report: &mut ReconcileView) -> bool {
        let _held = match op.subject() {
            Subject::Node => None,
            Subject::Attachment { key, generation } => {
                let held = self.engine.lock(key).await;
                if !self.still(key, *generation) {
                    return false;
                }
                Some(held)
            }
        };
        match self.engine.world().apply(op).await {
            Ok(()) => {
                report.applied.push(op.to_string());
                true
            }
            Err(e) => {
                report.failed.push(format!("{op}: {e}"));
                false
            }
        }
    }

    fn still(&self, key: &AttachmentKey, generation: u64) -> bool {
        self.engine
            .ipam()
            .get(key)
            .is_some_and(|r| r.generation == generation && r.state == RecordState::Committed)
    }

    /// What should be, read after what is: an attachment that comes meanwhile is known here,
    /// and so is never taken for garbage.
    fn desired(&self) -> Desired {
        let records = self.engine.ipam().list();
        let mut holdings = Vec::with_capacity(records.len());
        for record in records.iter().filter(|r| r.state == RecordState::Committed) {
            match Holding::from_record(record) {
                Ok(holding) => holdings.push(holding),
                Err(e) => warn!(error = %e, "left alone"),
            }
        }
        let mut desired = Desired {
            spec: self.engine.spec(),
            options: self.options.clone(),
            holdings,
            living: records.iter().map(|r| (r.generation, r.slot)).collect(),
            gone: BTreeSet::new(),
        };
        let now = desired.addresses();
        let mut given = self
            .given
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        desired.gone = given.difference(&now).copied().collect();
        given.extend(now);
        desired
    }

    fn sysctl_keys(&self) -> Vec<String> {
        let desired = Desired {
            spec: self.engine.spec(),
            options: self.options.clone(),
            holdings: Vec::new(),
            living: std::collections::BTreeMap::new(),
            gone: BTreeSet::new(),
        };
        let mut keys: Vec<String> = desired.sysctls().into_keys().collect();
        keys.push(format!("ipv6/conf/{}/accept_ra", desired.spec.uplink));
        keys
    }
}

fn log(report: &ReconcileView) {
    for op in &report.applied {
        info!(op, "reconciled");
    }
    for failed in &report.failed {
        warn!(error = failed, "reconcile failed and will be tried again");
    }
    for problem in &report.problems {
        warn!(problem, "netd cannot mend this by itself");
    }
}
