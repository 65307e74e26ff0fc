//! The placement in force: where the wanted number of instances is meant to be.

use std::collections::BTreeMap;

use flatnet_platform_types::kinds::{AppSpec, CellCount, ReleaseStatus};

use crate::apportion::prefix;
use crate::observed::{Instance, Observed, Set, Sight};
use crate::place::{Headroom, Request, Shortage, place};
use crate::view::is_alive;

/// A placement, and what does not fit into it.
pub(crate) struct Target {
    pub(crate) cells: Vec<CellCount>,
    pub(crate) short: Option<Box<Shortage>>,
}

/// The placement of a release that begins: what is there stays where it may, and the rest is placed.
pub(crate) fn first(app: &AppSpec, status: &ReleaseStatus, observed: &Observed) -> Target {
    let stays = |cell: &&CellCount| {
        let location = app
            .placement
            .locations
            .iter()
            .any(|l| l.name == cell.location);
        let group = app
            .placement
            .group
            .as_ref()
            .is_none_or(|g| *g == cell.group);
        let cluster = observed.clusters.get(&cell.cluster);
        // A cluster that does not answer keeps its share: what is there is unknown, and not nothing.
        let open = cluster.is_none_or(|c| c.sight == Sight::Dark || c.open);
        location && group && open && !is_lost(observed, cell)
    };
    filled(
        app,
        status,
        status.target.iter().filter(stays).cloned().collect(),
        observed,
    )
}

/// The placement in force with the number that is wanted now, and without clusters that are given up; none where it is
/// right already.
pub(crate) fn followed(
    app: &AppSpec,
    status: &ReleaseStatus,
    observed: &Observed,
) -> Option<Target> {
    let count: u32 = status.target.iter().map(|c| c.count).sum();
    let lost = status
        .target
        .iter()
        .any(|c| c.count > 0 && is_lost(observed, c));
    if count == app.replicas && !lost {
        return None;
    }
    let kept = status
        .target
        .iter()
        .filter(|c| !is_lost(observed, c))
        .cloned();
    Some(filled(app, status, kept.collect(), observed))
}

fn is_lost(observed: &Observed, cell: &CellCount) -> bool {
    observed
        .clusters
        .get(&cell.cluster)
        .is_some_and(|c| c.sight == Sight::Lost)
}

/// The wanted number: fewer of what is there, or more beside it.
fn filled(
    app: &AppSpec,
    status: &ReleaseStatus,
    kept: Vec<CellCount>,
    observed: &Observed,
) -> Target {
    let counts: Vec<u32> = kept.iter().map(|c| c.count).collect();
    let there: u32 = counts.iter().sum();
    if there >= app.replicas {
        let fewer = prefix(&counts, app.replicas);
        let cells = kept
            .into_iter()
            .zip(fewer)
            .map(|(cell, count)| CellCount { count, ..cell });
        return Target {
            cells: cells.filter(|c| c.count > 0).collect(),
            short: None,
        };
    }
    let mut groups = headroom(app, observed);
    for group in &mut groups {
        let here = |c: &&CellCount| c.cluster == group.cluster && c.group == group.group;
        let counted = kept.iter().find(here).map_or(0, |c| c.count);
        let made = serving(observed, group, &status.revision);
        // What the placement counts and nobody has made yet takes of the room, or each look would give it away again.
        group.reserved += counted.saturating_sub(made);
        group.made = made.saturating_sub(counted);
    }
    let request = Request {
        count: app.replicas - there,
        size: app.resources,
        locations: &app.placement.locations,
        existing: &kept,
        spread: app.placement.spread.unwrap_or_default(),
    };
    let (placed, short) = match place(&request, &groups) {
        Ok(placed) => (placed, None),
        Err(short) => (short.partial.clone(), Some(short)),
    };
    let mut cells: BTreeMap<(String, String), CellCount> = BTreeMap::new();
    let placed = placed.cells.into_iter().map(|cell| CellCount {
        cluster: cell.cluster,
        location: cell.location,
        group: cell.group,
        count: cell.count,
    });
    for cell in kept.into_iter().chain(placed) {
        let key = (cell.cluster.clone(), cell.group.clone());
        let count = cell.count;
        let merged = cells.entry(key).or_insert(CellCount { count: 0, ..cell });
        merged.count += count;
    }
    Target {
        cells: cells.into_values().collect(),
        short,
    }
}

