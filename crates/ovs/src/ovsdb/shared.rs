//! What a session's task and its handles share.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, RwLock};

use tokio::sync::{broadcast, oneshot, watch};

use super::outcome::{Answer, OpResult, TransactError};
use super::protocol::ProtocolError;
use super::replica::{Replica, RowChange};

/// How a session's connection is.
#[derive(Debug, Clone)]
pub enum ConnState {
    /// There is none; another attempt follows.
    Disconnected {
        /// Attempts that failed since it was last ready.
        failures: u32,
        /// Why it ended or did not come about; `None` before the first attempt.
        cause: Option<Arc<ConnError>>,
    },
    /// It is made; the copy is being fetched.
    Syncing,
    /// The copy is in sync and transactions are taken.
    Ready {
        /// How many times it was ready, this time included.
        generation: u64,
    },
}

/// Why a connection to a database server ended or did not come about.
pub type ConnError = crate::link::ConnError<ProtocolError>;

/// What happened to the replica at once.
#[derive(Debug)]
pub struct Change {
    /// The replica's version after it.
    pub version: u64,
    /// The replica was made anew, after a connection came about: `rows` is empty, and
    /// anything may differ.
    pub resync: bool,
    /// What changed.
    pub rows: Vec<RowChange>,
}

pub(crate) type Reply = oneshot::Sender<Result<Vec<OpResult>, TransactError>>;

pub(crate) enum Command {
    Transact {
        id: u64,
        message: Vec<u8>,
        expected: Vec<Answer>,
        reply: Reply,
    },
    Cancel {
        id: u64,
    },
}

/// What the task and the handles share. It must not hold the queue's sender, or the task
/// would never see that the handles are gone.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) replica: RwLock<Replica>,
    pub(crate) version: watch::Sender<u64>,
    pub(crate) changes: broadcast::Sender<Arc<Change>>,
    pub(crate) state: watch::Sender<ConnState>,
    pub(crate) generation: AtomicU64,
    pub(crate) heard: AtomicU64,
}
