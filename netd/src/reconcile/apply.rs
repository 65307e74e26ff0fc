//! Applies a round's ops: in their order, independent ones concurrently.
//!
//! A node that has lost its flows has to write thousands, some dozens for each container. If they
//! are written one container after the other, the switch revalidates the datapath's cached flows
//! for each. In one bundle (OpenFlow 1.4.1 §6.8) it does so once.

use std::collections::BTreeSet;

use futures_util::stream::{self, StreamExt};
use tracing::{Instrument, debug};

use super::actual::Actual;
use super::op::{Op, Subject};
use super::run::{ReconcileOps, Reconciler, Report};
use crate::flows::Limit;
use crate::node_ops::NodeOpsError;
use crate::state::LogPosition;

/// How many independent ops are applied at once. The connection to the switch queues 1024 requests,
/// those of ADD and DEL among them.
const CONCURRENT_MAX: usize = 128;
/// The approximate size of a bundle in flow changes. The switch does nothing else while it commits
/// one: 0.1 s for 1,600 changes on a slow machine.
const BUNDLE_MAX: usize = 4096;

/// What a round's ops were computed from: the log position when the observation began, and the
/// observed state.
pub(super) type Observation<'a> = (LogPosition, &'a Actual);

/// The result of a round's ops.
#[derive(Default)]
pub(super) struct Applied<'o> {
    /// The ops that failed.
    pub(super) failed: Vec<&'o Op>,
    /// Whether the uplink may show other MACs than before.
    pub(super) macs_changed: bool,
}

impl<N: ReconcileOps> Reconciler<N> {
    /// Applies the ops that were computed from the observation.
    pub(super) async fn apply_all<'o>(
        &self,
        due: &[&'o Op],
        observation: Observation<'_>,
        report: &mut Report,
    ) -> Applied<'o> {
        let mut applied = Applied::default();
        for group in due.chunk_by(|a, b| a.is_independent() && b.is_independent()) {
            let rest = self
                .apply_in_bundles(group, observation, report, &mut applied)
                .await;
            let mut begun = Vec::with_capacity(rest.len());
            for op in &rest {
                begun.push(self.apply(op, observation.0).instrument(op.span()));
            }
            let mut ops = rest.iter().copied();
            // Results are recorded in the order of the ops.
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

    /// Applies flow changes in bundles. Returns the ops that have to be applied one by one, among
    /// them those of attachments that are locked by a call.
    async fn apply_in_bundles<'o>(
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
                    Subject::Attachment { key, .. } => match self.state.try_lock(key) {
                        Some(lock) => Some(lock),
                        None => {
                            rest.push(op);
                            continue;
                        }
                    },
                };
                held.push(lock);
                if self.is_still_valid(op.subject(), position) {
                    wanted.push(op);
                }
            }
            match self.state.node().change_flows(&wanted).await {
                Ok(()) => {
                    for op in wanted {
                        self.record(op, Some(Ok(())), actual, report);
                        applied.macs_changed |= op.may_change_macs();
                    }
                }
                // Applied one by one, the op that the switch refuses is found.
                Err(error) => {
                    debug!(%error, size, "the flows are changed one attachment after the other");
                    rest.extend(wanted);
                }
            }
        }
        rest
    }

    /// Whether an op's subject is still as observed. The caller holds the attachment's lock.
    fn is_still_valid(&self, subject: &Subject, position: LogPosition) -> bool {
        match subject {
            Subject::Node => true,
            Subject::Attachment { key, generation } => {
                self.is_current(key, *generation)
                    && !self.state.add_log().added_since(position, *generation)
            }
        }
    }

    /// Applies one op; `None` if it is obsolete.
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
            return Some(self.state.node().apply(&Op::DeleteMeters(dead)).await);
        }
        let _held = match op.subject() {
            Subject::Node => None,
            Subject::Attachment { key, .. } => Some(self.state.lock(key).await),
        };
        if !self.is_still_valid(op.subject(), position) {
            return None;
        }
        Some(self.state.node().apply(op).await)
    }

    /// Those of these meters that no attachment has now. An ADD that came after the observation may
    /// have got the slot of one, and with a meter the switch deletes every flow that refers to it
    /// (OpenFlow 1.4.1 §7.3.4.5). An ADD that reserves the slot after this check sends its meters
    /// after the deletion: requests reach the switch in the order of the calls.
    fn unused_meters(&self, ids: &[u32]) -> Vec<u32> {
        let records = self.state.ipam().list();
        let in_use: BTreeSet<u32> = records
            .iter()
            .flat_map(|record| Limit::meters_of(record.slot))
            .collect();
        ids.iter()
            .copied()
            .filter(|id| !in_use.contains(id))
            .collect()
    }

    /// Records the result of an op. Returns whether it succeeded or was obsolete.
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
