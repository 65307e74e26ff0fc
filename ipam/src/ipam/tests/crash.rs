//! A crash between any two commits, with callers who do not wait for the disk.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;

use proptest::prelude::*;

use super::*;
use crate::store::Snapshot;

/// Keeps what is on disk after each batch: each is what a crash could leave.
#[derive(Clone, Default)]
struct Film(MemoryBackend, Arc<Mutex<Vec<Snapshot>>>);

impl Film {
    fn frames(&self) -> Vec<Snapshot> {
        self.1.lock().expect("no panic").clone()
    }
}

impl Backend for Film {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.load()
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        // A disk takes its time: let a few changes gather.
        std::thread::sleep(Duration::from_micros(300));
        self.0.apply(changes)?;
        self.1.lock().expect("no panic").push(self.0.snapshot());
        Ok(())
    }
}

fn start(snapshot: Snapshot, now: Timestamp) -> (Ipam, Recovery) {
    let mut disk = MemoryBackend::default();
    let mut changes: Vec<Change> = snapshot.records.into_values().map(Change::Put).collect();
    changes.extend(snapshot.released.into_values().map(Change::Released));
    changes.push(Change::Ceiling(snapshot.ceiling));
    disk.apply(&changes).expect("it is written");
    open_on(&disk, eight(), now)
}

fn eight() -> Config {
    config([range("10.0.0.16/29", "10.0.0.0/24", "10.0.0.1")])
}

#[test]
fn a_crash_at_any_commit_leaves_a_past_state_that_a_start_can_go_on_from() {
    let film = Film::default();
    let (ipam, _) =
        Ipam::open_with(Box::new(film.clone()), eight(), BOOT, at(0)).expect("it opens");
    let mut generations = HashSet::new();
    for round in 0..40_u32 {
        let n = round % 6;
        let now = at(u64::from(round) * 10_000);
        match ipam.get(&key(n)) {
            None => {
                let Ok((r, _durable)) = ipam.reserve(&key(n), &unnamed(), now) else {
                    continue;
                };
                assert!(generations.insert(r.generation));
                drop(ipam.commit(&key(n), r.generation).expect("there"));
            }
            Some(record) => {
                let _ = ipam
                    .release(&key(n), record.generation, now)
                    .expect("there");
            }
        }
        if round % 5 == 0 {
            // However busy the machine is, there are batches to look at.
            ipam.flush().wait().expect("durable");
        }
    }
    ipam.flush().wait().expect("durable");
    let frames = film.frames();
    assert!(frames.len() > 5, "{} batches", frames.len());
    let end = at(400_000);
    for frame in frames {
        assert_eq!(contradiction(&frame), None);
        let (ipam, recovery) = start(frame.clone(), end);
        assert_eq!(
            recovery.uncommitted.len() + recovery.alive.len(),
            frame.records.len()
        );
        // All that is left can be had, each once, and by generations that are new.
        let mut given: HashSet<IpAddr> = frame.records.values().flat_map(|r| r.ips()).collect();
        let free = 8 - given.len();
        for n in 0..free {
            let n = 100 + u32::try_from(n).expect("it is small");
            let (r, _durable) = ipam
                .reserve(
                    &key(n),
                    &unnamed(),
                    end.saturating_add(crate::DEFAULT_QUARANTINE),
                )
                .expect("room");
            assert!(given.insert(r.addresses[0].address.ip()));
            assert!(!generations.contains(&r.generation));
        }
    }
}

#[test]
fn a_generation_that_never_became_durable_is_not_used_again() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, eight(), at(0));
    let before = disk.copy();
    let (r, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    durable.wait().expect("durable");
    let (crashed, recovery) = open_on(&before, eight(), at(1));
    assert_eq!(recovery, Recovery::default(), "the crash lost it");
    let (next, _durable) = crashed.reserve(&key(1), &unnamed(), at(1)).expect("room");
    assert!(next.generation > r.generation);
}

#[test]
fn generations_outlast_the_block_that_was_set_aside() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, eight(), at(0));
    let mut last = 0;
    for n in 0..10_000 {
        let (r, durable) = match ipam.reserve(&key(n), &unnamed(), at(u64::from(n) * 100_000)) {
            Ok(given) => given,
            Err(ReserveError::Blocked(Blocked::Busy { .. })) => {
                ipam.flush().wait().expect("durable");
                continue;
            }
            Err(e) => panic!("{e}"),
        };
        assert!(r.generation > last);
        last = r.generation;
        let release = ipam.release(&key(n), r.generation, at(u64::from(n) * 100_000));
        if n % 100 == 0 {
            durable.wait().expect("durable");
        }
        drop(release);
        assert!(disk.snapshot().ceiling > last);
    }
}

#[test]
fn quarantines_and_their_order_survive_a_restart() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    let mut given = HashMap::new();
    for n in 0..4 {
        let (r, _durable) = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
        given.insert(n, r);
    }
    for (n, t) in [(2, 1_000), (0, 2_000), (3, 3_000)] {
        let release = ipam.release(&key(n), given[&n].generation, at(t));
        release.expect("there").durable().wait().expect("durable");
    }
    drop(ipam);
    let (ipam, _) = open_on(&disk, four(), at(4_000));
    assert!(!ipam.has_free(&net(), at(30_999)));
    for (n, t, wanted) in [
        (5, 31_000, "10.0.0.18"),
        (6, 60_000, "10.0.0.16"),
        (7, 60_000, "10.0.0.19"),
    ] {
        let (r, _durable) = ipam
            .reserve(&key(n), &unnamed(), at(t))
            .expect("its quarantine is over");
        assert_eq!(first_ip(&r), wanted);
    }
    ipam.flush().wait().expect("durable");
    assert!(disk.snapshot().released.is_empty(), "reused is not kept");
}

#[test]
fn a_restart_with_a_clock_far_back_begins_a_quarantine_anew_and_no_longer_one() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    for n in 0..4 {
        let _ = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
    }
    let generation = ipam.get(&key(1)).expect("there").generation;
    let _ = ipam
        .release(&key(1), generation, at(500_000))
        .expect("there");
    drop(ipam);
    let (ipam, _) = open_on(&disk, four(), at(100));
    assert!(!ipam.has_free(&net(), at(30_099)));
    assert!(ipam.has_free(&net(), at(30_100)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever the table of releases holds, after a start no quarantine is longer than a new one.
    #[test]
    fn no_stored_time_makes_a_quarantine_endless(times in prop::collection::vec(any::<u64>(), 0..8)) {
        let mut snapshot = Snapshot { ceiling: 10, ..Snapshot::default() };
        for (i, t) in times.iter().enumerate() {
            let seq = u64::try_from(i).expect("it is small");
            let last = u8::try_from(16 + i).expect("it is small");
            snapshot.released.insert(seq, crate::store::ReleasedRow {
                seq,
                ip: IpAddr::from([10, 0, 0, last]),
                at: Timestamp::from_millis(*t),
                slot: 1,
                generation: seq,
            });
        }
        let (ipam, _) = start(snapshot, at(0));
        for n in 0..8 {
            prop_assert!(ipam.reserve(&key(n), &unnamed(), at(30_000)).is_ok());
        }
    }
}
