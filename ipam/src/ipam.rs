//! The node's address management: decisions in memory, and a durable store.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use flatnet_types::{AttachmentKey, NetworkName};

use crate::allocator::{RangeUsage, Request};
use crate::config::Config;
use crate::durable::Durable;
use crate::range::Networks;
use crate::record::{Record, RecordState, Recovery};
use crate::reservation::{ReleaseOutcome, Reservation, ReserveRequest};
use crate::store::{Backend, Change, RedbBackend, StoreError};
use flatnet_types::Timestamp;

mod error;
mod state;
#[cfg(test)]
mod tests;
mod writer;

pub use error::{Blocked, ChangeError, ReserveError};
use state::{State, contradiction, remembered};
use writer::{Shared, Writer};

/// The addresses of one node: a handle, cheap to clone.
///
/// # Guarantees
/// - No address is in two attachments, and no slot; no generation is ever used twice, not
///   even one that a crash lost before it was durable.
/// - A change whose [`Durable`] resolved to `Ok` survives a crash.
/// - If a write fails, all changes that are not durable are undone.
/// - No call but [`Ipam::open`] and the drop of the last handle waits for the disk.
///
/// A reservation is in [`Ipam::get`] and [`Ipam::list`] at once. After a crash, one that was
/// never durable is unknown; its flows and links bear a generation that no record has.
///
/// The drop of the last handle writes what is queued and closes the store.
#[derive(Debug, Clone)]
pub struct Ipam(Arc<Handle>);

#[derive(Debug)]
struct Handle {
    shared: Arc<Shared>,
    writer: Option<JoinHandle<()>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.stop();
        let Some(writer) = self.writer.take() else {
            return;
        };
        // The last handle may be dropped on the writer's own thread, by a task that it woke: a
        // thread cannot join itself.
        if writer.thread().id() != thread::current().id() && writer.join().is_err() {
            tracing::error!("the store's writer panicked");
        }
    }
}

impl Ipam {
    /// Opens the store at `path`, or creates it if there is none, and starts its writer.
    /// `boot_id` is the kernel's `/proc/sys/kernel/random/boot_id`. Blocks.
    ///
    /// # Errors
    /// [`StoreError`]: it is held, damaged, of a newer version, or cannot be read.
    pub fn open(
        path: &Path,
        config: Config,
        boot_id: &str,
        now: Timestamp,
    ) -> Result<(Self, Recovery), StoreError> {
        let backend = RedbBackend::open(path)?;
        Self::start(Box::new(backend), path, config, boot_id, now)
    }

    /// [`Ipam::open`] with another store.
    ///
    /// # Errors
    /// As [`Ipam::open`].
    pub fn open_with(
        backend: Box<dyn Backend>,
        config: Config,
        boot_id: &str,
        now: Timestamp,
    ) -> Result<(Self, Recovery), StoreError> {
        Self::start(backend, Path::new("(other)"), config, boot_id, now)
    }

    fn start(
        mut backend: Box<dyn Backend>,
        path: &Path,
        config: Config,
        boot_id: &str,
        now: Timestamp,
    ) -> Result<(Self, Recovery), StoreError> {
        let mut durable = backend.load()?;
        if let Some(detail) = contradiction(&durable) {
            return Err(StoreError::Corrupt {
                path: path.to_owned(),
                detail,
            });
        }
        let mut state = State::restore(&durable, config, boot_id, now);

        // Stores the corrected release times, and deletes releases that no longer apply.
        let (rows, void) = remembered(&durable, now);
        let mut changes: Vec<Change> = void.into_iter().map(Change::Forgotten).collect();
        let moved = rows
            .iter()
            .filter(|r| durable.released.get(&r.seq) != Some(*r));
        changes.extend(moved.copied().map(Change::Released));
        let forgotten = state.allocator().forget();
        changes.extend(forgotten.into_iter().map(Change::Forgotten));
        // Generations must be reserved on disk before the first is used.
        changes.extend(state.raised_ceiling().map(Change::Ceiling));
        backend.apply(&changes)?;
        for change in &changes {
            durable.apply(change);
        }
        state.set_ceiling(durable.ceiling);

        let recovery = state.recovery();
        let shared = Arc::new(Shared::new(state));
        let writer = Writer::new(Arc::clone(&shared), backend, durable);
        let writer = thread::Builder::new()
            .name("ipam-writer".to_owned())
            .spawn(move || writer.run())
            .map_err(|source| StoreError::Read {
                path: path.to_owned(),
                doing: "start the writer of",
                source: source.into(),
            })?;
        let handle = Handle {
            shared,
            writer: Some(writer),
        };
        Ok((Self(Arc::new(handle)), recovery))
    }

