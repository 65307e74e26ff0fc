//! Writes against an FRR in this process, which remembers what the kernel had at every moment.

use super::fake::{Fake, Fault, Fib};
use super::text::hops;
use crate::diff::{ConflictKind, InPlace, Plan, Rules, Sightings, diff};
use crate::model::{DesiredEntry, DesiredTable, Generation, Prefix, Timestamp};
use crate::providers::frr::{FrrError, FrrRouter};
use crate::providers::{Failure, Provider, ProviderError, TableScope};

type Wanted<'a> = &'a [(&'a str, &'a [&'a str])];

fn table() -> TableScope {
    TableScope::of_router("edge")
}

async fn plan(router: &FrrRouter, wanted: Wanted<'_>) -> Plan {
    let entries = wanted.iter().map(|(destination, to)| DesiredEntry {
        destination: destination.parse().unwrap(),
        next_hops: hops(to),
        label: "line1".into(),
    });
    let desired = DesiredTable {
        table: table().id,
        entries: entries.collect(),
    };
    let mut rules = Rules::new("prod".parse().unwrap(), Generation(1));
    rules.in_place = InPlace::Always;
    let listed = router.list(&table()).await.unwrap();
    diff(&desired, &listed, &rules, &Sightings::new(), Timestamp(0))
}

/// One round; the failures of its ops.
async fn bring(router: &FrrRouter, wanted: Wanted<'_>) -> Result<Vec<Failure>, ProviderError> {
    let plan = plan(router, wanted).await;
    assert_eq!(plan.refused, []);
    let mut failures = Vec::new();
    for op in &plan.ops {
        failures.extend(router.write(&table(), std::slice::from_ref(op)).await?);
    }
    Ok(failures)
}

/// Whether an address of a prefix had a route at every moment: its own, or its two more-specifics'.
fn always(history: &[Fib], destination: &str) -> bool {
    let destination: Prefix = destination.parse().unwrap();
    history.iter().all(|fib| {
        let parts = destination.more_specifics().unwrap();
        fib.contains_key(&destination) || parts.iter().all(|part| fib.contains_key(part))
    })
}

const BEFORE: Wanted<'_> = &[
    ("10.1.0.0/16", &["192.0.2.1"]),
    ("fd01::/48", &["2001:db8::1"]),
];
const AFTER: Wanted<'_> = &[
    ("10.1.0.0/16", &["192.0.2.2"]),
    ("fd01::/48", &["2001:db8::2"]),
];

#[tokio::test]
async fn routes_are_made_changed_and_deleted_and_those_of_others_stay() {
    let others = [
        "ip route 10.9.0.0/16 192.0.2.9",
        "ip route 10.8.0.0/16 192.0.2.9 tag 7",
    ];
    let fake = Fake::start(&others);
    let router = fake.router();
    let wanted: Wanted<'_> = &[
        ("10.1.0.0/16", &["192.0.2.1", "192.0.2.2"]),
        ("10.9.0.0/16", &["192.0.2.1"]),
        ("fd01::/48", &["2001:db8::1"]),
    ];
    let first = plan(&router, wanted).await;
    let conflicts: Vec<_> = first.conflicts.iter().map(|c| c.kind).collect();
    assert_eq!(conflicts, [ConflictKind::Diverts]);
    for wanted in [wanted, AFTER, &[]] {
        assert_eq!(bring(&router, wanted).await.unwrap(), []);
        assert_eq!(plan(&router, wanted).await.ops, []);
    }
    let left = fake.state.lock().unwrap().history.pop().unwrap();
    let left: Vec<String> = left.keys().map(ToString::to_string).collect();
    assert_eq!(left, ["10.8.0.0/16", "10.9.0.0/16"]);
    let lines = fake.state.lock().unwrap().lines.clone();
    assert!(
        lines
            .iter()
            .all(|l| !l.contains("10.9.") && !l.contains("10.8."))
    );
}

#[tokio::test]
async fn a_next_hop_changes_without_a_moment_that_has_no_route() {
    let fake = Fake::start(&[]);
    let router = fake.router();
    bring(&router, BEFORE).await.unwrap();
    fake.state.lock().unwrap().history.clear();
    assert_eq!(bring(&router, AFTER).await.unwrap(), []);
    let history = fake.state.lock().unwrap().history.clone();
    assert!(history.len() >= 8, "{history:?}");
    assert!(always(&history, "10.1.0.0/16") && always(&history, "fd01::/48"));
}

