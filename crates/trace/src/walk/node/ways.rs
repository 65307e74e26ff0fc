//! A packet's way through a node: the bridge's flows, forwarding, and the host's routes.

use std::net::IpAddr;

use flatnet_types::api::trace::{FlowTrace, Path, Pending, Side};
use flatnet_types::marks::{ROUTE_PROTOCOL, is_ours};
use ipnetwork::IpNetwork;

use super::repairs::{by_netd, reconcile, tagged};
use super::{Seen, Walker, Way};
use crate::hop::{At, Check, Hop, Repair};

/// Ops of netd's reconciler that concern the whole bridge, and what each says is wrong.
const OF_THE_BRIDGE: [(&str, &str); 5] = [
    ("set_bridge", "the bridge's settings are not netd's"),
    (
        "delete_foreign_flows",
        "flows that are not netd's decide about frames",
    ),
    (
        "set_fragments",
        "the switch treats fragments otherwise than netd wants",
    ),
    (
        "set_group",
        "the group that containers' ARP and neighbour discovery pass is not netd's",
    ),
    ("end_restore", "the switch waits for its flows"),
];

impl Walker<'_> {
    /// What is wrong with the bridge as a whole, whatever packet it is; no hop if nothing is.
    pub(super) fn bridge(&mut self, seen: &Seen<'_>) {
        let title = format!("node {} bridge {}", seen.name, seen.facts.bridge);
        let at = At {
            at: &title,
            check: Check::Flows,
        };
        for (kind, found) in OF_THE_BRIDGE {
            if let Some(pending) = seen.facts.pending.iter().find(|p| p.kind == kind) {
                let (why, repair) = by_netd(seen.node, pending);
                self.hops.push(at.wrong(found, why, repair));
            }
        }
    }

    /// What the bridge's flows do with the packet.
    pub(super) fn flows(&mut self, seen: &Seen<'_>, from: Side, to: &str, vlan: Option<u16>) {
        let title = format!("node {} bridge {}", seen.name, seen.facts.bridge);
        let at = At {
            at: &title,
            check: Check::Flows,
        };
        let ends = [&seen.facts.source, &seen.facts.destination];
        let generations: Vec<u64> = ends
            .iter()
            .filter_map(|e| Some(e.as_ref()?.container()?.generation))
            .collect();
        let missing = seen.facts.missing_flows(&generations);
        let wanted = tagged(to, vlan);
        let hop = match (seen.facts.trace(from), missing) {
            (_, Some(pending)) => {
                let (why, repair) = by_netd(seen.node, pending);
                at.wrong("flows are missing", why, repair)
            }
            (None, None) => at.unknown("not known", "netd did not trace this packet", None),
            (Some(FlowTrace { error: Some(e), .. }), None) => at.unknown(
                "not known",
                e.clone(),
                Some(Repair::on(seen.name, "systemctl status openvswitch-switch")),
            ),
            (Some(trace), None) => {
                let mut outputs = trace.outputs.iter();
                match outputs.any(|o| o.port == to && o.vlan == vlan) {
                    true => at.ok(format!("to {wanted}")),
                    false => astray(&at, seen, trace, &wanted),
                }
            }
        };
        self.hops.push(hop);
    }

    /// Whether the kernel forwards.
    pub(super) fn forwarding(&mut self, seen: &Seen<'_>) {
        let title = format!("node {}", seen.name);
        let at = At {
            at: &title,
            check: Check::Forwarding,
        };
        let mut pending = seen.facts.pending.iter();
        let hop = match (
            pending.find(|p| p.kind == "set_sysctl"),
            seen.facts.forwards,
        ) {
            (Some(pending), _) => {
                let (why, repair) = by_netd(seen.node, pending);
                at.wrong("a sysctl is wrong", why, repair)
            }
            (None, Some(false)) => at.wrong(
                "it does not forward",
                "forwarding is off: the node drops what its containers send and get",
                Some(reconcile(seen.node)),
            ),
            (None, Some(true)) => at.ok("it forwards"),
            (None, None) => at.unknown("not known", "the sysctl cannot be read", None),
        };
        self.hops.push(hop);
    }

    /// What the kernel's routes say.
    pub(super) fn route(&mut self, seen: &Seen<'_>, from: Side, way: &Way) {
        let title = format!("node {}", seen.name);
        let at = At {
            at: &title,
            check: Check::Route,
        };
        let dst = self.packet.dst;
        let Some(path) = seen.facts.lookup(from) else {
            let hop = at.unknown("not known", "netd did not look this packet up", None);
            self.hops.push(hop);
            return;
        };
        if let Path::Unknown { because } = path {
            let hop = at.unknown("not known", because.clone(), None);
            self.hops.push(hop);
            return;
        }
        if fits(path, way) {
            self.hops.push(at.ok(said(dst, path)));
            if let Path::Out {
                dev,
                neighbour: Some(n),
                ..
            } = path
                && n.failed
            {
                self.hops.push(nobody(seen, dev, n.address));
            }
            return;
        }
        let found = said(dst, path);
        let wanted = match way {
            Way::Local => "the node itself".to_owned(),
            Way::Out { dev, via: None } => format!("dev {dev}"),
            Way::Out {
                dev,
                via: Some(via),
            } => format!("via {via} dev {dev}"),
        };
        let about = |p: &&Pending| {
            let prefix = p.prefix.is_some_and(|prefix| prefix.contains(dst));
            prefix || p.kind == "add_address"
        };
        let (why, repair) = match (seen.facts.pending.iter().find(about), path, way) {
            (Some(pending), _, _) => by_netd(seen.node, pending),
            (
                None,
                Path::Out {
                    route: Some(route),
                    protocol,
                    ..
                },
                _,
            ) if *protocol != ROUTE_PROTOCOL && route.prefix() > 0 => {
                let why =
                    format!("a route that is not netd's leads it away; it should go {wanted}");
                (
                    why,
                    Some(Repair::on(seen.name, format!("ip route del {route}"))),
                )
            }
            (
                None,
                _,
                Way::Out {
                    dev,
                    via: Some(via),
                },
            ) => {
                let why =
                    format!("the host's own default route is not there; it should go {wanted}");
                let command = format!("ip route replace default via {via} dev {dev}");
                let note = "the host's own routes are its administrator's or DHCP's, not netd's";
                (why, Some(Repair::on(seen.name, command).noting(note)))
            }
            (None, _, Way::Out { dev, via: None }) => {
                let why =
                    format!("the node's route to its own link is not there; it should go {wanted}");
                let command = format!("ip route replace {} dev {dev}", on_link(seen, dst));
                (why, Some(Repair::on(seen.name, command)))
            }
            (None, _, Way::Local) => {
                let why = format!("it should go to {wanted}");
                (why, Some(reconcile(seen.node)))
            }
        };
        self.hops.push(at.wrong(found, why, repair));
    }
}

