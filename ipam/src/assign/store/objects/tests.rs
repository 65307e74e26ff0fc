//! The store against objects in memory that fail at each step, and against a second writer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatnet_types::Timestamp;
use flatnet_types::ipamd::{LeaseId, LeaseSource, LeaseState};
use proptest::prelude::*;

use super::*;
use crate::assign::LedgerMemory;

/// What an API server has.
#[derive(Debug, Default)]
struct World {
    head: Option<String>,
    version: u64,
    leases: BTreeMap<Key, Lease>,
    /// How many calls succeed before one fails; each change of an object is a call.
    left: Option<usize>,
    /// Whether the call that fails is done nevertheless.
    is_done: bool,
}

impl World {
    /// Whether the call is done, and whether it is answered.
    fn call(&mut self) -> (bool, bool) {
        match &mut self.left {
            None => (true, true),
            Some(0) => (self.is_done, false),
            Some(left) => {
                *left -= 1;
                (true, true)
            }
        }
    }
}

/// A client of it.
#[derive(Debug, Clone, Default)]
struct Objects {
    world: Arc<Mutex<World>>,
    /// The version of the head that was read or written last.
    version: u64,
}

impl Objects {
    fn new() -> Self {
        let objects = Self::default();
        objects.world().head = Some(String::new());
        objects
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, me: &str) -> Result<ObjectLedger<Self>, StoreError> {
        ObjectLedger::open(self.clone(), me.to_owned())
    }

    fn fail_after(&self, calls: Option<usize>, is_done: bool) {
        let mut world = self.world();
        (world.left, world.is_done) = (calls, is_done);
    }
}

fn failed() -> ObjectError {
    ObjectError::Failed("an injected fault".into())
}

impl LedgerObjects for Objects {
    fn place(&self) -> String {
        "the ConfigMap of a test".to_owned()
    }

    fn head(&mut self) -> Result<Option<String>, ObjectError> {
        let mut world = self.world();
        if world.call() != (true, true) {
            return Err(failed());
        }
        let (head, version) = (world.head.clone(), world.version);
        drop(world);
        self.version = version;
        Ok(head)
    }

    fn replace_head(&mut self, text: &str) -> Result<(), ObjectError> {
        let mut world = self.world();
        let (is_done, is_answered) = world.call();
        if is_done {
            if world.version != self.version {
                return Err(ObjectError::Conflict);
            }
            world.head = Some(text.to_owned());
            world.version += 1;
        }
        let version = world.version;
        drop(world);
        if !is_answered {
            return Err(failed());
        }
        self.version = version;
        Ok(())
    }

    fn ranges(&mut self) -> Result<Vec<Lease>, ObjectError> {
        let mut world = self.world();
        match world.call() {
            (true, true) => Ok(world.leases.values().cloned().collect()),
            _ => Err(failed()),
        }
    }

    fn write(&mut self, changes: &[RangeChange]) -> Result<(), ObjectError> {
        let mut world = self.world();
        // Not in the batch's order.
        for change in changes.iter().rev() {
            let (is_done, is_answered) = world.call();
            if is_done {
                match change {
                    RangeChange::Put(lease) => {
                        world.leases.insert(key_of(lease.prefix), lease.clone())
                    }
                    RangeChange::Remove(prefix) => world.leases.remove(&key_of(*prefix)),
                };
            }
            if !is_answered {
                return Err(failed());
            }
        }
        Ok(())
    }
}

fn a_lease(prefix: &str, stamp: u64) -> Lease {
    Lease {
        id: LeaseId(stamp),
        ledger: Incarnation(stamp % 3),
        host: "a".parse().expect("a name"),
        network: "app".parse().expect("a name"),
        prefix: prefix.parse().expect("a prefix"),
        source: LeaseSource::SubAllocated,
        state: LeaseState::Active,
        granted_at: Timestamp::from_millis(stamp),
        stamp,
    }
}

