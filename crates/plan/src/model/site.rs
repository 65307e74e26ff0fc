//! Data centres and VPCs, and what they are made of.

use std::net::IpAddr;

use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;

/// A data centre or a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Site {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// What it is, which decides how containers are reached there.
    #[serde(rename = "type")]
    pub site_type: SiteType,
    /// An IDC's switches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub switches: Vec<Switch>,
    /// An IDC's VLANs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub vlans: Vec<Vlan>,
    /// The router at an IDC's edge, where the leased lines end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edge_router: Option<EdgeRouter>,
    /// The cloud's ID of a VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_id: Option<String>,
    /// The cloud's region of a VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// A VPC's own prefixes, which its vSwitches are cut from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub prefixes: Vec<IpNetwork>,
    /// A VPC's vSwitches.
    #[serde(default, rename = "vSwitches", skip_serializing_if = "Vec::is_empty")]
    pub v_switches: Vec<VSwitch>,
    /// A VPC's route tables that are ours to fill.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub route_tables: Vec<RouteTable>,
}

/// What kind of place a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum SiteType {
    /// A data centre: VLANs on trunks, the physical router is the gateway (mode `vlan`).
    Idc,
    /// A virtual private cloud: the host is the gateway (mode `routed`).
    Vpc,
}

/// A physical switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Switch {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// How many MAC addresses it can learn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac_table_size: Option<u32>,
    /// Switches that are one with it towards a bond (MLAG, vPC, stack).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub peers: Vec<String>,
    /// Switches that it hangs on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uplinks: Vec<String>,
    /// The largest frame's payload that it forwards, in bytes; none: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
    /// The VLANs on the trunk of every host's port that says none of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional_list")]
    #[schemars(with = "Option<Vec<formats::VlanId>>")]
    pub trunk: Option<Vec<VlanId>>,
    /// The VLAN whose frames bear no tag on every host's port that says none of its own; none:
    /// not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::VlanId>")]
    pub native: Option<VlanId>,
    /// The VLANs on the links to its peers; none: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional_list")]
    #[schemars(with = "Option<Vec<formats::VlanId>>")]
    pub peer_trunk: Option<Vec<VlanId>>,
    /// Whether a spanning tree (IEEE 802.1Q §13) breaks loops that it is in.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spanning_tree: bool,
    /// VLAN IDs that the switch keeps for itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::numbers::list")]
    #[schemars(with = "Vec<formats::VlanId>")]
    pub reserved_vlans: Vec<VlanId>,
    /// The ports that differ from the rest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<Port>,
}

/// A port of a switch that differs from the rest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Port {
    /// Its name on the switch.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// The VLANs on its trunk.
    #[serde(deserialize_with = "super::numbers::list")]
    #[schemars(with = "Vec<formats::VlanId>")]
    pub trunk: Vec<VlanId>,
    /// The VLAN whose frames bear no tag, where it is not the switch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::VlanId>")]
    pub native: Option<VlanId>,
    /// Its MTU in bytes, where it is not the switch's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
}

/// A VLAN of an IDC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vlan {
    /// The 802.1Q ID.
    #[serde(deserialize_with = "super::numbers::one")]
    #[schemars(with = "formats::VlanId")]
    pub id: VlanId,
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// What it is for.
    pub role: VlanRole,
    /// The subnets on it, one a family as a rule.
    pub subnets: Vec<Subnet>,
    /// Its MTU in bytes, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
}

/// What a VLAN is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VlanRole {
    /// The hosts' own addresses.
    Host,
    /// Containers.
    Pod,
    /// Storage.
    Storage,
    /// Consoles and the switches' own addresses.
    Management,
    /// Links between routers.
    Transit,
}

impl VlanRole {
    /// The word that the document uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Pod => "pod",
            Self::Storage => "storage",
            Self::Management => "management",
            Self::Transit => "transit",
        }
    }
}

/// A subnet and its router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subnet {
    /// The prefix.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub prefix: IpNetwork,
    /// The router's address in it.
    #[schemars(with = "formats::Address")]
    pub gateway: IpAddr,
}

/// The router at an IDC's edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EdgeRouter {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// How many static routes it may hold for us; none: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<u32>,
}

/// A vSwitch of a VPC: one zone's subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VSwitch {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// The cloud's ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The cloud's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
    /// Its subnets, one a family.
    pub subnets: Vec<Subnet>,
}

/// A route table of a VPC that is ours to fill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteTable {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// The Kubernetes cluster whose vpc-route fills it, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// The cloud's ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// How many custom entries it may hold.
    #[serde(default = "RouteTable::default_quota")]
    pub quota: u32,
    /// Whether entries may be aggregated.
    #[serde(default = "yes", skip_serializing_if = "is_yes")]
    pub aggregate: bool,
    /// The vSwitches that it is bound to; none: all of the VPC's (the system table).
    #[serde(default, rename = "vSwitches", skip_serializing_if = "Vec::is_empty")]
    pub v_switches: Vec<String>,
}

/// What `aggregate` is where it is not said.
pub(super) fn yes() -> bool {
    true
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
pub(super) fn is_yes(value: &bool) -> bool {
    *value
}

impl RouteTable {
    /// Custom entries of an Aliyun route table, unless the quota was raised.
    pub const DEFAULT_QUOTA: u32 = 200;

    fn default_quota() -> u32 {
        Self::DEFAULT_QUOTA
    }
}

impl Switch {
    /// Whether its links to its peers carry a VLAN.
    pub fn carries_to_peers(&self, id: VlanId) -> bool {
        self.peer_trunk.as_ref().is_none_or(|t| t.contains(&id))
    }
}

impl Site {
    /// The VLAN of that ID.
    pub fn vlan(&self, id: VlanId) -> Option<&Vlan> {
        self.vlans.iter().find(|v| v.id == id)
    }

    /// The VLANs that bear the hosts' own addresses: one for the site, or one for each rack of
    /// a routed fabric.
    pub fn host_vlans(&self) -> impl Iterator<Item = &Vlan> {
        self.vlans.iter().filter(|v| v.role == VlanRole::Host)
    }

    /// The VLAN that bears a host's own addresses: the only one of role host, or of several
    /// the one with a subnet that its first address is in.
    pub fn host_vlan_of(&self, host: &super::Host) -> Option<&Vlan> {
        let mut all = self.host_vlans();
        let first = all.next()?;
        if all.next().is_none() {
            return Some(first);
        }
        let own = host.addresses.first()?.ip();
        let bears = |v: &&Vlan| v.subnets.iter().any(|s| s.prefix.contains(own));
        self.host_vlans().find(bears)
    }

    /// The vSwitch of that name.
    pub fn v_switch(&self, name: &str) -> Option<&VSwitch> {
        self.v_switches.iter().find(|v| v.name == name)
    }

    /// The switch of that name.
    pub fn switch(&self, name: &str) -> Option<&Switch> {
        self.switches.iter().find(|s| s.name == name)
    }
}
