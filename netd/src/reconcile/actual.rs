//! What was observed of a node.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_ovs::openflow::{Flow, Meter};
use flatnet_types::MacAddr;
use ipnetwork::IpNetwork;
use serde::Serialize;

use crate::attach::plan::host_mac;
use crate::marks;
use crate::world::PortRow;

/// A node as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Actual {
    /// Whether Open vSwitch's database answers; if not, bridge and ports are unknown.
    pub database: bool,
    /// The bridge; none: there is none of that name.
    pub bridge: Option<BridgeRow>,
    /// The bridge's ports by name.
    pub ports: BTreeMap<String, ActualPort>,
    /// The links of the node's namespace.
    pub links: Vec<LinkActual>,
    /// Addresses by the name of their link.
    pub addresses: BTreeSet<(String, IpNetwork)>,
    /// Those of them that bear our protocol number. Before Linux 5.18 none does.
    pub marked: BTreeSet<(String, IpNetwork)>,
    /// The routes that bear our protocol number.
    pub routes: BTreeSet<RouteActual>,
    /// The sysctls that were asked for and exist.
    pub sysctls: BTreeMap<String, String>,
    /// All flows of the bridge; none: the switch does not answer.
    pub flows: Option<BTreeSet<Flow>>,
    /// All meters of the bridge.
    pub meters: Vec<Meter>,
}

/// The bridge's row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BridgeRow {
    /// Its name.
    pub name: String,
    /// `netdev` (userspace) or `system`, which an empty string means too.
    pub datapath_type: String,
    /// `secure`: without us there are no flows.
    pub fail_mode: String,
    /// The OpenFlow versions that it speaks.
    pub protocols: BTreeSet<String>,
    /// Whether it bears our mark.
    pub ours: bool,
}

/// A port of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActualPort {
    /// Its rows.
    pub row: PortRow,
    /// The OpenFlow number that the switch gave it; none: the device cannot be opened.
    pub ofport: Option<u32>,
    /// Why the device cannot be opened.
    pub error: Option<String>,
}

impl ActualPort {
    fn id(&self, key: &str) -> Option<&str> {
        self.row
            .external_ids
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Whether it bears our mark.
    pub fn is_ours(&self) -> bool {
        self.id(marks::OWNER) == Some(marks::OWNER_NETD)
    }

    /// The generation of the attachment that it belongs to.
    pub fn generation(&self) -> Option<u64> {
        self.id(marks::GENERATION)?.parse().ok()
    }
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkActual {
    /// Its name.
    pub name: String,
    /// Its index.
    pub ifindex: u32,
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Its alias.
    pub alias: Option<String>,
}

impl LinkActual {
    /// The generation of the attachment whose host end this is; none: not one of ours.
    ///
    /// The kernel takes the alias only once the link is there: a netd that died in between
    /// leaves a link that is known by its MAC.
    pub fn generation(&self) -> Option<u64> {
        let marked = match &self.alias {
            Some(alias) => alias.starts_with(marks::ALIAS_PREFIX),
            None => self.mac == Some(host_mac(self.ifindex)),
        };
        let digits = self
            .name
            .strip_prefix(marks::LINK_PREFIX)
            .filter(|_| marked)?;
        u64::from_str_radix(digits, 16).ok()
    }
}

/// A route of the main table that bears our protocol number.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct RouteActual {
    /// The destination.
    pub dst: IpNetwork,
    /// The next hop; none: the destination is on the link.
    pub via: Option<IpAddr>,
    /// The link.
    pub dev: String,
    /// The preferred source address.
    pub src: Option<IpAddr>,
}

impl Actual {
    /// The link of that name.
    pub fn link(&self, name: &str) -> Option<&LinkActual> {
        self.links.iter().find(|l| l.name == name)
    }
}
