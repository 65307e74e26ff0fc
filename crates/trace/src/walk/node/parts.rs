//! One part of a node each: held against the plan and against what netd would change.

use std::net::IpAddr;

use flatnet_types::api::trace::{
    Container, End, FlowTrace, Inside, Link, Path, Pending, Port, Side,
};
use ipnetwork::IpNetwork;

use super::{Seen, Walker, Way};
use crate::hop::{At, Check, Hop, Mend};
use crate::observed::Node;

/// netd's route protocol.
const NETD: u8 = 94;
/// The upper 16 bits of the cookies of netd's flows, "FN".
const COOKIE_MARK: u64 = 0x464e;

/// What makes a netd mend its node now.
pub(super) fn reconcile(node: &Node) -> Mend {
    let mut command = "flatctl node reconcile".to_owned();
    if let Some(socket) = &node.socket {
        command.push_str(&format!(" --netd {socket}"));
    }
    Mend::here(command)
}

/// What netd would do by itself, sooner or later.
fn by_netd(node: &Node, pending: &Pending) -> (String, Option<Mend>) {
    let why = format!("netd would change it: {}", pending.what);
    let note = "netd does it by itself within a minute";
    (why, Some(reconcile(node).noting(note)))
}

impl Walker<'_> {
    /// Whether a container has the address.
    pub(super) fn attached(&mut self, seen: &Seen<'_>, end: Option<&End>, address: IpAddr) -> bool {
        let title = format!("node {}", seen.name);
        let at = At {
            at: &title,
            check: Check::Attachment,
        };
        let (hop, found) = match end {
            Some(End::Container(c)) if c.committed => {
                let who = c.pod.clone().unwrap_or_else(|| c.id.clone());
                (at.ok(format!("{address} is {who}'s, {}", c.ifname)), true)
            }
            Some(End::Container(c)) => {
                let why = "its ADD has not come to its end: look again in a moment";
                let who = c.pod.clone().unwrap_or_else(|| c.id.clone());
                (
                    at.wrong(format!("{address} is reserved for {who}"), why, None),
                    true,
                )
            }
            Some(End::Host) | None => {
                let socket = seen.node.socket.as_ref();
                let socket = socket.map(|s| format!(" --netd {s}")).unwrap_or_default();
                let mend = Mend::here(format!("flatctl attachments{socket}"))
                    .noting("it shows who is there; start the container, or trace to another");
                let why = "the address is in the node's range, and no container has it now";
                (at.wrong("nobody has it", why, Some(mend)), false)
            }
        };
        self.hops.push(hop);
        found
    }

    /// The container's interface, as it is inside.
    pub(super) fn inside(
        &mut self,
        seen: &Seen<'_>,
        c: &Container,
        own: IpAddr,
        to: Option<IpAddr>,
    ) {
        let title = format!("container {}", short(&c.id));
        let at = At {
            at: &title,
            check: Check::Container,
        };
        let gateway = seen
            .spec
            .networks
            .iter()
            .flat_map(|n| &n.ranges)
            .find(|r| r.prefix.contains(own));
        let ip = format!("nsenter --net={} ip", c.netns);
        let dev = &c.ifname;
        let hop = match &c.inside {
            Inside::Unknown { because } => at.unknown(
                "not known",
                because.clone(),
                Some(Mend::here(format!("{ip} address"))),
            ),
            Inside::Absent => {
                let why = format!("it has no interface {dev} any more");
                at.wrong("no interface", why, Some(recreate(c)))
            }
            Inside::Seen { up: false, .. } => at.wrong(
                format!("{dev} is down"),
                "somebody set it down inside of the container",
                Some(Mend::here(format!("{ip} link set {dev} up"))),
            ),
            Inside::Seen { addresses, .. } if !addresses.iter().any(|a| a.ip() == own) => {
                let length =
                    gateway.map_or(if own.is_ipv4() { 32 } else { 128 }, |g| g.subnet.prefix());
                at.wrong(
                    format!("{dev} has not {own}"),
                    "somebody took the address away inside of the container",
                    Some(Mend::here(format!(
                        "{ip} address add {own}/{length} dev {dev}"
                    ))),
                )
            }
            Inside::Seen { mtu, .. } if *mtu != c.mtu => at.wrong(
                format!("{dev} has MTU {mtu}"),
                format!(
                    "it was given {}: large packets are lost or are made small",
                    c.mtu
                ),
                Some(Mend::here(format!("{ip} link set {dev} mtu {}", c.mtu))),
            ),
            Inside::Seen { routes, .. } => match (to.map(|to| leads(routes, to)), gateway) {
                (Some(None), Some(g)) => at.wrong(
                    format!("no route to {}", self.packet.dst),
                    "its default route is gone",
                    Some(Mend::here(format!(
                        "{ip} route add default via {} dev {dev}",
                        g.gateway
                    ))),
                ),
                (Some(Some(Some(via))), Some(g)) if via != g.gateway => at.wrong(
                    format!("{} goes by {via}", self.packet.dst),
                    format!("the plan's gateway of its network is {}", g.gateway),
                    Some(
                        Mend::here(format!(
                            "{ip} route replace default via {} dev {dev}",
                            g.gateway
                        ))
                        .noting("unless the route was asked for in its CNI configuration"),
                    ),
                ),
                _ => at.ok(format!("{dev} is up and has {own}")),
            },
        };
        self.hops.push(hop);
    }

    /// A container's port of the bridge.
    pub(super) fn port(&mut self, seen: &Seen<'_>, c: &Container) {
        let title = format!("node {} port {}", seen.name, c.port.name);
        let at = At {
            at: &title,
            check: Check::Port,
        };
        let hop = match &c.port.link {
            None => {
                let why = "the host's end of its link is gone, and the container's with it";
                at.wrong("no link", why, Some(recreate(c)))
            }
            Some(link) => sound(&at, seen, &c.port, link, c.mtu),
        };
        self.hops.push(hop);
    }

    /// The host's own port.
    pub(super) fn host_port(&mut self, seen: &Seen<'_>) {
        let port = &seen.facts.host;
        let title = format!("node {} port {}", seen.name, port.name);
        let at = At {
            at: &title,
            check: Check::Port,
        };
        let mtu = seen.spec.mtu.get();
        let hop = match &port.link {
            None => {
                let why = "the bridge's own port is not there";
                at.wrong("no link", why, Some(reconcile(seen.node)))
            }
            Some(link) => sound(&at, seen, port, link, mtu),
        };
        self.hops.push(hop);
    }

    /// The uplink: a trunk port with that VLAN, or a NIC alone.
    pub(super) fn uplink(&mut self, seen: &Seen<'_>, vlan: Option<u16>) {
        let port = &seen.facts.uplink;
        let title = format!("node {} uplink {}", seen.name, port.name);
        let at = At {
            at: &title,
            check: Check::Uplink,
        };
        let trunks = seen.spec.mode != flatnet_plan::node::Mode::Routed;
        let hop = match (&port.link, &port.port) {
            (None, _) => at.wrong(
                "no link",
                "the host has no such NIC: mend the plan or the host",
                Some(Mend::on(seen.name, "ip link")),
            ),
            (
                Some(Link {
                    carrier: Some(false),
                    up: true,
                    ..
                }),
                _,
            ) => at.wrong(
                "no carrier",
                "nothing answers at the other end of the cable",
                Some(
                    Mend::on(seen.name, format!("ip link show {}", port.name))
                        .noting("look at the cable, and at the switch's port"),
                ),
            ),
            (Some(_), Some(row))
                if trunks
                    && seen.facts.pending_of_port(&port.name).is_none()
                    && vlan.is_some_and(|v| !row.trunks.is_empty() && !row.trunks.contains(&v)) =>
            {
                let vlan = vlan.unwrap_or_default();
                at.wrong(
                    format!("a trunk of {:?}", row.trunks),
                    format!("it does not carry VLAN {vlan}: netd works from another plan"),
                    Some(Mend::on(seen.name, "systemctl restart netd")),
                )
            }
            (Some(link), None) if !trunks => match seen.facts.pending_of_port(&port.name) {
                Some(pending) => {
                    let (why, mend) = by_netd(seen.node, pending);
                    at.wrong(state(link), why, mend)
                }
                None => at.ok(state(link)),
            },
            (Some(link), _) => sound(&at, seen, port, link, seen.spec.mtu.get()),
        };
        self.hops.push(hop);
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
                let (why, mend) = by_netd(seen.node, pending);
                at.wrong("flows are missing", why, mend)
            }
            (None, None) => at.unknown("not known", "netd did not trace this packet", None),
            (Some(FlowTrace { error: Some(e), .. }), None) => at.unknown(
                "not known",
                e.clone(),
                Some(Mend::on(seen.name, "systemctl status openvswitch-switch")),
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
                let (why, mend) = by_netd(seen.node, pending);
                at.wrong("a sysctl is wrong", why, mend)
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
        let (why, mend) = match (seen.facts.pending.iter().find(about), path, way) {
            (Some(pending), _, _) => by_netd(seen.node, pending),
            (
                None,
                Path::Out {
                    route: Some(route),
                    protocol,
                    ..
                },
                _,
            ) if *protocol != NETD && route.prefix() > 0 => {
                let why =
                    format!("a route that is not netd's leads it away; it should go {wanted}");
                (
                    why,
                    Some(Mend::on(seen.name, format!("ip route del {route}"))),
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
                (why, Some(Mend::on(seen.name, command).noting(note)))
            }
            (None, _, Way::Out { dev, via: None }) => {
                let why =
                    format!("the node's route to its own link is not there; it should go {wanted}");
                let command = format!("ip route replace {} dev {dev}", on_link(seen, dst));
                (why, Some(Mend::on(seen.name, command)))
            }
            (None, _, Way::Local) => {
                let why = format!("it should go to {wanted}");
                (why, Some(reconcile(seen.node)))
            }
        };
        self.hops.push(at.wrong(found, why, mend));
    }
}

