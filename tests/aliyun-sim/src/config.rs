//! The world file: what there is when the simulator starts.
//!
//! ```text
//!   YAML ──[serde, unknown fields refused]──▶ WorldFile ──[World::new: references]──▶ World
//! ```

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Why a world file is not taken.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// It cannot be read.
    #[error("cannot read the world file {path}")]
    Read {
        /// Path of the world file.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// It is not YAML of this form. The message has line and column.
    #[error("the world file has not the right form")]
    Parse(#[from] serde_norway::Error),
    /// A part of it names what is not there, or contradicts another.
    #[error("{at}: {what}")]
    Wrong {
        /// Where, as a path in the file.
        at: String,
        /// What is wrong and what to do.
        what: String,
    },
}

impl ConfigError {
    pub(crate) fn wrong(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self::Wrong {
            at: at.into(),
            what: what.into(),
        }
    }
}

/// The whole file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct WorldFile {
    /// Region ID, `cn-hangzhou`.
    #[serde(default = "default_region")]
    pub region: String,
    /// The account's number.
    #[serde(default = "default_account")]
    pub account: String,
    /// What the IDs and secrets that the simulator makes grow from.
    #[serde(default)]
    pub seed: u64,
    /// Who may call.
    #[serde(default)]
    pub access_keys: Vec<AccessKey>,
    /// How long things take.
    #[serde(default)]
    pub timings: Timings,
    /// How many calls are let through; none: any number.
    #[serde(default)]
    pub throttling: Throttling,
    /// Whether a destination may lie in 100.64.0.0/10: the documentation's pages differ.
    #[serde(default)]
    pub shared_address_space: SharedAddressSpace,
    /// The VPCs.
    #[serde(default)]
    pub vpcs: Vec<Vpc>,
    /// The virtual border routers: the cloud's ends of the leased lines.
    #[serde(default)]
    pub vbrs: Vec<Vbr>,
    /// The router interfaces, each an end of a connection between two routers.
    #[serde(default)]
    pub router_interfaces: Vec<RouterInterface>,
    /// The metadata service; none: it answers 404.
    #[serde(default)]
    pub metadata: Option<Metadata>,
}

/// A key and what it may do.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct AccessKey {
    /// The AccessKeyId.
    pub id: String,
    /// The AccessKeySecret.
    pub secret: String,
    /// The SecurityToken of an STS key.
    #[serde(default)]
    pub token: Option<String>,
    /// How long after the simulator's start an STS key expires, in seconds.
    #[serde(default)]
    pub expires_after_seconds: Option<u64>,
    /// RAM actions that are allowed: `vpc:CreateRouteEntry`, `vpc:Describe*`, `*`.
    #[serde(default = "allow_all")]
    pub allow: Vec<String>,
    /// Whether it is switched off.
    #[serde(default)]
    pub inactive: bool,
}

impl std::fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AccessKey")
            .field("id", &self.id)
            .field("allow", &self.allow)
            .finish_non_exhaustive()
    }
}

/// How long things take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Timings {
    /// From Pending to Available, in milliseconds.
    pub create_ms: u64,
    /// From Deleting to gone, in milliseconds.
    pub delete_ms: u64,
    /// From Modifying to Available, in milliseconds.
    pub modify_ms: u64,
    /// Each of the three takes up to so much longer, in milliseconds.
    pub jitter_ms: u64,
    /// How long a NextToken is good, in seconds.
    pub next_token_seconds: u64,
    /// How far a request's time may be off, in seconds.
    pub signature_seconds: u64,
    /// How long a ClientToken is remembered, in seconds.
    pub client_token_seconds: u64,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            create_ms: 500,
            delete_ms: 500,
            modify_ms: 500,
            jitter_ms: 0,
            next_token_seconds: 3600,
            signature_seconds: 15 * 60,
            client_token_seconds: 24 * 3600,
        }
    }
}

/// How many calls are let through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Throttling {
    /// Of one key, all calls together.
    pub user: Option<Rate>,
    /// Of one key, by the call's name.
    pub apis: BTreeMap<String, Rate>,
}

/// A token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Rate {
    /// Calls a second in the long run.
    pub per_second: f64,
    /// Calls at once.
    pub burst: f64,
}

/// What is done about destinations in 100.64.0.0/10.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SharedAddressSpace {
    /// Refused, all of it.
    #[default]
    Forbidden,
    /// Refused, but for prefixes longer than 10.
    MoreSpecific,
}

/// A VPC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vpc {
    /// `vpc-…`.
    pub id: String,
    /// Name as its user gave it; may be empty.
    #[serde(default)]
    pub name: String,
    /// Its router; `vrt-…` made from the VPC's ID where it is not given.
    #[serde(default)]
    pub router_id: Option<String>,
    /// The primary IPv4 CIDR block.
    pub cidr: IpNetwork,
    /// The secondary ones.
    #[serde(default)]
    pub secondary_cidrs: Vec<IpNetwork>,
    /// The IPv6 CIDR block; without one, no IPv6 destination is taken.
    #[serde(default)]
    pub ipv6_cidr: Option<IpNetwork>,
    /// The vSwitches.
    #[serde(default)]
    pub v_switches: Vec<VSwitch>,
    /// The route tables; exactly one is the system's.
    pub route_tables: Vec<RouteTable>,
    /// ECS instances, which entries may name as next hops.
    #[serde(default)]
    pub instances: Vec<Instance>,
    /// Other things that can be a next hop.
    #[serde(default)]
    pub gateways: Vec<Gateway>,
}

