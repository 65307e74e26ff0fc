//! A store without a disk, that fails when it is told to: for tests, of this crate's
//! callers too.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Backend, Change, Snapshot, StoreError};

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The batch is refused and is not there.
    Refused,
    /// The batch is there, but the writer is told that it failed: an fsync that reports an
    /// error after the data arrived.
    Ambiguous,
}

#[derive(Debug, Default)]
struct Disk {
    snapshot: Snapshot,
    /// Batches applied or refused so far.
    batches: u64,
    /// Fail from this batch (counted from 0) for that many batches and loads.
    fault: Option<(u64, u64, Fault)>,
}

/// A store in memory. Clones share what is stored, as two openers of a file would, so that
/// a clone made before a "crash" is what the next start finds.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<Disk>>);

impl MemoryBackend {
    /// Makes batch number `at` (from 0, counted over the whole life) and the next
    /// `times - 1` operations fail.
    pub fn fail_at(&self, at: u64, times: u64, fault: Fault) {
        self.disk().fault = Some((at, times, fault));
    }

    /// Ends the fault.
    pub fn mend(&self) {
        self.disk().fault = None;
    }

    /// How many batches were tried.
    pub fn batches(&self) -> u64 {
        self.disk().batches
    }

    /// What is stored.
    pub fn snapshot(&self) -> Snapshot {
        self.disk().snapshot.clone()
    }

    /// A store of its own with the same content: what a crash would leave now.
    pub fn copy(&self) -> Self {
        Self(Arc::new(Mutex::new(Disk {
            snapshot: self.snapshot(),
            ..Disk::default()
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Disk {
    /// The fault that strikes now, one time less from now on.
    fn strike(&mut self) -> Option<Fault> {
        let (at, times, fault) = self.fault?;
        if self.batches < at {
            return None;
        }
        self.fault = (times > 1).then_some((at, times - 1, fault));
        Some(fault)
    }
}

fn failed() -> StoreError {
    StoreError::Write {
        path: PathBuf::from("(memory)"),
        source: "an injected fault".into(),
    }
}

impl Backend for MemoryBackend {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let mut disk = self.disk();
        match disk.strike() {
            Some(_) => Err(failed()),
            None => Ok(disk.snapshot.clone()),
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let fault = disk.strike();
        disk.batches += 1;
        if fault == Some(Fault::Refused) {
            return Err(failed());
        }
        for change in changes {
            disk.snapshot.apply(change);
        }
        match fault {
            Some(_) => Err(failed()),
            None => Ok(()),
        }
    }
}
