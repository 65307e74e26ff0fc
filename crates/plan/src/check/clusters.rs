//! Kubernetes clusters: a network's pools are of one, and only its hosts have ranges of them.

use super::{Context, Findings};
use crate::finding::OTHER_CLUSTER;
use crate::model::Pool;
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for (index, network) in c.networks().iter().enumerate() {
        let first = c.plan.cluster_of_network(network);
        let differs = |pool: &&Pool| c.plan.cluster_of(&pool.cluster) != first;
        if let Some(pool) = network.pools.iter().find(differs) {
            let at = network.pools.iter().position(|p| p == pool).unwrap_or(0);
            let pools = Path::spec().at("networks").at(index).at("pools");
            let message = format!(
                "pools of network {} are of {} and of {}",
                network.name,
                named(first),
                named(c.plan.cluster_of(&pool.cluster))
            );
            found.add(&OTHER_CLUSTER, pools.at(at), message);
        }
    }
    for r in c.ranges() {
        let host = &c.hosts()[r.host];
        let Some((_, network)) = c.network_of(r.host, r.index) else {
            continue;
        };
        let (ours, theirs) = (
            c.plan.cluster_of(&host.cluster),
            c.plan.cluster_of_network(network),
        );
        if ours != theirs && host.site == network.site && !network.pools.is_empty() {
            let message = format!(
                "the host {} is of {}, network {} of {}",
                host.name,
                named(ours),
                network.name,
                named(theirs)
            );
            let at = c.host_at(r.host).at("ranges").at(r.index).at("network");
            found.add(&OTHER_CLUSTER, at, message);
        }
    }
}

fn named(cluster: Option<&str>) -> String {
    cluster.map_or_else(|| "no cluster".to_owned(), |name| format!("cluster {name}"))
}
