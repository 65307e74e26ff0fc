//! What is wanted and what is there, to actions.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use flatnet_platform_types::{Moment, Span};

use crate::action::{Action, CHEAPEST, Op, Why};
use crate::budget::Budget;
use crate::goal::Goal;
use crate::observed::{Instance, NodeState, Observed, Set};
use crate::view::{Cell, Reach, Role, RoleSet, View, is_alive, is_firm};

/// What decides beside goal and view.
pub(crate) struct Terms<'a> {
    pub(crate) observed: &'a Observed,
    /// The release's own revision, and the one that served when it began.
    pub(crate) revisions: [&'a str; 2],
    pub(crate) now: Moment,
    /// How long a drain may take.
    pub(crate) drain: Span,
    /// Sets without instances may go.
    pub(crate) tidy: bool,
}

/// Actions in the order in which they are done: additions before deletions.
struct Actions<'a> {
    epoch: u64,
    cluster: &'a str,
    list: Vec<Action>,
}

impl Actions<'_> {
    fn push(&mut self, op: Op) {
        self.list.push(Action::Member {
            cluster: self.cluster.to_owned(),
            epoch: self.epoch,
            op,
        });
    }
}

/// What is to be done so that what is there becomes what is wanted.
pub(crate) fn converge<'a>(
    goal: &Goal,
    view: &View<'a>,
    mut budget: Budget<'a>,
    terms: &Terms<'a>,
) -> Vec<Action> {
    let mut actions = Actions {
        epoch: terms.observed.epoch,
        cluster: "",
        list: Vec::new(),
    };
    fence(view, &mut actions);
    for (i, cell) in clear(view) {
        actions.cluster = cell.cluster;
        raise(goal, terms, (i, cell), &mut actions);
    }
    // What the new release does not want goes before what it replaces.
    let mut lowered: BTreeMap<&str, u32> = BTreeMap::new();
    for role in [Role::Other, Role::Own, Role::Stable] {
        for (i, cell) in clear(view) {
            actions.cluster = cell.cluster;
            let taken = withdraw(goal, role, (i, cell), &mut budget, &mut actions);
            *lowered.entry(cell.cluster).or_default() += taken;
        }
    }
    for (i, cell) in clear(view) {
        actions.cluster = cell.cluster;
        for of in &cell.sets {
            retire(goal, terms, (i, cell), of, &mut actions);
        }
    }
    budgets(view, budget, &lowered, terms, &mut actions);
    actions.list
}

fn clear<'v, 'a>(view: &'v View<'a>) -> impl Iterator<Item = (usize, &'v Cell<'a>)> {
    view.cells.iter().enumerate().filter(|(_, c)| c.is_clear())
}

fn fence<'a>(view: &View<'a>, actions: &mut Actions<'a>) {
    let unfenced = view.cells.iter().filter(|c| c.reach == Reach::Unfenced);
    let mut clusters: Vec<&str> = unfenced.map(|c| c.cluster).collect();
    clusters.dedup();
    for cluster in clusters {
        actions.cluster = cluster;
        actions.push(Op::Fence);
    }
}

