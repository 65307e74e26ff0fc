//! The ledger's thread: it decides, writes, and then publishes the answers.
//!
//! Calls that arrive while a batch is being written are the next batch: ten thousand hosts that
//! ask at once cost a dozen fsyncs. A request for ranges that have not changed is answered from
//! the last published answer, without the thread.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;

use flatnet_types::NodeName;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};

use super::declared::Declared;
use super::ledger::{AssignError, Ledger, LedgerConfig, LedgerStart, PlanOutcome};
use super::store::{LedgerStore, Trust};
use crate::store::StoreError;
use flatnet_types::Timestamp;
use flatnet_types::ipamd::Incarnation;
use flatnet_types::ipamd::{Drain, Grow, Held, HostRanges, Release};

mod routes;
#[cfg(test)]
mod routes_tests;
#[cfg(test)]
mod tests;
mod topics;

pub use routes::Wait;
use topics::{Topic, Topics};

/// The most calls in the queue; callers beyond it wait for a place. Every host of a large cluster
/// may ask at once.
const QUEUE: usize = 16_384;
/// The most calls that are decided and written in one batch.
const BATCH: usize = 1_024;

/// Returns the current time. Injected, so that tests control it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Parameters of [`Service::start`].
pub struct ServiceStart {
    /// A random number that no earlier start had.
    pub incarnation: Incarnation,
    /// Whether the store is up to date.
    pub trust: Trust,
    /// Timers of the ledger.
    pub config: LedgerConfig,
    /// The networks, pools and hosts of the plan.
    pub declared: Arc<Declared>,
    /// The service's clock.
    pub clock: Clock,
}

/// A failed call.
#[derive(Debug, Clone, Error)]
pub enum ServiceError {
    /// The ledger refuses it.
    #[error(transparent)]
    Assign(#[from] AssignError),
    /// It could not be written, and was undone.
    #[error("the ledger cannot be written, so nothing was changed")]
    Store {
        /// The error of the write.
        #[source]
        source: Arc<StoreError>,
    },
    /// The service has ended.
    #[error("ipamd is stopping")]
    Stopped,
}

impl ServiceError {
    /// The error's stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Assign(e) => e.code(),
            Self::Store { .. } => "store",
            Self::Stopped => "stopping",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Assign(e) => e.is_retryable(),
            Self::Store { source } => source.is_retryable(),
            Self::Stopped => true,
        }
    }
}

type Decide = Box<dyn FnOnce(&mut Ledger, Timestamp) -> Result<(), AssignError> + Send>;
type Inspect = Box<dyn FnOnce(&Ledger, Timestamp) + Send>;

enum Call {
    Change(Decide, oneshot::Sender<Result<(), ServiceError>>),
    Inspect(Inspect),
}

type Hosts = RwLock<HashMap<NodeName, watch::Sender<Arc<HostRanges>>>>;

/// A handle of the service, cheap to clone. The thread ends with the last one.
#[derive(Debug, Clone)]
pub struct Service {
    calls: mpsc::Sender<Call>,
    hosts: Arc<Hosts>,
    topics: Arc<Topics>,
}

