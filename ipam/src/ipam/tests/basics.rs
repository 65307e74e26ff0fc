use super::*;

#[test]
fn an_attachment_is_reserved_committed_and_released_across_restarts() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ipam.redb");
    let generation = {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(0)).expect("it opens");
        assert_eq!(recovery, Recovery::default());
        let (reservation, durable) = ipam
            .reserve_with(
                &key(1),
                &unnamed(),
                at(1),
                |r| serde_json::json!({"port": r.slot}),
            )
            .expect("there is room");
        assert_eq!(first_ip(&reservation), "10.0.0.16");
        durable.wait().expect("it is durable");
        reservation.generation
    };
    {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(2)).expect("it opens");
        assert_eq!(recovery.uncommitted.len(), 1);
        assert_eq!(recovery.uncommitted[0].detail["port"], 1);
        let durable = ipam.commit(&key(1), generation).expect("it is there");
        durable.wait().expect("it is durable");
    }
    {
        let (ipam, recovery) = Ipam::open(&path, four(), BOOT, at(3)).expect("it opens");
        assert_eq!(recovery.alive.len(), 1);
        let release = ipam
            .release(&key(1), generation, at(4))
            .expect("it is there");
        assert!(release.existed());
        release.durable().wait().expect("it is durable");
    }
    let (ipam, recovery) = Ipam::open(&path, four(), "boot-2", at(5)).expect("it opens");
    assert_eq!(recovery, Recovery::default());
    let (next, _durable) = ipam
        .reserve(&key(1), &unnamed(), at(6))
        .expect("there is room");
    assert_eq!(
        first_ip(&next),
        "10.0.0.17",
        "the first one is in quarantine"
    );
    assert!(next.generation > generation);
    assert_eq!(next.slot, 2, "the first one was freed last");
}

#[test]
fn an_attachment_that_exists_is_refused_with_what_it_is() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    let (first, _durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    let error = ipam
        .reserve(&key(1), &unnamed(), at(0))
        .expect_err("it exists");
    assert_eq!(error.cni_code(), 100);
    let ReserveError::Exists { record } = error else {
        panic!("{error}");
    };
    assert_eq!(record.generation, first.generation);
    assert_eq!(record.addresses, first.addresses);
}

#[test]
fn a_late_release_never_frees_a_successors_address() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    let (old, _durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    let released = ipam.release(&key(1), old.generation, at(1)).expect("there");
    released.durable().wait().expect("durable");
    let (new, _durable) = ipam.reserve(&key(1), &unnamed(), at(2)).expect("room");
    let error = ipam
        .release(&key(1), old.generation, at(3))
        .expect_err("it is a late one");
    assert!(
        matches!(error, ChangeError::NotCurrent { given, current, .. }
            if given == old.generation && current == new.generation),
        "{error}"
    );
    assert_eq!(
        ipam.get(&key(1)).map(|r| r.generation),
        Some(new.generation)
    );
    assert!(ipam.commit(&key(1), old.generation).is_err());
}

#[test]
fn a_release_or_commit_that_is_repeated_is_no_error() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    let (r, _durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    for _ in 0..2 {
        let durable = ipam.commit(&key(1), r.generation).expect("it is there");
        durable.wait().expect("durable");
    }
    for existed in [true, false, false] {
        let release = ipam.release(&key(1), r.generation, at(1)).expect("fine");
        assert_eq!(release.existed(), existed);
        release.durable().wait().expect("durable");
    }
    assert!(matches!(
        ipam.commit(&key(1), r.generation),
        Err(ChangeError::Absent { .. })
    ));
}

#[test]
fn addresses_of_an_aborted_reservation_are_quarantined() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    let (r, _durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    let aborted = ipam.abort(&key(1), r.generation, at(1)).expect("there");
    aborted.durable().wait().expect("durable");
    let error = ipam
        .reserve(&key(2), &named("10.0.0.16"), at(2))
        .expect_err("it is in quarantine");
    assert_eq!(error.cni_code(), 11);
    assert!(
        ipam.reserve(&key(2), &named("10.0.0.16"), at(30_001))
            .is_ok()
    );
}

