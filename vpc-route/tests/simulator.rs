//! The client, the diff and the apply against the Aliyun simulator over HTTP; the simulator's
//! history is the judge.
#![allow(clippy::unwrap_used, missing_docs, reason = "a test")]

mod kit;

use std::collections::BTreeMap;
use std::time::Duration;

use flatnet_aliyun_sim::faults::Fault;
use flatnet_clock::{Backoff, System};
use flatnet_vpc_route::apply::{Applier, ApplyError, RateLimiter, Report, RetryPolicy};
use flatnet_vpc_route::diff::{Plan, Refusal, Rules, Sightings, diff};
use flatnet_vpc_route::model::{
    ClusterName, DesiredEntry, DesiredTable, Generation, NextHop, NextHopKind, NextHops, Prefix,
    TableId, Timestamp,
};
use flatnet_vpc_route::providers::aliyun::Client;
use flatnet_vpc_route::providers::{Provider, TableScope};
use kit::Cloud;
use serde_json::json;
use tokio::sync::Mutex;

const WRITES: &[&str] = &[
    "CreateRouteEntries",
    "CreateRouteEntry",
    "DeleteRouteEntries",
    "DeleteRouteEntry",
    "ModifyRouteEntry",
];

type Wanted = BTreeMap<Prefix, Vec<usize>>;

fn id() -> TableId {
    scope().id
}

fn scope() -> TableScope {
    TableScope::of_vpc("vtb-1")
}

fn cluster() -> ClusterName {
    "prod".parse().unwrap()
}

fn prefix(text: &str) -> Prefix {
    text.parse().unwrap()
}

fn desired(wanted: &Wanted) -> DesiredTable {
    let hops = |hops: &[usize]| {
        let hop = |i: &usize| NextHop {
            kind: NextHopKind::Instance,
            id: format!("i-{i}"),
            weight: 0,
        };
        NextHops::new(hops.iter().map(hop).collect()).unwrap()
    };
    let entries = wanted.iter().map(|(destination, to)| DesiredEntry {
        destination: *destination,
        next_hops: hops(to),
        label: "node".into(),
    });
    DesiredTable {
        table: id(),
        entries: entries.collect(),
    }
}

fn rules(quota: usize) -> Rules {
    let mut rules = Rules::new(cluster(), Generation(1));
    rules.quota = Some(quota);
    rules.mass_delete.allowed = true;
    rules.reserved = vec![prefix("10.0.0.0/24"), prefix("100.64.0.0/10")];
    rules
}

/// Impatient, so that a test takes seconds.
fn retry() -> RetryPolicy {
    RetryPolicy {
        attempts: 8,
        settle: Duration::from_secs(10),
        poll: Duration::from_millis(5),
        backoff: Backoff {
            first: Duration::from_millis(5),
            max: Duration::from_millis(40),
        },
    }
}

async fn bring(
    client: &Client,
    want: &DesiredTable,
    rules: &Rules,
) -> (Plan, Result<Report, ApplyError>) {
    let listed = loop {
        match Provider::list(client, &scope()).await {
            Ok(table) => break table,
            Err(error) => assert!(error.is_retryable(), "{error}"),
        }
    };
    let plan = diff(want, &listed, rules, &Sightings::new(), Timestamp(0));
    let cluster = cluster();
    let applier = Applier {
        provider: client,
        table: &scope(),
        cluster: &cluster,
        rng: &System,
        retry: retry(),
        limiter: &Mutex::new(RateLimiter::new(Duration::ZERO, Duration::from_millis(50))),
        leads: &|| true,
    };
    let report = applier.apply(&plan).await;
    (plan, report)
}

fn quick() -> serde_json::Value {
    json!({"createMs": 8, "deleteMs": 8, "modifyMs": 8, "jitterMs": 4})
}

