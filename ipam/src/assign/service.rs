//! The ledger at work: one thread that decides, writes and then tells.
//!
//! Calls that come while a batch is being written gather, and are the next batch: ten
//! thousand hosts that ask at once cost a dozen fsyncs. What hosts ask for again and again
//! (their ranges, which they have) is read from what was told last, without the thread.

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

/// Calls that wait for the thread. With more, callers wait before they are queued: every
/// host of a large cluster may ask at once.
const QUEUE: usize = 16_384;
/// Calls that are decided and written together.
const BATCH: usize = 1_024;

/// Tells the time; passed in, so that tests own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How a service is started.
pub struct ServiceStart {
    /// A random number that no earlier start had.
    pub incarnation: Incarnation,
    /// How far the store can be believed.
    pub trust: Trust,
    /// What the ledger goes by.
    pub config: LedgerConfig,
    /// What the plan declares.
    pub declared: Arc<Declared>,
    /// Where the service has the time from.
    pub clock: Clock,
}

/// Why a call did not succeed.
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
type Look = Box<dyn FnOnce(&Ledger, Timestamp) + Send>;

enum Call {
    Change(Decide, oneshot::Sender<Result<(), ServiceError>>),
    Look(Look),
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
    /// Reads the ledger, begins a life of it, and starts the thread. Blocks.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn start(
        mut store: Box<dyn LedgerStore>,
        start: ServiceStart,
    ) -> Result<(Self, PlanOutcome), StoreError> {
        let now = (start.clock)();
        let life = LedgerStart {
            incarnation: start.incarnation,
            trust: start.trust,
        };
        let mut ledger = Ledger::restore(store.load()?, life, start.config, now);
        let outcome = ledger.declare(start.declared, now);
        let ledger_settles = ledger.is_settling(now);
        // A life that is not on record could not be recognised in what hosts show later.
        store.apply(&ledger.take_entries())?;
        let hosts = Arc::new(Hosts::default());
        let topics = Arc::new(Topics::default());
        let (calls, queue) = mpsc::channel(QUEUE);
        let mut worker = Worker {
            ledger,
            store,
            hosts: Arc::clone(&hosts),
            topics: Arc::clone(&topics),
            settling: ledger_settles,
            clock: start.clock,
            broken: None,
        };
        worker.tell();
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

    /// The same, and what they become.
    ///
    /// # Errors
    /// [`ServiceError`].
    pub async fn watch(
        &self,
        host: &NodeName,
    ) -> Result<watch::Receiver<Arc<HostRanges>>, ServiceError> {
        // One that let go of all it had has to ask again.
        if let Some(known) = self.told(host)
            && !known.borrow().ranges.is_empty()
        {
            return Ok(known);
        }
        let asks = host.clone();
        self.change(move |ledger, now| ledger.ask(&asks, now))
            .await?;
        self.told(host).ok_or(ServiceError::Stopped)
    }

    /// What `host` holds; answered with its ranges.
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
        let (tell, told) = oneshot::channel();
        self.change(move |ledger, now| {
            // Whoever asked may have gone; the plan stands all the same.
            let _ = tell.send(ledger.declare(declared, now));
            Ok(())
        })
        .await?;
        // Hosts may be in other segments than before.
        self.topics.tell(|_| true);
        told.await.map_err(|_| ServiceError::Stopped)
    }

    /// Lets time pass: to be called every second or so.
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

    /// Looks at the ledger, between two batches: what is seen is on disk.
    ///
    /// # Errors
    /// [`ServiceError::Stopped`].
    pub async fn look<T: Send + 'static>(
        &self,
        look: impl FnOnce(&Ledger, Timestamp) -> T + Send + 'static,
    ) -> Result<T, ServiceError> {
        let (tell, told) = oneshot::channel();
        let look = Box::new(move |ledger: &Ledger, now| {
            let _ = tell.send(look(ledger, now));
        });
        let call = Call::Look(look);
        self.calls
            .send(call)
            .await
            .map_err(|_| ServiceError::Stopped)?;
        told.await.map_err(|_| ServiceError::Stopped)
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

    /// What `host` was told last; `None` if it never asked.
    pub fn told(&self, host: &NodeName) -> Option<watch::Receiver<Arc<HostRanges>>> {
        let hosts = self.hosts.read().unwrap_or_else(PoisonError::into_inner);
        hosts.get(host).map(watch::Sender::subscribe)
    }
}

struct Worker {
    ledger: Ledger,
    store: Box<dyn LedgerStore>,
    hosts: Arc<Hosts>,
    topics: Arc<Topics>,
    /// Whether it settled at the last batch.
    settling: bool,
    clock: Clock,
    /// Why the disk does not take writes.
    broken: Option<Arc<StoreError>>,
}

impl Worker {
    fn run(mut self, mut queue: mpsc::Receiver<Call>) {
        let mut calls = Vec::with_capacity(BATCH);
        while queue.blocking_recv_many(&mut calls, BATCH) > 0 {
            self.batch(&mut calls);
        }
    }

    fn batch(&mut self, calls: &mut Vec<Call>) {
        if self.broken.is_some() {
            self.mend();
        }
        let now = (self.clock)();
        let mut decided = Vec::new();
        let mut looks = Vec::new();
        for call in calls.drain(..) {
            match (call, &self.broken) {
                (Call::Look(look), _) => looks.push(look),
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
            self.broken = Some(source);
            self.mend();
        }
        if self.broken.is_none() {
            self.tell();
            let settling = self.ledger.is_settling(now);
            if settling != self.settling {
                self.settling = settling;
                self.topics.tell(|_| true);
            }
        }
        for (done, outcome) in decided {
            // A caller that no longer waits does not mind.
            let _ = done.send(outcome);
        }
        for look in looks {
            look(&self.ledger, now);
        }
    }

    /// Goes back to what the disk has. Until that succeeds nothing is decided.
    fn mend(&mut self) {
        match self.store.load() {
            Ok(saved) => {
                self.ledger.rebuild(saved, (self.clock)());
                self.broken = None;
                tracing::info!("the ledger is back to what the disk has");
            }
            Err(source) => self.broken = Some(Arc::new(source)),
        }
    }

    /// Tells every watcher of a host whose answer changed.
    fn tell(&mut self) {
        let changed = self.ledger.take_changed();
        self.tell_routes(&changed);
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
