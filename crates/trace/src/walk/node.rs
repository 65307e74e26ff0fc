//! Hops on a node: the container, its port, the bridge, the kernel, the uplink.

mod parts;
mod repairs;
mod ways;

use std::net::IpAddr;

use flatnet_plan::model::Host;
use flatnet_plan::node::{Mode, NodeSpec, derive};
use flatnet_types::api::trace::{End, Inside, Neighbour, NodeFacts, Path, Side};
use flatnet_types::api::view::ProblemView;

use super::Walker;
use crate::hop::{At, Check, Repair};
use crate::observed::{Fact, Node};
use crate::place::{Place, Segment};

/// Where the kernel should send the packet.
enum Way {
    /// To itself.
    Local,
    /// Out of a link, straight or by a next hop.
    Out { dev: String, via: Option<IpAddr> },
}

/// A node that answered, and what the plan wants of it.
struct Seen<'a> {
    name: &'a str,
    node: &'a Node,
    facts: &'a NodeFacts,
    spec: NodeSpec,
}

/// Problems beside which the node is ready, and which stop packets all the same. A default route
/// that is missing is not among them: a walk sees for itself whether it is needed.
const ON_THE_WAY: [&str; 10] = [
    "arp-ignore",
    "bridge-netfilter",
    "conntrack-full",
    "foreign-default-route",
    "foreign-route",
    "forward-drop",
    "host-address-missing",
    "proxy-arp",
    "route-diverted",
    "rp-filter",
];

/// Whether a problem may be why a packet does not arrive.
fn stops_packets(problem: &ProblemView) -> bool {
    problem.blocks_ready || ON_THE_WAY.contains(&problem.code.as_str())
}

