//! The bridge's pipeline: pure functions that compute the flows of a node and its containers.
//!
//! ```text
//!  container ─▶ 0 CLASSIFY ─▶ 1 SECURITY ─▶ 2 RESOLVE (ARP, ND) ──▶ 5 UPSTREAM ─▶ uplink / host
//!                    │              └─────▶ 3 DELIVER (IP) ─┬──────▶ 5
//!                    │                                      └─▶ a container of this node
//!                                    service ─▶ 7 SHARE ─▶ (8 ADMIT) ─▶ host
//!  host ────────────┼─▶ 4 FROM_HOST ─▶ a container, or 5
//!  uplink ──────────┴─▶ 6 FROM_UPLINK ─▶ a container, or the host
//! ```
//!
//! ARP and ND of a container pass table 9, NEIGHBOUR_LIMIT, before SECURITY: a meter, and a recirculation.
//!
//! Frames are untagged inside the pipeline; `reg0` holds the VLAN (0: none, mode `routed`). Only
//! flows that flood on purpose use the switch's MAC learning, so these flows are the complete state
//! of the data path, and `ovs-ofctl dump-flows` shows it.
//!
//! Connections that the host forwards are committed to conntrack, and tables 3 and 6 look up
//! whether a packet is an answer of one (`return_path.rs`). Table 4 looks up the answers of
//! services (`shares.rs`). After a look-up a packet continues in the same table.
//!
//! A flow's cookie identifies its owner: [`COOKIE_MARK`] in the upper 16 bits, and below it the
//! attachment's generation, or 0 for the node's own flows.

mod allow;
mod announce;
mod counting;
mod egress;
mod neighbour_limit;
mod node;
mod pod;
pub mod probe;
mod redirects;
mod return_path;
mod security;
mod shares;
mod trunk;

use std::net::{IpAddr, Ipv4Addr};

use flatnet_ovs::openflow::{Action, Field, Flow, Match};
use flatnet_plan::model::Allow;
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;

pub use announce::{announcements, host_announcements};
pub use counting::{COUNTED_MAX, Counted, METERS};
pub use egress::Egress;
pub use neighbour_limit::{Limit, NeighbourLimit, group};
pub use node::{host_ips, node_flows};
pub use pod::{meters, pod_flows};
pub use security::DropReason;
pub use shares::ServiceCounts;
pub use trunk::{TrunkVlan, trunk_flows};

/// The tables of the pipeline. A frame only goes on to a table with a higher number (OpenFlow 1.4.1
/// §7.2.4), except by the group after [`table::NEIGHBOUR_LIMIT`] and by conntrack look-ups.
pub mod table {
    /// Determines the sender and the VLAN by the port.
    pub const CLASSIFY: u8 = 0;
    /// Port security: passes a container's own MAC and addresses; drops and counts the rest.
    pub const SECURITY: u8 = 1;
    /// ARP, which the bridge answers for this node's containers, and neighbour discovery, which is
    /// delivered to its target.
    pub const RESOLVE: u8 = 2;
    /// IP by destination: this node's containers, the host, services.
    pub const DELIVER: u8 = 3;
    /// From the host itself.
    pub const FROM_HOST: u8 = 4;
    /// To the uplink, with the host's MAC in networks with `mac: host`.
    pub const UPSTREAM: u8 = 5;
    /// From the physical network.
    pub const FROM_UPLINK: u8 = 6;
    /// To a service: whether the connection is admitted within the container's share.
    pub const SHARE: u8 = 7;
    /// To a service, a new connection: passes if the conntrack zone's limit admitted it.
    pub const ADMIT: u8 = 8;
    /// Limits the rate of a container's ARP and neighbour discovery, before [`SECURITY`].
    pub const NEIGHBOUR_LIMIT: u8 = 9;
}

/// The register that holds the VLAN.
pub const REG_VLAN: u8 = 0;
/// The register that holds the conntrack zone of the container that sends.
const REG_OWNER: u8 = 1;
/// The register that is 1 for packets that the host sends with a service's source address.
const REG_SERVICE: u8 = 2;

const ICMPV6_NS: u8 = 135;
const ICMPV6_NA: u8 = 136;
/// The Ethernet multicast addresses of IPv6 (RFC 2464 §7): value and mask.
const IPV6_GROUPS: (MacAddr, MacAddr) = (
    MacAddr([0x33, 0x33, 0, 0, 0, 0]),
    MacAddr([0xff, 0xff, 0, 0, 0, 0]),
);

/// The node's own side of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodePorts {
    /// The uplink's port number; `None` in mode `routed`.
    pub uplink: Option<u32>,
    /// The number of the host's internal port.
    pub host: u32,
    /// The MAC of the host's internal port, which is the uplink's in mode `vlan`: the one
    /// that physical switches learn.
    pub mac: MacAddr,
    /// Whether the datapath has conntrack zones. Without them no flow uses conntrack.
    pub zones: bool,
}