/// Instances back into service, and new ones; and those deleted whose node is gone, so that others are made.
fn raise(goal: &Goal, terms: &Terms<'_>, (i, cell): (usize, &Cell<'_>), actions: &mut Actions<'_>) {
    for role in [Role::Own, Role::Stable] {
        let Some(want) = goal.of(role) else {
            continue;
        };
        let set = cell.sets.iter().find(|s| s.role == role).map(|s| s.set);
        let serve = want.serve.get(i).copied().unwrap_or(0);
        let made = want.raise.get(i).copied().unwrap_or(0).min(serve);
        let Some(set) = set else {
            if made > 0 && !revision_of(terms, role).is_empty() {
                actions.push(Op::CreateSet {
                    revision: revision_of(terms, role).to_owned(),
                    group: cell.group.to_owned(),
                    replicas: made,
                });
            }
            continue;
        };
        let missing = serve.saturating_sub(cell.count(role).wishing);
        let off = parked(set);
        let back = off
            .iter()
            .rev()
            .filter(|i| i.node == NodeState::Well)
            .take(missing as usize);
        let mut unparked = 0;
        for instance in back {
            unparked += 1;
            actions.push(serve_op(instance, true));
        }
        let left = u32::try_from(off.len()).unwrap_or(u32::MAX) - unparked;
        // Those on nodes that are left stay until others serve for them.
        let leaving = set
            .instances
            .iter()
            .filter(|i| i.serve && is_alive(i) && i.node == NodeState::Leaving);
        let leaving = u32::try_from(leaving.count()).unwrap_or(u32::MAX);
        let replicas = (cell.count(role).wishing + unparked).clamp(made, serve) + left + leaving;
        if replicas > set.replicas {
            actions.push(Op::RaiseSet {
                set: set.name.clone(),
                replicas,
                resource_version: set.resource_version.clone(),
            });
        }
    }
    let gone = |i: &&Instance| i.node == NodeState::Gone && !i.deleting;
    for instance in cell.sets.iter().flat_map(|s| &s.set.instances).filter(gone) {
        actions.push(delete(instance, Why::NodeGone));
    }
}

fn revision_of<'a>(terms: &Terms<'a>, role: Role) -> &'a str {
    match role {
        Role::Own => terms.revisions[0],
        Role::Stable => terms.revisions[1],
        Role::Other => "",
    }
}

/// Instances out of service that are there, those to keep last: first what does not work, then by name.
fn parked(set: &Set) -> Vec<&Instance> {
    let mut off: Vec<&Instance> = set
        .instances
        .iter()
        .filter(|i| !i.serve && is_alive(i))
        .collect();
    off.sort_by_key(|i| {
        (
            i.node == NodeState::Well,
            i.trouble.is_none(),
            i.deletion_cost != CHEAPEST,
            Reverse(&i.name),
        )
    });
    off
}

/// Takes instances out of service that are more than wanted, and those whose node is left. How many of them served.
fn withdraw<'a>(
    goal: &Goal,
    role: Role,
    (i, cell): (usize, &Cell<'a>),
    budget: &mut Budget<'a>,
    actions: &mut Actions<'a>,
) -> u32 {
    let want = goal
        .of(role)
        .and_then(|w| w.serve.get(i))
        .copied()
        .unwrap_or(0);
    let mut excess = match goal.hold {
        true => 0,
        false => cell.count(role).wishing.saturating_sub(want),
    };
    let of_role = cell.sets.iter().filter(|s| s.role == role);
    let mut serving: Vec<&Instance> = of_role
        .flat_map(|s| &s.set.instances)
        .filter(|i| i.serve && is_alive(i))
        .collect();
    serving.sort_by_key(|i| (i.node != NodeState::Leaving, is_firm(i), Reverse(&i.name)));
    let mut taken = 0;
    for instance in serving {
        let leaves = instance.node == NodeState::Leaving;
        if !leaves && excess == 0 {
            break;
        }
        if is_firm(instance) {
            if !budget.take(cell.location) {
                continue;
            }
            taken += 1;
        }
        excess -= u32::from(!leaves);
        actions.push(serve_op(instance, false));
    }
    taken
}

