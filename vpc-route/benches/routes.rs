//! Desired and diff for 10,000 nodes: `cargo bench -p flatnet-vpc-route --bench routes`.
//!
//! Prints one line a case: median and worst of its rounds, in milliseconds. The first case
//! derives its table from a plan of 10,000 hosts, as the daemon does; the others from a list.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench's report"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use flatnet_plan::NetworkPlan;
use flatnet_vpc_route::desired::targets;
use flatnet_vpc_route::diff::{Plan, Rules, Sightings, diff};
use flatnet_vpc_route::model::{
    DesiredEntry, DesiredTable, Entry, EntryKind, Generation, NextHopKind, NextHops, Prefix,
    Status, Table, TableId, Timestamp,
};

const NODES: u32 = 10_000;
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
    }
}

/// A plan of one VPC, each host with a /26 of its pool.
fn plan() -> NetworkPlan {
    let mut text = String::from(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {name: bench}\nspec:\n  \
         sites:\n    - name: vpc\n      type: VPC\n      vSwitches:\n        - name: zone\n          \
         subnets: [{prefix: 10.0.0.0/16, gateway: 10.0.255.253}]\n      routeTables:\n        \
         - {name: main, id: vtb-1, quota: 20000}\n  networks:\n    - name: pods\n      site: vpc\n      \
         pools: [{prefix: 10.64.0.0/10}]\n  hosts:\n",
    );
    for i in 0..NODES {
        let address = Ipv4Addr::from_bits(0x0a00_0010 + i);
        let range = Ipv4Addr::from_bits(0x0a40_0000 + i * 64);
        let _ = writeln!(
            text,
            "    - {{name: node-{i}, site: vpc, vSwitch: zone, instanceId: i-{i:06}, \
             addresses: [{address}/16], uplink: {{interface: eth0}}, \
             ranges: [{{network: pods, prefix: {range}/26}}]}}"
        );
    }
    flatnet_plan::parse(&text).unwrap()
}

/// From the plan to the table and its diff.
fn measure_plan() {
    let plan = plan();
    let lines = BTreeMap::new();
    let want = || {
        let targets = targets(&plan, &lines).unwrap();
        targets.into_iter().next().unwrap().unwrap().desired
    };
    let table = actual(&want());
    assert_eq!(table.entries.len(), 10_000);
    let rules = Rules::new("bench".parse().unwrap(), Generation(2));
    report("from-the-plan", || {
        diff(&want(), &table, &rules, &Sightings::new(), Timestamp(0))
    });
}

fn measure(name: &str, moved: u32, table: &Table, quota: Option<usize>) {
    let mut rules = Rules::new("bench".parse().unwrap(), Generation(2));
    rules.quota = quota;
    report(name, || {
        diff(
            &desired(moved),
            table,
            &rules,
            &Sightings::new(),
            Timestamp(0),
        )
    });
}

fn report(name: &str, work: impl Fn() -> Plan) {
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            black_box(&work());
            start.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "routes/{name}: {NODES} nodes, median {:.1} ms, worst {:.1} ms",
        times[ROUNDS / 2],
        times[ROUNDS - 1]
    );
}

fn main() {
    let settled = actual(&desired(0));
    let empty = Table {
        table: settled.table.clone(),
        entries: Vec::new(),
    };
    measure_plan();
    measure("unchanged", 0, &settled, None);
    measure("bring-up", 0, &empty, None);
    measure("a-tenth-moves", 10, &settled, None);
    let quota = usize::try_from(NODES).unwrap();
    measure("a-tenth-moves-in-a-full-table", 10, &settled, Some(quota));
}