/// A container's side of the bridge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodPort {
    /// The attachment's generation: the lower part of its flows' cookies.
    pub generation: u64,
    /// The port number.
    pub port: u32,
    /// The container's MAC.
    pub mac: MacAddr,
    /// Its addresses; the link-local one of its MAC is implied where it has IPv6.
    pub ips: Vec<IpAddr>,
    /// The access VLAN; `None` in mode `routed`.
    pub vlan: Option<VlanId>,
    /// VLANs that it may send tagged.
    pub trunk: Vec<TrunkVlan>,
    /// Protocols of routers and switches that it may speak.
    pub allow: Vec<Allow>,
    /// The only destinations that it may send to; `None`: any.
    pub egress: Option<Egress>,
    /// The MAC that the uplink sees for it: its own, or the host's.
    pub uplink_mac: MacAddr,
    /// The conntrack zone of its connections to services; `None` where the datapath has no zones.
    pub zone: Option<u16>,
    /// The meter of what it sends.
    pub egress_meter: Option<u32>,
    /// The meter of what it receives.
    pub ingress_meter: Option<u32>,
    /// The limit of ARP and neighbour discovery that it may send.
    pub neighbour_limit: NeighbourLimit,
    /// What is counted of what it receives, while it is drained.
    pub counted: Option<Counted>,
}

impl PodPort {
    /// The cookie of its flows.
    pub fn cookie(&self) -> u64 {
        cookie(self.generation)
    }

    /// Whether its frames leave by the uplink with its own MAC, as in a network with `mac: pod`.
    fn keeps_mac_upstream(&self) -> bool {
        self.uplink_mac == self.mac
    }

    fn vlan_reg(&self) -> u32 {
        vlan_reg(self.vlan)
    }
}

/// The cookie of an attachment's flows.
///
/// Generations count up from 1 and stay below 2⁴⁸ for the life of a host.
pub fn cookie(generation: u64) -> u64 {
    COOKIE_MARK | (generation & !COOKIE_MARK_MASK)
}

fn vlan_reg(vlan: Option<VlanId>) -> u32 {
    vlan.map_or(0, |v| v.get().into())
}

/// Matches packets from a prefix.
fn from(prefix: IpNetwork) -> Match {
    match prefix {
        IpNetwork::V4(p) => Match::ipv4().ipv4_src_net(p.network(), p.prefix()),
        IpNetwork::V6(p) => Match::ipv6().ipv6_src_net(p.network(), p.prefix()),
    }
}

/// Matches packets to a prefix.
fn to(prefix: IpNetwork) -> Match {
    match prefix {
        IpNetwork::V4(p) => Match::ipv4().ipv4_dst_net(p.network(), p.prefix()),
        IpNetwork::V6(p) => Match::ipv6().ipv6_dst_net(p.network(), p.prefix()),
    }
}

/// To the host, with its MAC as the destination.
fn to_host(ports: &NodePorts) -> [Action; 2] {
    [Action::set_eth_dst(ports.mac), Action::output(ports.host)]
}

/// Matches frames of one VLAN inside the pipeline.
fn in_vlan(matches: Match, vlan: u32) -> Match {
    matches.reg(REG_VLAN, vlan)
}

/// Removes a priority tag (VLAN ID 0, IEEE 802.1Q): the frame counts as untagged.
fn priority_tag(matches: Match, vlan: u32, then: u8) -> Flow {
    Flow::new(table::CLASSIFY, 100)
        .matching(matches.priority_tagged())
        .actions([Action::pop_vlan(), Action::set_reg(REG_VLAN, vlan)])
        .goto(then)
}

/// Outputs a frame with the VLAN's tag, or untagged where there is no VLAN.
fn tagged_output(vlan: Option<VlanId>, output: Action) -> Vec<Action> {
    match vlan {
        Some(v) => vec![Action::push_vlan(), Action::set_vlan(v), output],
        None => vec![output],
    }
}

/// Turns an ARP request for `ip` into the reply of `mac` (RFC 826).
fn arp_reply(ip: Ipv4Addr, mac: MacAddr, output: Vec<Action>) -> Vec<Action> {
    let mut actions = vec![
        Action::copy(Field::EthSrc, Field::EthDst),
        Action::set_eth_src(mac),
        Action::set_arp_op(2),
        Action::copy(Field::ArpSha, Field::ArpTha),
        Action::set_arp_sha(mac),
        Action::copy(Field::ArpSpa, Field::ArpTpa),
        Action::set_arp_spa(ip),
    ];
    actions.extend(output);
    actions
}

#[cfg(test)]
mod tests;
