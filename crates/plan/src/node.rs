//! What one node derives from the plan: all that netd needs to know of the world.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU32;

use flatnet_types::{IfName, MacAddr, Mtu, NetworkName, NodeName, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;

use crate::model::{
    Allow, Destination, Host, MacMode, Migrate, Network, NetworkPlan, Site, SiteType, Subnet, Trunk,
};

pub use crate::prefix::{covers, first_address};

/// One node's part of the plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeSpec {
    /// The node.
    pub node: NodeName,
    /// How its containers are reached.
    pub mode: Mode,
    /// The NIC or bond: a trunk in mode `vlan`, the way out in mode `routed`.
    pub uplink: IfName,
    /// The MAC the physical network is to see, where it is not the NIC's.
    pub uplink_mac: Option<MacAddr>,
    /// Who moves an uplink that bears the host's own address into the bridge.
    pub migrate: Migrate,
    /// The API server that must answer after such a move, as `host:port`.
    pub api_server: Option<String>,
    /// The host's own addresses.
    pub host_addresses: Vec<IpNetwork>,
    /// The routers of the host's own subnets.
    pub host_gateways: Vec<IpAddr>,
    /// The MTU of the node's links, in bytes.
    pub mtu: Mtu,
    /// The networks that it has ranges of.
    pub networks: Vec<NodeNetwork>,
    /// Prefixes whose traffic goes to the host (kube-proxy).
    pub service_prefixes: Vec<IpNetwork>,
    /// Ranges of other nodes that are reached through those nodes directly (host-gw).
    pub peers: Vec<PeerRoute>,
}

/// How containers of a node are reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// Ports of VLANs on a trunk; the gateway is the physical router.
    Vlan {
        /// The VLAN of the host's own addresses; none: untagged.
        host_vlan: Option<VlanId>,
    },
    /// The host is the gateway of its ranges.
    Routed,
}

/// What a container may send of ARP and neighbour discovery in a second, unless its network says
/// otherwise. One that talks to a thousand neighbours at once asks for them within two seconds.
pub const DEFAULT_NEIGHBOUR_RATE: u32 = 500;

/// A network as one node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeNetwork {
    /// Its name.
    pub name: NetworkName,
    /// The access VLAN; none in mode `routed`.
    pub vlan: Option<VlanId>,
    /// Whose MAC the physical switches see.
    pub mac: MacMode,
    /// In bytes.
    pub mtu: Mtu,
    /// ARP and neighbour discovery that each of its containers may send in a second.
    pub neighbour_rate: u32,
    /// The node's ranges, IPv4 first.
    pub ranges: Vec<NodeRange>,
    /// Protocols of routers and switches that its containers may speak.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub allow: Vec<Allow>,
    /// VLANs that its containers may ask to send tagged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trunk: Vec<Trunk>,
    /// The only destinations that its containers may send to; none: any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<Destination>>,
}

/// One range of one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NodeRange {
    /// What the node may give out, less the exclusions.
    pub prefix: IpNetwork,
    /// The subnet whose prefix length the containers' addresses bear: the VLAN's in mode
    /// `vlan`, the range itself in mode `routed`.
    pub subnet: IpNetwork,
    /// The gateway: the VLAN's router, or the range's first address.
    pub gateway: IpAddr,
    /// Never given out.
    pub exclude: Vec<IpNetwork>,
}

/// A route to another node's range through that node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PeerRoute {
    /// The other node.
    pub node: NodeName,
    /// Its range.
    pub prefix: IpNetwork,
    /// Its address in the shared segment.
    pub via: IpAddr,
}

impl NodeSpec {
    /// The VLANs that the uplink carries: those of the node's networks, those that its containers
    /// may ask to send tagged, and the host's own where its frames bear a tag.
    pub fn uplink_vlans(&self) -> BTreeSet<VlanId> {
        let host = match self.mode {
            Mode::Vlan { host_vlan } => host_vlan,
            Mode::Routed => None,
        };
        let tagged = self.networks.iter().flat_map(|n| &n.trunk);
        let networks = self.networks.iter().filter_map(|n| n.vlan);
        networks.chain(tagged.map(|t| t.vlan)).chain(host).collect()
    }
}

/// Why a node's part cannot be derived.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NodeError {
    /// There is no such host.
    #[error("the plan has no host {node}; it has {known}")]
    UnknownNode {
        /// The name that was asked for.
        node: NodeName,
        /// The names that it has, shortened.
        known: String,
    },
    /// A name in the plan leads nowhere. A plan that was loaded by [`crate::load`] has none.
    #[error("host {node} refers to {what}, which the plan does not have")]
    Dangling {
        /// The host.
        node: NodeName,
        /// The reference.
        what: String,
    },
}