/// The flows are netd's, and the packet goes elsewhere all the same.
fn astray(at: &At<'_>, seen: &Seen<'_>, trace: &FlowTrace, wanted: &str) -> Hop {
    let found = match trace.outputs.as_slice() {
        [] => "dropped".to_owned(),
        outputs => {
            let all: Vec<String> = outputs.iter().map(|o| tagged(&o.port, o.vlan)).collect();
            format!("to {}", all.join(" and "))
        }
    };
    let foreign = trace
        .flows
        .iter()
        .find(|f| f.cookie.is_some_and(|c| !is_ours(c)));
    let last = trace.flows.last();
    let (why, repair) = match (foreign, last) {
        (Some(f), _) => (
            format!(
                "a flow that is not netd's is in the way, table {}: {}",
                f.table, f.flow
            ),
            Repair::on(
                seen.name,
                format!(
                    "ovs-ofctl -O OpenFlow14 del-flows {} cookie={:#x}/-1,table={}",
                    seen.facts.bridge,
                    f.cookie.unwrap_or_default(),
                    f.table
                ),
            ),
        ),
        (None, Some(f)) => (
            format!(
                "it should go to {wanted}; it ends in table {}: {}",
                f.table, f.flow
            ),
            reconcile(seen.node),
        ),
        (None, None) => (format!("it should go to {wanted}"), reconcile(seen.node)),
    };
    at.wrong(found, why, Some(repair))
}

/// The prefix of the node's link that has an address.
fn on_link(seen: &Seen<'_>, address: IpAddr) -> IpNetwork {
    let ranges = seen.spec.networks.iter().flat_map(|n| &n.ranges);
    let own = seen.spec.host_addresses.iter();
    let own = own.filter_map(|a| IpNetwork::new(a.network(), a.prefix()).ok());
    let mut all = ranges.map(|r| r.prefix).chain(own);
    all.find(|p| p.contains(address))
        .unwrap_or_else(|| IpNetwork::from(address))
}

fn nobody(seen: &Seen<'_>, dev: &str, next: IpAddr) -> Hop {
    let title = format!("segment of {} {dev}", seen.name);
    let at = At {
        at: &title,
        check: Check::Segment,
    };
    at.wrong(
        format!("{next} was asked for in vain"),
        format!("nobody answers for {next} on {dev}: it is down, or the segment does not reach it"),
        Some(
            Repair::on(seen.name, format!("ip neigh show {next} dev {dev}"))
                .noting("look at the machine that has this address"),
        ),
    )
}

fn fits(path: &Path, way: &Way) -> bool {
    match (path, way) {
        (Path::Local, Way::Local) => true,
        (Path::Out { dev, via, .. }, Way::Out { dev: d, via: v }) => dev == d && via == v,
        _ => false,
    }
}

fn said(dst: IpAddr, path: &Path) -> String {
    match path {
        Path::Local => format!("{dst} is the node's own"),
        Path::Out { dev, via: None, .. } => format!("{dst} dev {dev}"),
        Path::Out {
            dev,
            via: Some(via),
            ..
        } => format!("{dst} via {via} dev {dev}"),
        Path::Dropped { because } => format!("{dst}: {because}"),
        Path::Unknown { because } => format!("{dst}: not known, {because}"),
    }
}

/// Where a container's routes lead: the next hop, if there is a route at all.
pub(super) fn leads(routes: &[(IpNetwork, Option<IpAddr>)], to: IpAddr) -> Option<Option<IpAddr>> {
    let matches = routes.iter().filter(|(prefix, _)| prefix.contains(to));
    matches
        .max_by_key(|(prefix, _)| prefix.prefix())
        .map(|(_, via)| *via)
}
