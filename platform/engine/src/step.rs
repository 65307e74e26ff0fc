//! One look at a release.

use flatnet_platform_types::kinds::{
    AppSpec, Decision, HistoryEntry, Phase, ReleaseKind, ReleaseSpec, ReleaseStatus, Stable, Step,
    Timers, Verdict,
};
use flatnet_platform_types::{Moment, Span, revision};

use crate::action::Action;
use crate::budget::Budget;
use crate::converge::{Terms, converge};
use crate::gates;
use crate::goal::{goal, is_emergency, steps};
use crate::machine::{Look, Next, next, step_of};
use crate::observed::{Observed, Sight};
use crate::retarget::{Target, crowded, first, followed};
use crate::timers;
use crate::view::View;

/// Changes of phase in one look, at most: a cycle would be a fault, and not a hang.
const MOST_CHANGES: u32 = 64;
/// Entries of the history that are kept.
const HISTORY: usize = 50;

/// What is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The application.
    pub app: &'a AppSpec,
    /// The release, as somebody wants it.
    pub release: &'a ReleaseSpec,
    /// What was said of it last.
    pub status: &'a ReleaseStatus,
    /// What is seen of the clusters.
    pub observed: &'a Observed,
    /// The wall clock.
    pub now: Moment,
}

/// What follows.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// What is to be said of the release. It is written before the actions are done: an action that follows from a
    /// phase that nobody wrote down would be decided anew from the one before.
    pub status: ReleaseStatus,
    /// What is to be done, in this order.
    pub actions: Vec<Action>,
    /// When to look again though nothing happens.
    pub wake: Option<Span>,
}

/// One look at a release: what is to be said of it, and what is to be done.
///
/// It is a pure function. Where nothing has changed and no time has passed, a second look says the same.
pub fn step(input: &Input<'_>) -> Outcome {
    let Input {
        app,
        release,
        observed,
        now,
        ..
    } = *input;
    let mut status = input.status.clone();
    if is_deposed(observed) {
        return Outcome {
            status,
            actions: Vec::new(),
            wake: None,
        };
    }
    begin(&mut status, app, release, observed);
    let steps = steps(app, release, &status);
    let look = Look {
        app,
        release,
        observed,
        steps: &steps,
    };
    let passed = timers::passed(&status.timers, status.phase, now);
    count(&mut status, &look, passed);

    follow(&mut status, app, observed);
    for _ in 0..MOST_CHANGES {
        if let Some(step) = step_of(&look, &status) {
            status.gates = match status.phase {
                Phase::Gating | Phase::Baking => gates::read(step, release, &status, observed),
                _ => status.gates,
            };
        }
        if status.phase == Phase::Placing && !is_decided(&look) {
            if !placed(&mut status, &look, now) {
                break;
            }
            follow(&mut status, app, observed);
            continue;
        }
        let view = View::of(&status, observed);
        let next = next(&look, &status, &view);
        drop(view);
        if !changed(&mut status, next, &look, now) {
            break;
        }
        follow(&mut status, app, observed);
    }
    let counted = View::of(&status, observed).counted(&status.per_cluster);
    status.per_cluster = counted;
    let ticks = status.phase.is_step() || status.phase == Phase::Holding;
    status.timers.seen = ticks.then_some(now);
    let actions = actions(&status, &look, now);
    let wake = timers::wake(status.phase, left(&status, &look));
    Outcome {
        status,
        actions,
        wake,
    }
}

fn begin(status: &mut ReleaseStatus, app: &AppSpec, release: &ReleaseSpec, observed: &Observed) {
    if !status.revision.is_empty() {
        return;
    }
    let values = match release.values.is_null() {
        true => &app.template.values,
        false => &release.values,
    };
    let template = format!("{}@{}", app.template.name, app.template.version);
    status.revision = revision(&release.digest, &template, values);
    status.from.clone_from(&observed.stable);
    // Until it is placed, what served is kept serving where it is.
    status.target = observed
        .stable
        .as_ref()
        .map_or_else(Vec::new, |s| s.placement.clone());
}