impl Service {
    /// Reads the ledger, records a new incarnation of it, and starts the thread. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn start(
        mut store: Box<dyn LedgerStore>,
        start: ServiceStart,
    ) -> Result<(Self, PlanOutcome), StoreError> {
        let now = (start.clock)();
        let ledger_start = LedgerStart {
            incarnation: start.incarnation,
            trust: start.trust,
        };
        let mut ledger = Ledger::restore(store.load()?, ledger_start, start.config, now);
        let outcome = ledger.declare(start.declared, now);
        let in_grace_period = ledger.in_grace_period(now);
        // Hosts report leases with their incarnation: one that was not stored would later be taken
        // for that of another ledger.
        store.apply(&ledger.take_entries())?;
        let hosts = Arc::new(Hosts::default());
        let topics = Arc::new(Topics::default());
        let (calls, queue) = mpsc::channel(QUEUE);
        let mut worker = Worker {
            ledger,
            store,
            hosts: Arc::clone(&hosts),
            topics: Arc::clone(&topics),
            in_grace_period,
            clock: start.clock,
            write_error: None,
        };
        worker.publish();
        thread::Builder::new()
            .name("ledger".to_owned())
            .spawn(move || worker.run(queue))
            .map_err(|source| StoreError::Read {
                path: "(ledger)".into(),
                doing: "start the thread of",
                source: source.into(),
            })?;
        Ok((
            Self {
                calls,
                hosts,
                topics,
            },
            outcome,
        ))
    }

    /// The ranges of `host`, which gets them with this if it had none.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn ranges(&self, host: &NodeName) -> Result<Arc<HostRanges>, ServiceError> {
        Ok(Arc::clone(&self.watch(host).await?.borrow()))
    }

    /// The ranges of `host`, as [`Service::ranges`], and their changes.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn watch(
        &self,
        host: &NodeName,
    ) -> Result<watch::Receiver<Arc<HostRanges>>, ServiceError> {
        // A host that has released all its ranges has to ask the ledger again.
        if let Some(known) = self.last_known(host)
            && !known.borrow().ranges.is_empty()
        {
            return Ok(known);
        }
        let asks = host.clone();
        self.change(move |ledger, now| ledger.ask(&asks, now))
            .await?;
        self.last_known(host).ok_or(ServiceError::Stopped)
    }

    /// [`Ledger::report`]; answers with the ranges of `host`.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn report(
        &self,
        host: &NodeName,
        held: Vec<Held>,
    ) -> Result<Arc<HostRanges>, ServiceError> {
        let reports = host.clone();
        self.change(move |ledger, now| ledger.report(&reports, &held, now))
            .await?;
        self.ranges(host).await
    }

    /// [`Ledger::ask_all`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn ask_all(&self) -> Result<(), ServiceError> {
        self.change(|ledger, now| {
            ledger.ask_all(now);
            Ok(())
        })
        .await
    }

    /// [`Ledger::drain`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn drain(&self, drain: Drain) -> Result<(), ServiceError> {
        self.change(move |ledger, now| ledger.drain(&drain, now))
            .await
    }

    /// [`Ledger::release`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn release(&self, release: Release) -> Result<(), ServiceError> {
        self.change(move |ledger, now| ledger.release(&release, now))
            .await
    }

    /// [`Ledger::grow`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn grow(&self, grow: Grow) -> Result<(), ServiceError> {
        self.change(move |ledger, now| ledger.grow(&grow, now))
            .await
    }

    /// [`Ledger::trust`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn trust(&self) -> Result<(), ServiceError> {
        self.change(|ledger, now| {
            ledger.trust(now);
            Ok(())
        })
        .await
    }

    /// [`Ledger::declare`].
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn declare(&self, declared: Arc<Declared>) -> Result<PlanOutcome, ServiceError> {
        let (reply, answer) = oneshot::channel();
        self.change(move |ledger, now| {
            // The caller may have gone; the plan is in force nevertheless.
            let _ = reply.send(ledger.declare(declared, now));
            Ok(())
        })
        .await?;
        // Hosts may be in other segments than before.
        self.topics.publish(|_| true);
        answer.await.map_err(|_| ServiceError::Stopped)
    }

    /// [`Ledger::tick`]: ends quarantines and the grace period. Call it every second or so.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn tick(&self) -> Result<(), ServiceError> {
        self.change(|ledger, now| {
            ledger.tick(now);
            Ok(())
        })
        .await
    }

    /// Runs `inspect` on the ledger between two batches, when all of its content is on disk.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`].
    pub async fn inspect<T: Send + 'static>(
        &self,
        inspect: impl FnOnce(&Ledger, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (reply, answer) = oneshot::channel();
        let inspect = Box::new(move |ledger: &Ledger, now| {
            let _ = reply.send(inspect(ledger, now));
        });
        let call = Call::Inspect(inspect);
        self.calls
            .send(call)
            .await
            .map_err(|_| ServiceError::Stopped)?;
        answer.await.map_err(|_| ServiceError::Stopped)
    }

    async fn change(
        &self,
        decide: impl FnOnce(&mut Ledger, Timestamp) -> Result<(), AssignError> + Send + 'static,
    ) -> Result<(), ServiceError> {
        let (done, outcome) = oneshot::channel();
        let call = Call::Change(Box::new(decide), done);
        self.calls
            .send(call)
            .await
            .map_err(|_| ServiceError::Stopped)?;
        outcome.await.map_err(|_| ServiceError::Stopped)?
    }

    /// The last published answer to `host`; `None` if it never asked.
    pub fn last_known(&self, host: &NodeName) -> Option<watch::Receiver<Arc<HostRanges>>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map(watch::Sender::subscribe)
    }
}

