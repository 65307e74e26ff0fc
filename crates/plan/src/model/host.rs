//! The machines, one by one and in groups.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_types::{IfName, MacAddr, Mtu, NetworkName, NodeName, VlanId};
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;

/// A machine that runs containers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Host {
    /// Its name.
    #[schemars(with = "formats::PlainName")]
    pub name: NodeName,
    /// Its site.
    pub site: String,
    /// The Kubernetes cluster whose node it is, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// In a VPC: the vSwitch its NIC is in.
    #[serde(default, rename = "vSwitch", skip_serializing_if = "Option::is_none")]
    pub v_switch: Option<String>,
    /// In a VPC: the cloud's ID of the instance, the next hop of its ranges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// Where it stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Anything else that is known of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Its own addresses, with the prefix length of their subnets.
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub addresses: Vec<IpNetwork>,
    /// How it is cabled.
    pub uplink: Uplink,
    /// The slices of pools that it owns.
    #[serde(default)]
    pub ranges: Vec<Range>,
    /// Containers planned on it in each of its networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<u32>,
}

/// Where a machine stands.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Location {
    /// The room, or the cloud's zone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<String>,
    /// The rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rack: Option<String>,
    /// The place in the rack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// A host's way to the network: one NIC (`interface`, `switch`, `port`), or several in a
/// bond (`interface`, `bond`, `nics`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Uplink {
    /// The NIC or the bond that netd uses.
    #[schemars(with = "formats::Interface")]
    pub interface: IfName,
    /// In an IDC: the switch at the other end of a single NIC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// The port of that switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
    /// How the NICs are bonded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bond: Option<BondMode>,
    /// The NICs, where there is more than one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nics: Vec<Nic>,
    /// The VLANs on its trunk; none: what the switch's ports say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional_list")]
    #[schemars(with = "Option<Vec<formats::VlanId>>")]
    pub trunk: Option<Vec<VlanId>>,
    /// Its MTU in bytes, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
    /// The MAC that the physical network is to see, where it is not the NIC's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::words::unicast")]
    #[schemars(with = "Option<formats::InterfaceMac>")]
    pub mac: Option<MacAddr>,
    /// In an IDC: the host's VLAN is the native one of the switch's ports, and its frames bear no
    /// tag here.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untagged: bool,
    /// In an IDC: who moves the host's own address from the NIC to the bridge.
    #[serde(default, skip_serializing_if = "Migrate::is_manual")]
    pub migrate: Migrate,
}

/// Who moves an uplink that bears the host's own address into the bridge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Migrate {
    /// The administrator, by `netd uplink migrate`; netd refuses the uplink until then.
    #[default]
    Manual,
    /// netd, at its first start.
    Auto,
}

impl Migrate {
    /// As a plan has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Auto => "auto",
        }
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_manual(&self) -> bool {
        *self == Self::Manual
    }
}

/// One NIC of an uplink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Nic {
    /// The NIC.
    #[schemars(with = "formats::Interface")]
    pub interface: IfName,
    /// The switch at the other end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub switch: Option<String>,
    /// The port of that switch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<String>,
}

/// How NICs are made one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BondMode {
    /// One NIC at a time.
    ActiveBackup,
    /// Each source MAC and VLAN on one of the NICs (Open vSwitch's `balance-slb`). No plan is sound
    /// with it (FN0408); the word is known so that the check can say what to do.
    BalanceSlb,
    /// A hash of the frame decides; the switches must hold a static aggregate.
    BalanceXor,
    /// 802.1AX: the switches must be one towards the bond.
    Lacp,
}

impl BondMode {
    /// As a plan has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ActiveBackup => "active-backup",
            Self::BalanceSlb => "balance-slb",
            Self::BalanceXor => "balance-xor",
            Self::Lacp => "lacp",
        }
    }
}

/// The slice of a pool that one host owns.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Range {
    /// The network whose pool it is of.
    #[schemars(with = "formats::PlainName")]
    pub network: NetworkName,
    /// The prefix.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub prefix: IpNetwork,
}

/// Machines that differ only by number.
///
/// Member number `n` runs from `first` on. In `hostName`, `instanceId`, the uplink's
/// switches and ports, the location and the labels, `{n}` is the member's number, `{rack}`
/// and `{unit}` its rack and place (`hostsPerRack`), all but `{n}` counted from 1;
/// `{n:03}` pads with zeroes. What a member gets depends on its own number and the group's
/// fields alone, so growth of the group, or of another one, moves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct HostGroup {
    /// The group's name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// The members' site.
    pub site: String,
    /// The Kubernetes cluster whose nodes they are, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// In a VPC: the vSwitch of the members' NICs.
    #[serde(default, rename = "vSwitch", skip_serializing_if = "Option::is_none")]
    pub v_switch: Option<String>,
    /// The members' names, such as `idc-{n:03}`.
    pub host_name: String,
    /// The first member's number.
    #[serde(default = "HostGroup::one", skip_serializing_if = "HostGroup::is_one")]
    pub first: u32,
    /// How many members there are, those in `except` included.
    pub count: u32,
    /// Numbers that are no members: retired, or written out in `hosts`. What would be
    /// theirs stays free.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<u32>,
    /// How many members stand in a rack; none: all in the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hosts_per_rack: Option<u32>,
    /// In a VPC: the pattern of the members' instance IDs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// In a VPC: the members' instance IDs, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_ids: Vec<String>,
    /// Where they stand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Location>,
    /// Anything else that is known of them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The first member's own addresses; each next number has the next address.
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub addresses: Vec<IpNetwork>,
    /// How they are cabled.
    pub uplink: Uplink,
    /// What is sub-allocated for each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<SubAllocation>,
    /// Containers planned on each in each of its networks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<u32>,
}

impl HostGroup {
    fn one() -> u32 {
        1
    }

    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde calls it with a reference"
    )]
    fn is_one(n: &u32) -> bool {
        *n == 1
    }
}

/// A rule that cuts a range for each member of a group: the member that is k-th by number
/// has the k-th prefix of `length` counted from `from`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct SubAllocation {
    /// The network whose pool is cut.
    #[schemars(with = "formats::PlainName")]
    pub network: NetworkName,
    /// The prefix length of each member's range.
    #[schemars(range(min = 1, max = 128))]
    pub length: u8,
    /// Where the first member's range begins.
    #[schemars(with = "formats::Address")]
    pub from: IpAddr,
}

impl Uplink {
    /// The NICs with what they are plugged into, one entry for a single NIC.
    pub fn cables(&self) -> Vec<Nic> {
        if self.nics.is_empty() {
            vec![Nic {
                interface: self.interface.clone(),
                switch: self.switch.clone(),
                port: self.port.clone(),
            }]
        } else {
            self.nics.clone()
        }
    }
}
