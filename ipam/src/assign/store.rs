//! The durable part of the ledger, and the stores that hold it.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::store::{Fault, StoreError};
use flatnet_types::ipamd::{Incarnation, Lease};

mod mark;
mod objects;
mod redb_ledger;

pub use mark::read as read_mark;
pub use objects::{LedgerObjects, ObjectError, ObjectLedger, RangeChange};
pub use redb_ledger::RedbLedger;

/// The ledger's schema that this version writes.
pub(super) const LEDGER_SCHEMA: u64 = 1;

/// One start of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Number of the start, from 0.
    pub number: u64,
    /// The incarnation that began with it.
    pub incarnation: Incarnation,
    /// The ledger's sequence at the start.
    pub first: u64,
}

/// One change. A batch of changes is applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// Inserts a lease, or replaces the one whose prefix has the same first address.
    Put(Lease),
    /// Deletes the lease that has the first address of this prefix.
    Remove(IpNetwork),
    /// The ledger was started.
    Started(Start),
    /// The ledger's sequence after this batch.
    Sequence(u64),
    /// Whether the ledger is up to date: `false` from when it is found to be an older copy until
    /// every host has reported.
    Trusted(bool),
}

/// The saved content of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSaved {
    /// By first address, IPv4 first.
    pub leases: Vec<Lease>,
    /// By number.
    pub starts: Vec<Start>,
    /// The sequence of the last change.
    pub sequence: u64,
    /// `true` if it is known to be an older copy and not every host has reported yet.
    pub distrusted: bool,
}

/// Whether a saved ledger is up to date.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is new: no host holds a range.
    New,
    /// It is what this machine wrote last, as far as its mark shows.
    Current,
    /// It is older than what this machine wrote last: it was restored from a backup, is a copy, or
    /// was created after a loss. Hosts may hold ranges of which it has no record.
    RestoredFromBackup,
}

/// A store of the ledger, as the service uses it.
pub trait LedgerStore: Send {
    /// Reads everything. After a failed [`LedgerStore::apply`] it also makes the store writable
    /// again.
    ///
    /// # Errors
    /// [`StoreError`].
    fn load(&mut self) -> Result<LedgerSaved, StoreError>;

    /// Applies all of `entries` or none.
    ///
    /// # Guarantees
    /// After `Ok` they survive a crash of the machine; after `Err` they may be there or
    /// not, all or none, which only [`LedgerStore::load`] can tell.
    ///
    /// # Errors
    /// [`StoreError`].
    fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreError>;
}

#[derive(Debug, Clone, Default)]
struct Disk {
    leases: std::collections::BTreeMap<super::keys::Key, Lease>,
    starts: Vec<Start>,
    sequence: u64,
    distrusted: bool,
    fault: Option<Fault>,
}

/// A store in memory, for tests. Clones share what is stored.
#[derive(Debug, Clone, Default)]
pub struct LedgerMemory(Arc<Mutex<Disk>>);

impl LedgerMemory {
    /// Makes the next batch fail.
    pub fn fail_next(&self, fault: Fault) {
        self.disk().fault = Some(fault);
    }

    /// Whether it is marked as an older copy.
    pub fn is_distrusted(&self) -> bool {
        self.disk().distrusted
    }

    /// A separate store with the same content: a backup.
    pub fn copy(&self) -> Self {
        let disk = self.disk();
        Self(Arc::new(Mutex::new(Disk {
            fault: None,
            ..disk.clone()
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LedgerStore for LedgerMemory {
    fn load(&mut self) -> Result<LedgerSaved, StoreError> {
        let disk = self.disk();
        Ok(LedgerSaved {
            leases: disk.leases.values().cloned().collect(),
            starts: disk.starts.clone(),
            sequence: disk.sequence,
            distrusted: disk.distrusted,
        })
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let fault = disk.fault.take();
        let failed = || StoreError::Write {
            path: PathBuf::from("(memory)"),
            source: "an injected fault".into(),
        };
        if fault == Some(Fault::Refused) {
            return Err(failed());
        }
        for entry in entries {
            match entry {
                Entry::Put(lease) => {
                    let key = super::keys::key_of(lease.prefix);
                    disk.leases.insert(key, lease.clone());
                }
                Entry::Remove(prefix) => {
                    disk.leases.remove(&super::keys::key_of(*prefix));
                }
                Entry::Started(start) => disk.starts.push(*start),
                Entry::Sequence(sequence) => disk.sequence = *sequence,
                Entry::Trusted(trusted) => disk.distrusted = !trusted,
            }
        }
        match fault {
            Some(_) => Err(failed()),
            None => Ok(()),
        }
    }
}
