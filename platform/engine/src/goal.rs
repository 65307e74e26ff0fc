//! How many instances of which revision serve and are parked, and where, in each phase.

use flatnet_platform_types::kinds::{
    AppSpec, Locations, Phase, ReleaseKind, ReleaseSpec, ReleaseStatus, Step,
};
use flatnet_platform_types::{Amount, Span};

use crate::apportion::{largest_remainder, prefix, ranked_prefix};
use crate::view::{Role, View};

/// What is wanted of one role, by the view's cells.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Want {
    /// Instances that serve.
    pub(crate) serve: Vec<u32>,
    /// Instances that are made for that by now: fewer, while there is no room for more beside the old ones.
    pub(crate) raise: Vec<u32>,
    /// Instances that are kept out of service, where there are any.
    pub(crate) park: Vec<u32>,
}

/// What is wanted. Instances of other revisions are to go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Goal {
    pub(crate) own: Want,
    pub(crate) stable: Want,
    /// Nothing is lowered but what leaves its node.
    pub(crate) hold: bool,
}

impl Goal {
    pub(crate) fn of(&self, role: Role) -> Option<&Want> {
        match role {
            Role::Own => Some(&self.own),
            Role::Stable => Some(&self.stable),
            Role::Other => None,
        }
    }
}

/// The steps of a release: the policy's, and what they leave of the whole. All at once on the way back, and where the
/// revision already serves.
pub(crate) fn steps(app: &AppSpec, release: &ReleaseSpec, status: &ReleaseStatus) -> Vec<Step> {
    let whole = Step {
        instances: Amount::Percent(100),
        locations: Locations::Each,
        bake: Span::default(),
        gates: Vec::new(),
    };
    let serves = status
        .from
        .as_ref()
        .is_some_and(|f| f.revision == status.revision);
    if release.kind == ReleaseKind::Rollback || serves {
        return vec![whole];
    }
    let mut steps = app.release.steps.clone();
    if steps.last().is_none_or(|s| s.instances != whole.instances) {
        steps.push(whole);
    }
    steps
}

/// Whether clusters that do not answer count as they were seen last when others are lowered.
pub(crate) fn is_emergency(release: &ReleaseSpec, status: &ReleaseStatus) -> bool {
    release.emergency
        || release.kind == ReleaseKind::Rollback
        || matches!(status.phase, Phase::Aborting | Phase::Aborted)
}

/// Instances that are new at the end of a step (from 1), by cell; with `made`, as if the step ended with so many.
pub(crate) fn seats(
    app: &AppSpec,
    view: &View<'_>,
    steps: &[Step],
    step: u32,
    made: Option<u32>,
) -> Vec<u32> {
    let target = view.target();
    let whole: u32 = target.iter().sum();
    let locations = &app.placement.locations;
    let rank = |location: &str| locations.iter().position(|l| l.name == location);
    let ranks: Vec<usize> = view
        .cells
        .iter()
        .map(|c| rank(c.location).unwrap_or(usize::MAX))
        .collect();
    let mut seats = vec![0_u32; target.len()];
    let mut before = 0;
    for step in steps.iter().take(step as usize) {
        let mut count = step.instances.of(whole).max(before);
        if let Some(made) = made {
            count = count.min(made.max(before));
        }
        // Each step adds to those before it, so that none takes an instance away from a cell.
        let left: Vec<u32> = target.iter().zip(&seats).map(|(t, s)| t - s).collect();
        let more = match step.locations {
            Locations::Each => prefix(&left, count - before),
            Locations::First => ranked_prefix(&left, &ranks, count - before),
        };
        seats.iter_mut().zip(more).for_each(|(s, m)| *s += m);
        before = count;
    }
    seats
}