/// A vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VSwitch {
    /// `vsw-…`.
    pub id: String,
    /// Name as its user gave it; may be empty.
    #[serde(default)]
    pub name: String,
    /// Zone ID, `cn-hangzhou-b`; may be empty.
    #[serde(default)]
    pub zone: String,
    /// Its IPv4 CIDR block.
    pub cidr: IpNetwork,
    /// Its IPv6 CIDR block.
    #[serde(default)]
    pub ipv6_cidr: Option<IpNetwork>,
    /// The table that it is associated with; the system's where it is not given.
    #[serde(default)]
    pub route_table: Option<String>,
}

/// A route table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouteTable {
    /// `vtb-…`.
    pub id: String,
    /// Name as its user gave it; may be empty.
    #[serde(default)]
    pub name: String,
    /// Whether it is the system's. A VBR has a system table only.
    #[serde(default, rename = "type")]
    pub table_type: TableType,
    /// How many custom entries it may hold: 200 in a VPC and 48 in a VBR where not given.
    #[serde(default)]
    pub quota: Option<usize>,
    /// The custom entries that are there at the start.
    #[serde(default)]
    pub entries: Vec<Entry>,
}

/// Who made a route table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableType {
    /// The service, with the router.
    #[default]
    System,
    /// A user.
    Custom,
}

/// An entry that is there at the start, or that another user makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Entry {
    /// Destination CIDR block, IPv4 or IPv6.
    pub destination: IpNetwork,
    /// The next hops: one, or 2 to 4 for ECMP.
    pub next_hops: Vec<EntryHop>,
    /// Name as its user gave it; may be empty.
    #[serde(default)]
    pub name: String,
    /// Description as its user gave it; may be empty.
    #[serde(default)]
    pub description: String,
    /// Whether the service keeps it: it cannot be changed or deleted.
    #[serde(default)]
    pub managed: bool,
}

/// A next hop of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct EntryHop {
    /// `Instance`, `RouterInterface`, …
    #[serde(rename = "type")]
    pub hop_type: String,
    /// `i-…`, `ri-…`.
    pub id: String,
    /// Share of the traffic among the entry's next hops.
    #[serde(default = "default_weight")]
    pub weight: u32,
}

/// An ECS instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Instance {
    /// `i-…`.
    pub id: String,
    /// The vSwitch of its primary interface.
    pub v_switch: String,
    /// Private addresses, IPv4 and IPv6.
    pub addresses: Vec<IpAddr>,
    /// The MAC of its primary interface.
    #[serde(default)]
    pub mac: Option<String>,
}

/// Anything else that can be a next hop: a network interface, a HaVip, a NAT gateway, …
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Gateway {
    /// Its ID.
    pub id: String,
    /// `NetworkInterface`, `HaVip`, `NatGateway`, `VpnGateway`, `VpcPeer`, …
    #[serde(rename = "type")]
    pub hop_type: String,
    /// Private addresses, IPv4 and IPv6.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
}

/// A virtual border router.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Vbr {
    /// `vbr-…`.
    pub id: String,
    /// Name as its user gave it; may be empty.
    #[serde(default)]
    pub name: String,
    /// Its one route table, the system's.
    pub route_table: RouteTable,
    /// The interface towards the IDC: a next hop of type `RouterInterface`.
    pub vlan_interface: VlanInterface,
}

/// A VBR's interface on the leased line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct VlanInterface {
    /// `ri-…`.
    pub id: String,
    /// The VBR's own addresses on the line.
    #[serde(default)]
    pub local: Vec<IpAddr>,
    /// The addresses of the IDC's edge router.
    #[serde(default)]
    pub peer: Vec<IpAddr>,
}

/// One end of a connection between two routers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct RouterInterface {
    /// `ri-…`.
    pub id: String,
    /// The router that it belongs to: a VPC or a VBR, by its ID.
    pub router: String,
    /// The other end.
    pub opposite: String,
}

/// The metadata service of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Metadata {
    /// Which instance asks.
    pub instance: String,
    /// Its RAM role.
    pub role: String,
    /// What the role may do.
    #[serde(default = "allow_all")]
    pub allow: Vec<String>,
    /// How long its credentials are good, in seconds.
    #[serde(default = "default_credential_seconds")]
    pub credential_seconds: u64,
    /// How long before their end new ones are given out, in seconds.
    #[serde(default = "default_renew_seconds")]
    pub renew_before_seconds: u64,
    /// Whether a token is needed (IMDSv2 only).
    #[serde(default)]
    pub token_required: bool,
}

impl WorldFile {
    /// Reads YAML.
    ///
    /// # Errors
    /// [`ConfigError::Parse`] with line and column.
    pub fn parse(yaml: &str) -> Result<Self, ConfigError> {
        Ok(serde_norway::from_str(yaml)?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`ConfigError::Read`] and [`ConfigError::Parse`].
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let yaml = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&yaml)
    }
}

fn default_region() -> String {
    "cn-hangzhou".to_owned()
}

fn default_account() -> String {
    "1000000000000001".to_owned()
}

fn allow_all() -> Vec<String> {
    vec!["*".to_owned()]
}

fn default_weight() -> u32 {
    100
}

fn default_credential_seconds() -> u64 {
    6 * 3600
}

fn default_renew_seconds() -> u64 {
    1800
}
