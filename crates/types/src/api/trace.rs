//! What a node's netd tells of one packet: the answer of `GET /v1/trace`.
//!
//! Everything is as it was observed a moment ago; nothing in here is what should be, but
//! [`NodeFacts::pending`], netd's own list of what it would change.

mod packet;

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use super::view::ProblemView;

pub use packet::{EPHEMERAL, Packet, Proto, QueryError};

/// The version of the answer.
pub const VERSION: u32 = 1;

/// A node, as far as it concerns one packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether the node forwards packets of this family; none: it cannot be told.
    pub forwards: Option<bool>,
    /// What the kernel's routes say.
    pub lookups: Vec<Lookup>,
    /// What the bridge's flows do.
    pub traces: Vec<FlowTrace>,
    /// What netd would change now.
    pub pending: Vec<Pending>,
    /// Problems that netd cannot repair, one sentence each.
    pub problems: Vec<String>,
    /// The problems of the node's board, with the commands that repair them. An older netd tells
    /// only [`NodeFacts::problems`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub named: Vec<ProblemView>,
}

/// One end of the packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Whether its ADD came to its end.
    pub committed: bool,
    /// Its attachment's number on the node.
    pub generation: u64,
    /// The MTU that it was given, in bytes.
    pub mtu: u32,
    /// Its port of the bridge, and the host's end of its link.
    pub port: Port,
    /// Its interface, as it is inside.
    pub inside: Inside,
}

/// A container's interface as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Inside {
    /// The interface was read in the container's namespace.
    #[serde(rename = "seen")]
    Observed {
        /// Administratively up.
        up: bool,
        /// In bytes.
        mtu: u32,
        /// With their prefix lengths.
        addresses: Vec<IpNetwork>,
        /// The routes that leave by it: destination and next hop.
        routes: Vec<(IpNetwork, Option<IpAddr>)>,
        /// What it knows of its neighbours.
        neighbours: Vec<Neighbour>,
    },
    /// It has no such interface.
    Absent,
    /// It could not be looked at.
    Unknown {
        /// The reason, in a sentence.
        because: String,
    },
}

/// What a neighbour table says of one neighbour.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Neighbour {
    /// The neighbour's address.
    pub address: IpAddr,
    /// Its MAC; none: nobody has answered for it.
    pub mac: Option<String>,
    /// Whether it was asked for in vain (`NUD_FAILED`, `NUD_INCOMPLETE`).
    pub failed: bool,
}

/// A port of the bridge, and the link behind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Port {
    /// Name of the port and the link.
    pub name: String,
    /// The link; none: there is none of that name.
    pub link: Option<Link>,
    /// The port; none: the bridge has none of that name.
    pub port: Option<Row>,
}

/// A link of the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Link {
    /// Administratively up.
    pub up: bool,
    /// Whether the other end is there; none: the driver does not say.
    pub carrier: Option<bool>,
    /// In bytes.
    pub mtu: u32,
}

/// A port's rows in Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Row {
    /// The OpenFlow number that it should have; 0: any.
    pub number: u32,
    /// The one that it has; none: the switch cannot open the device.
    pub ofport: Option<u32>,
    /// The access VLAN.
    pub tag: Option<u16>,
    /// The trunk VLANs; none: all.
    pub trunks: Vec<u16>,
    /// Why the switch cannot open the device.
    pub error: Option<String>,
}

/// Where a packet comes into a node's kernel or bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
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
#[serde(rename_all = "camelCase")]
pub struct Lookup {
    /// Whose packet it was asked for.
    pub from: Side,
    /// What the kernel says.
    pub path: Path,
}

/// Where the kernel sends a packet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "camelCase")]
pub enum Path {
    /// To itself.
    Local,
    /// Out of a link.
    Out {
        /// Name of the link.
        dev: String,
        /// The next hop; none: the destination is on the link.
        via: Option<IpAddr>,
        /// The route that matches, where the kernel says.
        route: Option<IpNetwork>,
        /// Its protocol number (94 is netd's).
        protocol: u8,
        /// The neighbour that it goes to; none: not asked for yet.
        neighbour: Option<Neighbour>,
    },
    /// Nowhere.
    Dropped {
        /// In the kernel's words.
        because: String,
    },
    /// The kernel could not be asked.
    Unknown {
        /// The reason, in a sentence.
        because: String,
    },
}

/// What the bridge does with the packet, as Open vSwitch itself computes it (`ofproto/trace`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FlowTrace {
    /// Where it comes in.
    pub from: Side,
    /// The packet, in Open vSwitch's words.
    pub packet: String,
    /// The flows that it meets, `table: flow`.
    pub flows: Vec<MetFlow>,
    /// Where it leaves.
    pub outputs: Vec<Out>,
    /// Why it could not be computed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// A flow that a packet meets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MetFlow {
    /// Number of the flow's table, 0 to 253.
    pub table: u8,
    /// The flow's match and priority; `No match.` where there is none.
    pub flow: String,
    /// The flow's cookie; none: there is no flow.
    pub cookie: Option<u64>,
}

/// A way out of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Out {
    /// The port's name.
    pub port: String,
    /// The VLAN tag that the packet bears.
    pub vlan: Option<u16>,
}

/// One change that netd would make.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pending {
    /// As a person reads it.
    pub what: String,
    /// `add_route`, `set_port`, … as in netd's metrics.
    pub kind: String,
    /// The link or port that it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// The destination of the route that it changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<IpNetwork>,
    /// The attachment that it concerns; none: the node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u64>,
    /// How many flows it adds.
    #[serde(default)]
    pub adds: usize,
}

impl NodeFacts {
    /// The look-up of a packet from that side.
    pub fn lookup(&self, from: Side) -> Option<&Path> {
        let mut all = self.lookups.iter();
        all.find(|l| l.from == from).map(|l| &l.path)
    }

    /// The bridge's doing with a packet from that side.
    pub fn trace(&self, from: Side) -> Option<&FlowTrace> {
        self.traces.iter().find(|t| t.from == from)
    }

    /// What netd would change of a link or port.
    pub fn pending_of_port(&self, name: &str) -> Option<&Pending> {
        let mut all = self.pending.iter();
        all.find(|p| p.port.as_deref() == Some(name))
    }

    /// The flows that are missing of the node, or of one of these attachments.
    pub fn missing_flows(&self, generations: &[u64]) -> Option<&Pending> {
        let concerns = |p: &&Pending| {
            p.kind == "change_flows"
                && p.adds > 0
                && p.generation.is_none_or(|g| generations.contains(&g))
        };
        self.pending.iter().find(concerns)
    }
}
