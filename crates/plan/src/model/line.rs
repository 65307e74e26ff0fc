//! What joins the sites.

use std::net::IpAddr;

use flatnet_types::Mtu;
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::formats;

/// A leased line between an IDC's edge router and a VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct LeasedLine {
    /// Its name.
    #[schemars(with = "formats::Name")]
    pub name: String,
    /// The IDC.
    pub idc: String,
    /// The VPC.
    pub vpc: String,
    /// The addresses of the line's two ends, one entry a family.
    pub transfer: Vec<Transfer>,
    /// Its MTU in bytes, where it is not the plan's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "super::numbers::optional")]
    #[schemars(with = "Option<formats::Mtu>")]
    pub mtu: Option<Mtu>,
    /// The cloud's router at the line's end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vbr: Option<Vbr>,
    /// The VPC's router interface towards the line: the next hop of the VPC's entries for
    /// the IDC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_interface: Option<String>,
    /// What either side takes from the other; none: everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accept: Option<Accept>,
}

/// The transfer network of a leased line, in one family.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Transfer {
    /// The prefix.
    #[serde(deserialize_with = "super::prefixes::one")]
    #[schemars(with = "formats::Prefix")]
    pub prefix: IpNetwork,
    /// The edge router's address.
    #[schemars(with = "formats::Address")]
    pub idc: IpAddr,
    /// The VBR's address.
    #[schemars(with = "formats::Address")]
    pub vpc: IpAddr,
}

/// A virtual border router: the cloud's end of a leased line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vbr {
    /// The cloud's ID.
    pub id: String,
    /// The ID of its route table, where it is not the one the cloud made with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route_table: Option<String>,
    /// Its router interface towards the VPC: the next hop of its entries for the VPC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_interface: Option<String>,
    /// Whether entries may be aggregated.
    #[serde(
        default = "super::site::yes",
        skip_serializing_if = "super::site::is_yes"
    )]
    pub aggregate: bool,
    /// How many custom entries it may hold.
    #[serde(default = "Vbr::default_quota")]
    pub quota: u32,
}

impl Vbr {
    /// Custom entries of an Aliyun VBR, unless the quota was raised.
    pub const DEFAULT_QUOTA: u32 = 48;

    fn default_quota() -> u32 {
        Self::DEFAULT_QUOTA
    }
}

/// What the two sides of a leased line accept of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Accept {
    /// Prefixes of the IDC that the VPC accepts, and so can reach by this line.
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub from_idc: Vec<IpNetwork>,
    /// Prefixes of the VPC that the IDC accepts, and so can reach by this line.
    #[serde(deserialize_with = "super::prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub from_vpc: Vec<IpNetwork>,
}
