//! The state in memory, and the queue of changes for the store.
//!
//! A change of the state and the queueing of its changes for the store happen under one lock, so
//! the queue has the order of the changes: every prefix of it is a state that the memory once had.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;

use flatnet_types::AttachmentKey;
use tokio::sync::oneshot;

use super::error::Blocked;
use crate::allocator::{Allocator, Picked, Released};
use crate::config::Config;
use crate::durable::{Durable, Outcome};
use crate::record::{Record, RecordState, Recovery};
use crate::slots::Slots;
use crate::store::{Change, ReleasedRow, Snapshot, StoreError};
use flatnet_types::Timestamp;

/// The most changes in the queue before new reservations are refused. One fsync writes the whole
/// queue, so a queue of 1024 means that the disk hangs: the caller gets an error rather than wait.
/// Releases and commits are always queued: there is at most one of each for every attachment.
pub(super) const QUEUE: usize = 1024;

/// Number of generations that are reserved on disk at a time: more than [`QUEUE`].
const GENERATIONS: u64 = 4096;

/// A change on its way to the disk.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) changes: Vec<Change>,
    /// The record that it creates, if it is a reservation.
    pub(super) reserved: Option<Arc<Record>>,
    pub(super) done: oneshot::Sender<Outcome>,
}

/// The state in memory.
#[derive(Debug)]
pub(super) struct State {
    config: Config,
    boot_id: String,
    allocator: Allocator,
    slots: Slots,
    records: HashMap<Arc<AttachmentKey>, Arc<Record>>,
    next_generation: u64,
    /// The ceiling on disk: generations from here on must not be used yet.
    ceiling: u64,
    pub(super) queue: Vec<Queued>,
    /// The error of the last write, until the store is repaired.
    pub(super) write_error: Option<Arc<StoreError>>,
    pub(super) stopping: bool,
}

impl State {
    /// The state for the content of a store.
    pub(super) fn restore(
        snapshot: &Snapshot,
        config: Config,
        boot_id: &str,
        now: Timestamp,
    ) -> Self {
        let mut allocator = Allocator::new(&config.networks, config.quarantine, config.remembered);
        allocator.advance_clock(now);
        let mut state = Self {
            slots: Slots::restore(config.slots, [], [], 0),
            config,
            boot_id: boot_id.to_owned(),
            allocator,
            records: HashMap::new(),
            next_generation: snapshot.ceiling.max(1),
            ceiling: snapshot.ceiling,
            queue: Vec::new(),
            write_error: None,
            stopping: false,
        };
        state.fill(snapshot);
        state.resume_cursors(snapshot);
        state
    }

    /// Resets the state to `snapshot`, except for what must not go back: the clock, the
    /// generations, the cursors, the release numbers.
    pub(super) fn rebuild(&mut self, snapshot: &Snapshot) {
        let before = std::mem::replace(
            &mut self.allocator,
            Allocator::new(
                &self.config.networks,
                self.config.quarantine,
                self.config.remembered,
            ),
        );
        self.allocator.resume(&before);
        self.fill(snapshot);
        self.ceiling = snapshot.ceiling;
    }

    fn fill(&mut self, snapshot: &Snapshot) {
        self.records.clear();
        for (generation, record) in &snapshot.records {
            let owner = Arc::new(record.key.clone());
            self.allocator.hold(record.ips(), &owner);
            self.records.insert(owner, Arc::clone(record));
            self.next_generation = self.next_generation.max(generation + 1);
        }
        let (rows, _) = remembered(snapshot, self.allocator.last_reading());
        for row in &rows {
            self.allocator.restore_release(Released {
                seq: row.seq,
                ip: row.ip,
                at: row.at,
            });
        }
        let living = snapshot.records.values();
        let last = living
            .clone()
            .map(|r| (r.generation, r.slot))
            .chain(rows.iter().map(|row| (row.generation, row.slot)))
            .max();
        self.slots = Slots::restore(
            self.config.slots,
            living.map(|r| r.slot),
            rows.iter().map(|row| row.slot),
            last.map_or(0, |(_, slot)| slot),
        );
    }