fn a_start(number: u64) -> Entry {
    Entry::Started(Start {
        number,
        incarnation: Incarnation(number),
        first: 0,
    })
}

#[test]
fn what_was_applied_is_there_at_the_next_start() {
    let objects = Objects::new();
    let mut store = objects.open("one").expect("opens");
    assert_eq!(store.trust(), Trust::Current);
    assert_eq!(store.load().expect("loads"), LedgerSaved::default());
    let lease = a_lease("10.0.0.0/26", 1);
    let batch = [a_start(0), Entry::Put(lease.clone()), Entry::Sequence(2)];
    store.apply(&batch).expect("applies");
    let mut store = objects.open("two").expect("opens");
    let saved = store.load().expect("loads");
    assert_eq!(saved.leases, [lease]);
    assert_eq!((saved.sequence, saved.starts.len()), (2, 1));
    assert_eq!(store.trust(), Trust::Current);
}

#[test]
fn without_a_head_nothing_starts_and_a_new_one_beside_leases_is_not_trusted() {
    let objects = Objects::new();
    let mut store = objects.open("one").expect("opens");
    store
        .apply(&[Entry::Put(a_lease("10.0.0.0/26", 1)), Entry::Sequence(1)])
        .expect("applies");
    objects.world().head = None;
    assert!(matches!(
        objects.open("two"),
        Err(StoreError::NoHead { .. })
    ));
    objects.world().head = Some(String::new());
    let store = objects.open("two").expect("opens");
    assert_eq!(store.trust(), Trust::RestoredFromBackup);
    objects.world().head = Some("{".to_owned());
    assert!(matches!(
        objects.open("two"),
        Err(StoreError::Corrupt { .. })
    ));
    objects.world().head = Some(r#"{"schema": 2}"#.to_owned());
    let newer = objects.open("two");
    assert!(matches!(
        newer,
        Err(StoreError::NewerSchema { found: 2, .. })
    ));
}

#[test]
fn who_was_overtaken_writes_nothing_and_takes_nothing_back() {
    let objects = Objects::new();
    let mut first = objects.open("one").expect("opens");
    let mut second = objects.open("two").expect("opens");
    let lease = a_lease("10.0.0.0/26", 1);
    let outcome = first.apply(&[Entry::Put(lease.clone())]);
    let Err(StoreError::Superseded { by, .. }) = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!(by, "two");
    // A reload is how a failed write is repaired; it must not shut the other one out again.
    assert!(matches!(first.load(), Err(StoreError::Superseded { .. })));
    assert!(objects.world().leases.is_empty());
    second.apply(&[Entry::Put(lease)]).expect("applies");
}

#[test]
fn a_label_on_the_head_overtakes_nobody() {
    let objects = Objects::new();
    let mut store = objects.open("one").expect("opens");
    objects.world().version += 1;
    store
        .apply(&[Entry::Put(a_lease("10.0.0.0/26", 1))])
        .expect("applies");
    assert_eq!(objects.world().leases.len(), 1);
}

#[test]
fn the_starts_of_recorded_leases_and_the_newest_are_remembered() {
    let objects = Objects::new();
    let mut store = objects.open("one").expect("opens");
    let mut lease = a_lease("10.0.0.0/26", 1);
    lease.ledger = Incarnation(3);
    store.apply(&[Entry::Put(lease)]).expect("applies");
    for number in 0..600 {
        store.apply(&[a_start(number)]).expect("applies");
    }
    let saved = objects.open("two").expect("opens").load().expect("loads");
    let numbers: BTreeSet<u64> = saved.starts.iter().map(|s| s.number).collect();
    assert!(numbers.contains(&3) && numbers.contains(&599) && !numbers.contains(&4));
    assert!(saved.starts.len() <= STARTS + 1);
}

/// One of a few ranges that overlap each other in several ways.
fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let prefixes = [
        "10.0.0.0/24",
        "10.0.0.0/25",
        "10.0.0.128/25",
        "10.0.1.0/24",
        "fd00::/64",
    ];
    let entry = (0..prefixes.len(), any::<bool>()).prop_map(move |(i, puts)| (prefixes[i], puts));
    proptest::collection::vec(entry, 0..6).prop_map(|all| {
        let of = |(i, (prefix, puts)): (usize, (&str, bool))| match puts {
            true => Entry::Put(a_lease(prefix, i as u64 + 1)),
            false => Entry::Remove(prefix.parse().expect("a prefix")),
        };
        all.into_iter().enumerate().map(of).collect()
    })
}