const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn two_hundred_nodes_take_four_writes_and_a_cold_start_takes_none() {
    let cloud = Cloud::small(200, quick()).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    let wanted: Wanted = (0..200)
        .map(|i| (prefix(&format!("10.8.{i}.0/24")), vec![i % 8]))
        .collect();
    let report = bring(&client, &desired(&wanted), &rules(200))
        .await
        .1
        .unwrap();
    assert_eq!((report.done, report.writes), (200, 4));
    assert_eq!(cloud.calls(WRITES).await, 4);
    // Another process, which knows nothing but the plan.
    let fresh = cloud.client(Cloud::key(), PATIENT);
    let (plan, report) = bring(&fresh, &desired(&wanted), &rules(200)).await;
    assert_eq!(
        (plan.ops.len(), plan.refused.len(), report.unwrap().writes),
        (0, 0, 0)
    );
    assert_eq!(cloud.calls(WRITES).await, 4);
}

#[tokio::test]
async fn equal_cost_entries_ipv6_and_moves_leave_no_gap() {
    let cloud = Cloud::small(20, quick()).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    let steps: [&[(&str, &[usize])]; 6] = [
        &[
            ("10.8.0.0/24", &[0]),
            ("fd08::/64", &[0]),
            ("10.9.0.0/24", &[1, 2]),
        ],
        &[
            ("10.8.0.0/24", &[1]),
            ("fd08::/64", &[3]),
            ("10.9.0.0/24", &[2, 3]),
        ],
        &[
            ("10.8.0.0/25", &[1]),
            ("10.8.0.128/25", &[4]),
            ("fd08::/64", &[3]),
            ("10.9.0.0/24", &[5]),
        ],
        &[
            ("10.8.0.0/23", &[6]),
            ("fd08::/64", &[3]),
            ("10.9.0.0/24", &[5, 6, 7]),
        ],
        &[
            ("10.8.0.0/24", &[2]),
            ("fd08::/64", &[0]),
            ("10.9.0.0/24", &[5]),
        ],
        &[
            ("10.8.0.0/24", &[2, 3]),
            ("fd08::/64", &[0]),
            ("10.9.0.0/24", &[5]),
        ],
    ];
    for step in steps {
        let wanted: Wanted = step.iter().map(|(d, h)| (prefix(d), h.to_vec())).collect();
        let (plan, report) = bring(&client, &desired(&wanted), &rules(20)).await;
        assert_eq!((plan.refused, report.unwrap().failed), (vec![], vec![]));
        let after = Provider::list(&client, &scope()).await.unwrap();
        assert!(
            diff(
                &desired(&wanted),
                &after,
                &rules(20),
                &Sightings::new(),
                Timestamp(0)
            )
            .ops
            .is_empty()
        );
    }
    for address in ["10.8.0.1", "10.8.0.200", "fd08::1", "10.9.0.1"] {
        let (spans, _) = cloud.path("vtb-1", address).await;
        let gap = spans.iter().skip_while(|s| s.is_empty()).any(Vec::is_empty);
        assert!(!gap, "{address}: {spans:?}");
    }
}

#[tokio::test]
async fn a_table_full_of_oddities_is_kept_and_they_are_left_alone() {
    let cloud = Cloud::small(20, quick()).await;
    let odd = |destination: &str, kind: &str| {
        json!({"RouteEntryId": format!("rte-{destination}"), "DestinationCidrBlock": destination,
            "Status": "Available", "Type": "Custom", "RouteEntryName": "flatnet:prod:1:node",
            "NextHops": {"NextHop": [
                {"NextHopId": "i-0", "NextHopType": kind, "Weight": "100"}]}})
    };
    let mut dreaming = odd("10.8.2.0/24", "Instance");
    dreaming["Status"] = json!("Dreaming");
    let entries = json!([
        odd("pl-bp1abc", "Instance"), odd("10.8.1.0/24", "BrandNew"), dreaming,
        {"RouteEntryId": null}, "not an entry", 7,
    ]);
    cloud
        .change(json!([{"setForeign": {"table": "vtb-1", "entries": entries}}]))
        .await;
    let client = cloud.client(Cloud::key(), PATIENT);
    let wanted: Wanted = (0..6)
        .map(|i| (prefix(&format!("10.8.{i}.0/24")), vec![i]))
        .collect();
    let (plan, report) = bring(&client, &desired(&wanted), &rules(20)).await;
    assert_eq!((plan.not_understood.len(), plan.unmanaged), (6, 6));
    assert_eq!((plan.conflicts.len(), report.unwrap().done), (2, 4));
    assert_eq!(cloud.entries("vtb-1").await.len(), 4);
    // What it does not understand uses up quota, in the controller's plan as in the cloud.
    let (plan, _) = bring(&client, &desired(&wanted), &rules(9)).await;
    assert!(plan.refused.is_empty() && plan.ops.is_empty(), "{plan:?}");
    let more: Wanted = (0..9)
        .map(|i| (prefix(&format!("10.8.{i}.0/24")), vec![i % 8]))
        .collect();
    let (plan, _) = bring(&client, &desired(&more), &rules(12)).await;
    assert!(
        matches!(plan.refused[0], Refusal::OverQuota { unmanaged: 6, .. }),
        "{plan:?}"
    );
}

