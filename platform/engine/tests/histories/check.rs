//! The invariants, computed anew from what was observed and decided: nothing of the engine's own counting is used.

use std::collections::BTreeMap;

use flatnet_platform_engine::observed::{Cluster, Instance, NodeState, Observed, Set, Sight};
use flatnet_platform_engine::{Action, Op, Outcome};
use flatnet_platform_types::kinds::{AppSpec, Phase, ReleaseKind, ReleaseSpec};

fn serves(i: &Instance) -> bool {
    i.in_service && i.serve && !i.deleting && i.node != NodeState::Gone
}

/// Instances in service above the bound: in all and for each location, by what is observed; negative where a fault has
/// taken it below.
pub(crate) struct Slack {
    pub(crate) total: i64,
    pub(crate) locations: BTreeMap<String, i64>,
}

pub(crate) fn emergency(release: &ReleaseSpec, phase: Phase) -> bool {
    release.emergency
        || release.kind == ReleaseKind::Rollback
        || matches!(phase, Phase::Aborting | Phase::Aborted)
}

pub(crate) fn bounds(app: &AppSpec, out: &Outcome) -> (i64, BTreeMap<String, i64>) {
    let whole: u32 = out.status.target.iter().map(|c| c.count).sum();
    let allowed = app.release.max_unavailable.of(whole);
    let mut by: BTreeMap<String, i64> = BTreeMap::new();
    for cell in &out.status.target {
        *by.entry(cell.location.clone()).or_default() += i64::from(cell.count);
    }
    for wish in &app.placement.locations {
        if let Some(target) = by.get_mut(&wish.name) {
            *target = match wish.min {
                Some(min) => (*target).min(i64::from(min)),
                None => (*target - i64::from(allowed)).max(0),
            };
        }
    }
    (i64::from(whole) - i64::from(allowed), by)
}

fn slack(app: &AppSpec, release: &ReleaseSpec, observed: &Observed, out: &Outcome) -> Slack {
    let (total, mut locations) = bounds(app, out);
    let mut total = -total;
    locations.values_mut().for_each(|b| *b = -*b);
    let mut add = |location: &str, n: i64| {
        total += n;
        *locations.entry(location.to_owned()).or_default() += n;
    };
    for (name, cluster) in &observed.clusters {
        if cluster.sight == Sight::Clear && cluster.fence == observed.epoch {
            let n = cluster
                .sets
                .iter()
                .flat_map(|s| &s.instances)
                .filter(|i| serves(i))
                .count();
            add(&cluster.location, i64::try_from(n).expect("few"));
        } else if cluster.sight == Sight::Dark && emergency(release, out.status.phase) {
            let last = out.status.per_cluster.iter().find(|c| c.cluster == *name);
            let share = out
                .status
                .target
                .iter()
                .filter(|c| c.cluster == *name)
                .map(|c| c.count)
                .sum();
            add(
                &cluster.location,
                i64::from(last.map_or(0, |l| l.in_service.min(share))),
            );
        }
    }
    Slack { total, locations }
}

fn find<'a>(sets: &'a [Set], name: &str) -> Option<&'a Instance> {
    sets.iter()
        .flat_map(|s| &s.instances)
        .find(|i| i.name == name)
}

/// In the order of a ReplicaSet, how many of those that it deletes serve.
fn victims(set: &Set, replicas: u32, off: &[String]) -> i64 {
    let mut pods: Vec<&Instance> = set.instances.iter().filter(|i| !i.deleting).collect();
    pods.sort_by_key(|i| (serves(i) && !off.contains(&i.name), i.deletion_cost));
    let surplus = pods.len().saturating_sub(replicas as usize);
    let serving = pods
        .iter()
        .take(surplus)
        .filter(|i| serves(i) && !off.contains(&i.name));
    i64::try_from(serving.count()).expect("few")
}

