//! The part of a plan that one node needs, as a plan of its own: [`node::derive`](crate::node::derive) makes the
//! same of it as of the whole, and [`load`](crate::load) accepts it.
//!
//! ```text
//!   whole plan ─▶ [of_host] site, VLANs, networks, the host ──┬─▶ [with_peers] ─▶ a plan of one node
//!         └─────▶ [peers] of each vSwitch: networks, hosts ───┘
//! ```
//!
//! What all nodes of a vSwitch need (each other's ranges, the networks that they are of) is apart: a change
//! of one host is then one of its own part and of one list, not of the part of each of its neighbours.
//!
//! Left out is what no node derives anything from: switches and cabling, route tables, lines, groups,
//! budgets, clusters, pools that the node has no range of. So a change of those changes no part.

use std::collections::BTreeSet;

use flatnet_types::NodeName;
use ipnetwork::IpNetwork;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    API_VERSION, Budgets, Host, KIND, Metadata, Network, NetworkPlan, PlanSpec, Pool, Range, Site,
    SiteType, Uplink, VSwitch, Vlan, formats, prefixes,
};
use crate::node::{NodeError, covers};
use crate::slices::is_cut;

/// What the nodes of a vSwitch need of each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Peers {
    /// The VPC, by its name in the plan.
    pub site: String,
    /// The vSwitch, by its name in the plan.
    #[serde(rename = "vSwitch")]
    pub v_switch: String,
    /// The networks that its hosts have ranges of, with the pools that these are in.
    #[serde(default)]
    pub networks: Vec<Network>,
    /// All hosts of the vSwitch.
    #[serde(default)]
    #[schemars(length(max = 16384))]
    pub hosts: Vec<Peer>,
}

/// A host, as others of its vSwitch see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Peer {
    /// Its name in the plan.
    #[schemars(with = "formats::PlainName")]
    pub name: NodeName,
    /// Its own addresses: what packets to its ranges are sent to.
    #[serde(deserialize_with = "prefixes::list")]
    #[schemars(with = "Vec<formats::Prefix>")]
    pub addresses: Vec<IpNetwork>,
    /// Its ranges.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
}

/// The own part of a plan's host. Where it is of a vSwitch, its networks are in the vSwitch's [`Peers`].
///
/// # Errors
/// [`NodeError::Dangling`] where its site is not in the plan.
pub fn of_host(plan: &NetworkPlan, host: &Host) -> Result<NetworkPlan, NodeError> {
    let site = plan.site(&host.site).ok_or_else(|| NodeError::Dangling {
        node: host.name.clone(),
        what: format!("site {}", host.site),
    })?;
    let networks = match host.v_switch {
        Some(_) => Vec::new(),
        None => networks(plan, site, &[host]),
    };
    Ok(NetworkPlan {
        api_version: API_VERSION.to_owned(),
        kind: KIND.to_owned(),
        metadata: Metadata {
            name: plan.metadata.name.clone(),
        },
        spec: PlanSpec {
            mtu: plan.spec.mtu,
            cluster: None,
            service_prefixes: plan.spec.service_prefixes.clone(),
            api_server: plan.spec.api_server.clone(),
            density: None,
            allow: Vec::new(),
            budgets: Budgets::default(),
            sites: vec![reduced_site(site, host, &networks)],
            networks,
            host_groups: Vec::new(),
            hosts: vec![reduced_host(host)],
            links: Vec::new(),
        },
    })
}

/// The lists of all vSwitches that have hosts, in the order of the plan's sites.
pub fn peers(plan: &NetworkPlan) -> Vec<Peers> {
    let mut all = Vec::new();
    for site in &plan.spec.sites {
        for v_switch in &site.v_switches {
            let of = |h: &&Host| {
                h.site == site.name && h.v_switch.as_deref() == Some(v_switch.name.as_str())
            };
            let hosts: Vec<&Host> = plan.spec.hosts.iter().filter(of).collect();
            if hosts.is_empty() {
                continue;
            }
            all.push(Peers {
                site: site.name.clone(),
                v_switch: v_switch.name.clone(),
                networks: networks(plan, site, &hosts),
                hosts: hosts.into_iter().map(Peer::of).collect(),
            });
        }
    }
    all
}

