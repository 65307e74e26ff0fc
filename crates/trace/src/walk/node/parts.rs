//! One part of a node each: held against the plan and against what netd would change.

use std::net::IpAddr;

use flatnet_types::api::trace::{Container, End, Inside, Link, Port};

use super::repairs::{by_netd, reconcile};
use super::ways::leads;
use super::{Seen, Walker};
use crate::hop::{At, Check, Hop, Repair};

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
                let repair = Repair::here(format!("flatctl attachments{socket}"))
                    .noting("it shows who is there; start the container, or trace to another");
                let why = "the address is in the node's range, and no container has it now";
                (at.wrong("nobody has it", why, Some(repair)), false)
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
                Some(Repair::here(format!("{ip} address"))),
            ),
            Inside::Absent => {
                let why = format!("it has no interface {dev} any more");
                at.wrong("no interface", why, Some(recreate(c)))
            }
            Inside::Observed { up: false, .. } => at.wrong(
                format!("{dev} is down"),
                "somebody set it down inside of the container",
                Some(Repair::here(format!("{ip} link set {dev} up"))),
            ),
            Inside::Observed { addresses, .. } if !addresses.iter().any(|a| a.ip() == own) => {
                let length =
                    gateway.map_or(if own.is_ipv4() { 32 } else { 128 }, |g| g.subnet.prefix());
                at.wrong(
                    format!("{dev} has not {own}"),
                    "somebody took the address away inside of the container",
                    Some(Repair::here(format!(
                        "{ip} address add {own}/{length} dev {dev}"
                    ))),
                )
            }
            Inside::Observed { mtu, .. } if *mtu != c.mtu => at.wrong(
                format!("{dev} has MTU {mtu}"),
                format!(
                    "it was given {}: large packets are lost or are made small",
                    c.mtu
                ),
                Some(Repair::here(format!("{ip} link set {dev} mtu {}", c.mtu))),
            ),
            Inside::Observed { routes, .. } => match (to.map(|to| leads(routes, to)), gateway) {
                (Some(None), Some(g)) => at.wrong(
                    format!("no route to {}", self.packet.dst),
                    "its default route is gone",
                    Some(Repair::here(format!(
                        "{ip} route add default via {} dev {dev}",
                        g.gateway
                    ))),
                ),
                (Some(Some(Some(via))), Some(g)) if via != g.gateway => at.wrong(
                    format!("{} goes by {via}", self.packet.dst),
                    format!("the plan's gateway of its network is {}", g.gateway),
                    Some(
                        Repair::here(format!(
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
                "the host has no such NIC: repair the plan or the host",
                Some(Repair::on(seen.name, "ip link")),
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
                    Repair::on(seen.name, format!("ip link show {}", port.name))
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
                    Some(Repair::on(seen.name, "systemctl restart netd")),
                )
            }
            (Some(link), None) if !trunks => match seen.facts.pending_of_port(&port.name) {
                Some(pending) => {
                    let (why, repair) = by_netd(seen.node, pending);
                    at.wrong(state(link), why, repair)
                }
                None => at.ok(state(link)),
            },
            (Some(link), _) => sound(&at, seen, port, link, seen.spec.mtu.get()),
        };
        self.hops.push(hop);
    }
}

/// A port whose link is there: what netd would change, what the switch says.
fn sound(at: &At<'_>, seen: &Seen<'_>, port: &Port, link: &Link, mtu: u32) -> Hop {
    if let Some(pending) = seen.facts.pending_of_port(&port.name) {
        let (why, repair) = by_netd(seen.node, pending);
        return at.wrong(state(link), why, repair);
    }
    let Some(row) = &port.port else {
        let why = "it is no port of the bridge";
        return at.wrong("no port", why, Some(reconcile(seen.node)));
    };
    match (&row.error, row.ofport) {
        (Some(error), _) => at.wrong(
            "the switch cannot open it",
            error.clone(),
            Some(Repair::on(
                seen.name,
                format!("ovs-vsctl list interface {}", port.name),
            )),
        ),
        (None, None) => at.wrong(
            "the switch has not opened it",
            "ovs-vswitchd gave it no number: is it running?",
            Some(Repair::on(
                seen.name,
                "systemctl restart openvswitch-switch",
            )),
        ),
        (None, Some(n)) if row.number != 0 && n != row.number => at.wrong(
            format!("number {n}"),
            format!("its flows name {}", row.number),
            Some(reconcile(seen.node)),
        ),
        _ if !link.up => at.wrong(
            state(link),
            "somebody set it down",
            Some(Repair::on(
                seen.name,
                format!("ip link set {} up", port.name),
            )),
        ),
        _ if link.mtu < mtu => at.wrong(
            state(link),
            format!("{mtu} are needed: large packets are lost"),
            Some(Repair::on(
                seen.name,
                format!("ip link set {} mtu {mtu}", port.name),
            )),
        ),
        _ => at.ok(state(link)),
    }
}

fn recreate(c: &Container) -> Repair {
    match c.pod.as_deref().and_then(|p| p.split_once('/')) {
        Some((namespace, name)) => {
            Repair::here(format!("kubectl -n {namespace} delete pod {name}"))
        }
        None => Repair::here(format!("crictl stopp {}", c.id)),
    }
    .noting("the container has to be made anew")
}

fn state(link: &Link) -> String {
    let up = if link.up { "up" } else { "down" };
    format!("{up}, MTU {}", link.mtu)
}

fn short(id: &str) -> String {
    id.chars().take(13).collect()
}
