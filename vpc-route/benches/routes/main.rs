//! What the controller takes: `cargo bench -p flatnet-vpc-route --bench routes`.
//!
//! Time (desired + diff of 10,000 nodes), calls of the API, and memory of the real binary; a line
//! each, with its limit. The exit status is 1 where a limit is exceeded.
#![allow(
    missing_docs,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a bench's report"
)]

mod calls;
#[path = "../../tests/kit/mod.rs"]
mod kit;
mod memory;
mod speed;

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::process::ExitCode;

/// How many nodes the large cases have.
const NODES: u32 = 10_000;

/// Whether every limit was kept so far.
struct Verdict(bool);

impl Verdict {
    /// Prints a line, and remembers.
    fn tell(&mut self, kept: bool, line: &str) {
        self.0 &= kept;
        let mark = if kept { "ok  " } else { "OVER" };
        println!("{mark} routes/{line}");
    }
}

/// A plan of `vpcs` VPCs with a route table each (`vtb-0` …) and as many hosts in each, every
/// host with a /26 of its VPC's pool.
fn plan_text(vpcs: u32, hosts: u32) -> String {
    let mut sites = String::new();
    let mut networks = String::new();
    let mut members = String::new();
    // A VPC's hosts have a power of two of addresses and of ranges to themselves.
    let room = (hosts + 32).next_power_of_two();
    let (short, long) = (32 - room.ilog2(), 26 - room.ilog2());
    for vpc in 0..vpcs {
        let base = Ipv4Addr::from_bits(0x0a00_0000 + vpc * room);
        let gateway = Ipv4Addr::from_bits(0x0a00_0000 + (vpc + 1) * room - 3);
        let pool = Ipv4Addr::from_bits(0x0a80_0000 + vpc * room * 64);
        let _ = writeln!(
            sites,
            "    - name: vpc-{vpc}\n      type: VPC\n      vSwitches:\n        - name: zone-{vpc}\n          \
             subnets: [{{prefix: {base}/{short}, gateway: {gateway}}}]\n      routeTables:\n        \
             - {{name: main, id: vtb-{vpc}, quota: {hosts}}}"
        );
        let _ = writeln!(
            networks,
            "    - name: pods-{vpc}\n      site: vpc-{vpc}\n      pools: [{{prefix: {pool}/{long}}}]"
        );
        for i in 0..hosts {
            let address = Ipv4Addr::from_bits(0x0a00_0010 + vpc * room + i);
            let range = Ipv4Addr::from_bits(0x0a80_0000 + (vpc * room + i) * 64);
            let _ = writeln!(
                members,
                "    - {{name: node-{vpc}-{i}, site: vpc-{vpc}, vSwitch: zone-{vpc}, \
                 instanceId: i-{vpc}-{i}, addresses: [{address}/{short}], uplink: {{interface: eth0}}, \
                 ranges: [{{network: pods-{vpc}, prefix: {range}/26}}]}}"
            );
        }
    }
    format!(
        "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {{name: bench}}\nspec:\n  \
         sites:\n{sites}  networks:\n{networks}  hosts:\n{members}"
    )
}

fn main() -> ExitCode {
    let mut verdict = Verdict(true);
    speed::run(&mut verdict);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        calls::run(&mut verdict).await;
        memory::run(&mut verdict).await;
    });
    ExitCode::from(u8::from(!verdict.0))
}
