//! The reconciler: observe, plan, apply, repeat.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use flatnet_ipam::RecordState;
use flatnet_types::AttachmentKey;
use flatnet_types::api::view::ReconcileView;
use tracing::{Instrument, debug, info, warn};

use super::actual::Actual;
use super::attempts::{Admission, Attempts};
use super::change_set::ChangeSet;
use super::desired::{Desired, NodeOptions};
use super::op::{Op, Severity};
use super::plan::plan;
use crate::attach;
use crate::attach::plan::Attachment;
use crate::node_ops::{NodeOps, NodeOpsError};
use crate::problems::Problem;
use crate::state::NodeState;

/// The bridge, its ports, their addresses and the flows each need the ones before, so several
/// rounds are needed. What is left after the last one is done by the next reconcile, which follows
/// at once.
const MAX_ROUNDS: usize = 8;
/// How long a reconcile waits for the switch to report port numbers. There may be no further event
/// about them, and the next reconcile may only be the regular resync.
const NUMBERS_TIMEOUT: Duration = Duration::from_secs(1);
/// Source name of the reconciler's problems on the board.
const SOURCE: &str = "reconcile";
/// Interval between checks whether a quarrel is over.
const QUARREL_POLL: Duration = Duration::from_secs(1);
/// Interval between observations while port numbers are missing.
const NUMBERS_POLL: Duration = Duration::from_millis(20);

/// The effects that the reconciler needs in addition to those of ADD and DEL.
pub trait ReconcileOps: NodeOps {
    /// Observes the node. `sysctls`: the keys to read.
    fn observe(
        &self,
        sysctls: &[String],
    ) -> impl Future<Output = Result<Actual, NodeOpsError>> + Send;

    /// Applies one op.
    fn apply(&self, op: &Op) -> impl Future<Output = Result<(), NodeOpsError>> + Send;

    /// Applies flow changes in one bundle. If it fails, each may be applied by itself.
    fn change_flows(&self, ops: &[&Op]) -> impl Future<Output = Result<(), NodeOpsError>> + Send;
}

/// What a reconcile did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The report as the API shows it.
    pub view: ReconcileView,
    /// The kinds of the ops that were applied, for metrics.
    pub kinds: Vec<&'static str>,
    /// How many ops failed, for metrics.
    pub failures: u64,
    /// When the next reconcile is due; `None` if nothing is left to do.
    pub again: Option<Instant>,
}

/// Ops that are held back.
#[derive(Default)]
struct Held<'o> {
    ops: Vec<&'o Op>,
    /// When the first of them is due.
    until: Option<Instant>,
}

/// Monotonic time. Injected, so that tests control it.
pub type MonotonicClock = Arc<dyn Fn() -> Instant + Send + Sync>;

/// Keeps a node in its desired state.
pub struct Reconciler<N: ReconcileOps> {
    pub(super) state: NodeState<N>,
    options: NodeOptions,
    pub(super) ticks: MonotonicClock,
    /// One reconcile at a time.
    running: tokio::sync::Mutex<()>,
    last: Mutex<ReconcileView>,
    attempts: Mutex<Attempts>,
}

impl<N: ReconcileOps> Reconciler<N> {
    /// The board of the node's problems.
    pub fn board(&self) -> &crate::problems::Board {
        self.state.board()
    }

    /// A reconciler for the node.
    pub fn new(state: NodeState<N>, options: NodeOptions) -> Self {
        Self::with_ticks(state, options, Arc::new(Instant::now))
    }