/// Whether a later controller has written somewhere: this one has nothing to say any more.
fn is_deposed(observed: &Observed) -> bool {
    let mut clusters = observed.clusters.values();
    clusters.any(|c| c.sight == Sight::Clear && c.fence > observed.epoch)
}

fn is_decided(look: &Look<'_>) -> bool {
    look.observed.superseded_by.is_some() || look.release.decision == Decision::Abort
}

/// Counts the time that passed to what is waited for.
fn count(status: &mut ReleaseStatus, look: &Look<'_>, passed: Span) {
    let dark = View::of(status, look.observed).dark().is_some();
    let gates = match step_of(look, status) {
        Some(step) if matches!(status.phase, Phase::Gating | Phase::Baking) => {
            gates::read(step, look.release, status, look.observed)
        }
        _ => Vec::new(),
    };
    let timers = &mut status.timers;
    match status.phase {
        Phase::Raising | Phase::Waiting if !dark => timers.ready = timers.ready.plus(passed),
        Phase::Gating => timers.gate = timers.gate.plus(passed),
        Phase::Baking if gates.iter().all(|g| g.verdict == Verdict::Pass) => {
            timers.bake = timers.bake.plus(passed);
        }
        Phase::Holding => timers.hold = timers.hold.plus(passed),
        _ => {}
    }
}

/// Lets the placement follow the wanted number, as far as there is room.
fn follow(status: &mut ReleaseStatus, app: &AppSpec, observed: &Observed) {
    let waits = matches!(
        status.phase,
        Phase::Pending | Phase::Placing | Phase::Superseded
    );
    // What failed or was aborted before anything served keeps nothing up.
    let back = matches!(
        status.phase,
        Phase::Aborting | Phase::Aborted | Phase::Failed
    );
    if waits || (back && status.from.is_none()) {
        return;
    }
    status.shortage.clear();
    if let Some(Target { cells, short }) = followed(app, status, observed) {
        status.target = cells;
        // A location that only lacks its minimum is no reason to wait: all instances are somewhere.
        let placed: u32 = status.target.iter().map(|c| c.count).sum();
        if short.is_some() && placed < app.replicas {
            status.shortage = format!("{placed} of {} wanted instances have room", app.replicas);
        }
    }
}

/// Finds out where the instances go; whether that changed the phase.
fn placed(status: &mut ReleaseStatus, look: &Look<'_>, now: Moment) -> bool {
    let (app, observed) = (look.app, look.observed);
    let target = first(app, status, observed);
    let back = look.release.kind == ReleaseKind::Rollback;
    let before = std::mem::replace(&mut status.target, target.cells);
    let nowhere = status.target.is_empty() && app.replicas > 0;
    let short = match target.short {
        // The way back goes as far as there is room.
        _ if back && !nowhere => None,
        Some(short) => Some(short.to_string()),
        None if back => None,
        None => crowded(app, status, observed),
    };
    let Some(short) = short else {
        status.step = 1;
        enter(status, Phase::Raising, "Placed", String::new(), now);
        return true;
    };
    status.target = before;
    let dark = observed
        .clusters
        .iter()
        .find(|(_, c)| c.sight == Sight::Dark);
    if let Some((cluster, _)) = dark {
        let message =
            format!("waits for cluster {cluster}, whose room is unknown; without it: {short}");
        status.reason = "Unreachable".to_owned();
        status.message = message;
        return false;
    }
    enter(status, Phase::Failed, "NoRoom", short, now);
    true
}

fn enter(status: &mut ReleaseStatus, phase: Phase, reason: &str, message: String, now: Moment) {
    status.history.push(HistoryEntry {
        at: now,
        phase,
        step: status.step,
        message: message.clone(),
    });
    let more = status.history.len().saturating_sub(HISTORY);
    status.history.drain(..more);
    status.phase = phase;
    if !reason.is_empty() {
        reason.clone_into(&mut status.reason);
    }
    status.message = message;
}

