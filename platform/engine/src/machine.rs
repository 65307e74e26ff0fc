//! The phases of a release, and what leads from one to the next.
//!
//! ```text
//!   Pending ─▶ Placing ─▶ ┌ Raising ─▶ Waiting ─▶ Gating ─▶ Baking ┐ ─▶ Holding ─▶ Retiring ─▶ Done
//!                 │       └──────────── next step ◀────────────────┘
//!                 ▼            any of these ─▶ Paused ─▶ Raising (of the same step)
//!               Failed         any of these, Paused, Holding ─▶ Aborting ─▶ Aborted
//!                              everything ─▶ Superseded
//! ```

use flatnet_platform_types::kinds::{
    AppSpec, Decision, OnFailure, Phase, ReleaseKind, ReleaseSpec, ReleaseStatus, Step,
};
use flatnet_platform_types::{Amount, Span};

use crate::gates::{self, Judged};
use crate::goal::{is_emergency, seats};
use crate::observed::Observed;
use crate::view::{Cell, Role, View};

/// What a look is about.
pub(crate) struct Look<'a> {
    pub(crate) app: &'a AppSpec,
    pub(crate) release: &'a ReleaseSpec,
    pub(crate) observed: &'a Observed,
    pub(crate) steps: &'a [Step],
}