/// The entries that keep every two recorded leases apart, as a ledger's do.
fn sound(model: &mut LedgerMemory, entries: Vec<Entry>) -> Vec<Entry> {
    let saved = model.load().expect("loads");
    let mut leases: Vec<IpNetwork> = saved.leases.iter().map(|l| l.prefix).collect();
    let mut kept = Vec::new();
    for entry in entries {
        match &entry {
            Entry::Put(lease) => {
                let same = |p: &IpNetwork| key_of(*p) == key_of(lease.prefix);
                let free = |p: &IpNetwork| same(p) || !overlap(*p, lease.prefix);
                if !leases.iter().all(free) {
                    continue;
                }
                leases.retain(|p| !same(p));
                leases.push(lease.prefix);
            }
            Entry::Remove(prefix) => leases.retain(|p| key_of(*p) != key_of(*prefix)),
            _ => {}
        }
        kept.push(entry);
    }
    kept
}

proptest! {
    /// Whatever call of a batch fails, done or not: the next writer finds the batch whole, or nothing of it.
    #[test]
    fn a_batch_is_there_as_a_whole_or_not_at_all(
        batches in proptest::collection::vec((entries(), proptest::option::of(0..8usize), any::<bool>()), 1..12),
        reopens in any::<bool>(),
    ) {
        let objects = Objects::new();
        let mut model = LedgerMemory::default();
        let mut store = objects.open("writer-0").expect("opens");
        for (number, (batch, fault, is_done)) in batches.into_iter().enumerate() {
            let batch = sound(&mut model, batch);
            objects.fail_after(fault, is_done);
            let outcome = store.apply(&batch);
            objects.fail_after(None, false);
            if reopens {
                store = objects.open(&format!("writer-{}", number + 1)).expect("opens");
            }
            let found = store.load().expect("loads").leases;
            let before = model.load().expect("loads").leases;
            model.apply(&batch).expect("applies");
            let after = model.load().expect("loads").leases;
            if outcome.is_ok() || found == after {
                prop_assert_eq!(&found, &after);
            } else {
                prop_assert_eq!(&found, &before);
                // The model goes on from what is there.
                model = LedgerMemory::default();
                let puts: Vec<Entry> = before.into_iter().map(Entry::Put).collect();
                model.apply(&puts).expect("applies");
            }
            let there: Vec<Lease> = objects.world().leases.values().cloned().collect();
            prop_assert_eq!(there, found);
        }
    }

    /// Parts are the batch, and none ends where a range that is resized has no record.
    #[test]
    fn parts_are_the_batch_and_end_where_nothing_is_missing(batch in entries(), most in 1..4usize) {
        let parts = batch::parts(&batch, most);
        let joined: Vec<Entry> = parts.concat();
        prop_assert_eq!(&joined, &batch);
        // What is longer than that is cut.
        prop_assume!(parts.iter().all(|part| part.len() < 2 * most));
        let mut end = 0;
        for part in parts {
            end += part.len();
            for (at, removed) in batch[..end].iter().enumerate() {
                let Entry::Remove(prefix) = removed else { continue };
                let again = |e: &Entry| matches!(e, Entry::Put(lease) if overlap(lease.prefix, *prefix));
                // All of it is recorded again before the part ends, or none of it is in this batch.
                let missing = batch[end..].iter().any(again);
                prop_assert!(!missing, "{:?}: {} of {}", batch, at, end);
            }
        }
    }
}