    /// In a range that is so large that some releases were forgotten, the search for unused
    /// addresses continues after the last one that was assigned.
    fn resume_cursors(&mut self, snapshot: &Snapshot) {
        let living = snapshot.records.values();
        let mut given: Vec<(u64, IpAddr)> = living
            .flat_map(|r| r.ips().map(|ip| (r.generation, ip)))
            .chain(snapshot.released.values().map(|r| (r.generation, r.ip)))
            .collect();
        given.sort_unstable();
        for (_, ip) in given {
            if self.allocator.may_have_forgotten(ip) {
                self.allocator.advance_past(ip);
            }
        }
    }

    /// Classifies the records that a start found.
    pub(super) fn recovery(&self) -> Recovery {
        let mut recovery = Recovery {
            outside: self.outside(),
            ..Recovery::default()
        };
        for record in self.list() {
            let of_this_boot = record.boot_id == self.boot_id;
            match record.state {
                _ if !of_this_boot => recovery.earlier_boot.push(record),
                RecordState::Reserved => recovery.uncommitted.push(record),
                RecordState::Committed => recovery.alive.push(record),
            }
        }
        recovery
    }

    /// The records by generation.
    pub(super) fn list(&self) -> Vec<Arc<Record>> {
        let mut list: Vec<_> = self.records.values().cloned().collect();
        list.sort_unstable_by_key(|r| r.generation);
        list
    }

    pub(super) fn count(&self) -> usize {
        self.records.len()
    }

    /// The records with an address that no range contains or that is withheld.
    pub(super) fn outside(&self) -> Vec<Arc<Record>> {
        let mut list = self.list();
        list.retain(|r| r.ips().any(|ip| !self.allocator.is_usable(ip)));
        list
    }

    pub(super) fn get(&self, key: &AttachmentKey) -> Option<&Arc<Record>> {
        self.records.get(key)
    }

    pub(super) fn owner_of(&self, ip: IpAddr) -> Option<&Arc<Record>> {
        self.records.get(self.allocator.owner_of(ip)?)
    }

    pub(super) fn allocator(&mut self) -> &mut Allocator {
        &mut self.allocator
    }

    pub(super) fn slots(&self) -> &Slots {
        &self.slots
    }

    pub(super) fn boot_id(&self) -> &str {
        &self.boot_id
    }

    pub(super) fn next_generation(&self) -> u64 {
        self.next_generation
    }

    pub(super) fn reconfigure(&mut self, networks: crate::range::Networks) {
        self.allocator.reconfigure(&networks);
        self.config.networks = networks;
    }

    /// Fails if the store takes no writes.
    pub(super) fn writable(&self) -> Result<(), Blocked> {
        match &self.write_error {
            Some(source) => Err(Blocked::Unavailable {
                source: Arc::clone(source),
            }),
            None => Ok(()),
        }
    }

    /// Fails if no reservation can be queued: the store takes no writes, or the queue is full.
    pub(super) fn has_room(&self) -> Result<(), Blocked> {
        self.writable()?;
        let waiting = self.queue.len();
        if waiting >= QUEUE || self.next_generation >= self.ceiling {
            return Err(Blocked::Busy { waiting });
        }
        Ok(())
    }

    /// Adds an attachment.
    pub(super) fn add(&mut self, record: Record, picked: &Picked) -> Durable {
        let owner = Arc::new(record.key.clone());
        let reused = self.allocator.take(picked, &owner);
        self.slots.take();
        self.next_generation = record.generation + 1;
        let record = Arc::new(record);
        self.records.insert(owner, Arc::clone(&record));
        let mut changes = vec![Change::Put(Arc::clone(&record))];
        changes.extend(reused.into_iter().map(Change::Forgotten));
        self.queue(changes, Some(record))
    }

    /// Replaces the record of an attachment.
    pub(super) fn replace(&mut self, record: Record) -> Durable {
        let record = Arc::new(record);
        if let Some(place) = self.records.get_mut(&record.key) {
            *place = Arc::clone(&record);
        }
        self.queue(vec![Change::Put(record)], None)
    }

