//! The bridge's pipeline: pure functions from what a node and its containers are to flows.
//!
//! ```text
//!  container ─▶ 0 CLASSIFY ─▶ 1 SECURITY ─▶ 2 RESOLVE (ARP, ND) ──▶ 5 UPSTREAM ─▶ uplink / host
//!                    │              └─────▶ 3 DELIVER (IP) ─┬──────▶ 5
//!                    │                                      └─▶ a container of this node
//!  host ────────────┼─▶ 4 FROM_HOST ─▶ a container, or 5
//!  uplink ──────────┴─▶ 6 FROM_UPLINK ─▶ a container, or the host
//!   what was asked ─▶ 7 ADVERTISE ─▶ back to who asked (neighbour discovery)
//! ```
//!
//! Frames are untagged inside the pipeline; `reg0` holds the VLAN (0: none, mode `routed`).
//! Nothing uses the switch's own MAC learning but what is flooded on purpose, so the state
//! of the data path is exactly these flows, and `ovs-ofctl dump-flows` shows all of it.
//!
//! In mode `vlan` each packet that the host forwards teaches tables 3 and 6 its way back.
//!
//! A flow's cookie says whose it is: [`COOKIE_MARK`] in the upper 16 bits, and below it the
//! attachment's generation, or 0 for the node's own flows;
//! [`flatnet_types::marks::LEARNED_COOKIE`] for those that packets made.

mod announce;
mod node;
mod pod;
mod returns;
mod trunk;

use std::net::IpAddr;

use flatnet_ovs::openflow::{Action, Match};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK};
use flatnet_types::{MacAddr, VlanId};
use serde::Serialize;

pub use announce::announcements;
pub use node::node_flows;
pub use pod::{meters, pod_flows};
pub use trunk::trunk_flows;

/// The tables of the pipeline. A frame only goes on to a table with a higher number
/// (OpenFlow 1.4.1 §7.2.4).
pub mod table {
    /// By port: whose frame is it, in which VLAN.
    pub const CLASSIFY: u8 = 0;
    /// A container sends only what it owns. What is left over is dropped and counted.
    pub const SECURITY: u8 = 1;
    /// ARP and neighbour discovery, answered here for this node's containers.
    pub const RESOLVE: u8 = 2;
    /// IP by destination: this node's containers, the host, services.
    pub const DELIVER: u8 = 3;
    /// From the host itself.
    pub const FROM_HOST: u8 = 4;
    /// The way out, with the host's MAC where the network says so.
    pub const UPSTREAM: u8 = 5;
    /// From the physical network.
    pub const FROM_UPLINK: u8 = 6;
    /// A solicitation that was turned into an advertisement gets the target's MAC here:
    /// Open vSwitch lets only a flow that matches an advertisement write one.
    pub const ADVERTISE: u8 = 7;
}

/// The register that holds the VLAN.
pub const REG_VLAN: u8 = 0;

/// The node's own side of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodePorts {
    /// The trunk's port number; none in mode `routed`.
    pub uplink: Option<u32>,
    /// The number of the host's internal port.
    pub host: u32,
    /// The MAC of the host's internal port, which is the uplink's in mode `vlan`: the one
    /// that physical switches learn.
    pub mac: MacAddr,
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
    /// The access VLAN; none in mode `routed`.
    pub vlan: Option<VlanId>,
    /// VLANs that it may send tagged.
    pub trunk: Vec<VlanId>,
    /// The MAC that the uplink sees for it: its own, or the host's.
    pub uplink_mac: MacAddr,
    /// The meter of what it sends.
    pub egress_meter: Option<u32>,
    /// The meter of what it receives.
    pub ingress_meter: Option<u32>,
}

impl PodPort {
    /// The cookie of its flows.
    pub fn cookie(&self) -> u64 {
        cookie(self.generation)
    }

    fn vlan_reg(&self) -> u32 {
        vlan_reg(self.vlan)
    }
}

/// The cookie of an attachment's flows.
///
/// Generations count up from 1 and stay below 2⁴⁸ for as long as hosts live.
pub fn cookie(generation: u64) -> u64 {
    COOKIE_MARK | (generation & !COOKIE_MARK_MASK)
}

fn vlan_reg(vlan: Option<VlanId>) -> u32 {
    vlan.map_or(0, |v| v.get().into())
}

/// Matches frames of one VLAN inside the pipeline.
fn in_vlan(matches: Match, vlan: u32) -> Match {
    matches.reg(REG_VLAN, vlan)
}

/// Tags a frame and sends it to the uplink, or as it is where there is no VLAN.
fn tagged_output(vlan: Option<VlanId>, output: Action) -> Vec<Action> {
    match vlan {
        Some(v) => vec![Action::push_vlan(), Action::set_vlan(v), output],
        None => vec![output],
    }
}

#[cfg(test)]
mod tests;
