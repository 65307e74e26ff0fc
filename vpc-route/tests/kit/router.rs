//! What a router's routes should be, and the way there, as the controller goes it.

use flatnet_vpc_route::diff::{InPlace, Op, Plan, Rules, Sightings, diff};
use flatnet_vpc_route::model::{
    DesiredEntry, DesiredTable, Generation, NextHop, NextHopKind, NextHops, Timestamp,
};
use flatnet_vpc_route::providers::{Failure, Provider, TableScope};

/// Destinations, each with its gateways.
pub(crate) type Wanted<'a> = &'a [(&'a str, &'a [&'a str])];

/// The table of every router here.
pub(crate) fn table() -> TableScope {
    TableScope::of_router("edge")
}

fn desired(wanted: Wanted<'_>) -> DesiredTable {
    let entries = wanted.iter().map(|(destination, gateways)| {
        let hops = gateways.iter().map(|id| NextHop {
            kind: NextHopKind::Gateway,
            id: (*id).into(),
            weight: 0,
        });
        DesiredEntry {
            destination: destination.parse().unwrap(),
            next_hops: NextHops::new(hops.collect()).unwrap(),
            label: "line1".into(),
        }
    });
    DesiredTable {
        table: table().id,
        entries: entries.collect(),
    }
}

/// What is to be done now.
pub(crate) async fn plan(router: &impl Provider, wanted: Wanted<'_>) -> Plan {
    let mut rules = Rules::new("lab".parse().unwrap(), Generation(1));
    rules.in_place = InPlace::Always;
    let found = router.list(&table()).await.unwrap();
    diff(
        &desired(wanted),
        &found,
        &rules,
        &Sightings::new(),
        Timestamp(0),
    )
}

/// One round; its plan, and what failed of its ops.
pub(crate) async fn bring(router: &impl Provider, wanted: Wanted<'_>) -> (Plan, Vec<Failure>) {
    let plan = plan(router, wanted).await;
    assert_eq!(plan.refused, []);
    let mut failures = Vec::new();
    for op in &plan.ops {
        let failed = router.write(&table(), std::slice::from_ref(op)).await;
        failures.extend(failed.unwrap());
    }
    (plan, failures)
}

/// The ops of a plan, a line each.
pub(crate) fn lines(plan: &Plan) -> Vec<String> {
    let line = |op: &Op| format!("{} {}", op.kind(), op.destination());
    plan.ops.iter().map(line).collect()
}
