//! What the VPC router's kernel must hold, from the simulator's tables.
//!
//! Each of the cloud's tables is a routing table of the kernel. Which one is asked, in the
//! order of the rules' priorities:
//!
//! ```text
//!   10  from the line        the VBR's table; what it does not know is unreachable,
//!                            what leads to the VPC goes on (throw)
//!   20  anyone               main: only what is connected, the vSwitches' own networks
//!   30  from a vSwitch       its custom table, where it has one; it ends in unreachable
//!   40  anyone               the VPC's system table
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_aliyun_sim::config::{TableType, WorldFile};
use flatnet_aliyun_sim::world::{EntryView, Resolved, TableView, contains};
use ipnetwork::IpNetwork;

use super::kernel::{Kernel, Path, Route, Rule};
use crate::fabric::line_name;

/// The first number of the kernel's tables; the cloud's follow in the order of their IDs.
const FIRST_TABLE: u32 = 51_000;
/// `RT_TABLE_MAIN`.
const MAIN: u32 = 254;

/// Which interface of the VPC router is which part of the cloud.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ports {
    /// A VBR's leased line.
    pub(crate) lines: BTreeMap<String, String>,
    /// A vSwitch's bridge, by the vSwitch's ID.
    pub(crate) v_switches: BTreeMap<String, String>,
}

impl Ports {
    /// Those of the cloud's world, whose VBRs are in the order of the lines that it was made with.
    /// The plan's file does not say them: a line that is taken out of it is still plugged in.
    pub(crate) fn of(world: &WorldFile) -> Self {
        let lines = world.vbrs.iter().enumerate();
        let switches = world.vpcs.iter().flat_map(|v| &v.v_switches);
        Self {
            lines: lines
                .map(|(n, vbr)| (vbr.id.clone(), line_name(n)))
                .collect(),
            v_switches: switches.map(|v| (v.id.clone(), v.name.clone())).collect(),
        }
    }
}

/// The routes and rules that the tables ask for. An entry that does not forward makes no route.
pub(crate) fn desired(tables: &[TableView], ports: &Ports) -> Kernel {
    let mut kernel = Kernel::default();
    kernel.rule(20, None, MAIN);
    for (number, table) in (FIRST_TABLE..).zip(tables) {
        if let Some(line) = ports.lines.get(&table.router) {
            kernel.rule(10, Some(line), number);
            kernel.closed(number);
            kernel.routes.extend(of_vbr(number, table));
            continue;
        }
        kernel.closed(number);
        kernel.routes.extend(of_vpc(number, table, tables));
        if table.table_type == TableType::System {
            kernel.rule(40, None, number);
        } else {
            let bridges = table
                .v_switches
                .iter()
                .filter_map(|v| ports.v_switches.get(v));
            for bridge in bridges {
                kernel.rule(30, Some(bridge), number);
            }
        }
    }
    kernel
}

impl Kernel {
    fn rule(&mut self, priority: u32, from: Option<&String>, table: u32) {
        for v6 in [false, true] {
            self.rules.insert(Rule {
                v6,
                priority,
                from: from.cloned(),
                table,
            });
        }
    }

    /// Nothing is forwarded that no entry names.
    fn closed(&mut self, table: u32) {
        for all in ["0.0.0.0/0", "::/0"] {
            if let Ok(prefix) = all.parse() {
                self.routes.insert((table, prefix), Path::Unreachable);
            }
        }
    }
}

fn forwarding(table: &TableView) -> impl Iterator<Item = &EntryView> {
    table.entries.iter().filter(|e| e.forwards)
}

/// A VBR leads to the line, or lets the VPC decide.
fn of_vbr(number: u32, table: &TableView) -> impl Iterator<Item = Route> {
    forwarding(table).map(move |entry| {
        let path = match peers(entry) {
            Some(via) => via,
            None => Path::Throw,
        };
        ((number, entry.destination), path)
    })
}

/// The far end of the line, where the entry leads there.
fn peers(entry: &EntryView) -> Option<Path> {
    let mut via = BTreeSet::new();
    for hop in &entry.next_hops {
        let Resolved::Line { addresses } = &hop.to else {
            return None;
        };
        via.extend(of_family(addresses, entry.destination));
    }
    Some(Path::by(via))
}

/// A VPC's entry leads to machines, or to a VBR, which must know the way on itself.
fn of_vpc(number: u32, table: &TableView, all: &[TableView]) -> BTreeMap<(u32, IpNetwork), Path> {
    let mut routes = BTreeMap::new();
    // The wider first: what is said of a part replaces what was said of the whole.
    let mut entries: Vec<&EntryView> = forwarding(table).collect();
    entries.sort_by_key(|e| e.destination.prefix());
    for entry in &entries {
        let mut parts: BTreeMap<IpNetwork, BTreeSet<IpAddr>> = BTreeMap::new();
        parts.insert(entry.destination, BTreeSet::new());
        for hop in &entry.next_hops {
            match &hop.to {
                Resolved::Machine { addresses, .. } | Resolved::Line { addresses } => {
                    let via = of_family(addresses, entry.destination);
                    parts.entry(entry.destination).or_default().extend(via);
                }
                Resolved::Router { router } => {
                    let beyond = all.iter().find(|t| t.router == *router);
                    for (part, via) in beyond
                        .map(|t| onward(entry.destination, t))
                        .into_iter()
                        .flatten()
                    {
                        parts.entry(part).or_default().extend(via);
                    }
                }
                Resolved::Nowhere => {}
            }
        }
        for (part, via) in parts {
            let better = |e: &&EntryView| {
                e.destination != entry.destination
                    && contains(entry.destination, e.destination)
                    && contains(e.destination, part)
            };
            // A part that a longer entry of the VPC decides is not this entry's.
            if !entries.iter().any(better) {
                routes.insert((number, part), Path::by(via));
            }
        }
    }
    routes
}

/// What becomes of a destination's parts behind a VBR: the next hop on the line, or none
/// where the VBR knows no way, or only the way back.
fn onward(destination: IpNetwork, vbr: &TableView) -> Vec<(IpNetwork, BTreeSet<IpAddr>)> {
    let via = |entry: &EntryView| match peers(entry) {
        Some(Path::Via(via)) => via,
        _ => BTreeSet::new(),
    };
    let whole = forwarding(vbr)
        .filter(|e| contains(e.destination, destination))
        .max_by_key(|e| e.destination.prefix())
        .map(|e| (destination, via(e)));
    let parts = forwarding(vbr)
        .filter(|e| e.destination != destination && contains(destination, e.destination))
        .map(|e| (e.destination, via(e)));
    whole.into_iter().chain(parts).collect()
}

fn of_family(addresses: &[IpAddr], destination: IpNetwork) -> impl Iterator<Item = IpAddr> {
    let all = addresses.iter().copied();
    all.filter(move |a| a.is_ipv4() == destination.is_ipv4())
}
