//! A store whose writes fail as the fault queue says.

use std::path::PathBuf;

use flatnet_ipam::{Backend, Change, Snapshot, StoreError};

use super::queue::{FaultAction, FaultQueue};

/// A store with injected faults.
pub struct FaultyStore<B> {
    inner: B,
    path: PathBuf,
    queue: FaultQueue,
}

impl<B: Backend> FaultyStore<B> {
    /// Wraps a store; `path` is for error messages.
    pub fn new(inner: B, path: PathBuf, queue: FaultQueue) -> Self {
        Self { inner, path, queue }
    }

    fn injected(&self) -> StoreError {
        StoreError::Write {
            path: self.path.clone(),
            source: "a failure on order".into(),
        }
    }
}

impl<B: Backend> Backend for FaultyStore<B> {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.inner.load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        // After a failure the store writes an empty batch to test whether writes succeed again: it
        // never fails here.
        let action = if changes.is_empty() {
            FaultAction::Pass
        } else {
            self.queue.take("store")
        };
        match action {
            FaultAction::Pass => self.inner.apply(changes),
            FaultAction::FailBefore => Err(self.injected()),
            FaultAction::FailAfter => {
                self.inner.apply(changes)?;
                Err(self.injected())
            }
            FaultAction::Kill => super::kill_self(),
            FaultAction::KillAfter => {
                let _ = self.inner.apply(changes);
                super::kill_self()
            }
            FaultAction::Hang(how_long) => {
                // Blocks only the writer's thread.
                std::thread::sleep(how_long);
                self.inner.apply(changes)
            }
        }
    }
}
