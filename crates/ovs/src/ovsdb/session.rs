//! The handle of a session with a database server.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use serde::Serialize;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::framing::Limits;
use super::op::Op;
use super::outcome::{Answer, OpResult, TransactError};
use super::protocol::Setup;
use super::replica::{MonitorSpec, Replica};
use super::shared::{Change, Command, ConnError, ConnState, Shared};
use super::task::Database;
use crate::link;
use crate::timing::Timing;

/// Transactions that wait for the task to send them. An attachment is one transaction, and
/// the switch manages some 400 a second: more than this many waiting are seconds of delay,
/// and a caller that is refused can tell so at once.
const QUEUE: usize = 1024;

/// Changes that a slow listener may be behind by. A listener that falls further behind
/// learns so, and reads the replica, which has everything.
const CHANGES: usize = 1024;

/// What a session connects to, and how.
#[derive(Debug, Clone)]
pub struct SessionConfig {
    /// The server's unix socket, usually `<rundir>/db.sock`.
    pub socket: PathBuf,
    /// The database; `Open_vSwitch` for a switch.
    pub database: String,
    /// What is copied.
    pub monitor: MonitorSpec,
    /// How long what may take.
    pub timing: Timing,
    /// How much the server may send.
    pub limits: Limits,
}

impl SessionConfig {
    /// The database of a switch, with the usual times.
    pub fn new(socket: impl Into<PathBuf>, monitor: MonitorSpec) -> Self {
        Self {
            socket: socket.into(),
            database: "Open_vSwitch".to_owned(),
            monitor,
            timing: Timing::default(),
            limits: Limits::default(),
        }
    }
}

/// Why a session did not show what was waited for.
#[derive(Debug, Clone, Error)]
pub enum SessionError {
    /// It did not come true in time.
    #[error("not within {after:?}{}", cause.as_ref().map(|c| format!(": {c}")).unwrap_or_default())]
    TimedOut {
        /// How long was waited.
        after: Duration,
        /// Why there is no connection, if there is none.
        cause: Option<Arc<ConnError>>,
    },
    /// The session's task has ended.
    #[error("the session is closed")]
    Closed,
}

impl SessionError {
    /// Whether waiting again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Closed => false,
        }
    }
}

