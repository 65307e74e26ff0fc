//! A store that fails, at every step.

use std::sync::mpsc;

use super::*;
use crate::durable::DurableError;
use crate::store::{Fault, Snapshot};

/// Two attachments from reservation to release, step by step. Returns whether each step became
/// durable.
fn script(ipam: &Ipam) -> Vec<bool> {
    let mut durable = Vec::new();
    let ok = |d: Durable| d.wait().is_ok();
    let release = |n: u32, t: u64| match ipam.get(&key(n)) {
        Some(r) => ipam
            .release(&key(n), r.generation, at(t))
            .is_ok_and(|r| ok(r.durable())),
        None => false,
    };
    let reserve = |n: u32, t: u64| {
        ipam.reserve(&key(n), &unnamed(), at(t))
            .is_ok_and(|(_, d)| ok(d))
    };
    let commit = |n: u32| match ipam.get(&key(n)) {
        Some(r) => ipam.commit(&key(n), r.generation).is_ok_and(ok),
        None => false,
    };
    for step in 0..6 {
        durable.push(match step {
            0 => reserve(1, 0),
            1 => commit(1),
            2 => reserve(2, 1),
            3 => release(1, 2),
            4 => commit(2),
            _ => release(2, 3),
        });
        // By then the writer has repaired the store, or tried to.
        let _ = ipam.flush().wait();
    }
    durable
}

/// Memory and disk have the same content, and no address is in two attachments.
fn agree(ipam: &Ipam, disk: &MemoryBackend) {
    let stored: Vec<Arc<Record>> = disk.snapshot().records.into_values().collect();
    assert_eq!(ipam.list(), stored);
    assert_eq!(contradiction(&disk.snapshot()), None);
}

#[test]
fn a_write_that_fails_at_any_step_leaves_memory_as_the_disk_is() {
    for fault in [Fault::Refused, Fault::Ambiguous] {
        for k in 0..6 {
            let disk = MemoryBackend::default();
            let (ipam, _) = open_on(&disk, four(), at(0));
            disk.fail_at(disk.batches() + k, 1, fault);
            let durable = script(&ipam);
            let first = usize::try_from(k).expect("it is small");
            assert!(!durable[first], "{fault:?} at {k}: {durable:?}");
            assert!(durable[..first].iter().all(|d| *d), "{durable:?}");
            agree(&ipam, &disk);
            assert_eq!(
                ipam.get(&key(1)).is_some(),
                fault == Fault::Refused && k == 3
            );
            // Once repaired, everything works again.
            let (r, d) = ipam
                .reserve(&key(9), &unnamed(), at(100_000))
                .expect("room");
            d.wait().expect("durable");
            let release = ipam.release(&key(9), r.generation, at(100_000));
            release.expect("there").durable().wait().expect("durable");
            agree(&ipam, &disk);
        }
    }
}

#[test]
fn a_reservation_that_was_lost_is_gone_and_its_address_quarantined() {
    for fault in [Fault::Refused, Fault::Ambiguous] {
        let disk = MemoryBackend::default();
        let (ipam, _) = open_on(&disk, four(), at(0));
        disk.fail_at(disk.batches(), 1, fault);
        let (lost, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
        let error = durable.wait().expect_err("the disk refused");
        assert!(matches!(error, DurableError::Failed { .. }), "{error}");
        assert_eq!(error.cni_code(), 5);
        ipam.flush().wait().expect("it is repaired");
        assert!(ipam.get(&key(1)).is_none());
        let abort = ipam.abort(&key(1), lost.generation, at(0)).expect("fine");
        assert!(!abort.existed());
        let by_name = ipam.reserve(&key(2), &named("10.0.0.16"), at(1));
        assert_eq!(by_name.expect_err("it is in quarantine").cni_code(), 11);
        let (next, durable) = ipam.reserve(&key(1), &unnamed(), at(1)).expect("room");
        durable.wait().expect("durable");
        assert_eq!(first_ip(&next), "10.0.0.17");
        assert!(next.generation > lost.generation);
        drop(ipam);
        let (ipam, recovery) = open_on(&disk, four(), at(2));
        assert_eq!(recovery.uncommitted.len(), 1);
        let usage = ipam.usage(&net(), at(2)).expect("there");
        assert_eq!((usage[0].used, usage[0].quarantined), (1, 1));
    }
}

/// A store that waits for the test before it answers.
struct Gate(MemoryBackend, mpsc::Sender<()>, mpsc::Receiver<()>);

impl Backend for Gate {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        let _ = self.1.send(());
        // A test that is over opens the gate.
        let _ = self.2.recv();
        self.0.apply(changes)
    }
}