struct Worker {
    ledger: Ledger,
    store: Box<dyn LedgerStore>,
    hosts: Arc<Hosts>,
    topics: Arc<Topics>,
    /// Whether the ledger was in its grace period at the last batch.
    in_grace_period: bool,
    clock: Clock,
    /// The error of the last write, until the ledger is reloaded from disk.
    write_error: Option<Arc<StoreError>>,
}

impl Worker {
    fn run(mut self, mut queue: mpsc::Receiver<Call>) {
        let mut calls = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut calls, BATCH) > 0 {
            self.batch(&mut calls);
        }
    }

    fn batch(&mut self, calls: &mut Vec<Call>) {
        if self.write_error.is_some() {
            self.repair();
        }
        let now = (self.clock)();
        let mut decided = Vec::new();
        let mut inspections = Vec::new();
        for call in calls.drain(..) {
            match (call, &self.write_error) {
                (Call::Inspect(inspect), _) => inspections.push(inspect),
                (Call::Change(_, done), Some(source)) => {
                    let source = Arc::clone(source);
                    decided.push((done, Err(ServiceError::Store { source })));
                }
                (Call::Change(decide, done), None) => {
                    let outcome = decide(&mut self.ledger, now).map_err(ServiceError::from);
                    decided.push((done, outcome));
                }
            }
        }
        let entries = self.ledger.take_entries();
        if !entries.is_empty()
            && let Err(source) = self.store.apply(&entries)
        {
            tracing::error!(
                error = &source as &dyn std::error::Error,
                "the ledger cannot be written; what was decided is undone"
            );
            let source = Arc::new(source);
            for (_, outcome) in &mut decided {
                let source = Arc::clone(&source);
                *outcome = Err(ServiceError::Store { source });
            }
            self.write_error = Some(source);
            self.repair();
        }
        if self.write_error.is_none() {
            self.publish();
            let in_grace_period = self.ledger.in_grace_period(now);
            if in_grace_period != self.in_grace_period {
                self.in_grace_period = in_grace_period;
                self.topics.publish(|_| true);
            }
        }
        for (done, outcome) in decided {
            // The caller may no longer wait.
            let _ = done.send(outcome);
        }
        for inspect in inspections {
            inspect(&self.ledger, now);
        }
    }

    /// Reloads the ledger from disk. Until that succeeds every change is refused.
    fn repair(&mut self) {
        match self.store.load() {
            Ok(saved) => {
                self.ledger.rebuild(saved, (self.clock)());
                self.write_error = None;
                tracing::info!("the ledger is back to what the disk has");
            }
            Err(source) => self.write_error = Some(Arc::new(source)),
        }
    }

    /// Publishes the answers that changed, to the watchers of each host.
    fn publish(&mut self) {
        let changed = self.ledger.take_changed();
        self.publish_routes(&changed);
        for host in changed {
            let Some(ranges) = self.ledger.ranges_of(&host).map(Arc::new) else {
                continue;
            };
            let mut hosts = self.hosts.write().unwrap_or_else(PoisonError::into_inner);
            match hosts.get(&host) {
                Some(known) => {
                    known.send_if_modified(|before| {
                        let changed = *before != ranges;
                        *before = ranges;
                        changed
                    });
                }
                None => {
                    hosts.insert(host, watch::Sender::new(ranges));
                }
            }
        }
    }
}
