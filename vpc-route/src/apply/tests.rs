use std::collections::BTreeMap;
use std::sync::Mutex as Lock;
use std::time::Instant;

use flatnet_clock::Rng;
use proptest::prelude::*;

use super::*;
use crate::diff::{Rules, Sightings, diff};
use crate::model::{
    DesiredEntry, DesiredTable, Entry, Generation, NextHopKind, NextHops, Timestamp,
};
use crate::providers::Capabilities;

/// What happens to a write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Throttled,
    CutBefore,
    CutAfter,
    /// Every second entry of the batch is refused for now.
    Half,
}

#[derive(Default)]
struct Inner {
    entries: BTreeMap<Prefix, Entry>,
    faults: Vec<Fault>,
    /// Listings until what was written is settled.
    slow: usize,
    moving: usize,
    writes: Vec<Vec<String>>,
    lists: usize,
    bad_hop: Option<String>,
    touched: Vec<String>,
}

/// A cloud in memory.
#[derive(Default)]
struct Fake(Lock<Inner>);

/// An adapter's own error.
#[derive(Debug, thiserror::Error)]
#[error("Test: {0}")]
struct Said(&'static str);

fn error(kind: ErrorKind, said: &'static str) -> ProviderError {
    ProviderError::new(kind, Said(said))
}

fn cut() -> ProviderError {
    error(ErrorKind::Ambiguous, "no answer")
}

fn rejected(code: &'static str) -> ProviderError {
    let (code_of, message) = (code.to_owned(), String::new());
    let kind = ErrorKind::EntryRejected {
        code: code_of,
        message,
    };
    error(kind, code)
}

impl Inner {
    fn act(&mut self, op: &Op) {
        let at = op.destination();
        if let Some(old) = self.entries.get(&at) {
            self.touched.push(old.name.clone());
        }
        match op {
            Op::Create {
                next_hops: to,
                name,
                ..
            }
            | Op::Modify { to, name, .. } => {
                self.entries.insert(at, entry(at, to.clone(), name));
            }
            Op::Delete { .. } => {
                self.entries.remove(&at);
            }
        }
        self.moving = self.slow;
    }
}

impl Provider for Fake {
    fn capabilities(&self, _: &TableScope) -> Capabilities {
        Capabilities {
            batch: 50,
            batch_modify: false,
            ..Capabilities::default()
        }
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let mut inner = self.0.lock().unwrap();
        inner.lists += 1;
        let moving = inner.moving > 0;
        inner.moving = inner.moving.saturating_sub(1);
        let mut entries: Vec<Entry> = inner.entries.values().cloned().collect();
        if let Some(last) = entries.last_mut().filter(|_| moving) {
            last.status = Status::Pending;
        }
        Ok(Table {
            table: table.id.clone(),
            entries,
            not_understood: Vec::new(),
        })
    }

    async fn write(&self, _: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        let mut inner = self.0.lock().unwrap();
        assert_eq!(inner.moving, 0, "a write while an entry is in transition");
        let line = ops
            .iter()
            .map(|op| format!("{} {}", op.kind(), op.destination()));
        inner.writes.push(line.collect());
        let leads_to = |op: &Op, id: &str| match op {
            Op::Create { next_hops: to, .. } | Op::Modify { to, .. } => {
                to.iter().any(|h| h.id == id)
            }
            Op::Delete { .. } => false,
        };
        if let Some(bad) = &inner.bad_hop
            && ops.iter().any(|op| leads_to(op, bad))
        {
            return Err(rejected("InvalidNextHopId.NotFound"));
        }
        let fault = inner.faults.pop().unwrap_or(Fault::None);
        match fault {
            Fault::Throttled => return Err(error(ErrorKind::Throttled, "too many calls")),
            Fault::CutBefore => return Err(cut()),
            _ => {}
        }
        let mut failures = Vec::new();
        for (i, op) in ops.iter().enumerate() {
            if fault == Fault::Half && i % 2 == 1 {
                failures.push(Failure {
                    destination: Some(op.destination()),
                    next_hop: "a".into(),
                    code: "VPC_ROUTE_ENTRY_STATUS_ERROR".into(),
                    message: "not now".into(),
                    retryable: true,
                });
            } else {
                inner.act(op);
            }
        }
        match fault {
            Fault::CutAfter => Err(cut()),
            _ => Ok(failures),
        }
    }

    async fn rename(&self, _: &TableScope, _: &Entry, _: &str) -> Result<(), ProviderError> {
        Ok(())
    }
}

/// A random number that is always the same.
struct Loaded(u128);

impl Rng for Loaded {
    fn random(&self) -> u128 {
        self.0
    }
}

fn entry(destination: Prefix, next_hops: NextHops, name: &str) -> Entry {
    Entry {
        destination,
        next_hops,
        name: name.into(),
        id: Some(format!("rte-{destination}")),
        status: Status::Available,
        kind: EntryKind::Custom,
    }
}

fn id() -> TableId {
    scope().id
}

fn scope() -> TableScope {
    TableScope::of_vpc("vtb-1")
}

fn to(id: &str) -> NextHops {
    NextHops::one(NextHopKind::Instance, id)
}

fn cluster() -> ClusterName {
    "prod".parse().unwrap()
}

fn rules() -> Rules {
    let mut rules = Rules::new(cluster(), Generation(1));
    rules.mass_delete.allowed = true;
    rules
}

fn desired(entries: &[(String, &str)]) -> DesiredTable {
    let entry = |(destination, hop): &(String, &str)| DesiredEntry {
        destination: destination.parse().unwrap(),
        next_hops: to(hop),
        label: "n".into(),
    };
    DesiredTable {
        table: id(),
        entries: entries.iter().map(entry).collect(),
    }
}

/// `n` nodes with a /24 each.
fn nodes(n: usize, hop: &str) -> Vec<(String, &str)> {
    (0..n)
        .map(|i| (format!("10.{}.{}.0/24", i / 256, i % 256), hop))
        .collect()
}

async fn bring(fake: &Fake, want: &DesiredTable) -> (Plan, Result<Report, ApplyError>) {
    bring_while(fake, want, &|| true).await
}

async fn bring_while(
    fake: &Fake,
    want: &DesiredTable,
    leads: &(dyn Fn() -> bool + Send + Sync),
) -> (Plan, Result<Report, ApplyError>) {
    fake.0.lock().unwrap().moving = 0;
    let actual = fake.list(&scope()).await.unwrap();
    let plan = diff(want, &actual, &rules(), &Sightings::new(), Timestamp(0));
    let cluster = cluster();
    let applier = Applier {
        provider: fake,
        table: &scope(),
        cluster: &cluster,
        rng: &Loaded(0),
        retry: RetryPolicy::default(),
        limiter: &Mutex::new(RateLimiter::new(Duration::ZERO, Duration::from_secs(5))),
        leads,
    };
    let report = applier.apply(&plan).await;
    (plan, report)
}

#[tokio::test(start_paused = true)]
async fn two_hundred_entries_take_four_writes() {
    let fake = Fake::default();
    let (plan, report) = bring(&fake, &desired(&nodes(200, "a"))).await;
    let report = report.unwrap();
    assert_eq!((plan.ops.len(), report.done, report.writes), (200, 200, 4));
    assert_eq!(report.lists, 5);
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_against_a_full_table_writes_nothing() {
    let fake = Fake::default();
    let want = desired(&nodes(200, "a"));
    bring(&fake, &want).await.1.unwrap();
    let (plan, report) = bring(&fake, &want).await;
    assert!(plan.ops.is_empty());
    assert_eq!(report.unwrap().writes, 0);
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_answer_is_lost_is_not_repeated_if_it_took_effect() {
    let fake = Fake::default();
    fake.0.lock().unwrap().faults = vec![Fault::CutAfter];
    let report = bring(&fake, &desired(&nodes(10, "a"))).await.1.unwrap();
    assert_eq!((report.done, report.writes), (10, 1));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_was_lost_is_repeated_after_the_table_was_seen() {
    let fake = Fake::default();
    fake.0.lock().unwrap().faults = vec![Fault::CutBefore];
    let report = bring(&fake, &desired(&nodes(10, "a"))).await.1.unwrap();
    assert_eq!((report.done, report.writes, report.lists), (10, 2, 3));
}

#[tokio::test(start_paused = true)]
async fn only_the_refused_half_of_a_batch_is_written_again() {
    let fake = Fake::default();
    fake.0.lock().unwrap().faults = vec![Fault::Half];
    let report = bring(&fake, &desired(&nodes(10, "a"))).await.1.unwrap();
    assert_eq!(report.done, 10);
    let writes = &fake.0.lock().unwrap().writes;
    assert_eq!((writes[0].len(), writes[1].len()), (10, 5));
    assert_eq!(writes[1][0], "create 10.0.1.0/24");
}

#[tokio::test(start_paused = true)]
async fn a_next_hop_that_is_gone_holds_up_nobody_else() {
    let fake = Fake::default();
    fake.0.lock().unwrap().bad_hop = Some("gone".into());
    let mut entries = nodes(20, "a");
    entries[7].1 = "gone";
    let report = bring(&fake, &desired(&entries)).await.1.unwrap();
    assert_eq!((report.done, report.failed.len()), (19, 1));
    assert_eq!(
        report.failed[0].op.destination(),
        "10.0.7.0/24".parse().unwrap()
    );
    assert!(matches!(&report.failed[0].reason,
        Reason::Refused { code, .. } if code == "InvalidNextHopId.NotFound"));
}

#[tokio::test(start_paused = true)]
async fn what_would_have_been_replaced_stays_while_its_replacement_is_refused() {
    let fake = Fake::default();
    bring(
        &fake,
        &desired(&[("10.0.0.0/23".into(), "a"), ("10.9.0.0/24".into(), "a")]),
    )
    .await
    .1
    .unwrap();
    fake.0.lock().unwrap().bad_hop = Some("gone".into());
    let split = [("10.0.0.0/24".into(), "a"), ("10.0.1.0/24".into(), "gone")];
    let report = bring(&fake, &desired(&split)).await.1.unwrap();
    let why: Vec<_> = report
        .failed
        .iter()
        .map(|f| (f.op.destination().to_string(), f.reason.clone()))
        .collect();
    assert_eq!(
        why[1],
        (
            "10.0.0.0/23".into(),
            Reason::Waits("10.0.1.0/24".parse().unwrap())
        )
    );
    // The orphan has nothing to do with it, and went.
    assert_eq!(report.after.entries.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_written_while_an_entry_is_in_transition() {
    let fake = Fake::default();
    fake.0.lock().unwrap().slow = 7;
    // The cloud in memory panics if it is.
    let report = bring(&fake, &desired(&nodes(120, "a"))).await.1.unwrap();
    assert_eq!((report.done, report.writes), (120, 3));
}

#[tokio::test(start_paused = true)]
async fn entries_that_never_settle_are_given_up_with_their_name() {
    let fake = Fake::default();
    fake.0.lock().unwrap().slow = 1_000_000;
    let error = bring(&fake, &desired(&nodes(1, "a"))).await.1.unwrap_err();
    assert_eq!(
        error.to_string(),
        "vtb-1: 10.0.0.0/24 is still Pending after 120 s"
    );
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_deposed_writes_nothing_more() {
    let fake = Fake::default();
    let error = bring_while(&fake, &desired(&nodes(1, "a")), &|| false)
        .await
        .1
        .unwrap_err();
    assert!(matches!(error, ApplyError::Deposed { .. }));
    assert!(fake.0.lock().unwrap().writes.is_empty());
}

#[test]
fn an_entry_that_became_foreign_is_not_written() {
    let at: Prefix = "10.0.0.0/24".parse().unwrap();
    let table = Table {
        table: id(),
        entries: vec![entry(at, to("a"), "by hand")],
        not_understood: Vec::new(),
    };
    let delete = Op::Delete {
        destination: at,
        next_hops: to("a"),
        id: Some("rte-1".into()),
        why: crate::diff::DeleteReason::Orphan,
    };
    assert!(matches!(
        look(&delete, &table, &cluster()),
        Step::Changed(_)
    ));
}

#[test]
fn the_rate_drops_when_throttled_and_recovers() {
    let mut limiter = RateLimiter::new(Duration::ZERO, Duration::from_secs(2));
    for _ in 0..10 {
        limiter.observe(true);
    }
    assert_eq!(limiter.gap(), Duration::from_secs(2));
    let now = Instant::now();
    assert_eq!(limiter.next(now), Duration::ZERO);
    assert_eq!(limiter.next(now), Duration::from_secs(2));
    for _ in 0..200 {
        limiter.observe(false);
    }
    assert!(limiter.gap() < Duration::from_millis(1));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_fails_on_the_way_the_end_is_reached_and_foreign_entries_stay(
        before in prop::collection::btree_set(0usize..80, 0..60),
        after in prop::collection::btree_set(0usize..80, 0..60),
        unmanaged in prop::collection::btree_set(0usize..80, 0..5),
        slow in 0usize..3,
        faults in prop::collection::vec(prop::sample::select(vec![
            Fault::None, Fault::Throttled, Fault::CutBefore, Fault::CutAfter, Fault::Half,
        ]), 0..7),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time().start_paused(true).build().unwrap();
        let fake = Fake::default();
        let prefix = |i: usize| -> Prefix { format!("10.0.{i}.0/24").parse().unwrap() };
        {
            let mut inner = fake.0.lock().unwrap();
            for i in before {
                inner.entries.insert(prefix(i), entry(prefix(i), to("old"), "flatnet:prod:1:n"));
            }
            for i in &unmanaged {
                inner.entries.insert(prefix(*i), entry(prefix(*i), to("theirs"), "by hand"));
            }
            inner.faults = faults;
            inner.slow = slow;
        }
        let want: Vec<(String, &str)> = after.iter().map(|i| (prefix(*i).to_string(), "new")).collect();
        let report = runtime.block_on(bring(&fake, &desired(&want))).1.unwrap();
        prop_assert_eq!(&report.failed, &[]);
        let inner = fake.0.lock().unwrap();
        prop_assert!(inner.touched.iter().all(|name| name != "by hand"));
        for i in 0..80 {
            let leads = inner.entries.get(&prefix(i)).map(|e| e.next_hops.clone());
            let should = if unmanaged.contains(&i) {
                Some(to("theirs"))
            } else {
                after.contains(&i).then(|| to("new"))
            };
            prop_assert_eq!(leads, should);
        }
    }
}
