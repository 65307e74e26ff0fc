//! Carrying out a round's ops: in their order, but what needs nothing of one another together.
//!
//! A node whose flows are lost has some thousands to write, of each container some dozens. Written one
//! container after the other, the switch looks through the cached flows of its datapath for each, and
//! netd waits for each. In one bundle (OpenFlow 1.4.1 §6.8) it does so once.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use tracing::debug;

use super::actual::Actual;
use super::op::{Op, Subject};
use super::run::{ReconcileOps, Reconciler, Report};
use crate::attach::LogPosition;
use crate::flows::Limit;
use crate::node_ops::NodeOpsError;

/// How many ops that need nothing of one another are under way at once: the connection to the
/// switch queues 1024 requests, those of ADD and DEL among them.
const CONCURRENT_MAX: usize = 128;
/// How many changes of flows a bundle has, about: the switch does nothing else while it takes one
/// over, 0.1 s for 1,600 of them on a slow machine.
const BUNDLE_MAX: usize = 4096;

/// What a round's ops come from: when the look began, and what it saw.
pub(super) type Observation<'a> = (LogPosition, &'a Actual);

/// What came of a round's ops.
#[derive(Default)]
pub(super) struct Applied<'o> {
    /// Those that failed.
    pub(super) failed: Vec<&'o Op>,
    /// Whether other MACs than before may be seen at the uplink.
    pub(super) macs_changed: bool,
}

impl<N: ReconcileOps> Reconciler<N> {
    /// Carries out the ops that come from what was seen.
    pub(super) async fn apply_all<'o>(
        &self,
        due: &[&'o Op],
        observation: Observation<'_>,
        report: &mut Report,
    ) -> Applied<'o> {
        let mut applied = Applied::default();
        for group in due.chunk_by(|a, b| a.is_independent() && b.is_independent()) {
            let rest = self.bundled(group, observation, report, &mut applied).await;
            let mut begun = Vec::with_capacity(rest.len());
            for op in &rest {
                begun.push(self.apply(op, observation.0));
            }
            let mut ops = rest.iter().copied();
            // Judged in their order.
            let mut done = stream::iter(begun).buffered(CONCURRENT_MAX);
            while let (Some(result), Some(op)) = (done.next().await, ops.next()) {
                if self.record(op, result, observation.1, report) {
                    applied.macs_changed |= op.may_change_macs();
                } else {
                    applied.failed.push(op);
                }
            }
        }
        applied
    }

    /// Carries out changes of flows in bundles; gives the ops that are left to be carried out by
    /// themselves. An attachment that a call works on is one of them: its lock is not waited for.
    async fn bundled<'o>(
        &self,
        group: &[&'o Op],
        (position, actual): Observation<'_>,
        report: &mut Report,
        applied: &mut Applied<'o>,
    ) -> Vec<&'o Op> {
        let flows = |op: &&&Op| matches!(op, Op::ChangeFlows { .. });
        let mut rest = Vec::new();
        if group.iter().filter(flows).count() < 2 {
            return group.to_vec();
        }
        let mut bundles: Vec<(usize, Vec<&'o Op>)> = Vec::new();
        for op in group {
            let Some(size) = op.flow_changes() else {
                rest.push(*op);
                continue;
            };
            match bundles
                .last_mut()
                .filter(|(all, _)| all + size <= BUNDLE_MAX)
            {
                Some((all, ops)) => {
                    *all += size;
                    ops.push(op);
                }
                None => bundles.push((size, vec![op])),
            }
        }
        for (size, ops) in bundles {
            let mut held = Vec::with_capacity(ops.len());
            let mut wanted = Vec::with_capacity(ops.len());
            for op in ops {
                let lock = match op.subject() {
                    Subject::Node => None,
                    Subject::Attachment { key, .. } => match self.engine.try_lock(key) {
                        Some(lock) => Some(lock),
                        None => {
                            rest.push(op);
                            continue;
                        }
                    },
                };
                held.push(lock);
                if self.is_wanted(op.subject(), position) {
                    wanted.push(op);
                }
            }
            match self.engine.node().change_flows(&wanted).await {
                Ok(()) => {
                    for op in wanted {
                        self.record(op, Some(Ok(())), actual, report);
                        applied.macs_changed |= op.may_change_macs();
                    }
                }
                // Which one it is, each says by itself.
                Err(error) => {
                    debug!(%error, size, "the flows are changed one attachment after the other");
                    rest.extend(wanted);
                }
            }
        }
        rest
    }

    /// Whether what an op is about is still what was seen. The caller holds its key.
    fn is_wanted(&self, subject: &Subject, position: LogPosition) -> bool {
        match subject {
            Subject::Node => true,
            Subject::Attachment { key, generation } => {
                self.is_current(key, *generation)
                    && !self.engine.add_log().added_since(position, *generation)
            }
        }
    }

    /// Carries out one op; `None`: it is not wanted any more.
    pub(crate) async fn apply(
        &self,
        op: &Op,
        position: LogPosition,
    ) -> Option<Result<(), NodeOpsError>> {
        if let Op::DeleteMeters(ids) = op {
            let dead = self.unused_meters(ids);
            if dead.is_empty() {
                return None;
            }
            return Some(self.engine.node().apply(&Op::DeleteMeters(dead)).await);
        }
        let _held = match op.subject() {
            Subject::Node => None,
            Subject::Attachment { key, .. } => Some(self.engine.lock(key).await),
        };
        if !self.is_wanted(op.subject(), position) {
            return None;
        }
        Some(self.engine.node().apply(op).await)
    }

    /// Those of these meters that nobody has by now. An ADD that has come since the plan was made may
    /// have been given the slot of one, and with a meter the switch deletes every flow that names it
    /// (OpenFlow 1.4.1 §7.3.4.5). Whoever reserves the slot after this look sends his meters after the
    /// deletion: requests reach the switch in the order of the calls.
    fn unused_meters(&self, ids: &[u32]) -> Vec<u32> {
        let records = self.engine.ipam().list();
        let had: BTreeSet<u32> = records
            .iter()
            .flat_map(|record| Limit::meters_of(record.slot))
            .collect();
        ids.iter().copied().filter(|id| !had.contains(id)).collect()
    }

    /// Whether the op was carried out, or is not wanted any more.
    fn record(
        &self,
        op: &Op,
        result: Option<Result<(), NodeOpsError>>,
        actual: &Actual,
        report: &mut Report,
    ) -> bool {
        let now = (self.ticks)();
        match result {
            None => true,
            Some(Ok(())) => {
                self.attempts().succeeded(op, actual, now);
                report.view.applied.push(op.to_string());
                report.kinds.push(op.kind());
                true
            }
            Some(Err(e)) => {
                self.attempts().failed(op, e.to_string(), now);
                report.view.failed.push(format!("{op}: {e}"));
                report.failures += 1;
                false
            }
        }
    }
}
