//! Extracts from a plan what the ledger needs.

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Network, Pool, Site};
use ipnetwork::IpNetwork;

use crate::assign::{
    Declared, DeclaredError, DeclaredHost, DeclaredNetwork, DeclaredPool, DeclaredRange, Segment,
};
use crate::range::Span;

/// The networks, pools and hosts of a plan whose groups are written out, as
/// [`flatnet_plan::load`] gives it.
///
/// # Errors
/// [`DeclaredError`].
pub fn declare(plan: &NetworkPlan) -> Result<Declared, DeclaredError> {
    let networks = plan.spec.networks.iter().map(|network| {
        let blocked = infrastructure_addresses(plan, network);
        let pools = network
            .pools
            .iter()
            .map(|pool| declare_pool(pool, &blocked));
        let declared = DeclaredNetwork {
            site: network.site.clone(),
            cluster: plan.cluster_of_network(network).map(str::to_owned),
            pools: pools.collect(),
        };
        (network.name.clone(), declared)
    });
    let hosts = plan.spec.hosts.iter().map(|host| {
        let ranges = host.ranges.iter().map(|range| DeclaredRange {
            network: range.network.clone(),
            prefix: range.prefix,
        });
        let declared = DeclaredHost {
            site: host.site.clone(),
            cluster: plan.cluster_of(&host.cluster).map(str::to_owned),
            segment: host.v_switch.as_ref().map(|name| Segment {
                site: host.site.clone(),
                name: name.clone(),
            }),
            ranges: ranges.collect(),
        };
        (host.name.clone(), declared)
    });
    Declared::new(networks.collect(), hosts.collect())
}

fn declare_pool(pool: &Pool, infrastructure: &[IpNetwork]) -> DeclaredPool {
    let whole = Span::from(pool.prefix);
    let mut blocked = pool.exclude.clone();
    blocked.extend(pool.reservations.iter().map(|r| r.prefix));
    blocked.extend(
        infrastructure
            .iter()
            .filter(|p| whole.covers(Span::from(**p))),
    );
    DeclaredPool {
        prefix: pool.prefix,
        slice: pool.slice_length,
        blocked,
    }
}

/// Infrastructure addresses, which no slice may contain: gateways, addresses of hosts, and the
/// first and last address of each subnet. Empty if the network's pools are not sub-allocated.
fn infrastructure_addresses(plan: &NetworkPlan, network: &Network) -> Vec<IpNetwork> {
    if !network.pools.iter().any(|p| p.slice_length.is_some()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    if let Some(site) = plan.site(&network.site) {
        for subnet in subnets(site) {
            found.push(IpNetwork::from(subnet.gateway));
            found.push(IpNetwork::from(subnet.prefix.network()));
            if subnet.prefix.is_ipv4() {
                found.push(IpNetwork::from(subnet.prefix.broadcast()));
            }
        }
    }
    let addresses = plan.spec.hosts.iter().flat_map(|h| &h.addresses);
    found.extend(addresses.map(|a| IpNetwork::from(a.ip())));
    found
}

fn subnets(site: &Site) -> impl Iterator<Item = &flatnet_plan::model::Subnet> {
    let vlans = site.vlans.iter().flat_map(|v| &v.subnets);
    vlans.chain(site.v_switches.iter().flat_map(|v| &v.subnets))
}
