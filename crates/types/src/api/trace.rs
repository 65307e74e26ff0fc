//! The state of a node that concerns one packet: the answer of `GET /v1/trace`.
//!
//! All of it was observed for the request, except [`NodeFacts::pending`]: the ops that netd would
//! apply.

mod packet;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::view::ProblemView;

pub use packet::{EPHEMERAL, Packet, Proto, QueryError};

/// The version of the answer.
pub const VERSION: u32 = 1;

/// The state of a node that concerns one packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeFacts {
    /// [`VERSION`].
    pub version: u32,
    /// The node's name in the plan.
    pub node: String,
    /// The packet's source, if it is of this node.
    pub source: Option<End>,
    /// The packet's destination, if it is of this node.
    pub destination: Option<End>,
    /// The bridge's name.
    pub bridge: String,
    /// The uplink's link and its port of the bridge.
    pub uplink: Port,
    /// The host's own port of the bridge.
    pub host: Port,
    /// Whether the node forwards packets of this family; `None` if unknown.
    pub forwards: Option<bool>,
    /// Look-ups in the kernel's routes.
    pub lookups: Vec<Lookup>,
    /// Traces through the bridge's flows.
    pub traces: Vec<FlowTrace>,
    /// Ops that netd would apply now.
    pub pending: Vec<Pending>,
    /// Problems that netd cannot repair, one sentence each.
    pub problems: Vec<String>,
    /// The node's problems with their codes and repair commands. An older netd sends only
    /// [`NodeFacts::problems`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<ProblemView>,
}

/// One end of the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum End {
    /// The node itself has the address.
    Host,
    /// A container has it.
    Container(Box<Container>),
}

impl End {
    /// The container, if it is one.
    pub fn container(&self) -> Option<&Container> {
        match self {
            Self::Host => None,
            Self::Container(container) => Some(container),
        }
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Its ID.
    pub id: String,
    /// `namespace/name` of its pod, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// `CNI_IFNAME`.
    pub ifname: String,
    /// Its network namespace, for repair commands.
    pub netns: String,
    /// The plan's network.
    pub network: String,
    /// Whether its ADD has completed.
    pub committed: bool,
    /// Its attachment's number on the node.
    pub generation: u64,
    /// The MTU that it was given, in bytes.
    pub mtu: u32,
    /// Its port of the bridge, and the host's end of its link.
    pub port: Port,
    /// Its interface inside the namespace.
    pub inside: Inside,
}

/// A container's interface as observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Inside {
    /// The interface was read in the container's namespace.
    #[serde(rename = "seen")]
    Observed {
        /// Administratively up.
        up: bool,
        /// MTU in bytes.
        mtu: u32,
        /// Addresses with prefix lengths.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
        addresses: Vec<IpNetwork>,
        /// The routes that leave by it: destination and next hop.
        #[cfg_attr(feature = "openapi", schema(value_type = Vec<Vec<Option<String>>>))]
        routes: Vec<(IpNetwork, Option<IpAddr>)>,
        /// Its neighbour table.
        neighbours: Vec<Neighbour>,
    },
    /// The namespace has no such interface.
    Absent,
    /// It could not be read.
    Unknown {
        /// The reason, in a sentence.
        because: String,
    },
}

/// An entry of a neighbour table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// The neighbour's address.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub address: IpAddr,
    /// Its MAC; `None` if it has not answered.
    pub mac: Option<String>,
    /// Whether resolution failed or is pending (`NUD_FAILED`, `NUD_INCOMPLETE`).
    pub failed: bool,
}

/// A port of the bridge, and the link behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name of the port and the link.
    pub name: String,
    /// The link; `None` if the node has none of that name.
    pub link: Option<Link>,
    /// The port's rows; `None` if the bridge has no port of that name.
    pub port: Option<Row>,
}

/// A link of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Administratively up.
    pub up: bool,
    /// Whether the link has a carrier; `None` if the driver does not report it.
    pub carrier: Option<bool>,
    /// In bytes.
    pub mtu: u32,
}