#[test]
fn what_was_queued_behind_a_failed_write_fails_with_it() {
    for fault in [Fault::Refused, Fault::Ambiguous] {
        let disk = MemoryBackend::default();
        let (arrived, arrives) = mpsc::channel();
        let (open, gate) = mpsc::channel();
        open.send(()).expect("the gate is there");
        let gate = Gate(disk.clone(), arrived, gate);
        let mut no_quarantine = four();
        no_quarantine.quarantine = Duration::ZERO;
        let (ipam, _) =
            Ipam::open_with(Box::new(gate), no_quarantine, BOOT, at(0)).expect("it opens");
        arrives
            .recv()
            .expect("the first batch is that of the start");
        let (kept, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
        arrives.recv().expect("it is being written");
        open.send(()).expect("the gate is there");
        durable.wait().expect("durable");

        // The second builds on the first: it takes the very address that it freed.
        disk.fail_at(disk.batches(), 1, fault);
        let freed = ipam.release(&key(1), kept.generation, at(1));
        let freed = freed.expect("there").durable();
        arrives.recv().expect("the release is being written");
        let (_, taken) = ipam
            .reserve(&key(2), &named("10.0.0.16"), at(2))
            .expect("it is free in memory");
        let (_, other) = ipam.reserve(&key(3), &unnamed(), at(2)).expect("room");
        for _ in 0..5 {
            open.send(()).expect("the gate is there");
        }
        assert!(freed.wait().is_err());
        assert!(taken.wait().is_err());
        assert!(other.wait().is_err());
        ipam.flush().wait().expect("it is repaired");
        agree(&ipam, &disk);
        let keys: Vec<_> = ipam.list().iter().map(|r| r.key.clone()).collect();
        match fault {
            Fault::Refused => assert_eq!(keys, [key(1)]),
            Fault::Ambiguous => assert!(keys.is_empty()),
        }
    }
}

#[test]
fn a_slow_disk_bounds_the_queue_of_reservations() {
    let (arrived, _arrives) = mpsc::channel();
    let (open, gate) = mpsc::channel();
    open.send(()).expect("the gate is there");
    let gate = Gate(MemoryBackend::default(), arrived, gate);
    let wide = config([range("10.0.0.0/16", "10.0.0.0/16", "10.0.0.1")]);
    let (ipam, _) = Ipam::open_with(Box::new(gate), wide, BOOT, at(0)).expect("it opens");
    let refused = (0..3_000).find_map(|n| ipam.reserve(&key(n), &unnamed(), at(0)).err());
    let refused = refused.expect("the queue is bounded");
    assert!(matches!(
        refused,
        ReserveError::Blocked(Blocked::Busy { waiting: 1024 })
    ));
    assert_eq!(refused.cni_code(), 11);
    let generation = ipam.get(&key(0)).expect("there").generation;
    let released = ipam.release(&key(0), generation, at(0));
    assert!(released.is_ok(), "what ends an attachment is always taken");
    drop(open);
    released.expect("there").durable().wait().expect("durable");
}

#[test]
fn while_the_store_is_broken_changes_are_refused_and_reads_go_on() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    let (kept, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    durable.wait().expect("durable");
    disk.fail_at(disk.batches(), u64::MAX, Fault::Refused);
    let (_, durable) = ipam.reserve(&key(2), &unnamed(), at(0)).expect("room");
    assert!(durable.wait().is_err());
    ipam.flush().wait().expect("nothing is on its way");
    let error = ipam
        .reserve(&key(3), &unnamed(), at(0))
        .expect_err("broken");
    assert_eq!(error.cni_code(), 11);
    assert!(error.is_retryable());
    assert!(ipam.release(&key(1), kept.generation, at(0)).is_err());
    assert!(ipam.commit(&key(1), kept.generation).is_err());
    assert!(!ipam.has_free(&net(), at(0)));
    assert_eq!(ipam.list().len(), 1);
    disk.repair();
    // The writer finds out by itself.
    let healed = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(50));
        ipam.has_free(&net(), at(0))
    });
    assert!(healed);
    assert!(ipam.commit(&key(1), kept.generation).is_ok());
}

#[test]
fn a_store_that_fails_at_the_start_is_not_opened() {
    let disk = MemoryBackend::default();
    disk.fail_at(0, 1, Fault::Refused);
    let opened = Ipam::open_with(Box::new(disk), four(), BOOT, at(0));
    assert!(matches!(opened, Err(StoreError::Write { .. })));
}

#[test]
fn a_store_that_contradicts_itself_is_not_opened() {
    let mut disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    let (_, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    durable.wait().expect("durable");
    let mut twin = Record::clone(&ipam.get(&key(1)).expect("there"));
    drop(ipam);
    twin.generation += 1;
    twin.key = key(2);
    disk.apply(&[Change::Put(Arc::new(twin))])
        .expect("it is written");
    let error = Ipam::open_with(Box::new(disk), four(), BOOT, at(0)).expect_err("damaged");
    assert!(
        error
            .to_string()
            .contains("10.0.0.16 is of cni/c1/eth0 and of cni/c2/eth0"),
        "{error}"
    );
}

/// A backend whose writer thread dies.
struct Dying(MemoryBackend, bool);

impl Backend for Dying {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        assert!(!self.1, "a fault of ours");
        self.1 = true;
        self.0.apply(changes)
    }
}

#[test]
fn when_the_writer_dies_nobody_waits_for_it() {
    let backend = Dying(MemoryBackend::default(), false);
    let (ipam, _) = Ipam::open_with(Box::new(backend), four(), BOOT, at(0)).expect("it opens");
    let (_, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    assert!(matches!(durable.wait(), Err(DurableError::Stopped)));
    let stopped = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(10));
        ipam.reserve(&key(2), &unnamed(), at(0))
            .is_err_and(|e| e.cni_code() == 50)
    });
    assert!(stopped);
    assert!(ipam.flush().wait().is_err());
}
