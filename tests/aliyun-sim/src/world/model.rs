//! What there is: routers, tables, entries.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::TableType;
use crate::time::Timestamp;

/// Whether a thing can be worked with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Health {
    /// It can. An instance says `Running` instead.
    #[default]
    Available,
    /// It is busy: writes that touch it are refused.
    Pending,
}

/// A router: what owns route tables and, of a set of tables, lets one task write at a time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", content = "id", rename_all = "camelCase")]
pub enum Router {
    /// A VPC's, by the VPC's ID.
    Vpc(String),
    /// A virtual border router, by its ID.
    Vbr(String),
}

impl Router {
    /// The VPC's or the VBR's ID.
    pub fn id(&self) -> &str {
        match self {
            Self::Vpc(id) | Self::Vbr(id) => id,
        }
    }
}

/// A VPC.
#[derive(Debug, Clone)]
pub struct Vpc {
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// `vrt-…`.
    pub router_id: String,
    /// IPv4, the primary one first.
    pub cidrs: Vec<IpNetwork>,
    /// IPv6.
    pub ipv6_cidr: Option<IpNetwork>,
    /// By ID.
    pub v_switches: BTreeMap<String, VSwitch>,
    /// The next hops inside it, by ID.
    pub hops: BTreeMap<String, LocalHop>,
    /// Whether it can be worked with.
    pub health: Health,
}

/// A vSwitch.
#[derive(Debug, Clone)]
pub struct VSwitch {
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Zone ID, `cn-hangzhou-b`; may be empty.
    pub zone: String,
    /// IPv4.
    pub cidr: IpNetwork,
    /// IPv6.
    pub ipv6_cidr: Option<IpNetwork>,
    /// The table that it is associated with.
    pub route_table: String,
    /// Whether it can be worked with.
    pub health: Health,
}

/// An instance or a gateway of a VPC.
#[derive(Debug, Clone)]
pub struct LocalHop {
    /// `Instance`, `NetworkInterface`, …
    pub hop_type: String,
    /// The vSwitch, of an instance.
    pub v_switch: Option<String>,
    /// Private addresses, IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// The MAC, of an instance.
    pub mac: Option<String>,
    /// Whether it can be worked with.
    pub health: Health,
}

/// A virtual border router.
#[derive(Debug, Clone)]
pub struct Vbr {
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Its one table.
    pub route_table: String,
    /// The interface towards the IDC.
    pub vlan_interface: String,
    /// Its own addresses there.
    pub local: Vec<IpAddr>,
    /// The IDC's addresses there.
    pub peer: Vec<IpAddr>,
}

/// An end of a connection between two routers.
#[derive(Debug, Clone)]
pub struct RouterInterface {
    /// Whose it is.
    pub router: Router,
    /// The other end's ID.
    pub opposite: String,
    /// The other end's router.
    pub towards: Router,
}

/// A route table.
#[derive(Debug, Clone)]
pub struct Table {
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Who made it.
    pub table_type: TableType,
    /// Whose it is.
    pub router: Router,
    /// How many custom entries it may hold.
    pub quota: usize,
    /// Whether it can be worked with.
    pub health: Health,
    /// Entries of kinds that the simulator does not know, listed as they stand here. They use up
    /// quota, and no packet follows them.
    pub foreign: Vec<Value>,
}

/// A next hop of an entry.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Hop {
    /// `Instance`, `RouterInterface`, …
    #[serde(rename = "type")]
    pub hop_type: String,
    /// `i-…`, `ri-…`.
    pub id: String,
    /// Its weight among the others of an ECMP entry.
    pub weight: u32,
}

/// A custom entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// `rte-…`.
    pub id: String,
    /// ID of the route table, `vtb-…`.
    pub table: String,
    /// Destination CIDR block, IPv4 or IPv6.
    pub destination: IpNetwork,
    /// The next hops that packets take.
    pub hops: Vec<Hop>,
    /// Name as its user gave it; may be empty.
    pub name: String,
    /// Description as its user gave it; may be empty.
    pub description: String,
    /// Whether the service keeps it.
    pub managed: bool,
    /// Where it is in its life.
    pub state: State,
    /// When it last changed.
    pub modified: Timestamp,
}

/// Where an entry is in its life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is being made and does not forward yet.
    Pending {
        /// When it is made.
        until: Timestamp,
    },
    /// It forwards.
    Available,
    /// It forwards as before, and soon by other next hops.
    Modifying {
        /// When the next hops below take over.
        until: Timestamp,
        /// By which.
        next: Vec<Hop>,
    },
    /// It is going and does not forward any more.
    Deleting {
        /// When it is gone.
        until: Timestamp,
    },
}

/// The same, as one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// [`State::Pending`].
    Pending,
    /// [`State::Available`].
    Available,
    /// [`State::Modifying`].
    Modifying,
    /// [`State::Deleting`].
    Deleting,
    /// It is not there any more. Never listed; only events say it.
    Gone,
}

impl Status {
    /// Whether packets follow the entry.
    pub fn forwards(self) -> bool {
        matches!(self, Self::Available | Self::Modifying)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl State {
    /// As one word.
    pub fn status(&self) -> Status {
        match self {
            Self::Pending { .. } => Status::Pending,
            Self::Available => Status::Available,
            Self::Modifying { .. } => Status::Modifying,
            Self::Deleting { .. } => Status::Deleting,
        }
    }

    /// When it ends by itself.
    pub fn until(&self) -> Option<Timestamp> {
        match self {
            Self::Available => None,
            Self::Pending { until } | Self::Modifying { until, .. } | Self::Deleting { until } => {
                Some(*until)
            }
        }
    }
}

/// Whether the first network holds all of the second.
pub fn contains(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.is_ipv4() == inner.is_ipv4()
        && outer.prefix() <= inner.prefix()
        && outer.contains(inner.network())
}