#[tokio::test]
async fn codes_that_nobody_knows_are_retried_by_their_class() {
    for (status, code) in [
        (503, "Brand.New"),
        (400, "Throttling.Unheard"),
        (400, "IncorrectStatus.Moon"),
        (429, "Slow.Down"),
    ] {
        let cloud = Cloud::small(20, quick()).await;
        let client = cloud.client(Cloud::key(), PATIENT);
        cloud
            .faults(json!([{"kind": {"error": {"status": status, "code": code}},
                "actions": ["CreateRouteEntries"], "times": 3}]))
            .await;
        let wanted: Wanted = [(prefix("10.8.0.0/24"), vec![0])].into();
        let report = bring(&client, &desired(&wanted), &rules(20))
            .await
            .1
            .unwrap();
        assert_eq!((report.done, report.failed.len()), (1, 0), "{code}");
    }
    let cloud = Cloud::small(20, quick()).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    cloud
        .faults(
            json!([{"kind": {"error": {"status": 400, "code": "Brand.New"}},
            "actions": ["CreateRouteEntries"]}]),
        )
        .await;
    let wanted: Wanted = [(prefix("10.8.0.0/24"), vec![0])].into();
    let report = bring(&client, &desired(&wanted), &rules(20))
        .await
        .1
        .unwrap();
    assert_eq!((report.done, report.writes), (0, 1));
    assert!(
        report.failed[0].reason.to_string().contains("Brand.New"),
        "{report:?}"
    );
}

#[tokio::test]
async fn the_role_of_the_instance_is_enough() {
    let cloud = Cloud::small(20, quick()).await;
    let client = cloud.client(cloud.role(), PATIENT);
    let wanted = Wanted::from([(prefix("10.8.0.0/24"), vec![0])]);
    bring(&client, &desired(&wanted), &rules(20))
        .await
        .1
        .unwrap();
    // Tokens that are lost, as by a restart of the service, are asked for again.
    cloud.change(json!(["dropMetadataTokens"])).await;
    assert_eq!(
        bring(&client, &desired(&wanted), &rules(20))
            .await
            .1
            .unwrap()
            .writes,
        0
    );
}

#[tokio::test]
async fn a_clock_that_is_an_hour_off_is_refused_with_what_to_do() {
    let cloud = Cloud::small(20, quick()).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    cloud.skew(3_600).await;
    let error = Provider::list(&client, &scope())
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("clock is wrong by more than 15 minutes"),
        "{error}"
    );
    cloud.skew(0).await;
    Provider::list(&client, &scope()).await.unwrap();
}

#[tokio::test]
async fn one_bad_instance_of_sixty_holds_up_nobody_else() {
    let cloud = Cloud::small(100, quick()).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    let mut wanted: Wanted = (0..60)
        .map(|i| (prefix(&format!("10.8.{i}.0/24")), vec![i % 8]))
        .collect();
    wanted.insert(prefix("10.8.7.0/24"), vec![99]);
    let report = bring(&client, &desired(&wanted), &rules(100))
        .await
        .1
        .unwrap();
    assert_eq!(
        (report.done, report.failed.len()),
        (59, 1),
        "{:?}",
        report.failed
    );
    assert_eq!(report.failed[0].op.destination(), prefix("10.8.7.0/24"));
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % n
    }
}