    /// The same with an injected clock for back-offs and limits.
    pub fn with_ticks(state: NodeState<N>, options: NodeOptions, ticks: MonotonicClock) -> Self {
        Self {
            state,
            options,
            ticks,
            running: tokio::sync::Mutex::default(),
            last: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// The report of the last reconcile.
    pub fn last(&self) -> ReconcileView {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// A dry run: observes the node and computes the change set.
    ///
    /// # Errors
    /// The node cannot be observed.
    pub async fn dry_run(&self) -> Result<(Actual, ChangeSet), NodeOpsError> {
        let keys = self.sysctl_keys();
        let actual = self.state.node().observe(&keys).await?;
        debug!("observed");
        let changes = plan(&self.desired(), &actual);
        Ok((actual, changes))
    }

    /// Observes, plans and applies until no ops are left, or only held ones: those that failed
    /// recently, and those of quarrels.
    pub async fn reconcile(&self) -> Report {
        let _alone = self.running.lock().await;
        let span = tracing::info_span!("reconcile", bridge = self.options.bridge);
        let report = self.run_rounds().instrument(span).await;
        // The rounds had every flow of the bridge in memory.
        flatnet_kernel::memory::give_back();
        report
    }

    /// The caller holds the lock of [`Self::running`].
    async fn run_rounds(&self) -> Report {
        let mut report = Report::default();
        for leftover in attach::finish_cleanup(&self.state).await {
            report.view.failed.push(leftover);
            report.failures += 1;
        }
        let mut problems = Vec::new();
        let mut round = 0;
        let mut waited = Duration::ZERO;
        let mut macs_changed = false;
        while round < MAX_ROUNDS {
            let position = self.state.add_log().begin_observation();
            let (actual, changes) = match self.dry_run().await {
                Ok(seen) => seen,
                Err(e) => {
                    let text = format!("the node cannot be read: {e}");
                    problems = vec![Problem::blocking("node-unreadable", text)];
                    break;
                }
            };
            problems = changes.problems;
            if changes.waiting_for.is_some() && waited < NUMBERS_TIMEOUT {
                tokio::time::sleep(NUMBERS_POLL).await;
                waited += NUMBERS_POLL;
                continue;
            }
            problems.extend(
                changes
                    .waiting_for
                    .map(|why| Problem::blocking("port-numbers", why)),
            );
            let (due, held) = self.split_admitted(&changes.ops);
            let vital = |ops: &[&Op]| ops.iter().any(|op| op.severity() == Severity::Vital);
            let vital_held = vital(&held.ops) && changes.ports.is_some();
            if due.is_empty() {
                if !vital_held {
                    self.state.set_ports(changes.ports);
                }
                report.view.converged = held.ops.is_empty();
                report.again = held.until;
                break;
            }
            debug!(round, ops = due.len(), "reconciling");
            round += 1;
            let done = self.apply_all(&due, (position, &actual), &mut report).await;
            macs_changed |= done.macs_changed;
            debug!(round, "applied");
            if changes.ports.is_some() && !vital(&done.failed) && !vital_held {
                // The ports are known and the node's flows are set: ADD can be served while the
                // rest is applied, and what an earlier observation complained of is over.
                self.state.set_ports(changes.ports);
                self.post(problems.clone(), (self.ticks)());
            }
        }
        if macs_changed {
            let packets = attach::announcements(&self.state);
            info!(
                packets = packets.len(),
                "the uplink may show other MACs: announced anew"
            );
            self.state.node().announce(packets);
        }
        // Ops that are left after the last round are no problem: on a busy node containers come and
        // go faster than rounds. `Attempts` reports quarrels.
        self.finish(report, problems)
    }

    /// Splits the ops into those that are applied now and those that are held back.
    fn split_admitted<'o>(&self, ops: &'o [Op]) -> (Vec<&'o Op>, Held<'o>) {
        let now = (self.ticks)();
        let mut attempts = self.attempts();
        attempts.retain(ops);
        let (mut due, mut held) = (Vec::with_capacity(ops.len()), Held::default());
        for op in ops {
            match attempts.admit(op, now) {
                Admission::Now => due.push(op),
                Admission::HeldUntil(until) => {
                    held.ops.push(op);
                    held.until = Some(held.until.map_or(until, |u| u.min(until)));
                }
            }
        }
        (due, held)
    }

    /// Posts the problems and keeps the report as the last one.
    fn finish(&self, mut report: Report, problems: Vec<Problem>) -> Report {
        let now = (self.ticks)();
        let unfinished = !report.view.converged && report.again.is_none();
        if unfinished || !problems.is_empty() {
            report.again = Some(now);
        }
        if !self.attempts().problems(now).is_empty() {
            // There is no event for the end of a quarrel.
            report.again.get_or_insert(now + QUARREL_POLL);
        }
        report.view.problems = self.post(problems, now);
        log(&report.view);
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone_from(&report.view);
        report
    }

    /// Posts what an observation found, and the quarrels; returns their texts.
    fn post(&self, mut problems: Vec<Problem>, now: Instant) -> Vec<String> {
        problems.extend(self.attempts().problems(now));
        let texts = problems.iter().map(ToString::to_string).collect();
        self.state.board().post(SOURCE, problems);
        texts
    }

    pub(super) fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the next reconcile apply every op at once.
    pub fn retry_now(&self) {
        self.attempts().retry_now();
    }

    pub(super) fn is_current(&self, key: &AttachmentKey, generation: u64) -> bool {
        self.state
            .ipam()
            .get(key)
            .is_some_and(|r| r.generation == generation && r.state == RecordState::Committed)
    }

    /// The desired state. Read after the observation, so that an attachment that was made meanwhile
    /// is known here and not taken for garbage.
    fn desired(&self) -> Desired {
        let records = self.state.ipam().list();
        let mut attachments = Vec::with_capacity(records.len());
        for record in records.iter().filter(|r| r.state == RecordState::Committed) {
            match Attachment::from_record(record) {
                Ok(attachment) => attachments.push(attachment),
                Err(e) => warn!(error = %e, "left alone"),
            }
        }
        let mut desired = Desired {
            spec: self.state.spec(),
            options: self.options.clone(),
            attachments,
            live_slots: records.iter().map(|r| (r.generation, r.slot)).collect(),
            former_addresses: BTreeSet::new(),
            counted: self.state.counted(),
        };
        desired.former_addresses = self.state.former_addresses(desired.addresses());
        desired
    }

    /// The wanted sysctls, by key under `net`.
    pub fn sysctls(&self) -> BTreeMap<String, String> {
        self.without_attachments().sysctls()
    }

    /// The desired state without attachments.
    fn without_attachments(&self) -> Desired {
        Desired {
            spec: self.state.spec(),
            options: self.options.clone(),
            attachments: Vec::new(),
            live_slots: BTreeMap::new(),
            former_addresses: BTreeSet::new(),
            counted: BTreeMap::new(),
        }
    }

    fn sysctl_keys(&self) -> Vec<String> {
        let desired = self.without_attachments();
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
}