/// What becomes of the release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Next {
    /// It goes to a phase.
    To(Phase, &'static str, String),
    /// It goes on to the next step, or to Holding after the last.
    StepOver,
    /// Its step begins anew.
    Again(String),
    /// It stays; what is waited for.
    Stay(&'static str, String),
}

fn stay(reason: &'static str, what: impl Into<String>) -> Next {
    Next::Stay(reason, what.into())
}

/// What becomes of the release now, and which phase it is then in.
pub(crate) fn next(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    if let Some(next) = decided(look, status) {
        return next;
    }
    match status.phase {
        Phase::Pending => Next::To(Phase::Placing, "Begun", String::new()),
        // The caller places: that changes what is looked at.
        Phase::Placing => stay("Placing", ""),
        Phase::Raising => raising(look, status, view),
        Phase::Waiting => waiting(look, status, view),
        Phase::Gating => gating(look, status, view),
        Phase::Baking => baking(look, status, view),
        Phase::Paused => paused(look, status),
        Phase::Holding => holding(look, status, view),
        Phase::Retiring => retiring(status, view),
        Phase::Aborting => aborting(status, view),
        Phase::Done | Phase::Aborted | Phase::Failed | Phase::Superseded => {
            Next::Stay("", status.message.clone())
        }
    }
}

/// What somebody decided, which goes before all else.
fn decided(look: &Look<'_>, status: &ReleaseStatus) -> Option<Next> {
    let phase = status.phase;
    if phase == Phase::Superseded {
        return None;
    }
    if let Some(later) = &look.observed.superseded_by {
        let message = format!("release {later} acts now");
        return Some(Next::To(Phase::Superseded, "Superseded", message));
    }
    match look.release.decision {
        Decision::Abort => match phase {
            Phase::Pending | Phase::Placing => {
                let message = "aborted before anything was raised".to_owned();
                Some(Next::To(Phase::Aborted, "Decided", message))
            }
            _ if phase.is_step() || matches!(phase, Phase::Paused | Phase::Holding) => Some(
                Next::To(Phase::Aborting, "Decided", "somebody aborted it".to_owned()),
            ),
            _ => None,
        },
        Decision::Pause if phase.is_step() => Some(Next::To(
            Phase::Paused,
            "Decided",
            "somebody paused it".to_owned(),
        )),
        _ => None,
    }
}

/// The new instances of the step, by cell, and whether all are there in the sense of `of`.
fn all(
    look: &Look<'_>,
    status: &ReleaseStatus,
    view: &View<'_>,
    of: fn(crate::view::Count) -> u32,
) -> bool {
    let seats = seats(look.app, view, look.steps, status.step, None);
    let skip = is_emergency(look.release, status);
    view.cells.iter().zip(seats).all(|(cell, seats)| {
        let broken = skip && !cell.is_clear();
        broken || (!cell.is_waited_for() && of(cell.count(Role::Own)) >= seats)
    })
}

fn count(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> u32 {
    let whole = view.sum(|c| c.target);
    let steps = look.steps.iter().take(status.step as usize);
    steps.map(|s| s.instances.of(whole)).max().unwrap_or(0)
}

fn raising(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    if all(look, status, view, |c| c.alive) {
        return Next::To(Phase::Waiting, "Raised", String::new());
    }
    late(look, status, view).unwrap_or_else(|| {
        let (made, want) = (
            view.sum(|c| c.count(Role::Own).alive),
            count(look, status, view),
        );
        unless_dark(
            view,
            "Raising",
            format!("{made} of {want} new instances are there"),
        )
    })
}

fn waiting(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    if !all(look, status, view, |c| c.alive) {
        return Next::To(Phase::Raising, "Lost", "new instances have gone".to_owned());
    }
    let whole = view.sum(|c| c.target);
    let want = count(look, status, view);
    let old = view.sum(|c| {
        if c.is_clear() {
            c.firm() - c.count(Role::Own).firm
        } else {
            0
        }
    });
    let serve = all(look, status, view, |c| c.firm);
    let last = status.step as usize >= look.steps.len();
    let fits = status.shortage.is_empty() || !last;
    if serve && fits && old <= whole - want {
        return Next::To(Phase::Gating, "InService", String::new());
    }
    late(look, status, view).unwrap_or_else(|| {
        let firm = view.sum(|c| c.count(Role::Own).firm);
        let what = match serve {
            false => format!(
                "{firm} of {want} new instances are in service{}",
                troubles(view)
            ),
            true => format!(
                "{old} old instances are in service, {} are to be",
                whole - want
            ),
        };
        unless_dark(view, "Waiting", what)
    })
}

fn gating(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    if !all(look, status, view, |c| c.firm) {
        return Next::Again("not all new instances are in service any more".to_owned());
    }
    match gates::judge(&status.gates, status.step) {
        Judged::Pass => Next::To(Phase::Baking, "GatesPass", String::new()),
        Judged::Fail(why) => failed(look, "GateFailed", why),
        Judged::Wait { what, human } => {
            let limit = look.app.release.deadlines.gate;
            if !human && status.timers.gate >= limit {
                let message = format!(
                    "no answer within {limit} from {what}: raise spec.attempt to ask again"
                );
                return Next::To(Phase::Paused, "NoData", message);
            }
            stay("Gating", format!("waits for {what}"))
        }
    }
}

fn baking(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    if !all(look, status, view, |c| c.firm) {
        return Next::Again("not all new instances are in service any more".to_owned());
    }
    let bake = step_of(look, status).map_or(Span::default(), |s| s.bake);
    match gates::judge(&status.gates, status.step) {
        Judged::Fail(why) => failed(look, "GateFailed", why),
        _ if gates::promoted(look.release, status) => Next::StepOver,
        Judged::Pass if status.timers.bake >= bake => Next::StepOver,
        Judged::Pass => stay(
            "Baking",
            format!(
                "all gates hold; {} of the bake are left",
                bake.less(status.timers.bake)
            ),
        ),
        Judged::Wait { what, .. } => stay(
            "Baking",
            format!("the bake stands still, for nothing is known of {what}"),
        ),
    }
}

fn paused(look: &Look<'_>, status: &ReleaseStatus) -> Next {
    let by_somebody = status.reason == "Decided";
    let on = match by_somebody {
        true => look.release.decision != Decision::Pause,
        false => look.release.attempt > status.attempt,
    };
    match on {
        true => Next::Again("it goes on".to_owned()),
        // Why it paused stays to be read.
        false => Next::Stay("", status.message.clone()),
    }
}

fn holding(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Next {
    let keep = &look.app.release.keep_old;
    let old = view.sum(|c| {
        if c.is_clear() {
            c.firm() - c.count(Role::Own).firm
        } else {
            0
        }
    });
    if keep.count == Amount::Instances(0) || status.timers.hold >= keep.span {
        return Next::To(Phase::Retiring, "KeptLongEnough", String::new());
    }
    match old {
        0 => stay(
            "Holding",
            format!(
                "old instances are parked for {} more",
                keep.span.less(status.timers.hold)
            ),
        ),
        old => stay(
            "Holding",
            format!("{old} old instances serve for new ones that do not"),
        ),
    }
}

fn retiring(status: &ReleaseStatus, view: &View<'_>) -> Next {
    let old = |r: Role| view.sum(|c| c.count(r).alive);
    match old(Role::Stable) + old(Role::Other) {
        0 => Next::To(
            Phase::Done,
            "Released",
            format!("{} serves alone", status.revision),
        ),
        old => unless_dark(
            view,
            "Retiring",
            format!("{old} old instances are being drained and deleted"),
        ),
    }
}

fn aborting(status: &ReleaseStatus, view: &View<'_>) -> Next {
    let cause = status
        .history
        .iter()
        .rev()
        .find(|h| h.phase == Phase::Aborting);
    let cause = cause.map_or("aborted", |h| h.message.as_str());
    if status
        .from
        .as_ref()
        .is_some_and(|f| f.revision == status.revision)
    {
        let message = format!("{cause}; its revision is the one that served before, and stays");
        return Next::To(Phase::Aborted, "", message);
    }
    let alive = |c: &Cell<'_>| c.count(Role::Own).alive;
    // The reason stays that of the abort.
    match view.sum(|c| if c.is_clear() { alive(c) } else { 0 }) {
        0 => Next::To(
            Phase::Aborted,
            "",
            format!("{cause}; the new instances are gone"),
        ),
        own => stay(
            "",
            format!("{cause}; {own} new instances go as old ones come into service"),
        ),
    }
}

/// The deadline for a step's instances.
fn late(look: &Look<'_>, status: &ReleaseStatus, view: &View<'_>) -> Option<Next> {
    let limit = look.app.release.deadlines.ready;
    (status.timers.ready >= limit).then(|| {
        let why = format!(
            "not all instances were in service within {limit}{}",
            troubles(view)
        );
        failed(look, "Deadline", why)
    })
}

/// What a release does that fails. One on the way back never turns round.
fn failed(look: &Look<'_>, reason: &'static str, why: String) -> Next {
    let back = look.release.kind == ReleaseKind::Rollback;
    match look.app.release.on_failure {
        OnFailure::Abort if !back => Next::To(Phase::Aborting, reason, why),
        _ => Next::To(
            Phase::Paused,
            reason,
            format!("{why}: raise spec.attempt to go on"),
        ),
    }
}

fn unless_dark(view: &View<'_>, reason: &'static str, what: String) -> Next {
    match view.dark() {
        Some(cluster) => stay(
            "Unreachable",
            format!("waits for cluster {cluster}, whose state is unknown; {what}"),
        ),
        None => stay(reason, what),
    }
}

/// What keeps new instances from being in service: the first three.
fn troubles(view: &View<'_>) -> String {
    let own = view
        .cells
        .iter()
        .flat_map(|c| &c.sets)
        .filter(|s| s.role == Role::Own);
    let told = own.flat_map(|s| &s.set.instances).filter_map(|i| {
        let trouble = i.trouble.as_ref()?;
        Some(format!("{}: {trouble}", i.name))
    });
    let told: Vec<String> = told.take(3).collect();
    match told.is_empty() {
        true => String::new(),
        false => format!(" ({})", told.join("; ")),
    }
}

/// The step that the release is in.
pub(crate) fn step_of<'a>(look: &Look<'a>, status: &ReleaseStatus) -> Option<&'a Step> {
    look.steps.get((status.step as usize).checked_sub(1)?)
}