    /// [`Ipam::reserve_with`], with no detail.
    ///
    /// # Errors
    /// As [`Ipam::reserve_with`].
    pub fn reserve(
        &self,
        key: &AttachmentKey,
        request: &ReserveRequest,
        now: Timestamp,
    ) -> Result<(Reservation, Durable), ReserveError> {
        self.reserve_with(key, request, now, |_| serde_json::Value::Null)
    }

    /// Reserves addresses, a slot and a generation for the attachment `key`. Decided at once; the
    /// [`Durable`] resolves when it is written. `detail` returns the data to store with the record;
    /// it runs under the lock, so it must be short and not call this handle.
    ///
    /// # Errors
    /// [`ReserveError`]; nothing was taken.
    pub fn reserve_with(
        &self,
        key: &AttachmentKey,
        request: &ReserveRequest,
        now: Timestamp,
        detail: impl FnOnce(&Reservation) -> serde_json::Value,
    ) -> Result<(Reservation, Durable), ReserveError> {
        self.0.shared.change(|state| {
            if let Some(record) = state.get(key) {
                let record = Arc::clone(record);
                return Err(ReserveError::Exists { record });
            }
            state.has_room()?;
            let slot = free_slot(state)?;
            let from = Request {
                network: &request.network,
                ips: &request.ips,
            };
            let picked = state.allocator().pick(from, now)?;
            let reservation = Reservation {
                generation: state.next_generation(),
                slot,
                addresses: picked.addresses.clone(),
            };
            let record = Record {
                key: key.clone(),
                generation: reservation.generation,
                slot,
                state: RecordState::Reserved,
                network: request.network.clone(),
                addresses: reservation.addresses.clone(),
                created_at: now,
                boot_id: state.boot_id().to_owned(),
                detail: detail(&reservation),
            };
            let durable = state.add(record, &picked);
            Ok((reservation, durable))
        })
    }

    /// Marks the attachment as complete. To commit it again is no error.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed.
    pub fn commit(&self, key: &AttachmentKey, generation: u64) -> Result<Durable, ChangeError> {
        self.0.shared.change(|state| {
            state.writable()?;
            let record = current(state, key, generation)?;
            match record.state {
                RecordState::Committed => Ok(state.barrier()),
                RecordState::Reserved => Ok(state.replace(Record {
                    state: RecordState::Committed,
                    ..Record::clone(&record)
                })),
            }
        })
    }

    /// Replaces the detail of the attachment.
    ///
    /// # Errors
    /// [`ChangeError`]; nothing was changed.
    pub fn set_detail(
        &self,
        key: &AttachmentKey,
        generation: u64,
        detail: serde_json::Value,
    ) -> Result<Durable, ChangeError> {
        self.0.shared.change(|state| {
            state.has_room()?;
            let record = current(state, key, generation)?;
            Ok(state.replace(Record {
                detail,
                ..Record::clone(&record)
            }))
        })
    }

    /// Deletes the attachment; the quarantine of its addresses begins at `now`. To release an
    /// attachment that is gone already is no error.
    ///
    /// # Errors
    /// [`ChangeError::NotCurrent`] for a late release of an earlier generation, which would
    /// free its successor's addresses; [`ChangeError::Blocked`].
    pub fn release(
        &self,
        key: &AttachmentKey,
        generation: u64,
        now: Timestamp,
    ) -> Result<ReleaseOutcome, ChangeError> {
        self.0.shared.change(|state| {
            state.writable()?;
            match current(state, key, generation) {
                Ok(record) => {
                    let durable = state.remove(&record, now);
                    Ok(ReleaseOutcome::Released { record, durable })
                }
                Err(ChangeError::Absent { .. }) => Ok(ReleaseOutcome::Absent {
                    durable: state.barrier(),
                }),
                Err(e) => Err(e),
            }
        })
    }