/// A port whose link is there: what netd would change, what the switch says.
fn sound(at: &At<'_>, seen: &Seen<'_>, port: &Port, link: &Link, mtu: u32) -> Hop {
    if let Some(pending) = seen.facts.pending_of_port(&port.name) {
        let (why, mend) = by_netd(seen.node, pending);
        return at.wrong(state(link), why, mend);
    }
    let Some(row) = &port.port else {
        let why = "it is no port of the bridge";
        return at.wrong("no port", why, Some(reconcile(seen.node)));
    };
    match (&row.error, row.ofport) {
        (Some(error), _) => at.wrong(
            "the switch cannot open it",
            error.clone(),
            Some(Mend::on(
                seen.name,
                format!("ovs-vsctl list interface {}", port.name),
            )),
        ),
        (None, None) => at.wrong(
            "the switch has not opened it",
            "ovs-vswitchd gave it no number: is it running?",
            Some(Mend::on(seen.name, "systemctl restart openvswitch-switch")),
        ),
        (None, Some(n)) if row.number != 0 && n != row.number => at.wrong(
            format!("number {n}"),
            format!("its flows name {}", row.number),
            Some(reconcile(seen.node)),
        ),
        _ if !link.up => at.wrong(
            state(link),
            "somebody set it down",
            Some(Mend::on(seen.name, format!("ip link set {} up", port.name))),
        ),
        _ if link.mtu < mtu => at.wrong(
            state(link),
            format!("{mtu} are needed: large packets are lost"),
            Some(Mend::on(
                seen.name,
                format!("ip link set {} mtu {mtu}", port.name),
            )),
        ),
        _ => at.ok(state(link)),
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
        .find(|f| f.cookie.is_some_and(|c| c >> 48 != COOKIE_MARK));
    let last = trace.flows.last();
    let (why, mend) = match (foreign, last) {
        (Some(f), _) => (
            format!(
                "a flow that is not netd's is in the way, table {}: {}",
                f.table, f.flow
            ),
            Mend::on(
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
    at.wrong(found, why, Some(mend))
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
            Mend::on(seen.name, format!("ip neigh show {next} dev {dev}"))
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
fn leads(routes: &[(IpNetwork, Option<IpAddr>)], to: IpAddr) -> Option<Option<IpAddr>> {
    let matches = routes.iter().filter(|(prefix, _)| prefix.contains(to));
    matches
        .max_by_key(|(prefix, _)| prefix.prefix())
        .map(|(_, via)| *via)
}

fn recreate(c: &Container) -> Mend {
    match c.pod.as_deref().and_then(|p| p.split_once('/')) {
        Some((namespace, name)) => Mend::here(format!("kubectl -n {namespace} delete pod {name}")),
        None => Mend::here(format!("crictl stopp {}", c.id)),
    }
    .noting("the container has to be made anew")
}

fn state(link: &Link) -> String {
    let up = if link.up { "up" } else { "down" };
    format!("{up}, MTU {}", link.mtu)
}

fn tagged(port: &str, vlan: Option<u16>) -> String {
    vlan.map_or_else(|| port.to_owned(), |v| format!("{port}, VLAN {v}"))
}

fn short(id: &str) -> String {
    id.chars().take(13).collect()
}
