//! What is observed, by revision and by cell: a group of nodes of a cluster.

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::{ClusterCount, ReleaseStatus};

use crate::apportion::largest_remainder;
use crate::observed::{Cluster, Instance, NodeState, Observed, Set, Sight};

/// Whose instances they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Of the release's own revision.
    Own,
    /// Of the revision that served when the release began.
    Stable,
    /// Of any other revision: of releases that were superseded or aborted.
    Other,
}

/// What may be done in a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Everything.
    Clear,
    /// Nothing yet: another controller's writes may still arrive there.
    Unfenced,
    /// Nothing: it does not answer.
    Dark,
    /// Nothing: it is given up for gone.
    Lost,
}

/// Instances of a role in a cell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// Not being deleted, and not on a node that is gone.
    pub(crate) alive: u32,
    /// Of those, wished to serve, and not on a node that is to be left.
    pub(crate) wishing: u32,
    /// In service, wished to be, and not being deleted.
    pub(crate) firm: u32,
}

/// A ReplicaSet with its role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RoleSet<'a> {
    pub(crate) role: Role,
    pub(crate) set: &'a Set,
}

/// A group of nodes of a cluster.
#[derive(Debug)]
pub(crate) struct Cell<'a> {
    pub(crate) cluster: &'a str,
    pub(crate) location: &'a str,
    pub(crate) group: &'a str,
    pub(crate) reach: Reach,
    /// What the placement in force gives it.
    pub(crate) target: u32,
    /// What there is; of a cell that is dark, what there was when it was seen last.
    counts: [Count; 3],
    pub(crate) sets: Vec<RoleSet<'a>>,
}

impl Cell<'_> {
    pub(crate) fn count(&self, role: Role) -> Count {
        self.counts[role as usize]
    }

    /// In service, of all roles.
    pub(crate) fn firm(&self) -> u32 {
        self.counts.iter().map(|c| c.firm).sum()
    }

    pub(crate) fn is_clear(&self) -> bool {
        self.reach == Reach::Clear
    }

    /// Whether it must be waited for: it will answer again, or be fenced with the next action.
    pub(crate) fn is_waited_for(&self) -> bool {
        matches!(self.reach, Reach::Dark | Reach::Unfenced)
    }
}

/// What is observed, by cell.
#[derive(Debug)]
pub(crate) struct View<'a> {
    pub(crate) cells: Vec<Cell<'a>>,
}

/// Whether an instance may receive new connections, and is meant to.
pub(crate) fn is_firm(instance: &Instance) -> bool {
    instance.in_service && instance.serve && is_alive(instance)
}

/// Whether it is there to stay or to be drained.
pub(crate) fn is_alive(instance: &Instance) -> bool {
    !instance.deleting && instance.node != NodeState::Gone
}

/// Whether it counts towards what is wished to serve.
pub(crate) fn is_wishing(instance: &Instance) -> bool {
    is_alive(instance) && instance.serve && instance.node != NodeState::Leaving
}

fn count(set: &Set, into: &mut Count) {
    for instance in &set.instances {
        into.alive += u32::from(is_alive(instance));
        into.wishing += u32::from(is_wishing(instance));
        into.firm += u32::from(is_firm(instance));
    }
}

/// What may be done in a cluster; one that was never heard of is dark.
pub(crate) fn reach(observed: &Observed, cluster: &str) -> Reach {
    match observed.clusters.get(cluster) {
        Some(c) if c.sight == Sight::Lost => Reach::Lost,
        Some(c) if c.sight == Sight::Clear && c.fence == observed.epoch => Reach::Clear,
        Some(c) if c.sight == Sight::Clear && c.fence < observed.epoch => Reach::Unfenced,
        // A later controller has written there: this one has nothing to say any more.
        _ => Reach::Dark,
    }
}

impl<'a> View<'a> {
    /// What is observed, for a release with that status.
    pub(crate) fn of(status: &'a ReleaseStatus, observed: &'a Observed) -> Self {
        let mut cells: BTreeMap<(&str, &str), Cell<'a>> = BTreeMap::new();
        let from = status.from.iter().flat_map(|f| &f.placement);
        for cell in status.target.iter().chain(from) {
            let key = (cell.cluster.as_str(), cell.group.as_str());
            let reach = reach(observed, &cell.cluster);
            let new = || blank(key, &cell.location, reach);
            cells.entry(key).or_insert_with(new);
        }
        for cell in &status.target {
            let key = (cell.cluster.as_str(), cell.group.as_str());
            if let Some(place) = cells.get_mut(&key) {
                place.target = cell.count;
            }
        }
        for (name, cluster) in &observed.clusters {
            if matches!(reach(observed, name), Reach::Clear | Reach::Unfenced) {
                sets(&mut cells, name, cluster, status, observed);
            }
        }
        let mut view = Self {
            cells: cells.into_values().collect(),
        };
        view.assume(&status.per_cluster);
        view
    }