    /// Removes an attachment: its addresses are quarantined, its slot goes to the end of the free
    /// slots.
    pub(super) fn remove(&mut self, record: &Arc<Record>, now: Timestamp) -> Durable {
        self.records.remove(&record.key);
        self.slots.release(record.slot);
        let released = self.allocator.release(record.ips(), &record.key, now);
        let mut changes = vec![Change::Remove(record.generation)];
        changes.extend(
            released
                .into_iter()
                .map(|one| Change::Released(row(one, record))),
        );
        changes.extend(self.allocator.forget().into_iter().map(Change::Forgotten));
        self.queue(changes, None)
    }

    /// Queues an empty change, which is durable when all earlier ones are.
    pub(super) fn barrier(&mut self) -> Durable {
        self.queue(Vec::new(), None)
    }

    fn queue(&mut self, changes: Vec<Change>, reserved: Option<Arc<Record>>) -> Durable {
        let (done, durable) = Durable::channel();
        if matches!(self.write_error.as_deref(), Some(StoreError::Stopped)) {
            // The writer has ended: the dropped sender resolves `durable` with an error.
            return durable;
        }
        self.queue.push(Queued {
            changes,
            reserved,
            done,
        });
        durable
    }

    /// The ceiling to write with the next batch, if less than half of the reserved generations is
    /// left.
    pub(super) fn raised_ceiling(&self) -> Option<u64> {
        (self.next_generation + GENERATIONS / 2 > self.ceiling)
            .then(|| self.next_generation + GENERATIONS)
    }

    /// The ceiling is on disk.
    pub(super) fn set_ceiling(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
    }

    /// Releases that quarantine the addresses of a lost reservation: a neighbour may have learned
    /// them.
    pub(super) fn quarantine_lost(&mut self, lost: &Record) -> Vec<ReleasedRow> {
        let at = self.allocator.last_reading();
        lost.ips()
            .map(|ip| {
                let seq = self.allocator.next_seq();
                row(Released { seq, ip, at }, lost)
            })
            .collect()
    }
}

fn row(released: Released, record: &Record) -> ReleasedRow {
    ReleasedRow {
        seq: released.seq,
        ip: released.ip,
        at: released.at,
        slot: record.slot,
        generation: record.generation,
    }
}

/// The releases that still apply, in their order, with times that do not decrease and are not after
/// `now`; and the numbers of those that no longer apply, because their address is in use or was
/// released again.
///
/// A time after `now` is of a clock that has jumped back since. It is replaced by `now`, so that
/// the quarantine begins anew and is not longer than usual. The same holds for a time that is later
/// than that of a later release.
pub(super) fn remembered(snapshot: &Snapshot, now: Timestamp) -> (Vec<ReleasedRow>, Vec<u64>) {
    let mut seen: HashSet<IpAddr> = snapshot.records.values().flat_map(|r| r.ips()).collect();
    let mut latest = now;
    let mut rows = Vec::with_capacity(snapshot.released.len());
    let mut void = Vec::new();
    for row in snapshot.released.values().rev() {
        if !seen.insert(row.ip) {
            void.push(row.seq);
            continue;
        }
        latest = latest.min(row.at);
        rows.push(ReleasedRow { at: latest, ..*row });
    }
    rows.reverse();
    (rows, void)
}

/// A sentence about the first address or attachment that is in two records; `None` if there is
/// none. Such a store is damaged.
pub(super) fn contradiction(snapshot: &Snapshot) -> Option<String> {
    let mut ips = BTreeMap::new();
    let mut keys = HashSet::new();
    for record in snapshot.records.values() {
        if !keys.insert(&record.key) {
            return Some(format!("the attachment {} is there twice", record.key));
        }
        for ip in record.ips() {
            if let Some(other) = ips.insert(ip, &record.key) {
                return Some(format!("{ip} is of {other} and of {}", record.key));
            }
        }
    }
    None
}
