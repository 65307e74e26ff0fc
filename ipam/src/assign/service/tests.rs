use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::*;
use crate::assign::declared::{DeclaredHost, DeclaredNetwork, DeclaredPool};
use crate::assign::store::{LedgerMemory, RedbLedger, read_mark};
use crate::store::Fault;

fn declared(hosts: usize) -> Arc<Declared> {
    let pool = DeclaredPool {
        prefix: "10.0.0.0/8".parse().expect("a prefix"),
        slice: Some(26),
        blocked: Vec::new(),
    };
    let network = DeclaredNetwork {
        cluster: None,
        site: "idc".to_owned(),
        pools: vec![pool],
    };
    let host = || DeclaredHost {
        cluster: None,
        site: "idc".to_owned(),
        segment: None,
        ranges: Vec::new(),
    };
    let hosts = (0..hosts).map(|n| (name(n), host())).collect();
    let web = "web".parse().expect("a name");
    Arc::new(Declared::new([(web, network)].into(), hosts).expect("a sound plan"))
}

pub(super) fn name(n: usize) -> NodeName {
    format!("h{n}").parse().expect("a name")
}

fn begin(store: impl LedgerStore + 'static, trust: Trust, life: u64, hosts: usize) -> Service {
    begin_on(store, trust, life, declared(hosts))
}

pub(super) fn begin_on(
    store: impl LedgerStore + 'static,
    trust: Trust,
    life: u64,
    declared: Arc<Declared>,
) -> Service {
    let now = Arc::new(AtomicU64::new(1_000 * life));
    let start = ServiceStart {
        incarnation: Incarnation(life),
        trust,
        config: LedgerConfig {
            grace: Duration::ZERO,
            ..LedgerConfig::default()
        },
        declared,
        clock: Arc::new(move || Timestamp::from_millis(now.fetch_add(1, Ordering::Relaxed))),
    };
    let (service, _) = Service::start(Box::new(store), start).expect("starts");
    service
}

#[tokio::test]
async fn hosts_that_ask_at_once_get_ranges_of_their_own_that_survive_a_restart() {
    const HOSTS: usize = 300;
    let store = LedgerMemory::default();
    let service = begin(store.clone(), Trust::New, 1, HOSTS);
    let asks: Vec<_> = (0..HOSTS)
        .map(|n| {
            let service = service.clone();
            tokio::spawn(async move { service.ranges(&name(n)).await })
        })
        .collect();
    let mut all = std::collections::BTreeSet::new();
    let mut first = Vec::new();
    for ask in asks {
        let ranges = ask.await.expect("ends").expect("has ranges");
        assert_eq!(ranges.ranges.len(), 1);
        assert!(all.insert(ranges.ranges[0].prefix), "given twice");
        first.push(ranges.ranges.clone());
    }
    drop(service);
    let service = begin(store, Trust::Current, 2, HOSTS);
    for (n, before) in first.iter().enumerate() {
        let after = service.ranges(&name(n)).await.expect("has ranges");
        assert_eq!(&after.ranges, before);
    }
}

#[tokio::test]
async fn a_write_that_fails_is_reported_and_undone_and_the_next_succeeds() {
    for fault in [Fault::Refused, Fault::Ambiguous] {
        let store = LedgerMemory::default();
        let service = begin(store.clone(), Trust::New, 1, 2);
        store.fail_next(fault);
        let refused = service.ranges(&name(0)).await;
        assert!(matches!(refused, Err(ServiceError::Store { .. })));
        let first = service.ranges(&name(0)).await.expect("has ranges");
        let second = service.ranges(&name(1)).await.expect("has ranges");
        assert_ne!(first.ranges[0].prefix, second.ranges[0].prefix);
        let listed = service.inspect(|l, now| l.list(now)).await.expect("lists");
        assert_eq!(listed.ranges.len(), 2, "{fault:?}");
    }
}

#[tokio::test]
async fn a_watcher_is_notified_of_a_drain() {
    let service = begin(LedgerMemory::default(), Trust::New, 1, 1);
    let mut watch = service.watch(&name(0)).await.expect("has ranges");
    let before = Arc::clone(&watch.borrow_and_update());
    let drain = Drain {
        host: name(0),
        prefix: before.ranges[0].prefix,
        cancel: false,
    };
    service.drain(drain).await.expect("drains");
    assert!(watch.has_changed().expect("lives"));
    assert_ne!(watch.borrow().revision, before.revision);
}