/// Derives one node's part.
///
/// # Errors
/// [`NodeError`] where the node, or something that it refers to, is not in the plan.
pub fn derive(plan: &NetworkPlan, node: &NodeName) -> Result<NodeSpec, NodeError> {
    let host = plan.host(node).ok_or_else(|| NodeError::UnknownNode {
        node: node.clone(),
        known: known_hosts(plan),
    })?;
    let dangling = |what: String| NodeError::Dangling {
        node: node.clone(),
        what,
    };
    let site = plan
        .site(&host.site)
        .ok_or_else(|| dangling(format!("site {}", host.site)))?;

    let mut networks: Vec<NodeNetwork> = Vec::new();
    for range in &host.ranges {
        let network = plan
            .network(&range.network)
            .ok_or_else(|| dangling(format!("network {}", range.network)))?;
        let derived = node_range(site, network, range.prefix)
            .ok_or_else(|| dangling(format!("a subnet for range {}", range.prefix)))?;
        match networks.iter_mut().find(|n| n.name == network.name) {
            Some(known) => known.ranges.push(derived),
            None => networks.push(NodeNetwork {
                name: network.name.clone(),
                vlan: network.vlan,
                mac: network.mac,
                mtu: network.mtu.unwrap_or(plan.spec.mtu),
                neighbour_rate: network
                    .neighbour_rate
                    .map_or(DEFAULT_NEIGHBOUR_RATE, NonZeroU32::get),
                ranges: vec![derived],
                allow: network.allow.clone(),
                trunk: network.trunk.clone(),
                egress: network.egress.clone(),
            }),
        }
    }
    for network in &mut networks {
        network
            .ranges
            .sort_by_key(|r| (r.prefix.is_ipv6(), r.prefix));
    }

    Ok(NodeSpec {
        node: node.clone(),
        mode: match site.site_type {
            SiteType::Idc => Mode::Vlan {
                host_vlan: site
                    .host_vlan_of(host)
                    .map(|v| v.id)
                    .filter(|_| !host.uplink.untagged),
            },
            SiteType::Vpc => Mode::Routed,
        },
        uplink: host.uplink.interface.clone(),
        uplink_mac: host.uplink.mac,
        migrate: host.uplink.migrate,
        api_server: plan.spec.api_server.clone(),
        host_addresses: host.addresses.clone(),
        host_gateways: host_subnets(site, host)
            .iter()
            .filter(|s| host.addresses.iter().any(|a| s.prefix.contains(a.ip())))
            .map(|s| s.gateway)
            .collect(),
        mtu: plan.spec.mtu,
        networks,
        service_prefixes: plan.spec.service_prefixes.clone(),
        peers: peers(plan, site, host),
    })
}

/// The subnets that a host's own addresses are in.
pub fn host_subnets<'p>(site: &'p Site, host: &Host) -> &'p [Subnet] {
    match site.site_type {
        SiteType::Idc => site.host_vlan_of(host).map_or(&[], |v| &v.subnets),
        SiteType::Vpc => host
            .v_switch
            .as_deref()
            .and_then(|v| site.v_switch(v))
            .map_or(&[], |v| &v.subnets),
    }
}

fn node_range(site: &Site, network: &Network, prefix: IpNetwork) -> Option<NodeRange> {
    let (subnet, gateway) = match site.site_type {
        SiteType::Idc => {
            let vlan = site.vlan(network.vlan?)?;
            let subnet = vlan
                .subnets
                .iter()
                .find(|s| s.prefix.contains(prefix.ip()))?;
            (subnet.prefix, subnet.gateway)
        }
        SiteType::Vpc => (prefix, first_address(prefix)),
    };
    let pool = network.pools.iter().find(|p| covers(p.prefix, prefix))?;
    Some(NodeRange {
        prefix,
        subnet,
        gateway,
        exclude: pool.exclude.clone(),
    })
}

/// Host-gw routes: the ranges of the routed nodes that share this node's vSwitch.
fn peers(plan: &NetworkPlan, site: &Site, host: &Host) -> Vec<PeerRoute> {
    if site.site_type != SiteType::Vpc || host.v_switch.is_none() {
        return Vec::new();
    }
    let mut routes: Vec<PeerRoute> = plan
        .spec
        .hosts
        .iter()
        .filter(|h| h.name != host.name && h.site == host.site && h.v_switch == host.v_switch)
        .flat_map(|peer| {
            peer.ranges.iter().filter_map(|range| {
                let via = peer
                    .addresses
                    .iter()
                    .find(|a| a.is_ipv4() == range.prefix.is_ipv4())?;
                Some(PeerRoute {
                    node: peer.name.clone(),
                    prefix: range.prefix,
                    via: via.ip(),
                })
            })
        })
        .collect();
    routes.sort_by_key(|r| r.prefix);
    routes
}

fn known_hosts(plan: &NetworkPlan) -> String {
    const SHOWN: usize = 8;
    let mut names: Vec<&str> = plan.spec.hosts.iter().map(|h| h.name.as_str()).collect();
    names.sort_unstable();
    match names.len() {
        0 => "none".to_owned(),
        n if n > SHOWN => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}
