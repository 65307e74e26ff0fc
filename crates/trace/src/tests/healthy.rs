//! The lab as it is where nothing is wrong, by the plan.

use std::net::IpAddr;

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{RouteTable, SiteType, Vbr};
use flatnet_plan::node::{Mode, NodeSpec, derive};
use flatnet_plan::routes::{NextHop as Hop, TableKind, routes};
use flatnet_types::api::trace::{
    Container, End, FlowTrace, Inside, Link, Lookup, MetFlow, Neighbour, NodeFacts, Out, Packet,
    Path, Port, Row, Side, VERSION,
};
use ipnetwork::IpNetwork;

use crate::nodes_of;
use crate::observed::{Fact, Node, Observed};
use crate::place::{Place, place};
use crate::tables::{Desired, Entry, Kind, NextHop, Origin, Owner, Status, Table, Tables};

/// The lab's plan with the cloud's IDs.
pub(super) fn plan() -> NetworkPlan {
    let mut plan = flatnet_plan::load(include_str!("../../../../examples/lab.yaml")).expect("it");
    for site in &mut plan.spec.sites {
        if site.site_type == SiteType::Vpc {
            site.route_tables.push(RouteTable {
                cluster: None,
                name: "main".to_owned(),
                id: Some("vtb-vpc".to_owned()),
                quota: 200,
                aggregate: true,
                v_switches: Vec::new(),
            });
        }
    }
    for host in &mut plan.spec.hosts {
        host.instance_id = Some(format!("i-{}", host.name));
    }
    for line in &mut plan.spec.links {
        line.router_interface = Some(format!("ri-{}", line.name));
        line.vbr = Some(Vbr {
            id: format!("vbr-{}", line.name),
            route_table: Some(format!("vtb-{}", line.name)),
            router_interface: Some("ri-vpc".to_owned()),
            aggregate: true,
            quota: 48,
        });
    }
    plan
}

pub(super) fn observed(plan: &NetworkPlan, packet: Packet) -> Observed {
    let nodes = nodes_of(plan, packet).into_iter().map(|name| {
        let facts = node(plan, packet, &name);
        let node = Node {
            facts,
            socket: None,
        };
        (name, Fact::Known(node))
    });
    Observed {
        tables: Fact::Known(tables(plan)),
        nodes: nodes.collect(),
        ranges: Fact::Known(()),
    }
}

/// What vpc-route tells: everything is as it is desired.
pub(super) fn tables(plan: &NetworkPlan) -> Tables {
    let derived = routes(plan).expect("a sound plan");
    let kept = derived.iter().filter(|t| t.kind != TableKind::Node);
    let tables = kept.map(|t| {
        let kind = match t.kind {
            TableKind::VpcRouteTable => Kind::VpcRouteTable,
            TableKind::Vbr => Kind::Vbr,
            TableKind::EdgeRouter | TableKind::Node => Kind::EdgeRouter,
        };
        let desired: Vec<Desired> = t
            .entries
            .iter()
            .map(|e| Desired {
                destination: e.prefix,
                next_hops: hops(&e.next_hop, kind),
                label: "label".to_owned(),
            })
            .collect();
        let mut entries: Vec<Entry> = desired
            .iter()
            .map(|d| entry(d.destination, d.next_hops.clone(), Origin::Custom))
            .collect();
        let connected = connected(plan, kind);
        entries.extend(
            connected
                .into_iter()
                .map(|p| entry(p, vec![hop("Other", "local")], Origin::System)),
        );
        Table {
            report: None,
            title: t.title(),
            kind: Some(kind),
            site: t.site.clone(),
            name: t.name.clone(),
            table: t.id.clone().unwrap_or_else(|| t.name.clone()),
            quota: None,
            desired,
            not_understood: Vec::new(),
            entries,
            plan: None,
            events: Vec::new(),
            error: None,
        }
    });
    Tables {
        plan: None,
        version: 1,
        cluster: "lab".to_owned(),
        config: "/etc/flatnet/vpc-route.yml".to_owned(),
        leader: None,
        at: 0,
        tables: tables.collect(),
    }
}

pub(super) fn hop(kind: &str, id: &str) -> NextHop {
    NextHop {
        kind: kind.to_owned(),
        id: id.to_owned(),
        weight: 0,
    }
}