    /// The rollback of an ADD: [`Ipam::release`]. The addresses are quarantined as usual: a
    /// neighbour may have learned them between reservation and rollback.
    ///
    /// # Errors
    /// As [`Ipam::release`].
    pub fn abort(
        &self,
        key: &AttachmentKey,
        generation: u64,
        now: Timestamp,
    ) -> Result<ReleaseOutcome, ChangeError> {
        self.release(key, generation, now)
    }

    /// Deletes an attachment of [`Recovery`] that the caller has cleaned up: [`Ipam::release`].
    ///
    /// # Errors
    /// As [`Ipam::release`].
    pub fn forget(
        &self,
        key: &AttachmentKey,
        generation: u64,
        now: Timestamp,
    ) -> Result<ReleaseOutcome, ChangeError> {
        self.release(key, generation, now)
    }

    /// Resolves when all earlier changes are durable.
    pub fn flush(&self) -> Durable {
        self.0.shared.change(State::barrier)
    }

    /// The attachment `key`.
    pub fn get(&self, key: &AttachmentKey) -> Option<Arc<Record>> {
        self.0.shared.lock().get(key).cloned()
    }

    /// All attachments, by generation.
    pub fn list(&self) -> Vec<Arc<Record>> {
        self.0.shared.lock().list()
    }

    /// How many attachments there are, without a copy of them.
    pub fn count(&self) -> usize {
        self.0.shared.lock().count()
    }

    /// The attachment that has `ip`.
    pub fn owner_of(&self, ip: IpAddr) -> Option<Arc<Record>> {
        self.0.shared.lock().owner_of(ip).cloned()
    }

    /// Usage of each range of a network, in the order in which they are filled; `None` for a
    /// network that the host does not have.
    pub fn usage(&self, network: &NetworkName, now: Timestamp) -> Option<Vec<RangeUsage>> {
        self.0.shared.lock().allocator().usage(network, now)
    }

    /// The slots of the next `n` reservations, in their order; fewer if fewer are free. What a slot
    /// needs can be made before an ADD waits for it.
    pub fn upcoming_slots(&self, n: usize) -> Vec<u16> {
        self.0.shared.lock().slots().upcoming(n).collect()
    }

    /// Whether a reservation would succeed now, in O(ranges): for STATUS.
    pub fn has_free(&self, network: &NetworkName, now: Timestamp) -> bool {
        self.check_free(network, now).is_ok()
    }

    /// [`Ipam::has_free`], with the reason if not.
    ///
    /// # Errors
    /// The error that the reservation would fail with.
    pub fn check_free(&self, network: &NetworkName, now: Timestamp) -> Result<(), ReserveError> {
        let mut state = self.0.shared.lock();
        state.has_room()?;
        free_slot(&state)?;
        Ok(state.allocator().check_free(network, now)?)
    }

    /// Replaces the ranges. Attachments keep their addresses; returns those with an address outside
    /// the new ranges, by generation.
    pub fn reconfigure(&self, networks: Networks) -> Vec<Arc<Record>> {
        let mut state = self.0.shared.lock();
        state.reconfigure(networks);
        state.outside()
    }
}

fn free_slot(state: &State) -> Result<u16, ReserveError> {
    let slots = state.slots();
    slots.peek().ok_or(ReserveError::SlotsExhausted {
        slots: slots.count(),
    })
}

/// The record of `key` if its generation is `generation`.
fn current(
    state: &State,
    key: &AttachmentKey,
    generation: u64,
) -> Result<Arc<Record>, ChangeError> {
    match state.get(key) {
        None => Err(ChangeError::Absent {
            key: key.clone(),
            generation,
        }),
        Some(record) if record.generation != generation => Err(ChangeError::NotCurrent {
            key: key.clone(),
            given: generation,
            current: record.generation,
        }),
        Some(record) => Ok(Arc::clone(record)),
    }
}