/// Writes down what becomes of the release; whether it changed its phase.
fn changed(status: &mut ReleaseStatus, next: Next, look: &Look<'_>, now: Moment) -> bool {
    match next {
        Next::Stay(reason, message) => {
            if !reason.is_empty() {
                reason.clone_into(&mut status.reason);
            }
            status.message = message;
            return false;
        }
        Next::Again(message) => {
            let paused = status.phase == Phase::Paused;
            // Flapping instances do not give a step time without end; somebody who lets it go on does.
            let ready = if paused {
                Span::default()
            } else {
                status.timers.ready
            };
            status.timers = Timers {
                ready,
                ..Timers::default()
            };
            status.round += 1;
            status.attempt = look.release.attempt;
            status.gates.retain(|g| g.kind == "human");
            enter(status, Phase::Raising, "Again", message, now);
        }
        Next::StepOver => {
            status.timers = Timers::default();
            status.gates.clear();
            status.round = 0;
            if (status.step as usize) < look.steps.len() {
                status.step += 1;
                enter(status, Phase::Raising, "NextStep", String::new(), now);
            } else {
                enter(status, Phase::Holding, "AllServe", String::new(), now);
            }
        }
        Next::To(phase, reason, message) => {
            if phase == Phase::Paused {
                status.attempt = look.release.attempt;
            }
            if matches!(phase, Phase::Aborting | Phase::Aborted | Phase::Failed) {
                // The placement in force is that of what served.
                let from = status.from.as_ref();
                let back = from.map_or_else(Vec::new, |f| f.placement.clone());
                if status.phase != Phase::Aborting {
                    status.target = back;
                }
            }
            enter(status, phase, reason, message, now);
        }
    }
    true
}

fn actions(status: &ReleaseStatus, look: &Look<'_>, now: Moment) -> Vec<Action> {
    let Look {
        app,
        release,
        observed,
        ..
    } = *look;
    let view = View::of(status, observed);
    let Some(goal) = goal(app, release, status, &view) else {
        return Vec::new();
    };
    let promised = status.from.is_some() || observed.stable.is_some();
    let budget = Budget::of(app, &view, is_emergency(release, status), promised);
    let from = status.from.as_ref();
    let terms = Terms {
        observed,
        revisions: [&status.revision, from.map_or("", |f| &f.revision)],
        now,
        drain: app.release.deadlines.drain,
        tidy: status.phase.is_over(),
    };
    let mut actions = converge(&goal, &view, budget, &terms);
    let asks = matches!(status.phase, Phase::Gating | Phase::Baking);
    if let Some(step) = step_of(look, status).filter(|_| asks) {
        actions.extend(gates::ask(step, status));
    }
    actions.extend(stable(status, observed).map(Action::RecordStable));
    actions
}

/// What `App.status.stable` is to say, where it says something else.
fn stable(status: &ReleaseStatus, observed: &Observed) -> Option<Stable> {
    let revision = match status.phase {
        Phase::Holding | Phase::Retiring | Phase::Done => &status.revision,
        Phase::Aborting | Phase::Aborted | Phase::Failed => &status.from.as_ref()?.revision,
        _ => return None,
    };
    let stable = Stable {
        revision: revision.clone(),
        placement: status.target.clone(),
    };
    (observed.stable.as_ref() != Some(&stable)).then_some(stable)
}

/// How long until a wait may be over.
fn left(status: &ReleaseStatus, look: &Look<'_>) -> Span {
    let policy = &look.app.release;
    let bake = step_of(look, status).map_or(Span::default(), |s: &Step| s.bake);
    match status.phase {
        Phase::Baking => bake.less(status.timers.bake),
        Phase::Gating => policy.deadlines.gate.less(status.timers.gate),
        Phase::Raising | Phase::Waiting => policy.deadlines.ready.less(status.timers.ready),
        Phase::Holding => policy.keep_old.span.less(status.timers.hold),
        _ => timers::MOST,
    }
}
