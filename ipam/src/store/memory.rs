//! A store in memory with injected faults: for tests of this crate and of its callers.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Backend, Change, Snapshot, StoreError};

/// An injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The batch fails and is not stored.
    Refused,
    /// The batch is stored, but an error is returned: an fsync that fails after the data were
    /// written.
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

/// A store in memory. Clones share the content, as two openers of a file would: after a simulated
/// crash, the next start opens a clone.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend(Arc<Mutex<Disk>>);

impl MemoryBackend {
    /// Makes batch number `at` (from 0, counted over the whole life) and the next
    /// `times - 1` operations fail.
    pub fn fail_at(&self, at: u64, times: u64, fault: Fault) {
        self.disk().fault = Some((at, times, fault));
    }

    /// Removes the fault.
    pub fn repair(&self) {
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

    /// A separate store with the same content: what a crash would leave now.
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
    /// The fault of this operation, if there is one; counts it down.
    fn take_fault(&mut self) -> Option<Fault> {
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
        match disk.take_fault() {
            Some(_) => Err(failed()),
            None => Ok(disk.snapshot.clone()),
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let mut disk = self.disk();
        let fault = disk.take_fault();
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
