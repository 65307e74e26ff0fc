//! The durable store of a node: the attachments, the releases in their order, and the ceiling of
//! the generations.
//!
//! It is read at the start and after a failed write; otherwise it is only written, one batch of
//! [`Change`]s at a time. It does not interpret addresses.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use flatnet_types::api::code;
use thiserror::Error;

use crate::record::Record;
use flatnet_types::Timestamp;

pub(crate) mod file;
mod lock;
mod memory;
mod redb_backend;
mod redb_file;

pub(crate) use lock::{Lock, with_suffix};
pub use memory::{Fault, MemoryBackend};
pub use redb_backend::RedbBackend;
pub(crate) use redb_file::{ReadErrors, RedbFile, WriteError};

/// The store's schema that this version writes.
pub const SCHEMA: u64 = 1;

/// A remembered release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleasedRow {
    /// Number in the order of releases.
    pub seq: u64,
    /// The address that was released.
    pub ip: IpAddr,
    /// Time of the release, in milliseconds since the Unix epoch.
    pub at: Timestamp,
    /// Slot of the attachment that had it.
    pub slot: u16,
    /// Generation of the attachment that had it.
    pub generation: u64,
}

/// One change. A batch of changes is applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Inserts a record, or replaces the one of the same generation.
    Put(Arc<Record>),
    /// Deletes the record of this generation.
    Remove(u64),
    /// An address was released.
    Released(ReleasedRow),
    /// Deletes the release of this number: its address is in use again, or it was forgotten.
    Forgotten(u64),
    /// No generation at or above this was ever used.
    Ceiling(u64),
}

/// The content of a store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// By generation.
    pub records: BTreeMap<u64, Arc<Record>>,
    /// By the order of releases.
    pub released: BTreeMap<u64, ReleasedRow>,
    /// No generation at or above this was ever used.
    pub ceiling: u64,
}

impl Snapshot {
    /// Applies `change`.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Put(record) => {
                self.records.insert(record.generation, Arc::clone(record));
            }
            Change::Remove(generation) => {
                self.records.remove(generation);
            }
            Change::Released(row) => {
                self.released.insert(row.seq, *row);
            }
            Change::Forgotten(seq) => {
                self.released.remove(seq);
            }
            Change::Ceiling(ceiling) => self.ceiling = *ceiling,
        }
    }
}

/// A store, as the writer uses it.
pub trait Backend: Send {
    /// Reads everything. After a failed [`Backend::apply`] it also makes the store writable again;
    /// the result shows whether the batch was written.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self) -> Result<Snapshot, StoreError>;

    /// Applies all of `changes` or none.
    ///
    /// # Guarantees
    /// After `Ok` they survive a crash of the process and of the machine. After `Err` they
    /// may be there or not, all or none, which only [`Backend::load`] can tell.
    ///
    /// # Errors
    /// [`StoreError`].
    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError>;
}

/// A store could not be opened, read or written.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Another process, or another handle of this one, has the store open.
    #[error(
        "the store {} is held by {}: two writers would give an address out twice, so stop that one first",
        path.display(),
        holder(*pid)
    )]
    Held {
        /// Path of the store's file.
        path: PathBuf,
        /// PID of the process that holds it, if its lock file has one.
        pid: Option<u32>,
    },
    /// A newer version wrote the store.
    #[error(
        "the store {} has schema {found}, but this version knows only up to {supported}: start the version that wrote it, or a newer one",
        path.display()
    )]
    NewerSchema {
        /// Path of the store's file.
        path: PathBuf,
        /// The schema that it has.
        found: u64,
        /// The newest schema that this version knows.
        supported: u64,
    },
    /// The store is damaged, or the file is not a store.
    #[error(
        "the store {} is damaged ({detail}). It is left as it is, for only it knows which addresses are in use. Put a copy of it back; or drain this node, move the file away and reboot: after a reboot no attachment lives, and an empty store is right",
        path.display()
    )]
    Corrupt {
        /// Path of the store's file.
        path: PathBuf,
        /// What is damaged.
        detail: String,
    },
    /// The store existed earlier in this boot, and is missing.
    #[error(
        "the store {} is gone, and was there in this boot: containers may live whose addresses only it knows, so no empty one takes its place. Put it back, or mount what it is on; or drain this node and reboot: after a reboot no attachment lives, and an empty store is right. Where no container of this node lives, removing {} says so",
        path.display(),
        lock.display()
    )]
    Lost {
        /// Path of the store's file.
        path: PathBuf,
        /// Path of the lock file, which records that the store existed.
        lock: PathBuf,
    },
    /// A store is to be created where there is one.
    #[error("there is a store at {} already: it is left as it is", path.display())]
    Exists {
        /// Path of the store's file.
        path: PathBuf,
    },
    /// It could not be opened, created or read.
    #[error("cannot {doing} the store {}", path.display())]
    Read {
        /// Path of the store's file.
        path: PathBuf,
        /// The operation, as a verb: `open`, `read`.
        doing: &'static str,
        /// The error of the database or the file system.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A batch could not be written.
    #[error("cannot write to the store {}", path.display())]
    Write {
        /// Path of the store's file.
        path: PathBuf,
        /// The error of the database or the file system.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The ledger's head in a cluster is not there.
    #[error(
        "there is no {}: `kubectl apply -f deploy/kubernetes/ipamd.yaml` makes an empty one. If there was one, nothing new is granted until every host of the plan has reported what it holds",
        path.display()
    )]
    NoHead {
        /// The head, as the cluster names it.
        path: PathBuf,
    },
    /// Another ipamd writes the ledger now.
    #[error(
        "{} is written by {by} now: this one writes and answers no more",
        path.display()
    )]
    Superseded {
        /// The ledger's head, as the cluster names it.
        path: PathBuf,
        /// Who writes it.
        by: String,
    },
    /// The writer has ended.
    #[error("the store's writer has ended")]
    Stopped,
}

impl StoreError {
    /// Whether a later attempt can succeed: a disk gets space again, the other process ends.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Held { .. }
            | Self::Lost { .. }
            | Self::Read { .. }
            | Self::Write { .. }
            | Self::NoHead { .. }
            // Of another ipamd.
            | Self::Superseded { .. } => true,
            Self::NewerSchema { .. }
            | Self::Corrupt { .. }
            | Self::Exists { .. }
            | Self::Stopped => false,
        }
    }

    /// CNI 1.1 "Error": 5, input or output failed; 50, not available.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Read { .. } | Self::Write { .. } => code::IO_FAILURE,
            Self::Held { .. }
            | Self::NewerSchema { .. }
            | Self::Corrupt { .. }
            | Self::Exists { .. }
            | Self::Lost { .. }
            | Self::NoHead { .. }
            | Self::Superseded { .. }
            | Self::Stopped => code::NOT_AVAILABLE,
        }
    }
}

fn holder(pid: Option<u32>) -> String {
    match pid {
        Some(pid) => format!("process {pid}"),
        None => "another process".to_owned(),
    }
}
