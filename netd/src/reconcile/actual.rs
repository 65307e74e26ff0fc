//! The observed state of a node.

mod switch;
mod timeouts;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use flatnet_ovs::openflow::{Flow, Meter};
use flatnet_types::{IfName, MacAddr};
use flatnet_uplink::Client;
use ipnetwork::IpNetwork;
use serde::Serialize;

pub use switch::{RestoreWait, SwitchActual};
pub use timeouts::{TimeoutsActual, ZoneTimeouts};

use crate::attach::plan::host_mac;
use crate::marks;
use crate::node_ops::PortRow;

/// The observed state of a node. Serialized by `GET /v1/plan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Actual {
    /// Whether Open vSwitch's database answers; if not, bridge and ports are unknown.
    pub database: bool,
    /// The bridge; `None` if there is none of that name.
    pub bridge: Option<BridgeRow>,
    /// The bridge's ports by name.
    pub ports: BTreeMap<String, ActualPort>,
    /// Open vSwitch's interfaces of bonds and of other bridges, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub elsewhere: BTreeMap<String, InterfaceLocation>,
    /// The links of the node's namespace.
    pub links: Vec<LinkActual>,
    /// Addresses by the name of their link.
    pub addresses: BTreeSet<(IfName, IpNetwork)>,
    /// The addresses that bear netd's protocol number. Before Linux 5.18 there are none.
    pub marked: BTreeSet<(IfName, IpNetwork)>,
    /// The programs that configure the uplink; only read where it is a port of the bridge and bears
    /// an address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub writers: Vec<Client>,
    /// The routes that bear netd's protocol number.
    pub routes: BTreeSet<RouteActual>,
    /// Routes of other programs that may replace or precede netd's: default routes, and those of
    /// the main table with the kernel's default metric.
    #[serde(rename = "foreign")]
    pub unmanaged_routes: BTreeSet<UnmanagedRoute>,
    /// The requested sysctls that exist, by key under `net`.
    pub sysctls: BTreeMap<String, String>,
    /// netd's flows of the bridge; `None` if the switch does not answer.
    pub flows: Option<BTreeSet<Flow>>,
    /// Why the switch could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch_error: Option<String>,
    /// All meters of the bridge.
    pub meters: Vec<Meter>,
    /// State of the switch that no database keeps, and what stops it from forwarding.
    pub switch: SwitchActual,
    /// The conntrack time-outs of netd's zones.
    pub timeouts: TimeoutsActual,
}

/// The bridge's row.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct BridgeRow {
    /// Its name.
    pub name: String,
    /// `netdev` (userspace) or `system`, which an empty string means too.
    pub datapath_type: String,
    /// `secure`: without netd there are no flows.
    pub fail_mode: String,
    /// The OpenFlow versions that it speaks.
    pub protocols: BTreeSet<String>,
    /// Whether it bears netd's mark.
    #[serde(rename = "ours")]
    pub managed: bool,
    /// Columns that influence forwarding and do not have their default value; with their values as
    /// text.
    #[serde(rename = "strays")]
    pub altered_columns: BTreeMap<String, String>,
    /// How many mirrors copy its frames somewhere.
    pub mirrors: usize,
}

impl BridgeRow {
    /// The differences, as the end of a sentence.
    pub(super) fn describe_differences(&self, wanted: &Self) -> String {
        let found = self.differing_columns(wanted).into_iter();
        let found = found.map(|(column, is)| format!(", which finds {column} {is:?}"));
        found.collect()
    }

    /// The columns that differ from the wanted row, with their values.
    pub(super) fn differing_columns(&self, wanted: &Self) -> Vec<(String, String)> {
        // An empty string means `system`, too.
        let datapath = |row: &Self| match row.datapath_type.as_str() {
            "" => "system".to_owned(),
            other => other.to_owned(),
        };
        let versions = |row: &Self| {
            let all: Vec<&str> = row.protocols.iter().map(String::as_str).collect();
            all.join(" ")
        };
        let own = [
            ("datapath_type", datapath(wanted), datapath(self)),
            (
                "fail_mode",
                wanted.fail_mode.clone(),
                self.fail_mode.clone(),
            ),
            ("protocols", versions(wanted), versions(self)),
        ];
        own.into_iter()
            .filter(|(_, wanted, is)| wanted != is)
            .map(|(column, _, is)| (column.to_owned(), is))
            .chain(self.altered_columns.clone())
            .collect()
    }
}