/// What is free where the application may be.
pub fn headroom<'a>(app: &AppSpec, observed: &'a Observed) -> Vec<Headroom<'a>> {
    let open = observed
        .clusters
        .iter()
        .filter(|(_, c)| c.open && c.sight == Sight::Clear);
    let groups = open.flat_map(|(cluster, c)| c.groups.iter().map(move |g| (cluster, c, g)));
    let wanted =
        groups.filter(|(_, _, g)| app.placement.group.as_ref().is_none_or(|w| *w == g.name));
    let headroom = wanted.map(|(cluster, c, g)| Headroom {
        cluster,
        location: &c.location,
        group: &g.name,
        nodes: &g.nodes,
        reserved: reserved(observed, cluster, &g.name),
        made: 0,
    });
    headroom.collect()
}

fn reserved(observed: &Observed, cluster: &str, group: &str) -> u32 {
    let key = (cluster.to_owned(), group.to_owned());
    observed.reserved.get(&key).copied().unwrap_or(0)
}

/// What a cell of the placement lacks for new instances beside the old ones; none where it is enough.
pub(crate) fn crowded(
    app: &AppSpec,
    status: &ReleaseStatus,
    observed: &Observed,
) -> Option<String> {
    let from = status.from.as_ref()?;
    let target: Vec<u32> = status.target.iter().map(|c| c.count).collect();
    let whole: u32 = target.iter().sum();
    let policy = &app.release;
    let beside = policy.max_surge.of(whole).max(1) + policy.keep_old.count.of(whole);
    let extra = prefix(&target, beside.min(whole));
    let groups = headroom(app, observed);
    for (cell, extra) in status.target.iter().zip(extra) {
        let here = |h: &&Headroom<'_>| h.cluster == cell.cluster && h.group == cell.group;
        // Where the cluster does not answer there is nothing to compare with.
        let Some(group) = groups.iter().find(here) else {
            continue;
        };
        let same = |c: &&CellCount| (&c.cluster, &c.group) == (&cell.cluster, &cell.group);
        let old = from.placement.iter().find(same).map_or(0, |c| c.count);
        let there = made(observed, cell, &status.revision);
        let needs = (cell.count.saturating_sub(old) + extra).saturating_sub(there);
        let room: u64 = group
            .nodes
            .iter()
            .map(|n| u64::from(n.room(&app.resources)))
            .sum();
        let room = room.saturating_sub(u64::from(group.reserved));
        if room < u64::from(needs) {
            let (cluster, name) = (&cell.cluster, &cell.group);
            return Some(format!(
                "cluster {cluster}, group {name} has room for {room}, and the release needs {needs} beside the old \
                 instances: lower keepOld.count or maxSurge, or make room"
            ));
        }
    }
    None
}

/// Instances of the release's own revision, and parked ones of any, that are in a cell already.
fn made(observed: &Observed, cell: &CellCount, revision: &str) -> u32 {
    let Some(cluster) = observed.clusters.get(&cell.cluster) else {
        return 0;
    };
    let sets = cluster.sets.iter().filter(|s| s.group == cell.group);
    let instances = sets.flat_map(|s| s.instances.iter().map(move |i| (s, i)));
    let there = instances.filter(|(s, i)| s.revision == revision || !i.serve);
    u32::try_from(there.count()).unwrap_or(u32::MAX)
}

/// Instances of the release's own revision in a group, and those of others that are wished to serve.
fn serving(observed: &Observed, group: &Headroom<'_>, revision: &str) -> u32 {
    let cluster = observed.clusters.get(group.cluster);
    let sets = cluster.into_iter().flat_map(|c| &c.sets);
    let sets = sets.filter(|s| s.group == group.group);
    let count = |s: &Set| {
        let there = |i: &&Instance| is_alive(i) && (i.serve || s.revision == revision);
        s.instances.iter().filter(there).count()
    };
    u32::try_from(sets.map(count).sum::<usize>()).unwrap_or(u32::MAX)
}