#[tokio::test]
async fn whatever_command_fails_no_route_is_lost_and_the_next_round_repairs_it() {
    let mut faults = 0;
    for fault in [Fault::Refuse, Fault::CutBefore, Fault::CutAfter] {
        for at in 0.. {
            let fake = Fake::start(&[]);
            let router = fake.router();
            bring(&router, BEFORE).await.unwrap();
            {
                let mut state = fake.state.lock().unwrap();
                state.history.clear();
                state.fault = Some((at, fault));
            }
            let told = bring(&router, AFTER).await;
            if fake.state.lock().unwrap().fault.take().is_some() {
                assert!(at > 5, "only {at} commands");
                break;
            }
            faults += 1;
            match (fault, told) {
                (Fault::Refuse, Ok(failures)) => {
                    assert_eq!(failures[0].code, "Refused");
                    assert!(failures[0].message.contains("no reason"), "{failures:?}");
                }
                (_, Err(error)) => assert!(error.is_ambiguous() && error.is_retryable()),
                (_, Ok(failures)) => panic!("{fault:?} at {at} gave {failures:?}"),
            }
            for _ in 0..3 {
                bring(&router, AFTER).await.unwrap();
            }
            assert_eq!(plan(&router, AFTER).await.ops, [], "{fault:?} at {at}");
            let history = fake.state.lock().unwrap().history.clone();
            let kept = always(&history, "10.1.0.0/16") && always(&history, "fd01::/48");
            assert!(kept, "{fault:?} at {at}: {history:?}");
            assert_eq!(
                history.last().unwrap().len(),
                2,
                "more-specifics are left over"
            );
        }
    }
    assert!(faults >= 18, "only {faults} faults");
}

#[tokio::test]
async fn what_leads_somewhere_is_not_given_up_for_what_leads_nowhere() {
    let fake = Fake::start(&[]);
    let router = fake.router();
    bring(&router, BEFORE).await.unwrap();
    let before = fake.state.lock().unwrap().history.pop().unwrap();
    let dead = ["192.0.2.2", "2001:db8::2"].map(str::to_owned);
    fake.state.lock().unwrap().unreachable = dead.into();
    let failures = bring(&router, AFTER).await.unwrap();
    let codes: Vec<&str> = failures.iter().map(|f| f.code.as_str()).collect();
    assert_eq!(codes, ["NotInForce", "NotInForce"]);
    assert!(failures[0].message.contains("the old next hop stays"));
    assert_eq!(plan(&router, BEFORE).await.ops, []);
    assert_eq!(fake.state.lock().unwrap().history.pop().unwrap(), before);
    fake.state.lock().unwrap().unreachable.clear();
    assert_eq!(bring(&router, AFTER).await.unwrap(), []);
}

#[tokio::test]
async fn a_hand_made_route_is_taken_over_by_its_tag_alone() {
    let fake = Fake::start(&["ip route 10.1.0.0/16 192.0.2.1 200"]);
    let router = fake.router();
    let wanted: Wanted<'_> = &[("10.1.0.0/16", &["192.0.2.1"])];
    let found = plan(&router, wanted).await;
    assert_eq!(found.conflicts[0].kind, ConflictKind::Agrees);
    let listed = router.list(&table()).await.unwrap();
    let name = "flatnet:prod:1:line1";
    router
        .rename(&table(), &listed.entries[0], name)
        .await
        .unwrap();
    let found = plan(&router, wanted).await;
    assert_eq!((found.ops.len(), found.conflicts.len()), (0, 0));
    let lines = fake.state.lock().unwrap().lines.clone();
    assert_eq!(lines, ["ip route 10.1.0.0/16 192.0.2.1 tag 95 200"]);
}

#[tokio::test]
async fn an_frr_that_does_not_run_says_which_daemon_and_what_to_do() {
    let fake = Fake::start(&[]);
    let router = fake.router();
    std::fs::remove_file(fake.sockets().join("staticd.vty")).unwrap();
    let error = router.list(&table()).await.unwrap_err();
    assert!(error.is_retryable() && !error.is_ambiguous());
    assert!(error.cause().is::<FrrError>(), "{error}");
    let told = error.to_string();
    assert!(told.starts_with("staticd is not running") && told.contains("systemctl start frr"));
    assert!(told.contains("staticd.vty"), "{told}");
}

#[tokio::test]
async fn a_listing_asks_each_daemon_by_one_connection() {
    let fake = Fake::start(&["ip route 10.1.0.0/16 192.0.2.1 tag 95"]);
    let listed = fake.router().list(&table()).await.unwrap();
    assert_eq!(listed.entries.len(), 1);
    let mut connections = fake.state.lock().unwrap().connections.clone();
    connections.sort_unstable();
    assert_eq!(connections, ["staticd", "zebra"]);
}