/// A port of the bridge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActualPort {
    /// The port's rows of the database.
    pub row: PortRow,
    /// The OpenFlow number that the switch assigned; `None` if the device cannot be opened.
    pub ofport: Option<u32>,
    /// Open vSwitch's error for a device that cannot be opened.
    pub error: Option<String>,
    /// As [`BridgeRow::altered_columns`], of the port and its interface.
    #[serde(rename = "strays")]
    pub altered_columns: BTreeMap<String, String>,
}

impl ActualPort {
    fn id(&self, key: &str) -> Option<&str> {
        self.row
            .external_ids
            .iter()
            .find(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
    }

    /// Whether it bears netd's mark.
    pub fn is_managed(&self) -> bool {
        self.id(marks::OWNER) == Some(marks::OWNER_NETD)
    }

    /// Whether it is the plan's uplink.
    pub fn is_uplink(&self) -> bool {
        self.id(marks::PURPOSE) == Some("uplink")
    }

    /// The generation of the attachment that it belongs to.
    pub fn generation(&self) -> Option<u64> {
        self.id(marks::GENERATION)?.parse().ok()
    }
}

/// The bridge and port of an interface in Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceLocation {
    /// Name of the bridge that has the interface.
    pub bridge: String,
    /// Name of the port that has it.
    pub port: String,
    /// Whether the port has several interfaces: a bond of Open vSwitch's own.
    pub bond: bool,
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkActual {
    /// Its name.
    pub name: IfName,
    /// Interface index.
    pub ifindex: u32,
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// `IFLA_IFALIAS`, which begins with netd's mark on managed links.
    pub alias: Option<String>,
    /// The driver's kind: `bond`, `bridge`, `vlan`, …; `None` for a NIC.
    pub kind: Option<String>,
    /// ifindex of its master.
    pub master: Option<u32>,
    /// ifindex of the lower link of an 802.1Q or macvlan interface, if that is in this namespace.
    pub below: Option<u32>,
}

impl LinkActual {
    /// A link that is down, with an MTU of 0, and of which no more is known.
    pub fn new(name: IfName, ifindex: u32) -> Self {
        Self {
            name,
            ifindex,
            mac: None,
            mtu: 0,
            up: false,
            alias: None,
            kind: None,
            master: None,
            below: None,
        }
    }

    /// The generation of the attachment whose host end this is; `None` for an unmanaged link.
    ///
    /// The alias is set after the link is created: a link that a netd left which died in between is
    /// recognised by its MAC.
    pub fn generation(&self) -> Option<u64> {
        let marked = match &self.alias {
            Some(alias) => alias.starts_with(marks::ALIAS_PREFIX),
            None => self.mac == Some(host_mac(self.ifindex)),
        };
        let digits = self
            .name
            .as_str()
            .strip_prefix(marks::LINK_PREFIX)
            .filter(|_| marked)?;
        u64::from_str_radix(digits, 16).ok()
    }
}

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct RouteActual {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// The next hop; `None` if the destination is on the link.
    pub via: Option<IpAddr>,
    /// Name of the link.
    pub dev: IfName,
    /// The preferred source address.
    pub src: Option<IpAddr>,
}

/// A route of the main table that another program made.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct UnmanagedRoute {
    /// Destination, next hop and link.
    pub route: RouteActual,
    /// The program that made it (`rtm_protocol`, /etc/iproute2/rt_protos).
    pub protocol: u8,
    /// Its metric; the lowest is preferred.
    pub metric: u32,
}

impl Actual {
    /// The link of that name.
    pub fn link(&self, name: &str) -> Option<&LinkActual> {
        self.links.iter().find(|l| l.name == name)
    }
}
