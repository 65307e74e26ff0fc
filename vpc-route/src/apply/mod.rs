//! Carries a plan out: batch by batch, each in force before the next, every doubt resolved by
//! listing.
//!
//! ```text
//!   ops ─▶ [batch] ─▶ what is left of it? ─▶ write ─▶ list until all is settled ─┐
//!                        ▲     │ nothing                                         │
//!                        │     └─▶ next batch                                    │
//!                        └────────────── back off, jittered ◀────────────────────┘
//! ```
//!
//! The listing decides what is done; an answer only says why something is not. So a write
//! whose answer was lost is never repeated before the table was seen, and one that took
//! effect late is found.
//!
//! Cancel safety: a future that is dropped leaves the table in a state that a prefix of the
//! plan leads to, as a crash does; the next diff goes on from there.

mod batch;
mod rate;
mod step;

#[cfg(test)]
mod tests;

use std::time::Duration;

use tokio::sync::Mutex;

use crate::diff::{Op, Plan};
use crate::model::{ClusterName, EntryKind, Prefix, Status, Table, TableId};
use crate::providers::{ErrorKind, Failure, Provider, ProviderError, TableScope};
pub use batch::batches;
use flatnet_clock::{Backoff, Rng};
pub use rate::RateLimiter;
use step::{Step, look};
use tracing::Instrument;

/// How often and how long an apply tries again.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    /// How often one batch is tried.
    pub attempts: u32,
    /// How long entries may take to settle.
    pub settle: Duration,
    /// The time between two looks at entries that are not settled.
    pub poll: Duration,
    /// The waits between attempts.
    pub backoff: Backoff,
}

impl Default for RetryPolicy {
    /// Some minutes at most: entries were seen to take longer than 5 s, and the known clients
    /// wait 7 s after a deletion.
    fn default() -> Self {
        Self {
            attempts: 8,
            settle: Duration::from_secs(120),
            poll: Duration::from_millis(1_000),
            backoff: Backoff {
                first: Duration::from_millis(500),
                max: Duration::from_secs(20),
            },
        }
    }
}

/// What an apply needs beside the plan.
pub struct Applier<'a, P> {
    /// Where the table is.
    pub provider: &'a P,
    /// The table, as its provider gets it.
    pub table: &'a TableScope,
    /// Whose entries are ours.
    pub cluster: &'a ClusterName,
    /// For the jitter of waits.
    pub rng: &'a dyn Rng,
    /// How often and how long to try again.
    pub retry: RetryPolicy,
    /// The rate of calls; shared by all that call the same API.
    pub limiter: &'a Mutex<RateLimiter>,
    /// Asked before each write: whether this process still leads.
    pub leads: &'a (dyn Fn() -> bool + Send + Sync),
}

/// An op that was not done, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The op.
    pub op: Op,
    /// Why not.
    pub reason: Reason,
}

/// Why an op was not done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The provider refused it for good, or until the attempts ended.
    #[error("{code}: {message}")]
    Refused {
        /// The provider's code.
        code: String,
        /// The provider's words.
        message: String,
    },
    /// The table is not any more as the plan saw it.
    #[error("the table changed meanwhile: {0}")]
    Changed(String),
    /// It depends on an op that was not done.
    #[error("it waits for {0}, which was not done")]
    Waits(Prefix),
}

/// How an apply went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The table, as the last listing had it.
    pub after: Table,
    /// How many ops are in force.
    pub done: usize,
    /// What was not done.
    pub failed: Vec<Failed>,
    /// Writing calls that were made.
    pub writes: usize,
    /// Listings that were made.
    pub lists: usize,
}

/// Why an apply stopped before its end. What was done stays; plan again.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum ApplyError {
    /// The table cannot be listed.
    #[error("cannot list {table}")]
    List {
        table: TableId,
        #[source]
        source: ProviderError,
    },
    /// A write failed in a way that the next would, too.
    #[error("cannot write to {table}")]
    Write {
        table: TableId,
        #[source]
        source: ProviderError,
    },
    /// Entries stay in transition.
    #[error("{table}: {} is still {:?} after {} s", entry.0, entry.1, after.as_secs())]
    Unsettled {
        table: TableId,
        /// The first such entry.
        entry: (Prefix, Status),
        /// How long it was waited for.
        after: Duration,
    },
    /// Another process leads now.
    #[error("{table}: this process does not lead any more")]
    Deposed { table: TableId },
}

