//! Kubernetes clusters: a network's pools are of one, and only its hosts have ranges of them.

use std::collections::{BTreeMap, BTreeSet};

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
    let users = Users::of(c);
    let mut of_networks: BTreeMap<usize, Ranges> = BTreeMap::new();
    for r in c.ranges() {
        let host = &c.hosts()[r.host];
        let Some((index, network)) = c.network_of(r.host, r.index) else {
            continue;
        };
        if host.site != network.site || network.pools.is_empty() {
            continue;
        }
        let (ours, theirs) = (
            c.plan.cluster_of(&host.cluster),
            c.plan.cluster_of_network(network),
        );
        let ranges = of_networks.entry(index).or_default();
        if ours == theirs {
            ranges.has_right = true;
            continue;
        }
        let message = format!(
            "the host {} is of {}, network {} of {}",
            host.name,
            named(ours),
            network.name,
            named(theirs)
        );
        let line = c.host_at(r.host);
        if host.cluster.is_some() && users.is_alone(&line, ours) {
            // Nothing else is of it: it is misspelt.
            found.add(&OTHER_CLUSTER, line.at("cluster"), message);
        } else {
            let at = line.at("ranges").at(r.index).at("network");
            ranges.wrong.push((at, message));
        }
    }
    for (index, ranges) in of_networks {
        ranges.tell(c, index, found);
    }
}

/// The ranges of a network.
#[derive(Default)]
struct Ranges {
    /// Whether one is of a host of its cluster.
    has_right: bool,
    /// Those of other clusters' hosts.
    wrong: Vec<(Path, String)>,
}

impl Ranges {
    /// Tells each that is wrong; or the pool, where several are and none is right.
    fn tell(self, c: &Context<'_>, index: usize, found: &mut Findings) {
        let network = &c.networks()[index];
        let several = !self.has_right && self.wrong.len() > 1;
        let own = network.pools.first().is_some_and(|p| p.cluster.is_some());
        if several
            && own
            && let Some((first, message)) = self.wrong.first()
        {
            let pool = Path::spec().at("networks").at(index).at("pools").at(0);
            let message = format!(
                "no host that has a range of {} is of its cluster: {message}",
                network.name
            );
            let related = (first.clone(), "the first of them");
            found.add_with(&OTHER_CLUSTER, pool.at("cluster"), message, related);
            return;
        }
        for (at, message) in self.wrong {
            found.add(&OTHER_CLUSTER, at, message);
        }
    }
}

/// Where clusters are named: lines of hosts and groups, and how many of anything else.
struct Users<'p> {
    lines: BTreeMap<&'p str, BTreeSet<Path>>,
    others: BTreeSet<&'p str>,
}

impl<'p> Users<'p> {
    fn of(c: &Context<'p>) -> Self {
        let spec = &c.plan.spec;
        let tables = c.sites().iter().flat_map(|s| &s.route_tables);
        let pools = c.networks().iter().flat_map(|n| &n.pools);
        let named = tables
            .map(|t| &t.cluster)
            .chain(pools.map(|p| &p.cluster))
            .chain([&spec.cluster]);
        let mut lines: BTreeMap<&str, BTreeSet<Path>> = BTreeMap::new();
        for (i, host) in c.hosts().iter().enumerate() {
            if let Some(cluster) = &host.cluster {
                lines.entry(cluster).or_default().insert(c.host_at(i));
            }
        }
        Self {
            lines,
            others: named.flatten().map(String::as_str).collect(),
        }
    }

    /// Whether only that line names a cluster.
    fn is_alone(&self, line: &Path, cluster: Option<&str>) -> bool {
        let Some(cluster) = cluster else { return false };
        let lines = self.lines.get(cluster);
        !self.others.contains(cluster) && lines.is_some_and(|l| l.iter().all(|at| at == line))
    }
}

fn named(cluster: Option<&str>) -> String {
    cluster.map_or_else(|| "no cluster".to_owned(), |name| format!("cluster {name}"))
}