/// A port's rows in Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// Requested OpenFlow port number; 0 for any.
    pub number: u32,
    /// Actual OpenFlow port number; `None` if the switch cannot open the device.
    pub ofport: Option<u32>,
    /// The access VLAN.
    pub tag: Option<u16>,
    /// The trunk VLANs; if empty, all.
    pub trunks: Vec<u16>,
    /// Why the switch cannot open the device.
    pub error: Option<String>,
}

/// Where a packet enters a node's kernel or bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum Side {
    /// From the container that is the packet's source.
    Container,
    /// From the physical network.
    Uplink,
    /// From the node itself.
    Host,
}

/// One look-up in the kernel's routes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// Where the packet comes from.
    pub from: Side,
    /// The kernel's result.
    pub path: Path,
}

/// Where the kernel sends a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Path {
    /// Delivered locally.
    Local,
    /// Sent on a link.
    Out {
        /// Name of the link.
        dev: String,
        /// The next hop; `None` if the destination is on the link.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        via: Option<IpAddr>,
        /// The matching route, if the kernel reports it.
        #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
        route: Option<IpNetwork>,
        /// Its protocol number (94 is netd's).
        protocol: u8,
        /// Neighbour entry of the next hop; `None` if there is none yet.
        neighbour: Option<Neighbour>,
    },
    /// Dropped.
    Dropped {
        /// The kernel's reason.
        because: String,
    },
    /// The look-up failed.
    Unknown {
        /// The reason, in a sentence.
        because: String,
    },
}

/// What the bridge does with the packet, as Open vSwitch itself computes it (`ofproto/trace`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FlowTrace {
    /// Where the packet enters the bridge.
    pub from: Side,
    /// The packet in Open vSwitch's flow syntax.
    pub packet: String,
    /// The flows that it matches, in order.
    pub flows: Vec<MetFlow>,
    /// Ports by which it leaves.
    pub outputs: Vec<Out>,
    /// The error, if it could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A flow that a packet matches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct MetFlow {
    /// Number of the flow's table, 0 to 253.
    pub table: u8,
    /// The flow's match and priority; `No match.` where there is none.
    pub flow: String,
    /// The flow's cookie; `None` if no flow matched.
    pub cookie: Option<u64>,
}

/// An output port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Out {
    /// The port's name.
    pub port: String,
    /// The VLAN tag that the packet bears.
    pub vlan: Option<u16>,
}

/// An op that netd would apply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// The op in a sentence.
    pub what: String,
    /// `add_route`, `set_port`, … as in netd's metrics.
    pub kind: String,
    /// The link or port that it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The destination of the route that it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub prefix: Option<IpNetwork>,
    /// Generation of the attachment that it concerns; `None` if it concerns the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// Number of flows that it adds.
    #[serde(default)]
    pub adds: usize,
}

impl NodeFacts {
    /// The look-up of a packet from that side.
    pub fn lookup(&self, from: Side) -> Option<&Path> {
        let mut all = self.lookups.iter();
        all.find(|l| l.from == from).map(|l| &l.path)
    }

    /// The trace of a packet from that side.
    pub fn trace(&self, from: Side) -> Option<&FlowTrace> {
        self.traces.iter().find(|t| t.from == from)
    }

    /// A pending op on the link or port `name`.
    pub fn pending_of_port(&self, name: &str) -> Option<&Pending> {
        let mut all = self.pending.iter();
        all.find(|p| p.port.as_deref() == Some(name))
    }

    /// A pending op that adds flows of the node or of one of these attachments.
    pub fn missing_flows(&self, generations: &[u64]) -> Option<&Pending> {
        let concerns = |p: &&Pending| {
            p.kind == "change_flows"
                && p.adds > 0
                && p.generation.is_none_or(|g| generations.contains(&g))
        };
        self.pending.iter().find(concerns)
    }
}