    /// Fills the cells of dark clusters with what was counted there last.
    fn assume(&mut self, last: &[ClusterCount]) {
        for of in last {
            let dark = |c: &&mut Cell<'_>| c.cluster == of.cluster && c.reach == Reach::Dark;
            let mut cells: Vec<_> = self.cells.iter_mut().filter(dark).collect();
            let weights: Vec<u64> = cells.iter().map(|c| u64::from(c.target.max(1))).collect();
            let split = |n: u32| largest_remainder(n, &weights);
            let (new, old) = (split(of.new), split(of.old));
            let new_firm = split(of.new_in_service);
            let old_firm = split(of.in_service.saturating_sub(of.new_in_service));
            for (i, cell) in cells.iter_mut().enumerate() {
                cell.counts[Role::Own as usize] = Count {
                    alive: new[i],
                    wishing: new[i],
                    firm: new_firm[i],
                };
                cell.counts[Role::Stable as usize] = Count {
                    alive: old[i],
                    wishing: old_firm[i],
                    firm: old_firm[i],
                };
            }
        }
    }

    /// The placement in force, by cell.
    pub(crate) fn target(&self) -> Vec<u32> {
        self.cells.iter().map(|c| c.target).collect()
    }

    /// The sum of a figure over all cells.
    pub(crate) fn sum(&self, of: impl Fn(&Cell<'a>) -> u32) -> u32 {
        self.cells.iter().map(of).sum()
    }

    /// A cluster of the placement that must be waited for.
    pub(crate) fn dark(&self) -> Option<&'a str> {
        let concerned = |c: &&Cell<'_>| c.target > 0 || c.counts.iter().any(|n| n.alive > 0);
        let mut cells = self.cells.iter().filter(concerned);
        cells.find(|c| c.is_waited_for()).map(|c| c.cluster)
    }

    /// What is counted in each cluster, with what was counted last where it is dark.
    pub(crate) fn counted(&self, last: &[ClusterCount]) -> Vec<ClusterCount> {
        let mut counts: BTreeMap<&str, ClusterCount> = BTreeMap::new();
        for cell in &self.cells {
            let current = matches!(cell.reach, Reach::Clear | Reach::Unfenced);
            let count = counts.entry(cell.cluster).or_insert_with(|| ClusterCount {
                cluster: cell.cluster.to_owned(),
                current,
                ..ClusterCount::default()
            });
            if !current {
                let known = last.iter().find(|l| l.cluster == cell.cluster);
                *count = ClusterCount {
                    current,
                    ..known.cloned().unwrap_or_else(|| count.clone())
                };
                continue;
            }
            let own = cell.count(Role::Own);
            let alive: u32 = cell.counts.iter().map(|c| c.alive).sum();
            count.new += own.alive;
            count.old += alive - own.alive;
            count.in_service += cell.firm();
            count.new_in_service += own.firm;
            let off = |i: &&Instance| is_alive(i) && !i.serve;
            let parked = cell.sets.iter().flat_map(|s| &s.set.instances).filter(off);
            count.parked += u32::try_from(parked.count()).unwrap_or(u32::MAX);
        }
        counts.into_values().collect()
    }
}

fn blank<'a>((cluster, group): (&'a str, &'a str), location: &'a str, reach: Reach) -> Cell<'a> {
    Cell {
        cluster,
        location,
        group,
        reach,
        target: 0,
        counts: [Count::default(); 3],
        sets: Vec::new(),
    }
}

fn sets<'a>(
    cells: &mut BTreeMap<(&'a str, &'a str), Cell<'a>>,
    name: &'a str,
    cluster: &'a Cluster,
    status: &ReleaseStatus,
    observed: &Observed,
) {
    let stable = status.from.as_ref().map_or("", |f| &f.revision);
    for set in &cluster.sets {
        let key = (name, set.group.as_str());
        let new = || blank(key, &cluster.location, reach(observed, name));
        let cell = cells.entry(key).or_insert_with(new);
        let mut role = match set.revision.as_str() {
            revision if revision == status.revision => Role::Own,
            revision if revision == stable => Role::Stable,
            _ => Role::Other,
        };
        // A second set of one revision was made by hand: its instances go.
        if cell.sets.iter().any(|s| s.role == role) {
            role = Role::Other;
        }
        count(set, &mut cell.counts[role as usize]);
        cell.sets.push(RoleSet { role, set });
    }
}