#[test]
fn status_says_whether_an_add_could_succeed_and_why_not() {
    let mut config = four();
    config.slots = 5;
    let (ipam, _) = open_on(&MemoryBackend::default(), config, at(0));
    for n in 0..4 {
        assert!(ipam.has_free(&net(), at(0)));
        let _ = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
    }
    let why = ipam.check_free(&net(), at(0)).expect_err("it is full");
    assert_eq!(why.cni_code(), 105);
    let generation = ipam.get(&key(0)).expect("there").generation;
    let _release = ipam.release(&key(0), generation, at(1)).expect("there");
    let why = ipam
        .check_free(&net(), at(2))
        .expect_err("one is in quarantine");
    assert_eq!(why.cni_code(), 11);
    let usage = ipam.usage(&net(), at(2)).expect("the network is there");
    assert_eq!(
        (usage[0].used, usage[0].quarantined, usage[0].free),
        (3, 1, 0)
    );
    assert!(ipam.has_free(&net(), at(30_001)));
}

#[test]
fn there_are_no_more_attachments_than_slots() {
    let mut config = four();
    config.slots = 2;
    let (ipam, _) = open_on(&MemoryBackend::default(), config, at(0));
    for n in 0..2 {
        let _ = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
    }
    let error = ipam
        .reserve(&key(2), &unnamed(), at(0))
        .expect_err("no slot");
    assert!(matches!(error, ReserveError::SlotsExhausted { slots: 2 }));
    assert!(!ipam.has_free(&net(), at(0)));
}

#[test]
fn a_start_classifies_what_it_finds() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    for n in 0..3 {
        let (r, durable) = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
        durable.wait().expect("durable");
        if n > 0 {
            let durable = ipam.commit(&key(n), r.generation).expect("there");
            durable.wait().expect("durable");
        }
    }
    drop(ipam);
    let keys = |records: &[Arc<Record>]| -> Vec<AttachmentKey> {
        records.iter().map(|r| r.key.clone()).collect()
    };
    // Only .17 and .18 are left to the host.
    let fewer = config([range("10.0.0.17-10.0.0.18", "10.0.0.0/24", "10.0.0.1")]);
    let (ipam, recovery) = open_on(&disk, fewer.clone(), at(1));
    assert_eq!(keys(&recovery.uncommitted), [key(0)]);
    assert_eq!(keys(&recovery.alive), [key(1), key(2)]);
    assert_eq!(keys(&recovery.outside), [key(0)]);
    assert_eq!(
        ipam.owner_of(ip("10.0.0.16")).map(|r| r.key.clone()),
        Some(key(0))
    );
    drop(ipam);
    let (ipam, recovery) =
        Ipam::open_with(Box::new(disk), fewer, "boot-2", at(2)).expect("it opens");
    assert_eq!(keys(&recovery.earlier_boot), [key(0), key(1), key(2)]);
    assert!(recovery.alive.is_empty() && recovery.uncommitted.is_empty());
    for record in recovery.earlier_boot {
        let forgotten = ipam.forget(&record.key, record.generation, at(3));
        forgotten.expect("there").durable().wait().expect("durable");
    }
    assert!(ipam.list().is_empty());
    assert!(!ipam.has_free(&net(), at(4)), "they are in quarantine");
    assert!(ipam.has_free(&net(), at(30_003)));
}