/// What is wanted in the phase that the release is in; nothing once a later one acts.
pub(crate) fn goal(
    app: &AppSpec,
    release: &ReleaseSpec,
    status: &ReleaseStatus,
    view: &View<'_>,
) -> Option<Goal> {
    let target = view.target();
    let none = || vec![0; target.len()];
    let all = || Want {
        serve: target.clone(),
        raise: target.clone(),
        park: none(),
    };
    let nothing = || Want {
        serve: none(),
        raise: none(),
        park: none(),
    };
    let keep = || prefix(&target, app.release.keep_old.count.of(target.iter().sum()));
    let stays = |role| {
        let alive: Vec<u32> = view.cells.iter().map(|c| c.count(role).wishing).collect();
        Want {
            serve: alive.clone(),
            raise: alive,
            park: target.clone(),
        }
    };
    let serves = status
        .from
        .as_ref()
        .is_some_and(|f| f.revision == status.revision);
    let mut goal = match status.phase {
        Phase::Superseded => return None,
        Phase::Pending | Phase::Placing => Goal {
            own: if serves { all() } else { stays(Role::Own) },
            stable: all(),
            hold: true,
        },
        Phase::Raising | Phase::Waiting | Phase::Gating | Phase::Baking | Phase::Paused => {
            in_step(app, release, status, view)
        }
        Phase::Holding => Goal {
            stable: old(view, &target, keep()),
            own: all(),
            hold: false,
        },
        Phase::Retiring | Phase::Done => Goal {
            own: all(),
            stable: nothing(),
            hold: false,
        },
        Phase::Aborting | Phase::Aborted | Phase::Failed => Goal {
            own: if serves { all() } else { nothing() },
            stable: all(),
            hold: false,
        },
    };
    if serves {
        // They are the release's own.
        goal.stable = nothing();
    }
    Some(goal)
}

fn in_step(app: &AppSpec, release: &ReleaseSpec, status: &ReleaseStatus, view: &View<'_>) -> Goal {
    let target = view.target();
    let whole: u32 = target.iter().sum();
    let keep = app.release.keep_old.count.of(whole);
    let steps = steps(app, release, status);
    let mut serve = seats(app, view, &steps, status.step, None);
    // What is above the wanted number and those that are kept is the surge; at least one, or nothing would move.
    let most = whole + keep + app.release.max_surge.of(whole).max(1);
    let alive = view.sum(|c| {
        [Role::Own, Role::Stable, Role::Other]
            .map(|r| c.count(r).alive)
            .iter()
            .sum()
    });
    let own = view.sum(|c| c.count(Role::Own).alive);
    let made = own + most.saturating_sub(alive);
    let mut raise = match status.from {
        // Nothing is beside it.
        None => serve.clone(),
        Some(_) => seats(app, view, &steps, status.step, Some(made)),
    };
    let hold = status.phase == Phase::Paused;
    if hold {
        for (i, cell) in view.cells.iter().enumerate() {
            serve[i] = serve[i].min(cell.count(Role::Own).wishing);
            raise[i] = serve[i];
        }
    }
    Goal {
        stable: old(view, &serve, prefix(&target, keep)),
        own: Want {
            serve,
            raise,
            park: vec![0; target.len()],
        },
        hold,
    }
}

/// What the old revision does while the new one is to have `new` instances: it serves for all of the wanted number that
/// the new one does not serve for yet.
fn old(view: &View<'_>, new: &[u32], park: Vec<u32>) -> Want {
    let whole = view.sum(|c| c.target);
    let seated: Vec<u32> = view
        .cells
        .iter()
        .zip(new)
        .map(|(c, n)| c.count(Role::Own).firm.min(*n))
        .collect();
    let mut left = whole.saturating_sub(seated.iter().sum());
    let there = |i: usize| view.cells[i].count(Role::Stable).alive;
    let mut serve = vec![0; view.cells.len()];
    // Where the new placement has it, then wherever there are old ones, then where more can be made.
    for (i, cell) in view.cells.iter().enumerate() {
        serve[i] = (cell.target.saturating_sub(seated[i]))
            .min(there(i))
            .min(left);
        left -= serve[i];
    }
    for (i, n) in serve.iter_mut().enumerate() {
        let more = (there(i) - *n).min(left);
        *n += more;
        left -= more;
    }
    let missing =
        |(i, n): (usize, &u32)| u64::from(view.cells[i].target.saturating_sub(seated[i] + n));
    let weights: Vec<u64> = serve.iter().enumerate().map(missing).collect();
    let more = largest_remainder(left, &weights);
    serve.iter_mut().zip(more).for_each(|(n, m)| *n += m);
    Want {
        raise: serve.clone(),
        serve,
        park,
    }
}