/// What the tables should hold next: twelve /24 that are always routed, as one prefix or two, by
/// one instance or two, and others that come and go.
fn next(
    dice: &mut Dice,
    always: &mut [(Vec<usize>, Option<Vec<usize>>)],
    coming: &mut Wanted,
) -> Wanted {
    for _ in 0..=dice.below(3) {
        let at = dice.below(always.len());
        let hops = |dice: &mut Dice| match dice.below(4) {
            0 => vec![dice.below(4), 4 + dice.below(4)],
            _ => vec![dice.below(8)],
        };
        let second = (dice.below(3) == 0).then(|| hops(dice));
        always[at] = (hops(dice), second);
        let other = prefix(&format!("10.9.{}.0/24", dice.below(12)));
        if coming.remove(&other).is_none() {
            coming.insert(other, vec![dice.below(8)]);
        }
    }
    let mut wanted = coming.clone();
    for (i, (first, second)) in always.iter().enumerate() {
        match second {
            None => drop(wanted.insert(prefix(&format!("10.8.{i}.0/24")), first.clone())),
            Some(second) => {
                wanted.insert(prefix(&format!("10.8.{i}.0/25")), first.clone());
                wanted.insert(prefix(&format!("10.8.{i}.128/25")), second.clone());
            }
        }
    }
    wanted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_changes_with_every_fault_and_the_controller_killed_at_random() {
    const QUOTA: usize = 44;
    let cloud = Cloud::small(QUOTA, quick()).await;
    for i in 0..3 {
        let entry = json!({"destination": format!("10.200.{i}.0/24"), "name": "by hand",
            "nextHops": [{"type": "Instance", "id": "i-0"}]});
        cloud
            .change(json!([{"addEntry": {"table": "vtb-1", "entry": entry}}]))
            .await;
    }
    cloud.faults(json!(Fault::every(400))).await;
    let mut dice = Dice(42);
    let mut always = vec![(vec![0], None); 12];
    let mut coming = Wanted::new();
    let (mut kills, mut wanted) = (0, Wanted::new());
    for _ in 0..100 {
        wanted = next(&mut dice, &mut always, &mut coming);
        // A fresh process each time: it knows nothing of the last.
        let client = cloud.client(Cloud::key(), Duration::from_millis(250));
        let want = desired(&wanted);
        let rules = rules(QUOTA);
        let life = if dice.below(3) == 0 {
            dice.below(150)
        } else {
            5_000
        };
        let life = Duration::from_millis(u64::try_from(life).unwrap());
        match tokio::time::timeout(life, bring(&client, &want, &rules)).await {
            Ok((plan, _)) => {
                let tight =
                    |r: &Refusal| matches!(r, Refusal::NoOrder { .. } | Refusal::OverQuota { .. });
                assert!(plan.refused.iter().all(tight), "{:?}", plan.refused);
            }
            Err(_) => kills += 1,
        }
    }
    cloud.faults(json!([])).await;
    let client = cloud.client(Cloud::key(), PATIENT);
    for _ in 0..10 {
        let (plan, report) = bring(&client, &desired(&wanted), &rules(QUOTA)).await;
        if plan.ops.is_empty() && plan.unsettled.is_empty() {
            break;
        }
        report.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let after = Provider::list(&client, &scope()).await.unwrap();
    let left = diff(
        &desired(&wanted),
        &after,
        &rules(QUOTA),
        &Sightings::new(),
        Timestamp(0),
    );
    assert_eq!((left.ops, left.refused), (vec![], vec![]));

    assert!(kills > 10, "only {kills} kills");
    for i in 0..12 {
        for host in [1, 200] {
            let address = format!("10.8.{i}.{host}");
            let (spans, peak) = cloud.path("vtb-1", &address).await;
            let gap = spans.iter().skip_while(|s| s.is_empty()).any(Vec::is_empty);
            assert!(!gap, "{address}: {spans:?}");
            assert!(peak <= u64::try_from(QUOTA).unwrap(), "{peak} entries");
        }
    }
    let unmanaged = |e: &&serde_json::Value| e["name"] == "by hand";
    let events = cloud.events().await;
    assert_eq!(events.iter().filter(unmanaged).count(), 3);
    assert!(events.len() > 500, "only {} events", events.len());
    assert!(cloud.calls(WRITES).await > 100);
}
