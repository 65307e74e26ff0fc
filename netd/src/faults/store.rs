//! A store whose writes fail on order.

use std::path::PathBuf;

use flatnet_ipam::{Backend, Change, Snapshot, StoreError};

use super::order::{Action, Orders};

/// A store with orders.
pub struct FaultyStore<B> {
    inner: B,
    path: PathBuf,
    orders: Orders,
}

impl<B: Backend> FaultyStore<B> {
    /// A store, its path for errors, and its orders.
    pub fn new(inner: B, path: PathBuf, orders: Orders) -> Self {
        Self {
            inner,
            path,
            orders,
        }
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
        // The empty batch is the proof after a failure that writes succeed again.
        let action = if changes.is_empty() {
            Action::Pass
        } else {
            self.orders.take("store")
        };
        match action {
            Action::Pass => self.inner.apply(changes),
            Action::FailBefore => Err(self.injected()),
            Action::FailAfter => {
                self.inner.apply(changes)?;
                Err(self.injected())
            }
            Action::Kill => super::die(),
            Action::KillAfter => {
                let _ = self.inner.apply(changes);
                super::die()
            }
            Action::Hang(how_long) => {
                // The writer's own thread.
                std::thread::sleep(how_long);
                self.inner.apply(changes)
            }
        }
    }
}
