//! What a CNI configuration may name, and the pools behind it.

use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};

use flatnet_types::{MacAddr, Mtu, NetworkName, VlanId};
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::formats;

/// What a CNI configuration names: pools and how to reach them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Network {
    /// Its name, as a CNI configuration gives it.
    #[schemars(with = "formats::PlainName")]
    pub name: NetworkName,
    /// The site it is in.
    pub site: String,
    /// In an IDC: the VLAN, by its ID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::VlanId>")]
    pub vlan: Option<VlanId>,
    /// Whose MAC the physical switches see.
    #[serde(default)]
    pub mac: MacMode,
    /// An MTU smaller than the plan's, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
    /// ARP and neighbour discovery that each of its containers may send in a second; 500 where
    /// absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub neighbour_rate: Option<NonZeroU32>,
    /// Containers planned on each host in this network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<u32>,
    /// Where the hosts' ranges come from.
    pub pools: Vec<Pool>,
    /// Protocols of routers and switches that its containers may speak; without, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
    /// VLANs that its containers may ask to send tagged (`vlanTrunk`); without, none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub trunk: Vec<Trunk>,
    /// The only destinations that its containers may send to; without, any, and with an empty
    /// list none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "destinations")]
    #[schemars(with = "Vec<Destination>")]
    pub egress: Option<Vec<Destination>>,
}

/// Reads a list. Nothing behind the key is refused: it could be meant as no list, and as an empty
/// one.
fn destinations<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Vec<Destination>>, D::Error> {
    Vec::deserialize(deserializer).map(Some)
}

/// A protocol of routers and switches that a network's containers may speak.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Allow {
    /// Its name in the table of [`flatnet_types::control`], such as `vrrp` or `ospf`.
    pub protocol: String,
    /// The virtual MAC that its speakers share.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<formats::Mac>")]
    pub mac: Option<MacAddr>,
    /// The virtual addresses that are at that MAC.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<formats::Address>")]
    pub addresses: Vec<IpAddr>,
}

/// A VLAN that a network's containers may ask to send tagged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Trunk {
    /// The VLAN, by its ID.
    #[serde(deserialize_with = "super::numbers::one")]
    #[schemars(with = "formats::VlanId")]
    pub vlan: VlanId,
    /// The addresses that they may have there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub addresses: Vec<IpNetwork>,
    /// Any address, the gateway's and every neighbour's among them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub any: bool,
}

/// A destination that a network's containers may send to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Destination {
    /// The prefix of the destination's addresses.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub to: IpNetwork,
    /// The protocol; without, every IP packet to the prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Transport>,
    /// Destination ports of `protocol`; without, all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::numbers::list")]
    #[schemars(with = "Vec<formats::TransportPort>")]
    pub ports: Vec<NonZeroU16>,
}

impl Destination {
    /// Whether it takes in packets to an address and, of TCP and UDP, to a port.
    pub fn takes_in(&self, address: IpAddr, port: Option<(Transport, u16)>) -> bool {
        let at = match (self.protocol, port) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some((protocol, port))) => {
                let listed = self.ports.iter().any(|p| p.get() == port);
                own == protocol && (self.ports.is_empty() || listed)
            }
        };
        at && self.to.contains(address)
    }
}

/// A protocol with ports.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// As a plan has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }

    /// The number in IANA's registry of protocols.
    pub const fn number(self) -> u8 {
        match self {
            Self::Tcp => 6,
            Self::Udp => 17,
        }
    }
}

/// Whose MAC the physical switches see.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MacMode {
    /// The host's, for all its containers: a switch learns one for a host and VLAN.
    #[default]
    Host,
    /// Each container's own.
    Pod,
}

/// The part of a subnet that containers may use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Pool {
    /// The prefix.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub prefix: IpNetwork,
    /// The Kubernetes cluster whose containers have its addresses, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// What of it is never given to a container, even inside a host's range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub exclude: Vec<IpNetwork>,
    /// The prefix length of the slice that ipamd cuts for each host of the site which the
    /// plan gives no range of this network; none: such hosts get nothing of the pool.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 128))]
    pub slice_length: Option<u8>,
    /// What of it is set aside: no host's range may touch it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reservations: Vec<Reservation>,
}

/// A part of a pool that is set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Reservation {
    /// The prefix.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub prefix: IpNetwork,
    /// What for.
    #[serde(rename = "for")]
    pub purpose: String,
}
