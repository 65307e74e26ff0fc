//! The plan's document, as it is written: `apiVersion: flatnet.io/v1alpha1`.
//!
//! Unknown fields are refused, so that a misspelt option is found before it is missed.
//! Every type derives its JSON Schema, which editors complete and check with.

mod allowance;
pub(crate) mod formats;
mod host;
mod host_vlans;
mod line;
mod network;
mod numbers;
pub(crate) mod prefixes;
mod site;
mod words;

use flatnet_types::{Mtu, NetworkName, NodeName};
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use allowance::{Allowance, Day, DayError};
pub use host::{BondMode, Host, HostGroup, Location, Migrate, Nic, Range, SubAllocation, Uplink};
pub use host_vlans::HostVlans;
pub use line::{Accept, LeasedLine, Transfer, Vbr};
pub use network::{Allow, Destination, MacMode, Network, Pool, Reservation, Transport, Trunk};
pub use site::{
    EdgeRouter, Port, RouteTable, Site, SiteType, Subnet, Switch, VSwitch, Vlan, VlanRole,
};

/// The only version of the document that is read.
pub const API_VERSION: &str = "flatnet.io/v1alpha1";
/// The document's kind.
pub const KIND: &str = "NetworkPlan";

/// One declared network, whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct NetworkPlan {
    /// `flatnet.io/v1alpha1`.
    #[schemars(with = "formats::ApiVersion")]
    pub api_version: String,
    /// `NetworkPlan`.
    #[schemars(with = "formats::Kind")]
    pub kind: String,
    /// Its name.
    pub metadata: Metadata,
    /// What is declared.
    pub spec: PlanSpec,
}

/// What a plan is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The plan's name.
    pub name: String,
}

/// What is declared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct PlanSpec {
    /// The MTU of every link that says none of its own, in bytes.
    #[serde(default = "ethernet")]
    #[serde(deserialize_with = "numbers::one")]
    #[schemars(with = "formats::Mtu")]
    pub mtu: Mtu,
    /// The Kubernetes cluster of every host, pool and route table that names none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Prefixes of Kubernetes services: traffic to them goes to the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[serde(deserialize_with = "prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub service_prefixes: Vec<IpNetwork>,
    /// The Kubernetes API server as `host:port`: a move of a host's uplink is kept only if it
    /// answers on the new path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[serde(deserialize_with = "words::endpoint")]
    #[schemars(with = "Option<formats::Endpoint>")]
    pub api_server: Option<String>,
    /// Containers planned on each host in each network that it has ranges of; networks and
    /// hosts may say otherwise. Without it, fullness is not forecast.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub density: Option<u32>,
    /// Warnings of the check that are known and accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allowance>,
    /// What the plan may use of the physical network.
    #[serde(default, skip_serializing_if = "Budgets::is_default")]
    pub budgets: Budgets,
    /// Data centres and VPCs.
    pub sites: Vec<Site>,
    /// What a CNI configuration may name.
    pub networks: Vec<Network>,
    /// Machines that differ only by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub host_groups: Vec<HostGroup>,
    /// The machines that are written out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<Host>,
    /// What joins the sites.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub links: Vec<LeasedLine>,
}

fn ethernet() -> Mtu {
    Mtu::ETHERNET
}

/// What the plan may use of the physical network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub struct Budgets {
    /// The part of a switch's MAC table that the plan may fill, in percent.
    #[serde(deserialize_with = "numbers::percent")]
    #[schemars(range(min = 1, max = 100))]
    pub mac_table_percent: u8,
    /// The most neighbours in one broadcast domain: hosts, containers and routers.
    pub neighbours: u32,
    /// What `net.ipv4.neigh.default.gc_thresh3` (and IPv6's) is set to on the hosts.
    /// Linux's own default is 1024.
    pub gc_thresh3: u32,
}

impl Default for Budgets {
    fn default() -> Self {
        Self {
            mac_table_percent: 80,
            neighbours: 4096,
            gc_thresh3: 1024,
        }
    }
}

impl Budgets {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl NetworkPlan {
    /// The written-out host of that name.
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

    /// The cluster of what names `own`: that one, or the plan's.
    pub fn cluster_of<'p>(&'p self, own: &'p Option<String>) -> Option<&'p str> {
        own.as_ref()
            .or(self.spec.cluster.as_ref())
            .map(String::as_str)
    }

    /// The cluster of a network: that of its first pool, as the check demands of all.
    pub fn cluster_of_network<'p>(&'p self, network: &'p Network) -> Option<&'p str> {
        self.cluster_of(&network.pools.first()?.cluster)
    }

    /// Containers planned on `host` in `network`: the host's own figure, or the network's,
    /// or the plan's.
    pub fn density(&self, host: &Host, network: &Network) -> Option<u32> {
        host.density.or(network.density).or(self.spec.density)
    }
}