pub(super) fn entry(destination: IpNetwork, next_hops: Vec<NextHop>, kind: Origin) -> Entry {
    Entry {
        destination,
        next_hops,
        name: String::new(),
        id: None,
        status: Status::Available,
        kind,
        owner: (kind == Origin::Custom).then(|| Owner {
            cluster: "lab".to_owned(),
            generation: 1,
            label: "label".to_owned(),
        }),
    }
}

fn hops(to: &Hop, kind: Kind) -> Vec<NextHop> {
    match to {
        Hop::Instance { id, .. } => vec![hop("Instance", id.as_deref().unwrap_or("-"))],
        Hop::Vpc { id, .. } => vec![hop("RouterInterface", id.as_deref().unwrap_or("-"))],
        Hop::Lines { lines } => lines
            .iter()
            .map(|via| match (kind, &via.id, via.address) {
                (Kind::VpcRouteTable, Some(id), _) => hop("RouterInterface", id),
                (Kind::EdgeRouter, _, Some(address)) => hop("Gateway", &address.to_string()),
                _ => hop("RouterInterface", "ri-idc"),
            })
            .collect(),
        Hop::Host { address, .. } | Hop::Gateway { address } => {
            vec![hop("Gateway", &address.to_string())]
        }
    }
}

fn connected(plan: &NetworkPlan, kind: Kind) -> Vec<IpNetwork> {
    let sites = plan.spec.sites.iter();
    match kind {
        Kind::VpcRouteTable => sites
            .flat_map(|s| &s.v_switches)
            .flat_map(|v| &v.subnets)
            .map(|s| s.prefix)
            .collect(),
        Kind::Vbr => Vec::new(),
        Kind::EdgeRouter => {
            let vlans = sites.flat_map(|s| &s.vlans).flat_map(|v| &v.subnets);
            let lines = plan.spec.links.iter().flat_map(|l| &l.transfer);
            let transfer = lines.map(|t| t.prefix);
            vlans.map(|s| s.prefix).chain(transfer).collect()
        }
    }
}

/// What a node's netd tells.
fn node(plan: &NetworkPlan, packet: Packet, name: &str) -> NodeFacts {
    let host = plan.host(&name.parse().expect("a name")).expect("a host");
    let spec = derive(plan, &host.name).expect("a node");
    let at = |address| {
        let place = place(plan, address).ok()?;
        (place.host?.name == host.name).then_some(place)
    };
    let (src, dst) = (at(packet.src), at(packet.dst));
    NodeFacts {
        version: VERSION,
        node: name.to_owned(),
        source: src.map(|p| end(&spec, &p, packet.src, Some(packet.dst))),
        destination: dst.map(|p| end(&spec, &p, packet.dst, None)),
        bridge: "br-flat".to_owned(),
        uplink: match spec.mode {
            Mode::Routed => Port {
                port: None,
                ..port("eth0", 1)
            },
            Mode::Vlan { .. } => Port {
                port: Some(Row {
                    trunks: vec![10, 100, 200],
                    ..row(1)
                }),
                ..port("eth0", 1)
            },
        },
        host: port("flat0", 2),
        forwards: Some(true),
        lookups: lookups(plan, &spec, packet, (src, dst)),
        traces: traces(&spec, packet, (src, dst)),
        pending: Vec::new(),
        problems: Vec::new(),
        named: Vec::new(),
    }
}

fn row(number: u32) -> Row {
    Row {
        number,
        ofport: Some(number),
        tag: None,
        trunks: Vec::new(),
        error: None,
    }
}

fn port(name: &str, number: u32) -> Port {
    Port {
        name: name.to_owned(),
        link: Some(Link {
            up: true,
            carrier: Some(true),
            mtu: 1500,
        }),
        port: Some(row(number)),
    }
}

/// A number that is an address's own in the lab.
fn number(address: IpAddr) -> u32 {
    match address {
        IpAddr::V4(a) => u32::from(a.octets()[2]) * 1000 + u32::from(a.octets()[3]),
        IpAddr::V6(a) => u32::from(a.segments()[6]) * 16_000 + u32::from(a.segments()[7]),
    }
}

