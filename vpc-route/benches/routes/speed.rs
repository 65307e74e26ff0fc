//! Desired and diff for 10,000 nodes. The first case derives its table from a plan of 10,000
//! hosts, as the daemon does; the others from a list.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use flatnet_vpc_route::desired::targets;
use flatnet_vpc_route::diff::{Plan, Rules, Sightings, diff};
use flatnet_vpc_route::model::{
    DesiredEntry, DesiredTable, Entry, EntryKind, Generation, NextHopKind, NextHops, Prefix,
    Status, Table, TableId, Timestamp,
};

use crate::{NODES, Verdict, plan_text};

/// What the best round may take, in milliseconds. The best: what a busy machine adds to the
/// others is not ours.
const LIMIT: f64 = 50.0;
const ROUNDS: usize = 30;

/// Node `i` owns a /26 and its instance is behind it; `moved` of 100 nodes have a new instance.
fn desired(moved: u32) -> DesiredTable {
    let entries = (0..NODES).map(|i| {
        let address = Ipv4Addr::from_bits(0x0a00_0000 + i * 64);
        let fresh = if i % 100 < moved { "new-" } else { "" };
        DesiredEntry {
            destination: format!("{address}/26").parse::<Prefix>().unwrap(),
            next_hops: NextHops::one(NextHopKind::Instance, format!("i-{fresh}{i:06}")),
            label: format!("node-{i}"),
        }
    });
    DesiredTable {
        table: TableId("vtb-1".into()),
        entries: entries.collect(),
    }
}

fn actual(of: &DesiredTable) -> Table {
    let entry = |e: &DesiredEntry| Entry {
        destination: e.destination,
        next_hops: e.next_hops.clone(),
        name: format!("flatnet:bench:1:{}", e.label),
        id: Some(format!("rte-{}", e.label)),
        status: Status::Available,
        kind: EntryKind::Custom,
    };
    Table {
        table: of.table.clone(),
        entries: of.entries.iter().map(entry).collect(),
        not_understood: Vec::new(),
    }
}

/// From the plan to the table and its diff.
fn measure_plan(verdict: &mut Verdict) {
    let plan = flatnet_plan::parse(&plan_text(1, NODES)).unwrap();
    let lines = BTreeMap::new();
    let want = || {
        let targets = targets(&plan, &lines).unwrap();
        targets.into_iter().next().unwrap().unwrap().desired
    };
    let table = actual(&want());
    assert_eq!(table.entries.len(), 10_000);
    let rules = Rules::new("bench".parse().unwrap(), Generation(2));
    report(verdict, "from-the-plan", || {
        diff(&want(), &table, &rules, &Sightings::new(), Timestamp(0))
    });
}

fn measure(verdict: &mut Verdict, name: &str, moved: u32, table: &Table, quota: Option<usize>) {
    let mut rules = Rules::new("bench".parse().unwrap(), Generation(2));
    rules.quota = quota;
    report(verdict, name, || {
        diff(
            &desired(moved),
            table,
            &rules,
            &Sightings::new(),
            Timestamp(0),
        )
    });
}

fn report(verdict: &mut Verdict, name: &str, work: impl Fn() -> Plan) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(&work());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    let (best, median, worst) = (times[0], times[ROUNDS / 2], times[ROUNDS - 1]);
    verdict.tell(
        best < LIMIT,
        &format!(
            "{name}: {NODES} nodes, best {best:.1} ms, median {median:.1} ms, worst {worst:.1} ms \
             (limit {LIMIT} ms)"
        ),
    );
}

/// Every case.
pub(crate) fn run(verdict: &mut Verdict) {
    let settled = actual(&desired(0));
    let empty = Table {
        table: settled.table.clone(),
        entries: Vec::new(),
        not_understood: Vec::new(),
    };
    measure_plan(verdict);
    measure(verdict, "unchanged", 0, &settled, None);
    measure(verdict, "bring-up", 0, &empty, None);
    measure(verdict, "a-tenth-moves", 10, &settled, None);
    let quota = usize::try_from(NODES).unwrap();
    let name = "a-tenth-moves-in-a-full-table";
    measure(verdict, name, 10, &settled, Some(quota));
}
