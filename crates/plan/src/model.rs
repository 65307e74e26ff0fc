//! The plan's document, as it is written: `apiVersion: flatnet.io/v1alpha1`.
//!
//! Unknown fields are refused, so that a misspelt option is found before it is missed.

use std::net::IpAddr;

use flatnet_types::{IfName, MacAddr, Mtu, NetworkName, NodeName, VlanId};
use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// The only version of the document that is read.
pub const API_VERSION: &str = "flatnet.io/v1alpha1";
/// The document's kind.
pub const KIND: &str = "NetworkPlan";

/// One declared network, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkPlan {
    /// [`API_VERSION`].
    pub api_version: String,
    /// [`KIND`].
    pub kind: String,
    /// Its name.
    pub metadata: Metadata,
    /// What is declared.
    pub spec: PlanSpec,
}

/// What a plan is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The plan's name.
    pub name: String,
}

/// What is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlanSpec {
    /// The MTU of every link that says none of its own, in bytes.
    #[serde(default = "ethernet")]
    pub mtu: Mtu,
    /// Prefixes of Kubernetes services: traffic to them goes to the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub service_prefixes: Vec<IpNetwork>,
    /// Data centres and VPCs.
    pub sites: Vec<Site>,
    /// What a CNI configuration may name.
    pub networks: Vec<Network>,
    /// The machines.
    pub hosts: Vec<Host>,
    /// What joins the sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LeasedLine>,
}

fn ethernet() -> Mtu {
    Mtu::ETHERNET
}

/// A data centre or a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Site {
    /// Its name.
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
    /// A VPC's vSwitches.
    #[serde(default, rename = "vSwitches", skip_serializing_if = "Vec::is_empty")]
    pub v_switches: Vec<VSwitch>,
}

/// What kind of place a site is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum SiteType {
    /// A data centre: VLANs on trunks, the physical router is the gateway (mode `vlan`).
    Idc,
    /// A virtual private cloud: the host is the gateway (mode `routed`).
    Vpc,
}

/// A physical switch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Switch {
    /// Its name.
    pub name: String,
}

/// A VLAN of an IDC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vlan {
    /// The 802.1Q ID.
    pub id: VlanId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: VlanRole,
    /// The subnets on it, one a family as a rule.
    pub subnets: Vec<Subnet>,
}

/// What a VLAN is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VlanRole {
    /// The hosts' own addresses.
    Host,
    /// Containers.
    Pod,
    /// Storage.
    Storage,
}

/// A subnet and its router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Subnet {
    /// The prefix.
    pub prefix: IpNetwork,
    /// The router's address in it.
    pub gateway: IpAddr,
}

/// A vSwitch of a VPC: one zone's subnet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VSwitch {
    /// Its name.
    pub name: String,
    /// Its subnets, one a family.
    pub subnets: Vec<Subnet>,
}

/// What a CNI configuration names: pools and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// Its name, as a CNI configuration gives it.
    pub name: NetworkName,
    /// The site it is in.
    pub site: String,
    /// In an IDC: the VLAN, by its ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vlan: Option<VlanId>,
    /// Whose MAC the physical switches see.
    #[serde(default)]
    pub mac: MacMode,
    /// An MTU smaller than the plan's, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
    /// Where the hosts' ranges come from.
    pub pools: Vec<Pool>,
}

/// Whose MAC the physical switches see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MacMode {
    /// The host's, for all its containers: a switch learns one for a host and VLAN.
    #[default]
    Host,
    /// Each container's own.
    Pod,
}

/// The part of a subnet that containers may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pool {
    /// The prefix.
    pub prefix: IpNetwork,
    /// What of it is never given to a container.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<IpNetwork>,
}

/// A machine that runs containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// Its name.
    pub name: NodeName,
    /// Its site.
    pub site: String,
    /// In a VPC: the vSwitch its NIC is in.
    #[serde(default, rename = "vSwitch", skip_serializing_if = "Option::is_none")]
    pub v_switch: Option<String>,
    /// Its own addresses, with the prefix length of their subnets.
    pub addresses: Vec<IpNetwork>,
    /// How it is cabled.
    pub uplink: Uplink,
    /// The slices of pools that it owns.
    pub ranges: Vec<Range>,
}

/// A host's way to the network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Uplink {
    /// The NIC or Linux bond.
    pub interface: IfName,
    /// In an IDC: the switch at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// The MAC that the physical network is to see, where it is not the NIC's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
}

/// The slice of a pool that one host owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Range {
    /// The network whose pool it is of.
    pub network: NetworkName,
    /// The prefix.
    pub prefix: IpNetwork,
}

/// A leased line between an IDC's edge router and a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LeasedLine {
    /// Its name.
    pub name: String,
    /// The IDC.
    pub idc: String,
    /// The VPC.
    pub vpc: String,
    /// The addresses of the line's two ends, one entry a family.
    pub transfer: Vec<Transfer>,
    /// Its MTU in bytes, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mtu: Option<Mtu>,
}

/// The transfer network of a leased line, in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transfer {
    /// The prefix.
    pub prefix: IpNetwork,
    /// The edge router's address.
    pub idc: IpAddr,
    /// The VBR's address.
    pub vpc: IpAddr,
}

impl NetworkPlan {
    /// The host of that name.
    pub fn host(&self, name: &NodeName) -> Option<&Host> {
        self.spec.hosts.iter().find(|h| &h.name == name)
    }

    /// The site of that name.
    pub fn site(&self, name: &str) -> Option<&Site> {
        self.spec.sites.iter().find(|s| s.name == name)
    }

    /// The network of that name.
    pub fn network(&self, name: &NetworkName) -> Option<&Network> {
        self.spec.networks.iter().find(|n| &n.name == name)
    }
}

impl Site {
    /// The VLAN of that ID.
    pub fn vlan(&self, id: VlanId) -> Option<&Vlan> {
        self.vlans.iter().find(|v| v.id == id)
    }

    /// The VLANs that bear the hosts' own addresses.
    pub fn host_vlan(&self) -> Option<&Vlan> {
        self.vlans.iter().find(|v| v.role == VlanRole::Host)
    }

    /// The vSwitch of that name.
    pub fn v_switch(&self, name: &str) -> Option<&VSwitch> {
        self.v_switches.iter().find(|v| v.name == name)
    }
}