fn end(spec: &NodeSpec, place: &Place<'_>, own: IpAddr, to: Option<IpAddr>) -> End {
    if !place.container {
        return End::Host;
    }
    let ranges = spec
        .networks
        .iter()
        .flat_map(|n| n.ranges.iter().map(move |r| (n, r)));
    let mut of_own = ranges.filter(|(_, r)| r.prefix.contains(own));
    let (network, range) = of_own.next().expect("a range");
    let n = number(own);
    let first = match own {
        IpAddr::V4(a) => u32::from(a.octets()[0]),
        IpAddr::V6(a) => u32::from(a.segments()[0]),
    };
    let next = to.map(|to| match range.subnet.contains(to) {
        true if place.vlan().is_some() => to,
        _ => range.gateway,
    });
    let everywhere = if own.is_ipv4() { "0.0.0.0/0" } else { "::/0" };
    End::Container(Box::new(Container {
        id: format!("c{first}{n:07}"),
        pod: None,
        ifname: "eth0".to_owned(),
        netns: "/run/netns/c".to_owned(),
        network: network.name.to_string(),
        committed: true,
        generation: u64::from(n),
        mtu: 1500,
        port: port(&format!("fn{n}"), n),
        inside: Inside::Observed {
            up: true,
            mtu: 1500,
            addresses: vec![IpNetwork::new(own, range.subnet.prefix()).expect("a length")],
            routes: vec![
                (
                    range.subnet,
                    (place.vlan().is_none()).then_some(range.gateway),
                ),
                (everywhere.parse().expect("a prefix"), Some(range.gateway)),
            ],
            neighbours: next.map(answered).into_iter().collect(),
        },
    }))
}

fn answered(address: IpAddr) -> Neighbour {
    Neighbour {
        address,
        mac: Some("02:00:00:00:00:01".to_owned()),
        failed: false,
    }
}

fn lookups(
    plan: &NetworkPlan,
    spec: &NodeSpec,
    packet: Packet,
    (src, dst): (Option<Place<'_>>, Option<Place<'_>>),
) -> Vec<Lookup> {
    let routed = spec.mode == Mode::Routed;
    let out = if routed { "eth0" } else { "flat0" };
    let to = |dev: &str, via: Option<IpAddr>| Path::Out {
        dev: dev.to_owned(),
        via,
        route: None,
        protocol: 94,
        neighbour: via.map(answered),
    };
    let gateway = || {
        let mut all = spec.host_gateways.iter();
        all.find(|g| g.is_ipv4() == packet.dst.is_ipv4()).copied()
    };
    let path = match dst {
        Some(dst) if dst.container => to("flat0", None),
        Some(_) => Path::Local,
        None => {
            let own = spec.host_addresses.iter();
            let other = place(plan, packet.dst).ok().filter(|p| !p.container);
            match own.filter(|_| other.is_some()).any(|a| {
                IpNetwork::new(a.network(), a.prefix()).is_ok_and(|n| n.contains(packet.dst))
            }) {
                true => to(out, None),
                false => to(out, gateway()),
            }
        }
    };
    let from = match src {
        Some(src) if src.container => Side::Container,
        Some(_) => Side::Host,
        None => Side::Uplink,
    };
    vec![Lookup { from, path }]
}

fn traces(
    spec: &NodeSpec,
    packet: Packet,
    (src, dst): (Option<Place<'_>>, Option<Place<'_>>),
) -> Vec<FlowTrace> {
    let routed = spec.mode == Mode::Routed;
    let trace = |from, port: String, vlan| FlowTrace {
        from,
        packet: "ip".to_owned(),
        flows: vec![MetFlow {
            table: 0,
            flow: "priority 1".to_owned(),
            cookie: Some(0x464e << 48),
        }],
        outputs: vec![Out { port, vlan }],
        error: None,
    };
    let inner = |place: &Place<'_>| match place.container {
        true => format!("fn{}", number(packet.dst)),
        false => "flat0".to_owned(),
    };
    let mut all = Vec::new();
    if let Some(src) = &src {
        let from = match src.container {
            true => Side::Container,
            false => Side::Host,
        };
        let here = dst
            .as_ref()
            .filter(|dst| routed || !src.container || !dst.container || src.vlan() == dst.vlan());
        all.push(match (here, routed) {
            (Some(dst), _) => trace(from, inner(dst), None),
            (None, true) => trace(from, "flat0".to_owned(), None),
            (None, false) => trace(from, "eth0".to_owned(), src.vlan()),
        });
    }
    if let Some(dst) = &dst {
        let from = if routed { Side::Host } else { Side::Uplink };
        if all.iter().all(|t: &FlowTrace| t.from != from) {
            all.push(trace(from, inner(dst), None));
        }
    }
    all
}