#[test]
fn ranges_grow_and_drain_while_attachments_use_them() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    for n in 0..4 {
        let _ = ipam.reserve(&key(n), &unnamed(), at(0)).expect("room");
    }
    let networks = |spans: &[&str]| {
        let ranges = spans.iter().map(|s| range(s, "10.0.0.0/24", "10.0.0.1"));
        Networks::new([(net(), ranges.collect())]).expect("networks")
    };
    assert!(ipam.reconfigure(networks(&["10.0.0.16/29"])).is_empty());
    let (grown, _durable) = ipam.reserve(&key(4), &unnamed(), at(0)).expect("room");
    assert_eq!(first_ip(&grown), "10.0.0.20");
    let outside = ipam.reconfigure(networks(&["10.0.0.64/29"]));
    assert_eq!(outside.len(), 5);
    let (moved, _durable) = ipam.reserve(&key(5), &unnamed(), at(0)).expect("room");
    assert_eq!(first_ip(&moved), "10.0.0.64");
    let outside = ipam.reconfigure(Networks::default());
    assert_eq!(outside.len(), 6);
    assert_eq!(ipam.list().len(), 6);
    let error = ipam
        .reserve(&key(6), &unnamed(), at(0))
        .expect_err("no network");
    assert_eq!(error.cni_code(), 7);
}

#[test]
fn a_detail_is_kept_and_can_be_changed() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    let (r, _durable) = ipam
        .reserve_with(&key(1), &unnamed(), at(0), |r| r.slot.into())
        .expect("room");
    let durable = ipam
        .set_detail(&key(1), r.generation, "other".into())
        .expect("there");
    durable.wait().expect("durable");
    drop(ipam);
    let (ipam, _) = open_on(&disk, four(), at(1));
    let record = ipam.get(&key(1)).expect("it is there");
    assert_eq!(record.detail, "other");
    assert_eq!(record.state, RecordState::Reserved);
}

#[test]
fn a_closure_that_panics_changes_nothing() {
    let (ipam, _) = open_on(&MemoryBackend::default(), four(), at(0));
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        ipam.reserve_with(&key(1), &unnamed(), at(0), |_| panic!("the caller's fault"))
    }));
    assert!(panicked.is_err());
    assert!(ipam.get(&key(1)).is_none());
    let (r, durable) = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    assert_eq!(first_ip(&r), "10.0.0.16");
    durable.wait().expect("durable");
}

#[test]
fn the_drop_of_the_last_handle_writes_the_queue() {
    let disk = MemoryBackend::default();
    let (ipam, _) = open_on(&disk, four(), at(0));
    let other = ipam.clone();
    let _ = ipam.reserve(&key(1), &unnamed(), at(0)).expect("room");
    drop(ipam);
    let _ = other.reserve(&key(2), &unnamed(), at(0)).expect("room");
    drop(other);
    assert_eq!(disk.snapshot().records.len(), 2);
}

#[tokio::test]
async fn eight_callers_at_once_get_eight_addresses_in_a_few_batches() {
    let disk = MemoryBackend::default();
    let wide = config([range("10.0.1.0/24", "10.0.0.0/16", "10.0.0.1")]);
    let (ipam, _) = open_on(&disk, wide, at(0));
    let callers: Vec<_> = (0..8)
        .map(|caller| {
            let ipam = ipam.clone();
            tokio::spawn(async move {
                let mut given = Vec::new();
                for n in 0..25 {
                    let key = key(caller * 100 + n);
                    let (r, durable) = ipam.reserve(&key, &unnamed(), at(0)).expect("room");
                    durable.await.expect("durable");
                    let durable = ipam.commit(&key, r.generation).expect("there");
                    durable.await.expect("durable");
                    given.push((r.generation, r.slot, first_ip(&r)));
                }
                given
            })
        })
        .collect();
    let mut all = Vec::new();
    for caller in callers {
        all.extend(caller.await.expect("it ends"));
    }
    for project in [
        all.iter().map(|a| a.0.to_string()).collect::<Vec<_>>(),
        all.iter().map(|a| a.1.to_string()).collect(),
        all.iter().map(|a| a.2.clone()).collect(),
    ] {
        let distinct: std::collections::HashSet<_> = project.iter().collect();
        assert_eq!(distinct.len(), 200);
    }
    assert_eq!(disk.snapshot().records.len(), 200);
}