impl<'a> Walker<'a> {
    /// The node's facts; where there are none, a hop says so.
    fn seen(&mut self, host: &'a Host) -> Option<Seen<'a>> {
        let name = host.name.as_str();
        let title = format!("node {name}");
        let at = At {
            at: &title,
            check: Check::Netd,
        };
        let node = match self.observed.nodes.get(name) {
            Some(Fact::Known(node)) => node,
            Some(Fact::Unknown { because, ask }) => {
                let hop = at.unknown("not known", because.clone(), Some(ask.clone()));
                self.hops.push(hop);
                return None;
            }
            None => {
                self.hops
                    .push(at.unknown("not known", "it was not asked", None));
                return None;
            }
        };
        let spec = match derive(self.plan, &host.name) {
            Ok(spec) => spec,
            Err(e) => {
                self.hops.push(at.unknown("not known", e.to_string(), None));
                return None;
            }
        };
        let facts = &node.facts;
        if facts.node != name {
            let why = format!("it says that it is {}", facts.node);
            self.hops.push(at.unknown("another node", why, None));
            return None;
        }
        let named = facts.named.iter().filter(|p| stops_packets(p));
        for problem in named.clone() {
            let repair = match &problem.repair {
                Some(command) => Repair::on(name, command.clone()),
                None => repairs::reconcile(node).noting("netd cannot repair it by itself"),
            };
            let found = format!("netd names the problem {}", problem.code);
            self.hops
                .push(at.wrong(found, problem.text.clone(), Some(repair)));
        }
        if let Some(problem) = facts.problems.first()
            && facts.named.is_empty()
        {
            let repair = repairs::reconcile(node).noting("netd cannot repair it by itself");
            let hop = at.wrong("netd names a problem", problem.clone(), Some(repair));
            self.hops.push(hop);
        }
        let seen = Seen {
            name,
            node,
            facts,
            spec,
        };
        self.bridge(&seen);
        Some(seen)
    }

    /// What the packet's source knows of its neighbours.
    pub(super) fn neighbours_of(&self, host: &Host) -> Option<Vec<Neighbour>> {
        let node = self.observed.nodes.get(host.name.as_str())?.known()?;
        let container = node.facts.source.as_ref().and_then(End::container);
        match (container.map(|c| &c.inside), node.facts.lookup(Side::Host)) {
            (Some(Inside::Observed { neighbours, .. }), _) => Some(neighbours.clone()),
            (None, Some(Path::Out { neighbour, .. })) => Some(neighbour.iter().cloned().collect()),
            _ => None,
        }
    }

    /// From an end on an IDC's node to its uplink, or to the other end if that is here.
    pub(super) fn leave_idc(
        &mut self,
        host: &'a Host,
        src: &Place<'_>,
        dst: &Place<'_>,
        local: bool,
    ) {
        let Some(seen) = self.seen(host) else { return };
        let Some(from) = self.source(&seen, src) else {
            return;
        };
        if !src.container {
            let dev = seen.facts.host.name.clone();
            let via = match local || src.shares_vlan(dst) {
                true => None,
                false => self.gateway(&seen),
            };
            self.route(&seen, Side::Host, &Way::Out { dev, via });
        }
        if local {
            self.deliver(&seen, dst, from);
            return;
        }
        let vlan = src.vlan();
        self.uplink(&seen, vlan);
        let uplink = seen.facts.uplink.name.clone();
        self.flows(&seen, from, &uplink, vlan);
    }

    /// From an IDC's switches to an end on a node.
    pub(super) fn arrive_idc(&mut self, host: &'a Host, dst: &Place<'_>) {
        let Some(seen) = self.seen(host) else { return };
        self.uplink(&seen, dst.vlan());
        self.deliver(&seen, dst, Side::Uplink);
    }

    /// From an end on a VPC's node to its uplink, or to the other end if that is here.
    pub(super) fn leave_vpc(&mut self, host: &'a Host, src: &Place<'_>, dst: &Place<'_>) {
        let Some(seen) = self.seen(host) else { return };
        let Some(from) = self.source(&seen, src) else {
            return;
        };
        let local = src.shares_host(dst);
        if local && src.container && dst.container {
            self.deliver(&seen, dst, from);
            return;
        }
        let inner = seen.facts.host.name.clone();
        if src.container {
            self.host_port(&seen);
            self.flows(&seen, from, &inner, None);
        }
        if local {
            match dst.container {
                true => {
                    let way = Way::Out {
                        dev: inner,
                        via: None,
                    };
                    self.route(&seen, Side::Host, &way);
                    self.deliver(&seen, dst, Side::Host);
                }
                false => self.route(&seen, Side::Container, &Way::Local),
            }
            return;
        }
        let side = match src.container {
            true => Side::Container,
            false => Side::Host,
        };
        if src.container {
            self.forwarding(&seen);
        }
        let way = self.way_out(&seen, dst);
        self.route(&seen, side, &way);
        self.uplink(&seen, None);
    }

    /// From a VPC to an end on its node.
    pub(super) fn arrive_vpc(&mut self, host: &'a Host, dst: &Place<'_>) {
        let Some(seen) = self.seen(host) else { return };
        self.uplink(&seen, None);
        if !dst.container {
            self.route(&seen, Side::Uplink, &Way::Local);
            return;
        }
        let way = Way::Out {
            dev: seen.facts.host.name.clone(),
            via: None,
        };
        if !self.attached(&seen, seen.facts.destination.as_ref(), self.packet.dst) {
            return;
        }
        self.forwarding(&seen);
        self.route(&seen, Side::Uplink, &way);
        self.deliver_attached(&seen, Side::Host);
    }

    /// The packet's source: where it comes into the bridge from; none: nobody is there.
    fn source(&mut self, seen: &Seen<'_>, src: &Place<'_>) -> Option<Side> {
        if !src.container {
            if seen.spec.mode != Mode::Routed {
                self.host_port(seen);
            }
            return Some(Side::Host);
        }
        let end = seen.facts.source.as_ref();
        if !self.attached(seen, end, self.packet.src) {
            return None;
        }
        let container = end.and_then(End::container)?;
        self.inside(seen, container, self.packet.src, Some(self.packet.dst));
        self.port(seen, container);
        Some(Side::Container)
    }

    /// Through the bridge to the packet's destination.
    fn deliver(&mut self, seen: &Seen<'_>, dst: &Place<'_>, from: Side) {
        if !dst.container {
            self.host_port(seen);
            let host = seen.facts.host.name.clone();
            self.flows(seen, from, &host, None);
            return;
        }
        if self.attached(seen, seen.facts.destination.as_ref(), self.packet.dst) {
            self.deliver_attached(seen, from);
        }
    }

    fn deliver_attached(&mut self, seen: &Seen<'_>, from: Side) {
        let Some(container) = seen.facts.destination.as_ref().and_then(End::container) else {
            return;
        };
        if seen.spec.mode == Mode::Routed && from == Side::Host {
            self.host_port(seen);
        }
        self.port(seen, container);
        self.flows(seen, from, &container.port.name, None);
        self.inside(seen, container, self.packet.dst, None);
    }

    /// How a VPC's node reaches a destination that is not on it.
    fn way_out(&self, seen: &Seen<'_>, dst: &Place<'_>) -> Way {
        let dev = seen.facts.uplink.name.clone();
        let address = self.packet.dst;
        let mut peers = seen.spec.peers.iter();
        if let Some(peer) = peers.find(|p| p.prefix.contains(address)) {
            return Way::Out {
                dev,
                via: Some(peer.via),
            };
        }
        let mut own = seen.spec.host_addresses.iter();
        let on_link = matches!(dst.segment, Segment::VSwitch(_));
        if on_link && own.any(|a| a.contains(address)) {
            return Way::Out { dev, via: None };
        }
        Way::Out {
            dev,
            via: self.gateway(seen),
        }
    }

    /// The router of the host's own subnet, in the packet's family.
    fn gateway(&self, seen: &Seen<'_>) -> Option<IpAddr> {
        let v6 = self.packet.dst.is_ipv6();
        let mut gateways = seen.spec.host_gateways.iter();
        gateways.find(|g| g.is_ipv6() == v6).copied()
    }
}