impl<P: Provider> Applier<'_, P> {
    /// Carries out the ops of a plan.
    ///
    /// An op that fails for good holds up only those that overlap it: a node whose instance is
    /// gone does not keep the other nodes from their routes.
    ///
    /// # Errors
    /// Any of [`ApplyError`].
    pub async fn apply(&self, plan: &Plan) -> Result<Report, ApplyError> {
        let mut report = Report {
            after: self.settled(&mut 0).await?,
            done: 0,
            failed: Vec::new(),
            writes: 0,
            lists: 1,
        };
        let can = self.provider.capabilities(self.table);
        for batch in batches(&plan.ops, can.batch, |op| can.shares(op)) {
            self.batch(batch, &mut report).await?;
        }
        report.done = plan.ops.len() - report.failed.len();
        Ok(report)
    }

    async fn batch(&self, batch: &[Op], report: &mut Report) -> Result<(), ApplyError> {
        let mut answers: Vec<Failure> = Vec::new();
        let mut attempt = 0;
        loop {
            let rest = self.rest(batch, attempt > 0, &answers, report);
            if rest.is_empty() {
                return Ok(());
            }
            if attempt == self.retry.attempts {
                let reason = Reason::Refused {
                    code: "GaveUp".into(),
                    message: format!("not in force after {attempt} attempts"),
                };
                fail(rest, &reason, &answers, report);
                return Ok(());
            }
            if attempt > 0 {
                tokio::time::sleep(self.retry.backoff.jittered(attempt, self.rng)).await;
            }
            attempt += 1;
            if !(self.leads)() {
                return Err(ApplyError::Deposed {
                    table: self.table.id.clone(),
                });
            }
            self.turn().await;
            report.writes += 1;
            let span = tracing::info_span!("write", ops = rest.len(), attempt);
            let Some(failures) = self.write(&rest).instrument(span).await? else {
                // The whole batch was refused for what is wrong with one of it: which?
                let (low, high) = rest.split_at(rest.len() / 2);
                Box::pin(self.batch(low, report)).await?;
                return Box::pin(self.batch(high, report)).await;
            };
            answers = failures;
            report.after = self.settled(&mut report.lists).await?;
        }
    }

    /// What of a batch is still to be written, by the last listing; what never will be is put
    /// into the report, once.
    fn rest(&self, batch: &[Op], tried: bool, answers: &[Failure], report: &mut Report) -> Vec<Op> {
        let mut rest = Vec::new();
        for op in batch {
            let has_failed = |f: &Failed| f.op.destination() == op.destination() && f.op == *op;
            if report.failed.iter().any(has_failed) {
                continue;
            }
            let blocker = report.failed.iter().map(|f| f.op.destination());
            let blocker = blocker.into_iter().find(|d| d.overlaps(op.destination()));
            let refused = answer_to(op, answers).filter(|f| tried && !f.retryable);
            let reason = match (look(op, &report.after, self.cluster), blocker, refused) {
                (Step::Done, ..) => continue,
                (_, Some(blocker), _) => Reason::Waits(blocker),
                (Step::Changed(how), ..) => Reason::Changed(how),
                (Step::Todo(_), None, Some(failure)) => Reason::Refused {
                    code: failure.code.clone(),
                    message: failure.message.clone(),
                },
                (Step::Todo(op), None, None) => {
                    rest.push(op);
                    continue;
                }
            };
            report.failed.push(Failed {
                op: op.clone(),
                reason,
            });
        }
        rest
    }

    /// One write. A failure that only concerns its ops, or that may pass, is no error; none:
    /// several ops were refused for what one of them is.
    async fn write(&self, ops: &[Op]) -> Result<Option<Vec<Failure>>, ApplyError> {
        let table = &self.table.id;
        let result = self.provider.write(self.table, ops).await;
        let throttled = result.as_ref().is_err_and(ProviderError::is_throttling);
        self.limiter.lock().await.observe(throttled);
        let source = match result {
            Ok(failures) => {
                for f in &failures {
                    tracing::warn!(%table, destination = ?f.destination, next_hop = f.next_hop,
                        code = f.code, message = f.message, "an entry of a batch was refused");
                }
                return Ok(Some(failures));
            }
            Err(source) => source,
        };
        match source.kind() {
            ErrorKind::Throttled | ErrorKind::Ambiguous | ErrorKind::Transient => {
                tracing::warn!(%table, error = %source, ambiguous = source.is_ambiguous(),
                    "a write failed; the table is listed before anything else");
                Ok(Some(Vec::new()))
            }
            // What is wrong with one entry says nothing of the others.
            ErrorKind::EntryRejected { code, message } => {
                let [op] = ops else { return Ok(None) };
                Ok(Some(vec![Failure {
                    destination: Some(op.destination()),
                    next_hop: String::new(),
                    code: code.clone(),
                    message: message.clone(),
                    retryable: false,
                }]))
            }
            ErrorKind::TableGone | ErrorKind::Authentication | ErrorKind::Refused => {
                Err(ApplyError::Write {
                    table: table.clone(),
                    source,
                })
            }
        }
    }

    /// The table, once none of its entries is in transition: until then every write in the VPC
    /// would be refused (`TaskConflict`).
    async fn settled(&self, lists: &mut usize) -> Result<Table, ApplyError> {
        let table = &self.table.id;
        let deadline = tokio::time::Instant::now() + self.retry.settle;
        let mut failures = 0;
        loop {
            self.turn().await;
            *lists += 1;
            let listed = self.provider.list(self.table).await;
            let throttled = listed.as_ref().is_err_and(ProviderError::is_throttling);
            self.limiter.lock().await.observe(throttled);
            let unsettled = match listed {
                Ok(found) => {
                    failures = 0;
                    let moving = |e: &&crate::model::Entry| {
                        e.kind == EntryKind::Custom && e.status != Status::Available
                    };
                    match found.entries.iter().find(moving) {
                        None => return Ok(found),
                        Some(entry) => (entry.destination, entry.status),
                    }
                }
                Err(error) if error.is_retryable() && failures < self.retry.attempts => {
                    failures += 1;
                    tokio::time::sleep(self.retry.backoff.jittered(failures, self.rng)).await;
                    continue;
                }
                Err(source) => {
                    return Err(ApplyError::List {
                        table: table.clone(),
                        source,
                    });
                }
            };
            if tokio::time::Instant::now() >= deadline {
                return Err(ApplyError::Unsettled {
                    table: table.clone(),
                    entry: unsettled,
                    after: self.retry.settle,
                });
            }
            tokio::time::sleep(self.retry.poll).await;
        }
    }

    /// Waits for this call's turn.
    async fn turn(&self) {
        let wait = self
            .limiter
            .lock()
            .await
            .next(tokio::time::Instant::now().into_std());
        tokio::time::sleep(wait).await;
    }
}

/// A failure is an op's only if destination and next hop both are: several nodes' prefixes may
/// share a next hop, and one prefix may move between two.
fn answer_to<'f>(op: &Op, failures: &'f [Failure]) -> Option<&'f Failure> {
    let hops = match op {
        Op::Create { next_hops, .. } | Op::Delete { next_hops, .. } => next_hops,
        Op::Modify { to, .. } => to,
    };
    failures.iter().find(|f| {
        f.destination == Some(op.destination())
            && (f.next_hop.is_empty() || hops.iter().any(|h| h.id == f.next_hop))
    })
}

/// Puts ops into the report as failed, each for what the provider answered to it, else for `reason`.
fn fail(rest: Vec<Op>, reason: &Reason, answers: &[Failure], report: &mut Report) {
    for op in rest {
        let reason = answer_to(&op, answers).map_or_else(
            || reason.clone(),
            |f| Reason::Refused {
                code: f.code.clone(),
                message: f.message.clone(),
            },
        );
        report.failed.push(Failed { op, reason });
    }
}