/// Checks one look; the message says what is wrong.
pub(crate) fn look(
    app: &AppSpec,
    release: &ReleaseSpec,
    observed: &Observed,
    out: &Outcome,
) -> Result<(), String> {
    let promised = out.status.from.is_some() || observed.stable.is_some();
    let mut slack = slack(app, release, observed, out);
    let mut off = Vec::new();
    for action in &out.actions {
        let Action::Member {
            cluster: name,
            epoch,
            op,
        } = action
        else {
            continue;
        };
        let cluster = observed
            .clusters
            .get(name)
            .ok_or(format!("{name} was never observed: {op:?}"))?;
        if cluster.sight != Sight::Clear {
            return Err(format!("{name} does not answer, and yet {op:?}"));
        }
        if *epoch != observed.epoch || (cluster.fence != *epoch && *op != Op::Fence) {
            return Err(format!("{name} is not fenced, and yet {op:?}"));
        }
        let lowered = match op {
            Op::Serve {
                instance,
                on: false,
                ..
            } => {
                let of = find(&cluster.sets, instance).ok_or(format!("{instance} is not there"))?;
                off.push(instance.clone());
                i64::from(serves(of))
            }
            Op::DeleteInstance { instance, .. } => {
                let of = find(&cluster.sets, instance).ok_or(format!("{instance} is not there"))?;
                i64::from(serves(of) && !off.contains(instance))
            }
            Op::LowerSet { set, replicas, .. } => {
                let set = cluster
                    .sets
                    .iter()
                    .find(|s| s.name == *set)
                    .ok_or("no such set")?;
                if victims(set, *replicas, &off) > 0 {
                    return Err(format!("{op:?} would delete instances that serve: {set:?}"));
                }
                0
            }
            Op::SetPdb { min_available, .. } if promised => {
                let n = cluster.sets.iter().flat_map(|s| &s.instances);
                let n = n.filter(|i| serves(i) && !off.contains(&i.name)).count();
                let evictable = i64::try_from(n).expect("few") - i64::from(*min_available);
                evictable.max(0)
            }
            _ => 0,
        };
        if lowered > 0 && promised {
            slack.total -= lowered;
            let here = slack.locations.entry(cluster.location.clone()).or_default();
            *here -= lowered;
            if slack.total < 0 || *here < 0 {
                let (total, here) = (slack.total, *here);
                let seen = observed.clusters.iter().map(|(name, c)| {
                    let n = c
                        .sets
                        .iter()
                        .flat_map(|s| &s.instances)
                        .filter(|i| serves(i));
                    format!("{name} {:?} {} serving", c.sight, n.count())
                });
                let seen: Vec<String> = seen.collect();
                return Err(format!(
                    "{op:?} in {name} lowers below the bound: {total} in all, {here} in its location\n\
                     {seen:?}\n{:?}\n{:?}",
                    out.status, out.actions
                ));
            }
        }
    }
    let later = |c: &Cluster| c.sight == Sight::Clear && c.fence > observed.epoch;
    match observed.clusters.values().any(later) {
        true if out.actions.is_empty() => Ok(()),
        true => Err("a controller acts that has seen a later one".to_owned()),
        false => placed(app, out),
    }
}

/// The placement in force has the wanted number, or says what does not fit.
fn placed(app: &AppSpec, out: &Outcome) -> Result<(), String> {
    let whole: u32 = out.status.target.iter().map(|c| c.count).sum();
    let phase = out.status.phase;
    let not_yet = matches!(phase, Phase::Pending | Phase::Placing | Phase::Superseded);
    let nothing = out.status.from.is_none() && (phase.is_over() || phase == Phase::Aborting);
    let told = !out.status.shortage.is_empty();
    match not_yet || nothing || told || whole == app.replicas {
        true => Ok(()),
        false => Err(format!(
            "{} are wanted and {whole} placed, in silence: {:?}",
            app.replicas, out.status
        )),
    }
}