/// A session with a database server: a cheap handle on the task that owns the socket. The
/// task ends when the last handle is dropped.
///
/// Guarantees:
/// - When a transaction has returned `Ok`, [`Session::read`] shows its effect on the
///   monitored columns: the server sends updates before the answer (RFC 7047 §4.1.6), and
///   the task keeps that order.
/// - A transaction is sent once or not at all, in the order of the calls.
/// - After a reconnection the replica is made anew in one step.
#[derive(Debug, Clone)]
pub struct Session {
    database: Arc<str>,
    request_timeout: Duration,
    next_id: Arc<AtomicU64>,
    queue: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

impl Session {
    /// Starts the session's task, which connects and stays connected.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as `tokio::spawn` does.
    pub fn start(config: SessionConfig) -> Self {
        let (queue, commands) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            replica: RwLock::default(),
            version: watch::Sender::new(0),
            changes: broadcast::Sender::new(CHANGES),
            state: watch::Sender::new(ConnState::Disconnected {
                failures: 0,
                cause: None,
            }),
            generation: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        });
        let session = Self {
            database: config.database.as_str().into(),
            request_timeout: config.timing.request_timeout,
            next_id: Arc::new(AtomicU64::new(1)),
            queue,
            shared: Arc::clone(&shared),
        };
        let endpoint = Database {
            setup: Setup {
                database: config.database,
                monitor: config.monitor,
                limits: config.limits,
                setup_timeout: config.timing.setup_timeout,
                probe_interval: config.timing.probe_interval,
                silence_limit: config.timing.silence_limit,
            },
            shared,
        };
        tokio::spawn(link::run(endpoint, config.socket, config.timing, commands));
        session
    }

    /// Does a transaction, with the configured time limit.
    ///
    /// # Errors
    /// [`TransactError`]. Cancel safety: a transaction whose future is dropped may be done.
    pub async fn transact(&self, ops: &[Op]) -> Result<Vec<OpResult>, TransactError> {
        self.transact_later(ops, self.request_timeout).await
    }

    /// Does a transaction, with a time limit of its own.
    ///
    /// # Errors
    /// As [`Session::transact`].
    pub async fn transact_within(
        &self,
        ops: &[Op],
        timeout: Duration,
    ) -> Result<Vec<OpResult>, TransactError> {
        self.transact_later(ops, timeout).await
    }

    /// Queues a transaction now, so that it is sent in the order of the calls, and gives the
    /// future of its answer. While there is no connection it fails at once.
    pub fn transact_later(
        &self,
        ops: &[Op],
        timeout: Duration,
    ) -> impl Future<Output = Result<Vec<OpResult>, TransactError>> + Send + use<> {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let (reply, answer) = oneshot::channel();
        let queued = self.queue.try_send(Command::Transact {
            id,
            message: message(&self.database, ops, id),
            expected: ops.iter().map(Answer::from).collect(),
            reply,
        });
        // Not a whole handle: a future must not keep the session alive.
        let queue = self.queue.downgrade();
        async move {
            queued.map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => TransactError::QueueFull,
                mpsc::error::TrySendError::Closed(_) => TransactError::Closed,
            })?;
            match tokio::time::timeout(timeout, answer).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(TransactError::Closed),
                Err(_) => {
                    if let Some(queue) = queue.upgrade() {
                        // A full queue only means that a late answer is looked up in vain.
                        let _ = queue.try_send(Command::Cancel { id });
                    }
                    Err(TransactError::TimedOut { after: timeout })
                }
            }
        }
    }

    /// Lets `f` look at the replica. The task waits meanwhile: be short.
    pub fn read<T>(&self, f: impl FnOnce(&Replica) -> T) -> T {
        f(&self
            .shared
            .replica
            .read()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// What happens to the replica from now on. A receiver that lags too far is told so, and
    /// should read the replica.
    pub fn changes(&self) -> broadcast::Receiver<Arc<Change>> {
        self.shared.changes.subscribe()
    }

    /// The replica's version, which grows with each change.
    pub fn version(&self) -> watch::Receiver<u64> {
        self.shared.version.subscribe()
    }

    /// How the connection is.
    pub fn state(&self) -> watch::Receiver<ConnState> {
        self.shared.state.subscribe()
    }

    /// Grows whenever the server sends anything: one that hangs does not, one that is slow with an
    /// answer has others to give first.
    pub fn heard(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed)
    }

    /// How many times the connection came about again after the first time.
    pub fn reconnects(&self) -> u64 {
        self.shared
            .generation
            .load(Ordering::Relaxed)
            .saturating_sub(1)
    }

    /// Waits until the replica is in sync and transactions are taken.
    ///
    /// # Errors
    /// [`SessionError`], with the reason why there is no connection.
    pub async fn ready(&self, timeout: Duration) -> Result<(), SessionError> {
        let mut state = self.state();
        let ready = state.wait_for(|s| matches!(s, ConnState::Ready { .. }));
        match tokio::time::timeout(timeout, ready).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(_)) => Err(SessionError::Closed),
            Err(_) => Err(self.late(timeout)),
        }
    }

    /// Waits until `f` finds what it looks for in a replica that is in sync.
    ///
    /// # Errors
    /// [`SessionError`].
    pub async fn wait_for<T>(
        &self,
        timeout: Duration,
        mut f: impl FnMut(&Replica) -> Option<T>,
    ) -> Result<T, SessionError> {
        let mut version = self.version();
        let found = async {
            loop {
                version.mark_unchanged();
                if let Some(found) = self.read(|r| if r.synced() { f(r) } else { None }) {
                    return Ok(found);
                }
                version.changed().await.map_err(|_| SessionError::Closed)?;
            }
        };
        match tokio::time::timeout(timeout, found).await {
            Ok(result) => result,
            Err(_) => Err(self.late(timeout)),
        }
    }

    fn late(&self, after: Duration) -> SessionError {
        let cause = match &*self.shared.state.borrow() {
            ConnState::Disconnected { cause, .. } => cause.clone(),
            ConnState::Syncing | ConnState::Ready { .. } => None,
        };
        SessionError::TimedOut { after, cause }
    }
}

/// A whole `transact` request (RFC 7047 §4.1.3), made in the caller's task.
fn message(database: &str, ops: &[Op], id: u64) -> Vec<u8> {
    #[derive(Serialize)]
    struct Request<'a> {
        method: &'static str,
        params: Vec<Param<'a>>,
        id: u64,
    }
    #[derive(Serialize)]
    #[serde(untagged)]
    enum Param<'a> {
        Database(&'a str),
        Op(&'a Op),
    }
    let params = std::iter::once(Param::Database(database))
        .chain(ops.iter().map(Param::Op))
        .collect();
    let request = Request {
        method: "transact",
        params,
        id,
    };
    // Maps with string keys and no foreign `Serialize`: this cannot fail, and a request that
    // is empty would be no request.
    serde_json::to_vec(&request).unwrap_or_default()
}
