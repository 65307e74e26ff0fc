//! The fabric: namespaces, cables, bridges, addresses and routes, as the plan wants them.
//!
//! ```text
//!   NetworkPlan ──[desired]──▶ Fabric ─┐
//!                                      ├──[ops] plan──▶ Vec<Op> ──[apply]──▶ ip, sysctl, ovs-vsctl
//!   ip -j, /proc ─[observe]─▶ Observed ┘
//! ```
//!
//! [`ops::plan`] is pure, and against a fabric that is as it should be it is empty: `up`
//! says what it repaired by printing what it had to do.

pub(crate) mod apply;
mod desired;
mod observe;
mod ops;
mod routes;

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_types::{MacAddr, Mtu, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;

pub(crate) use desired::desired;
pub(crate) use observe::observe;
pub(crate) use ops::{Op, plan, tell};
pub(crate) use routes::line_name;

/// Everything between the nodes, and the nodes' own NICs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Fabric {
    /// The members, each a namespace.
    pub(crate) members: Vec<Member>,
    /// The veth pairs between them.
    pub(crate) cables: Vec<Cable>,
}

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Role {
    /// A node of an IDC.
    IdcNode,
    /// A node of a VPC.
    VpcNode,
    /// A top-of-rack switch.
    Switch,
    /// The IDC's edge router.
    Edge,
    /// The VPC's router.
    VpcRouter,
    /// Where the supervisor lives.
    Supervisor,
}

impl Role {
    /// Whether an Open vSwitch runs there.
    pub fn has_ovs(self) -> bool {
        matches!(
            self,
            Self::IdcNode | Self::VpcNode | Self::Switch | Self::Edge
        )
    }

    /// Whether a netd runs there.
    pub fn is_node(self) -> bool {
        matches!(self, Self::IdcNode | Self::VpcNode)
    }
}

/// One namespace and what is to be in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Its name, without the prefix of namespaces.
    pub(crate) name: String,
    /// What it is.
    pub(crate) role: Role,
    /// Kernel settings: the path below `/proc/sys/net`, and the value.
    pub(crate) sysctls: BTreeMap<String, String>,
    pub(crate) links: Vec<Link>,
    pub(crate) routes: Vec<Route>,
    /// The bridge that the lab configures; a node's is netd's.
    pub(crate) switch: Option<Switch>,
}

/// An interface of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) name: String,
    /// Where it comes from.
    pub(crate) origin: Origin,
    /// The Linux bridge that it is a port of.
    pub(crate) master: Option<String>,
    /// With their prefix lengths.
    pub(crate) addresses: Vec<IpNetwork>,
    /// In bytes.
    pub(crate) mtu: Mtu,
}

/// Where an interface comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// It is an end of a cable.
    Cable,
    /// It is a Linux bridge. Its MAC is given, for else it follows the bridge's ports.
    Bridge(MacAddr),
    /// Open vSwitch makes it.
    OvsInternal,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) prefix: IpNetwork,
    /// The next hop.
    pub(crate) via: IpAddr,
    /// Name of the interface that it leaves by.
    pub(crate) link: String,
    /// Who set it.
    pub(crate) protocol: u8,
}

/// An Open vSwitch bridge that the lab configures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Switch {
    pub(crate) bridge: String,
    /// Trunk ports and the VLANs that each lets through.
    pub(crate) trunks: BTreeMap<String, Vec<VlanId>>,
    /// Internal ports, each in one VLAN.
    pub(crate) internal: BTreeMap<String, VlanId>,
    /// In bytes.
    pub(crate) mtu: Mtu,
}

/// A veth pair.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Cable {
    /// One end.
    pub(crate) a: End,
    /// The other end.
    pub(crate) b: End,
    /// In bytes.
    pub(crate) mtu: Mtu,
}

/// One end of a cable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct End {
    /// Name of the member, without the prefix of namespaces.
    pub(crate) member: String,
    /// The interface there.
    pub(crate) link: String,
}

/// What there is, by member; a member that is not there has no entry.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Observed {
    /// What was seen of each member.
    pub(crate) members: BTreeMap<String, Seen>,
}

/// What was seen inside one namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Seen {
    /// The values of the settings that the plan asks for.
    pub(crate) sysctls: BTreeMap<String, String>,
    /// By name.
    pub(crate) links: BTreeMap<String, SeenLink>,
    /// The routes of the main table.
    pub(crate) routes: Vec<Route>,
}

/// What was seen of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct SeenLink {
    /// Whether it is up.
    pub(crate) up: bool,
    /// In bytes.
    pub(crate) mtu: u32,
    /// The bridge that it is a port of.
    pub(crate) master: Option<String>,
    /// Its addresses, without the link-local ones.
    pub(crate) addresses: Vec<IpNetwork>,
}

impl Fabric {
    /// The member of that name.
    pub(crate) fn member(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|m| m.name == name)
    }
}

impl Member {
    /// The interface of that name.
    pub(crate) fn link(&self, name: &str) -> Option<&Link> {
        self.links.iter().find(|l| l.name == name)
    }
}

#[cfg(test)]
mod tests;
