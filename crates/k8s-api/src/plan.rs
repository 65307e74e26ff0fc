//! A plan in the form that objects can carry.

use flatnet_plan::NetworkPlan;
use flatnet_plan::model::Host;

/// The plan as objects give it back: the cluster named at each host, pool and route table and not for
/// the whole plan, and everything in the order of names. `plan` has no groups.
///
/// What it means is the same: no check and no range depends on the order.
#[must_use]
pub fn resolved(mut plan: NetworkPlan) -> NetworkPlan {
    let spec = &mut plan.spec;
    let cluster = spec.cluster.take();
    let name = |own: &mut Option<String>| {
        if own.is_none() {
            own.clone_from(&cluster);
        }
    };
    for site in &mut spec.sites {
        site.switches.sort_by(|a, b| a.name.cmp(&b.name));
        site.vlans.sort_by_key(|vlan| vlan.id);
        site.route_tables.sort_by(|a, b| a.name.cmp(&b.name));
        site.route_tables
            .iter_mut()
            .for_each(|t| name(&mut t.cluster));
    }
    let pools = spec.networks.iter_mut().flat_map(|n| &mut n.pools);
    pools.for_each(|pool| name(&mut pool.cluster));
    for host in &mut spec.hosts {
        name(&mut host.cluster);
        sort_ranges(host);
    }
    spec.sites.sort_by(|a, b| a.name.cmp(&b.name));
    spec.networks.sort_by(|a, b| a.name.cmp(&b.name));
    spec.hosts.sort_by(|a, b| a.name.cmp(&b.name));
    spec.links.sort_by(|a, b| a.name.cmp(&b.name));
    plan
}

fn sort_ranges(host: &mut Host) {
    host.ranges
        .sort_by(|a, b| (&a.network, a.prefix).cmp(&(&b.network, b.prefix)));
}