/// Joins a host's own part with what it needs of its peers: a whole plan, for this node.
pub fn with_peers(mut own: NetworkPlan, peers: Peers) -> NetworkPlan {
    let Some(host) = own.spec.hosts.first().cloned() else {
        return own;
    };
    own.spec.networks.extend(peers.networks);
    let others = peers.hosts.into_iter().filter(|p| p.name != host.name);
    own.spec.hosts.extend(others.map(|peer| Host {
        name: peer.name,
        addresses: peer.addresses,
        ranges: peer.ranges,
        ..host.clone()
    }));
    own
}

impl Peer {
    fn of(host: &Host) -> Self {
        Self {
            name: host.name.clone(),
            addresses: host.addresses.clone(),
            ranges: host.ranges.clone(),
        }
    }
}

/// The networks that the hosts of a site have ranges of, or may be given slices of by ipamd, with the pools
/// that these are in.
fn networks(plan: &NetworkPlan, site: &Site, hosts: &[&Host]) -> Vec<Network> {
    let ranges: Vec<&Range> = hosts.iter().flat_map(|h| &h.ranges).collect();
    let clusters: BTreeSet<_> = hosts.iter().map(|h| plan.cluster_of(&h.cluster)).collect();
    let mut all = Vec::new();
    for network in &plan.spec.networks {
        let own: Vec<IpNetwork> = ranges
            .iter()
            .filter(|r| r.network == network.name)
            .map(|r| r.prefix)
            .collect();
        let granted =
            network.site == site.name && clusters.contains(&plan.cluster_of_network(network));
        let needed = |pool: &&Pool| {
            own.iter().any(|range| covers(pool.prefix, *range)) || granted && is_cut(pool)
        };
        let pools: Vec<Pool> = network
            .pools
            .iter()
            .filter(needed)
            .map(reduced_pool)
            .collect();
        if !pools.is_empty() {
            all.push(Network {
                density: None,
                pools,
                ..network.clone()
            });
        }
    }
    all
}

fn reduced_pool(pool: &Pool) -> Pool {
    Pool {
        cluster: None,
        reservations: Vec::new(),
        ..pool.clone()
    }
}

fn reduced_site(site: &Site, host: &Host, networks: &[Network]) -> Site {
    let own = site.host_vlan_of(host).map(|v| v.id);
    let tagged = networks.iter().flat_map(|n| &n.trunk).map(|t| t.vlan);
    let wanted: BTreeSet<_> = networks
        .iter()
        .filter_map(|n| n.vlan)
        .chain(tagged)
        .chain(own)
        .collect();
    let vlans: Vec<Vlan> = site
        .vlans
        .iter()
        .filter(|v| wanted.contains(&v.id))
        .cloned()
        .collect();
    let own = |v: &&VSwitch| host.v_switch.as_ref() == Some(&v.name);
    Site {
        name: site.name.clone(),
        site_type: site.site_type,
        switches: Vec::new(),
        vlans,
        edge_router: None,
        vpc_id: None,
        region: None,
        prefixes: match site.site_type {
            SiteType::Idc => Vec::new(),
            SiteType::Vpc => site.prefixes.clone(),
        },
        v_switches: site.v_switches.iter().filter(own).cloned().collect(),
        route_tables: Vec::new(),
    }
}

fn reduced_host(host: &Host) -> Host {
    Host {
        name: host.name.clone(),
        site: host.site.clone(),
        cluster: None,
        v_switch: host.v_switch.clone(),
        instance_id: None,
        location: None,
        labels: std::collections::BTreeMap::new(),
        addresses: host.addresses.clone(),
        uplink: Uplink {
            interface: host.uplink.interface.clone(),
            switch: None,
            port: None,
            bond: None,
            nics: Vec::new(),
            trunk: None,
            mtu: host.uplink.mtu,
            mac: host.uplink.mac,
            untagged: host.uplink.untagged,
            migrate: host.uplink.migrate,
        },
        ranges: host.ranges.clone(),
        density: None,
    }
}
