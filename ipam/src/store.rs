//! What survives a crash: the attachments, the order of releases, and how far the
//! generations have gone.
//!
//! The store knows nothing of addresses' meaning. It is read once, at the start (and after
//! a failed write), and then only written to, a batch of [`Change`]s at a time.

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

pub(crate) use lock::{Lock, beside};
pub use memory::{Fault, MemoryBackend};
pub use redb_backend::RedbBackend;
pub(crate) use redb_file::{Reading, RedbFile, WriteError};

/// The store's schema that this version writes.
pub const SCHEMA: u64 = 1;

/// A released address that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReleasedRow {
    /// The place in the order of releases.
    pub seq: u64,
    /// The address that was released.
    pub ip: IpAddr,
    /// When it was released.
    pub at: Timestamp,
    /// The slot that was freed with it.
    pub slot: u16,
    /// The attachment that had it.
    pub generation: u64,
}

/// One change; a batch of them is applied whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The record is new, or takes the place of that with its generation.
    Put(Arc<Record>),
    /// The record with this generation is no more.
    Remove(u64),
    /// An address was released.
    Released(ReleasedRow),
    /// A release is history: the address is in use again, or was forgotten.
    Forgotten(u64),
    /// No generation at or above this was ever handed out.
    Ceiling(u64),
}

/// All that a store holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Snapshot {
    /// By generation.
    pub records: BTreeMap<u64, Arc<Record>>,
    /// By the order of releases.
    pub released: BTreeMap<u64, ReleasedRow>,
    /// No generation at or above this was ever handed out.
    pub ceiling: u64,
}

impl Snapshot {
    /// What the snapshot is after `change`.
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

/// What the writer needs of a store.
pub trait Backend: Send {
    /// Reads everything. After a failed [`Backend::apply`] it also mends: it finds out what
    /// became of the batch, and makes the store writable again.
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

/// Why a store could not be opened, read or written.
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
        /// The process that holds it, where it left its number.
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
    /// The store is damaged, or is not one.
    #[error(
        "the store {} is damaged ({detail}). It is left as it is, for only it knows which addresses are in use. Put a copy of it back; or drain this node, move the file away and reboot: after a reboot no attachment lives, and an empty store is right",
        path.display()
    )]
    Corrupt {
        /// Path of the store's file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// There was a store in this boot, and there is none.
    #[error(
        "the store {} is gone, and was there in this boot: containers may live whose addresses only it knows, so no empty one takes its place. Put it back, or mount what it is on; or drain this node and reboot: after a reboot no attachment lives, and an empty store is right. Where no container of this node lives, removing {} says so",
        path.display(),
        lock.display()
    )]
    Lost {
        /// Path of the store's file.
        path: PathBuf,
        /// The file that remembers it.
        lock: PathBuf,
    },
    /// A store is to be made where there is one.
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
        /// What was being done.
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
    /// The writer has ended.
    #[error("the store's writer has ended")]
    Stopped,
}

impl StoreError {
    /// Whether it can pass by itself: disks get space again, holders end.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Held { .. } | Self::Lost { .. } | Self::Read { .. } | Self::Write { .. } => true,
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
