//! All that is in memory, and how a change of it becomes a change of the store.
//!
//! Whatever changes here queues what it changes there in the same breath, under one lock:
//! the queue's order is the order of what happened, so any prefix of it is a past state.

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

/// How many changes may wait for the disk before new reservations are refused. At one
/// fsync a batch they all go in the next one; a disk that keeps 1024 waiting is stuck, and
/// the caller had better hear of it than wait. What ends or completes an attachment is
/// always queued: there is at most one of each for every living one.
pub(super) const QUEUE: usize = 1024;

/// How many generations are set aside on disk at a time: more than can wait in the queue.
const GENERATIONS: u64 = 4096;

/// A change on its way to the disk.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) changes: Vec<Change>,
    /// The record that it creates, if it is a reservation.
    pub(super) reserved: Option<Arc<Record>>,
    pub(super) done: oneshot::Sender<Outcome>,
}

/// What is in memory.
#[derive(Debug)]
pub(super) struct State {
    config: Config,
    boot_id: String,
    allocator: Allocator,
    slots: Slots,
    records: HashMap<Arc<AttachmentKey>, Arc<Record>>,
    next_generation: u64,
    /// What the disk says: generations from here on must not be handed out yet.
    ceiling: u64,
    pub(super) queue: Vec<Queued>,
    /// Why the store takes no writes.
    pub(super) broken: Option<Arc<StoreError>>,
    pub(super) stopping: bool,
}

impl State {
    /// The state that a store's content stands for.
    pub(super) fn restore(
        snapshot: &Snapshot,
        config: Config,
        boot_id: &str,
        now: Timestamp,
    ) -> Self {
        let mut allocator = Allocator::new(&config.networks, config.rest, config.remembered);
        allocator.tell(now);
        let mut state = Self {
            slots: Slots::restore(config.slots, [], [], 0),
            config,
            boot_id: boot_id.to_owned(),
            allocator,
            records: HashMap::new(),
            next_generation: snapshot.ceiling.max(1),
            ceiling: snapshot.ceiling,
            queue: Vec::new(),
            broken: None,
            stopping: false,
        };
        state.fill(snapshot);
        state.resume_cursors(snapshot);
        state
    }

    /// Goes back to what `snapshot` stands for, and keeps what only moves forward: the
    /// clock, the generations, the cursors, the numbers of releases.
    pub(super) fn rebuild(&mut self, snapshot: &Snapshot) {
        let before = std::mem::replace(
            &mut self.allocator,
            Allocator::new(
                &self.config.networks,
                self.config.rest,
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
            self.allocator.rest_one(Released {
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

    /// Where a range is so large that some of its addresses were forgotten, the search for
    /// unused ones goes on after the last that was handed out.
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

    /// Sorts what a start found.
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

    /// The records with an address that no range hands out.
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

    /// Whether a change can be queued at all.
    pub(super) fn writable(&self) -> Result<(), Blocked> {
        match &self.broken {
            Some(source) => Err(Blocked::Unavailable {
                source: Arc::clone(source),
            }),
            None => Ok(()),
        }
    }

    /// Whether one that begins something can be queued.
    pub(super) fn has_room(&self) -> Result<(), Blocked> {
        self.writable()?;
        let waiting = self.queue.len();
        if waiting >= QUEUE || self.next_generation >= self.ceiling {
            return Err(Blocked::Busy { waiting });
        }
        Ok(())
    }

    /// A new attachment.
    pub(super) fn add(&mut self, record: Record, picked: &Picked) -> Durable {
        let owner = Arc::new(record.key.clone());
        let history = self.allocator.take(picked, &owner);
        self.slots.take();
        self.next_generation = record.generation + 1;
        let record = Arc::new(record);
        self.records.insert(owner, Arc::clone(&record));
        let mut changes = vec![Change::Put(Arc::clone(&record))];
        changes.extend(history.into_iter().map(Change::Forgotten));
        self.queue(changes, Some(record))
    }

    /// The same attachment, changed.
    pub(super) fn replace(&mut self, record: Record) -> Durable {
        let record = Arc::new(record);
        if let Some(place) = self.records.get_mut(&record.key) {
            *place = Arc::clone(&record);
        }
        self.queue(vec![Change::Put(record)], None)
    }

    /// An attachment no more: its addresses rest, its slot goes to the end.
    pub(super) fn remove(&mut self, record: &Arc<Record>, now: Timestamp) -> Durable {
        self.records.remove(&record.key);
        self.slots.give_back(record.slot);
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

    /// Nothing new; durable when all before it is.
    pub(super) fn barrier(&mut self) -> Durable {
        self.queue(Vec::new(), None)
    }

    fn queue(&mut self, changes: Vec<Change>, reserved: Option<Arc<Record>>) -> Durable {
        let (done, durable) = Durable::channel();
        if matches!(self.broken.as_deref(), Some(StoreError::Stopped)) {
            // Nobody takes from the queue any more; without its sender it says so.
            return durable;
        }
        self.queue.push(Queued {
            changes,
            reserved,
            done,
        });
        durable
    }

    /// The ceiling to write with the next batch, if the generations come close to it.
    pub(super) fn raised_ceiling(&self) -> Option<u64> {
        (self.next_generation + GENERATIONS / 2 > self.ceiling)
            .then(|| self.next_generation + GENERATIONS)
    }

    /// The ceiling is on disk.
    pub(super) fn set_ceiling(&mut self, ceiling: u64) {
        self.ceiling = ceiling;
    }

    /// What makes the addresses of a lost reservation rest: it may have been seen.
    pub(super) fn rest_of_lost(&mut self, lost: &Record) -> Vec<ReleasedRow> {
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

/// The releases that count, in their order, with times that rise and do not pass `now`;
/// and the numbers of those that do not count: their address lives, or was released again.
///
/// A time after `now` is from a clock that has jumped back since. Taken as now, it makes
/// its address rest in full once more and no longer. One that is later than the time of a
/// release after it was from such a clock as well.
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

/// The first address or attachment that is in two records, in words: a store like that is
/// damaged.
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
