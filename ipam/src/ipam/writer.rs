//! The thread that writes. While one batch is being synced the next one gathers, so eight
//! callers at once pay for one or two fsyncs and not for eight.

use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::state::{Queued, State, remembered};
use crate::durable::DurableError;
use crate::record::Record;
use crate::store::{Backend, Change, Snapshot, StoreError};

/// How long the writer waits before it tries again to mend a store that failed.
const MEND_EVERY: Duration = Duration::from_secs(1);

/// What the handles and the writer share.
#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// There is something to write, or the end has come.
    wake: Condvar,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    /// The state. A panic elsewhere cannot have left it half changed: what can panic (a
    /// caller's closure) runs before the first change.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state for a change; the writer is woken when the guard's user is done.
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

/// The writer: the store, and what is known to be in it.
pub(super) struct Writer {
    shared: Arc<Shared>,
    backend: Box<dyn Backend>,
    durable: Snapshot,
    /// Reservations that a failed write lost; they may be on disk all the same.
    lost: Vec<Arc<Record>>,
}

enum Next {
    Write(Vec<Queued>, Option<u64>),
    Mend,
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

    /// Writes until it is told to stop and nothing is left to write.
    pub(super) fn run(mut self) {
        let _end = End(Arc::clone(&self.shared));
        loop {
            match self.next() {
                Next::Write(batch, ceiling) => self.write(batch, ceiling),
                Next::Mend => self.mend(),
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
            if state.broken.is_none() {
                state = wake.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let waited =
                wake.wait_timeout_while(state, MEND_EVERY, |s| !s.stopping && s.queue.is_empty());
            let (after, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
            if timeout.timed_out() {
                return Next::Mend;
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
            // A caller that no longer waits does not mind.
            let _ = queued.done.send(Ok(()));
        }
    }

    /// Undoes all that is not on disk: the batch, and what was queued behind it and may
    /// build on it.
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
            state.broken = Some(Arc::clone(&source));
            // The lost addresses are made to rest when the store is mended: until then
            // nothing is handed out.
            state.rebuild(&self.durable);
        }
        for queued in batch {
            let source = Arc::clone(&source);
            let _ = queued.done.send(Err(DurableError::Failed { source }));
        }
        // Most failures are of one write: do not make callers wait for the first attempt.
        self.mend();
    }

    /// Finds out what the disk has, takes from it what callers were told had failed, and
    /// opens for writes again.
    fn mend(&mut self) {
        match self.try_mend() {
            Ok(()) => tracing::info!("the store takes writes again"),
            Err(source) => {
                tracing::warn!(error = %source, "the store still takes no writes");
                self.shared.lock().broken = Some(Arc::new(source));
            }
        }
    }

    fn try_mend(&mut self) -> Result<(), StoreError> {
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
            changes.extend(self.rest_of_lost(&mut state));
            changes.extend(state.raised_ceiling().map(Change::Ceiling));
            let mut after = snapshot.clone();
            for change in &changes {
                after.apply(change);
            }
            let (_, void) = remembered(&after, state.allocator().last_reading());
            changes.extend(void.into_iter().map(Change::Forgotten));
            changes
        };
        // Even an empty batch is written: it shows that the store takes writes.
        self.backend.apply(&changes)?;
        for change in &changes {
            snapshot.apply(change);
        }
        self.durable = snapshot;
        self.lost.clear();
        let mut state = self.shared.lock();
        state.rebuild(&self.durable);
        state.broken = None;
        Ok(())
    }

    fn rest_of_lost(&self, state: &mut State) -> Vec<Change> {
        self.lost
            .iter()
            .flat_map(|lost| state.rest_of_lost(lost))
            .map(Change::Released)
            .collect()
    }
}

/// However the writer ends, nobody waits for it any more.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        let orphans = {
            let mut state = self.0.lock();
            state.broken = Some(Arc::new(StoreError::Stopped));
            mem::take(&mut state.queue)
        };
        drop(orphans);
    }
}