/// Makes what is drained and not kept the cheapest to delete, and lowers the set by what is.
fn retire(
    goal: &Goal,
    terms: &Terms<'_>,
    (i, cell): (usize, &Cell<'_>),
    of: &RoleSet<'_>,
    actions: &mut Actions<'_>,
) {
    let (set, want) = (of.set, goal.of(of.role));
    let serving_cheapest = set
        .instances
        .iter()
        .filter(|i| i.serve && i.deletion_cost == CHEAPEST);
    let mut blocked = false;
    for instance in serving_cheapest.filter(|i| is_alive(i)) {
        blocked = true;
        actions.push(cost(instance, 0));
    }
    let of_cell = |list: &[u32]| list.get(i).copied().unwrap_or(0);
    let serve = want.map_or(0, |w| of_cell(&w.serve));
    let made = want.map_or(0, |w| of_cell(&w.raise)).min(serve);
    let off = parked(set);
    let wishing = cell.count(of.role).wishing;
    let keep = match (goal.hold, want) {
        (true, _) => off.len(),
        // Those that are about to be put back are not to go.
        (false, Some(w)) => (of_cell(&w.park) + serve.saturating_sub(wishing)) as usize,
        (false, None) => 0,
    };
    let mut ready = 0;
    for (place, instance) in off.iter().enumerate() {
        let kept = place >= off.len().saturating_sub(keep);
        if (kept && instance.node != NodeState::Leaving) || !drained(instance, terms) {
            continue;
        }
        if instance.in_service {
            actions.push(delete(instance, Why::NetdMute));
        } else if instance.deletion_cost == CHEAPEST {
            ready += 1;
        } else {
            actions.push(cost(instance, CHEAPEST));
        }
    }
    let number = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let there = number(set.instances.iter().filter(|i| !i.deleting).count()) - ready;
    let replicas = match goal.hold {
        true => set.replicas - ready.min(set.replicas),
        false => there.max(made + number(off.len()) - ready),
    };
    if replicas < set.replicas && !blocked {
        actions.push(Op::LowerSet {
            set: set.name.clone(),
            replicas,
            resource_version: set.resource_version.clone(),
        });
    }
    let empty = set.replicas == 0 && set.instances.is_empty() && serve == 0;
    if terms.tidy && empty && of.role != Role::Own {
        actions.push(Op::DeleteSet {
            set: set.name.clone(),
            resource_version: set.resource_version.clone(),
        });
    }
}

/// Whether nothing goes to it any more, or it was waited for long enough.
fn drained(instance: &Instance, terms: &Terms<'_>) -> bool {
    let waited = instance.drain.since.map(|since| terms.now.since(since));
    let late = waited.is_some_and(|waited| waited >= terms.drain);
    match instance.in_service {
        // netd has not taken it out; where it does not answer, it never will.
        true => late && instance.node == NodeState::Mute,
        false => instance.drain.done || late,
    }
}

/// The PodDisruptionBudgets: what is left of the budget may be evicted, and no more; each cluster has its part, so that
/// evictions in two of them are not too many together.
fn budgets<'a>(
    view: &View<'a>,
    mut left: Budget<'a>,
    lowered: &BTreeMap<&str, u32>,
    terms: &Terms<'_>,
    actions: &mut Actions<'a>,
) {
    let mut clusters: BTreeMap<&'a str, (&'a str, u32)> = BTreeMap::new();
    for (_, cell) in clear(view) {
        clusters.entry(cell.cluster).or_insert((cell.location, 0)).1 += cell.firm();
    }
    for (cluster, (location, firm)) in clusters {
        let mut min = firm.saturating_sub(lowered.get(cluster).copied().unwrap_or(0));
        while min > 0 && left.take(location) {
            min -= 1;
        }
        let pdb = terms
            .observed
            .clusters
            .get(cluster)
            .and_then(|c| c.pdb.as_ref());
        if pdb.is_some_and(|p| p.min_available == min) {
            continue;
        }
        actions.cluster = cluster;
        actions.push(Op::SetPdb {
            min_available: min,
            resource_version: pdb.map(|p| p.resource_version.clone()),
        });
    }
}

fn serve_op(instance: &Instance, on: bool) -> Op {
    Op::Serve {
        instance: instance.name.clone(),
        on,
        resource_version: instance.resource_version.clone(),
    }
}

fn cost(instance: &Instance, cost: i32) -> Op {
    Op::DeletionCost {
        instance: instance.name.clone(),
        cost,
        resource_version: instance.resource_version.clone(),
    }
}

fn delete(instance: &Instance, why: Why) -> Op {
    Op::DeleteInstance {
        instance: instance.name.clone(),
        why,
        resource_version: instance.resource_version.clone(),
    }
}
