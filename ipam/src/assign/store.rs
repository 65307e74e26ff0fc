//! What of the ledger survives a crash.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::store::{Fault, StoreError};
use flatnet_types::ipamd::{Incarnation, Lease};

mod mark;
mod redb_ledger;

pub use mark::read as read_mark;
pub use redb_ledger::RedbLedger;

/// The ledger's schema that this version writes.
pub(super) const LEDGER_SCHEMA: u64 = 1;

/// One start of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Start {
    /// Which one, counted from 0.
    pub number: u64,
    /// The life of the ledger that began then.
    pub incarnation: Incarnation,
    /// The sequence at which it began.
    pub first: u64,
}

/// One change; a batch of them is applied whole or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// The lease is new, or takes the place of that with its prefix's first address.
    Put(Lease),
    /// There is no lease any more that begins where this prefix does.
    Remove(IpNetwork),
    /// The ledger has begun a life.
    Started(Start),
    /// The sequence has come so far.
    Sequence(u64),
    /// Whether the ledger is believed: false from when it is found to be an old copy until
    /// every host has reported.
    Trusted(bool),
}

/// All that is saved of a ledger.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LedgerSaved {
    /// In the order of addresses.
    pub leases: Vec<Lease>,
    /// In order.
    pub starts: Vec<Start>,
    /// The sequence of the last change.
    pub sequence: u64,
    /// It is known to be an old copy, and has not heard every host yet.
    pub distrusted: bool,
}

/// How far what is saved can be believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trust {
    /// It is new: no host has anything.
    New,
    /// It is what this machine wrote last, as far as can be seen from here.
    Ours,
    /// It is older than what this machine wrote last, or a copy, or made anew after a loss.
    Old,
}

/// What the service needs of a store.
pub trait LedgerStore: Send {
    /// Reads everything. After a failed [`LedgerStore::apply`] it also mends.
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
    leases: std::collections::BTreeMap<super::ledger::Key, Lease>,
    starts: Vec<Start>,
    sequence: u64,
    distrusted: bool,
    fault: Option<Fault>,
}

/// A store in memory, for tests. Clones share what is stored.
#[derive(Debug, Clone, Default)]
pub struct LedgerMemory(Arc<Mutex<Disk>>);

impl LedgerMemory {
    /// The next batch fails like that.
    pub fn fail_next(&self, fault: Fault) {
        self.disk().fault = Some(fault);
    }

    /// Whether it is marked as an old copy.
    pub fn is_distrusted(&self) -> bool {
        self.disk().distrusted
    }

    /// A store of its own with the same content: a backup.
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
                    let key = super::ledger::key_of(lease.prefix);
                    disk.leases.insert(key, lease.clone());
                }
                Entry::Remove(prefix) => {
                    disk.leases.remove(&super::ledger::key_of(*prefix));
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
