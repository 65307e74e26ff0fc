//! The writer thread. While one batch is synced, further changes gather in the next one: eight
//! concurrent callers cost one or two fsyncs and not eight.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::{Queued, State, remembered};
use crate::durable::DurableError;
use crate::record::Record;
use crate::store::{Backend, Change, Snapshot, StoreError};

/// Interval of the attempts to repair a store that failed.
const REPAIR_EVERY: Duration = Duration::from_secs(1);

/// State that the handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Signalled when the queue is not empty or the writer has to stop.
    wake: Condvar,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    /// Locks the state. A poisoned lock is usable: the code that can panic (a caller's closure)
    /// runs before the first change.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the state, then wakes the writer.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.lock());
        self.wake.notify_one();
        result
    }

    pub(super) fn stop(&self) {
        self.lock().stopping = true;
        self.wake.notify_all();
    }
}

/// The writer: the store, and the content that is known to be on disk.
pub(super) struct Writer {
    shared: Arc<Shared>,
    backend: Box<dyn Backend>,
    durable: Snapshot,
    /// Reservations of failed writes; they may be on disk nevertheless.
    lost: Vec<Arc<Record>>,
}

enum Next {
    Write(Vec<Queued>, Option<u64>),
    Repair,
    Stop,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, backend: Box<dyn Backend>, durable: Snapshot) -> Self {
        Self {
            shared,
            backend,
            durable,
            lost: Vec::new(),
        }
    }

    /// Writes until a stop is requested and the queue is empty.
    pub(super) fn run(mut self) {
        let _fail_pending = FailPending(Arc::clone(&self.shared));
        loop {
            match self.next() {
                Next::Write(batch, ceiling) => self.write(batch, ceiling),
                Next::Repair => self.repair(),
                Next::Stop => return,
            }
        }
    }

    fn next(&self) -> Next {
        let mut state = self.shared.lock();
        loop {
            if !state.queue.is_empty() {
                let ceiling = state.raised_ceiling();
                return Next::Write(mem::take(&mut state.queue), ceiling);
            }
            if state.stopping {
                return Next::Stop;
            }
            let wake = &self.shared.wake;
            if state.write_error.is_none() {
                state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited =
                wake.wait_timeout_while(state, REPAIR_EVERY, |s| !s.stopping && s.queue.is_empty());
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Next::Repair;
            }
            state = after;
        }
    }

    fn write(&mut self, batch: Vec<Queued>, ceiling: Option<u64>) {
        let mut changes: Vec<Change> = batch
            .iter()
            .flat_map(|queued| queued.changes.iter().cloned())
            .collect();
        if !changes.is_empty() {
            changes.extend(ceiling.map(Change::Ceiling));
            if let Err(source) = self.backend.apply(&changes) {
                return self.fail(batch, source);
            }
            for change in &changes {
                self.durable.apply(change);
            }
            if let Some(ceiling) = ceiling {
                self.shared.lock().set_ceiling(ceiling);
            }
        }
        for queued in batch {
            // The caller may no longer wait.
            let _ = queued.done.send(Ok(()));
        }
    }

    /// Undoes all changes that are not on disk: the batch, and the changes that were queued after
    /// it and may depend on it.
    fn fail(&mut self, mut batch: Vec<Queued>, source: StoreError) {
        tracing::error!(
            error = &source as &dyn std::error::Error,
            changes = batch.len(),
            "a write failed; what it was to change is undone"
        );
        let source = Arc::new(source);
        {
            let mut state = self.shared.lock();
            batch.append(&mut state.queue);
            self.lost
                .extend(batch.iter().filter_map(|queued| queued.reserved.clone()));
            state.write_error = Some(Arc::clone(&source));
            // The addresses of lost reservations are quarantined when the store is repaired; until
            // then nothing is assigned.
            state.rebuild(&self.durable);
        }
        for queued in batch {
            let source = Arc::clone(&source);
            let _ = queued.done.send(Err(DurableError::Failed { source }));
        }
        // Most failures concern a single write: the first attempt follows at once.
        self.repair();
    }

    /// Reloads the store, deletes the changes whose callers got an error, and accepts writes again.
    fn repair(&mut self) {
        match self.try_repair() {
            Ok(()) => tracing::info!("the store takes writes again"),
            Err(source) => {
                tracing::warn!(error = %source, "the store still takes no writes");
                self.shared.lock().write_error = Some(Arc::new(source));
            }
        }
    }

    fn try_repair(&mut self) -> Result<(), StoreError> {
        let mut snapshot = self.backend.load()?;
        let changes = {
            let mut state = self.shared.lock();
            let landed = |lost: &&Arc<Record>| snapshot.records.contains_key(&lost.generation);
            let mut changes: Vec<Change> = self
                .lost
                .iter()
                .filter(landed)
                .map(|lost| Change::Remove(lost.generation))
                .collect();
            changes.extend(self.quarantine_lost(&mut state));
            changes.extend(state.raised_ceiling().map(Change::Ceiling));
            let mut after = snapshot.clone();
            for change in &changes {
                after.apply(change);
            }
            let (_, void) = remembered(&after, state.allocator().last_reading());
            changes.extend(void.into_iter().map(Change::Forgotten));
            changes
        };
        // An empty batch is written too: it proves that the store takes writes.
        self.backend.apply(&changes)?;
        for change in &changes {
            snapshot.apply(change);
        }
        self.durable = snapshot;
        self.lost.clear();
        let mut state = self.shared.lock();
        state.rebuild(&self.durable);
        state.write_error = None;
        Ok(())
    }

    fn quarantine_lost(&self, state: &mut State) -> Vec<Change> {
        self.lost
            .iter()
            .flat_map(|lost| state.quarantine_lost(lost))
            .map(Change::Released)
            .collect()
    }
}

/// Fails the queued changes when the writer ends, also by a panic.
struct FailPending(Arc<Shared>);

impl Drop for FailPending {
    fn drop(&mut self) {
        let unwritten = {
            let mut state = self.0.lock();
            state.write_error = Some(Arc::new(StoreError::Stopped));
            mem::take(&mut state.queue)
        };
        drop(unwritten);
    }
}
