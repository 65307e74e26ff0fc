//! Desired and diff for 10,000 nodes: `cargo bench -p flatnet-vpc-route --bench routes`.
//!
//! Prints one line a case: median and worst of its rounds, in milliseconds.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench's report"
)]

use std::hint::black_box;
use std::net::Ipv4Addr;
use std::time::Instant;

use flatnet_vpc_route::diff::{Rules, Sightings, diff};
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

fn measure(name: &str, moved: u32, table: &Table, quota: Option<usize>) {
    let mut rules = Rules::new("bench".parse().unwrap(), Generation(2));
    rules.quota = quota;
    let mut times: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            let want = desired(moved);
            let plan = diff(&want, table, &rules, &Sightings::new(), Timestamp(0));
            black_box(&plan);
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
    measure("unchanged", 0, &settled, None);
    measure("bring-up", 0, &empty, None);
    measure("a-tenth-moves", 10, &settled, None);
    let quota = usize::try_from(NODES).unwrap();
    measure("a-tenth-moves-in-a-full-table", 10, &settled, Some(quota));
}
