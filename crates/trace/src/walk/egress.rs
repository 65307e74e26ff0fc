//! Whether the source's network lets its containers send to the packet's destination.

use flatnet_plan::model::{Destination, Network, Transport};
use flatnet_types::api::trace::{End, Proto};

use super::Walker;
use crate::hop::{At, Check, Repair};
use crate::place::Place;

impl<'a> Walker<'a> {
    /// A hop for a container whose network has a list of destinations; none for others.
    pub(super) fn egress(&mut self, src: &Place<'_>) {
        let Some(network) = self.network_of(src) else {
            return;
        };
        let Some(list) = &network.egress else { return };
        let title = format!("network {}", network.name);
        let at = At {
            at: &title,
            check: Check::Plan,
        };
        let (to, port) = (self.packet.dst, self.transport());
        let hop = match list.iter().find(|d| d.takes_in(to, port)) {
            Some(entry) => at.ok(format!("`egress` has {}", said(entry))),
            None => {
                let why = match self.packet.back {
                    true => {
                        "its containers answer destinations of `egress` alone, and this is none"
                    }
                    false => {
                        "its containers send to destinations of `egress` alone, and this is none"
                    }
                };
                let repair = Repair::here("flatctl plan show PLAN networks").noting(
                    "where it is meant to pass, add it to the network's `egress` in the plan; netd counts \
                     what it drops as `egress`",
                );
                at.wrong("dropped at the container's port", why, Some(repair))
            }
        };
        self.hops.push(hop);
    }

    /// The network of a container: as its node says, else by the plan's ranges.
    fn network_of(&self, src: &Place<'_>) -> Option<&'a Network> {
        let host = src.host.filter(|_| src.container)?;
        let node = self.observed.nodes.get(host.name.as_str());
        let source = node.and_then(|n| n.known()?.facts.source.as_ref());
        let attached = source.and_then(End::container).map(|c| c.network.as_str());
        let mut ranges = host.ranges.iter();
        let range = ranges.find(|r| r.prefix.contains(self.packet.src));
        let name = attached.or_else(|| range.map(|r| r.network.as_str()))?;
        let mut networks = self.plan.spec.networks.iter();
        networks.find(|n| n.name.as_str() == name)
    }

    /// The packet's destination port; none: it is of ICMP.
    fn transport(&self) -> Option<(Transport, u16)> {
        let (_, to) = self.packet.ports()?;
        match self.packet.proto {
            Proto::Icmp => None,
            Proto::Tcp { .. } => Some((Transport::Tcp, to)),
            Proto::Udp { .. } => Some((Transport::Udp, to)),
        }
    }
}

fn said(entry: &Destination) -> String {
    let protocol = entry.protocol.map_or("any protocol", Transport::as_str);
    let ports: Vec<String> = entry.ports.iter().map(ToString::to_string).collect();
    match ports.is_empty() {
        true => format!("{}, {protocol}", entry.to),
        false => format!("{}, {protocol} {}", entry.to, ports.join(", ")),
    }
}