#[tokio::test]
async fn the_file_keeps_published_answers_and_an_older_copy_is_detected() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger.redb");
    assert!(RedbLedger::open(&path).is_err(), "there is none yet");
    RedbLedger::create(&path, Trust::New).expect("creates");
    assert!(
        RedbLedger::create(&path, Trust::New).is_err(),
        "there is one"
    );
    let store = RedbLedger::open(&path).expect("opens");
    assert_eq!(store.trust(), Trust::New);
    let service = begin(store, Trust::New, 1, 3);
    let first = service.ranges(&name(0)).await.expect("has ranges");
    stop(service, &path).await;

    let backup = std::fs::read(&path).expect("reads");
    let store = RedbLedger::open(&path).expect("opens");
    assert_eq!(store.trust(), Trust::Current);
    let service = begin(store, Trust::Current, 2, 3);
    assert_eq!(
        service.ranges(&name(0)).await.expect("asks").ranges,
        first.ranges
    );
    service.ranges(&name(1)).await.expect("has ranges");
    stop(service, &path).await;
    let marked = read_mark(&path).expect("reads").expect("a mark");
    assert!(marked >= 2, "{marked}");

    std::fs::write(&path, backup).expect("writes");
    let store = RedbLedger::open(&path).expect("opens");
    assert_eq!(store.trust(), Trust::RestoredFromBackup);
    let service = begin(store, Trust::RestoredFromBackup, 3, 3);
    let waits = service.ranges(&name(2)).await.expect("asks");
    assert_eq!((waits.ranges.len(), waits.waiting.len()), (0, 1));
    stop(service, &path).await;
    // The mark equals the ledger's sequence again, but the ledger is still marked as older.
    let store = RedbLedger::open(&path).expect("opens");
    assert_eq!(store.trust(), Trust::RestoredFromBackup);
    let service = begin(store, Trust::RestoredFromBackup, 4, 3);
    service.trust().await.expect("is trusted");
    assert_eq!(
        service.ranges(&name(2)).await.expect("asks").ranges.len(),
        1
    );
    stop(service, &path).await;
    assert_eq!(
        RedbLedger::open(&path).expect("opens").trust(),
        Trust::Current
    );
}

/// Stops the service and waits until its thread has closed the file.
async fn stop(service: Service, path: &std::path::Path) {
    drop(service);
    for _ in 0..1_000 {
        match crate::store::Lock::take(path) {
            Ok(_) => return,
            Err(_) => tokio::time::sleep(Duration::from_millis(5)).await,
        }
    }
    panic!("the thread still holds the ledger");
}

#[tokio::test]
async fn a_damaged_ledger_or_mark_is_refused_or_read_correctly_and_never_replaced() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("ledger.redb");
    RedbLedger::create(&path, Trust::New).expect("creates");
    let service = begin(RedbLedger::open(&path).expect("opens"), Trust::New, 1, 3);
    service.ranges(&name(0)).await.expect("has ranges");
    service.ranges(&name(1)).await.expect("has ranges");
    stop(service, &path).await;
    let load = || RedbLedger::open(&path).and_then(|mut l| l.load());
    let right = load().expect("whole");
    let whole = std::fs::read(&path).expect("reads");
    let mut refused = 0;
    let flips = (0..whole.len()).step_by(997).map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x5a;
        bytes
    });
    let cuts = [0, 1, 2, 4].map(|n| whole[..whole.len() * n / 5].to_vec());
    for bytes in flips.chain(cuts) {
        std::fs::write(&path, &bytes).expect("writes");
        match load() {
            Ok(saved) => assert_eq!(saved, right),
            Err(crate::store::StoreError::Corrupt { .. }) => refused += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert!(refused > 4, "{refused} were refused");

    std::fs::write(&path, &whole).expect("writes");
    let mark = dir.path().join("ledger.redb.mark");
    let digits = std::fs::read(&mark).expect("a mark");
    for end in 0..digits.len() - 1 {
        std::fs::write(&mark, &digits[..end]).expect("writes");
        // A truncated mark has a smaller number, which is behind the ledger and harmless, or none.
        if end == 0 {
            assert!(load().is_err(), "a mark of no digits");
        } else {
            assert_eq!(load().expect("reads"), right);
        }
    }
    for damaged in [&b"-1\n"[..], b"x", b"\xff", &[b'9'; 64], &[b'1'; 1000]] {
        std::fs::write(&mark, damaged).expect("writes");
        assert!(load().is_err(), "{damaged:?}");
        assert_eq!(std::fs::read(&mark).expect("there"), damaged);
    }
}
