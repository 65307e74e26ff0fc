//! What several commands write alike.

use flatnet_platform_types::kinds::{BuildPhase, Gate, Locations, Phase, Step};

use crate::args::AppName;
use crate::output::{Cell, Style};

/// The path of an application, and what follows.
pub(super) fn path(app: &AppName, rest: &str) -> String {
    format!("/teams/{}/apps/{}{rest}", app.team, app.app)
}

/// How far a release is, by its colour.
pub(super) fn phase(phase: Phase) -> Cell {
    let style = match phase {
        Phase::Done | Phase::Holding | Phase::Retiring => Style::Good,
        Phase::Failed | Phase::Aborting | Phase::Aborted => Style::Bad,
        Phase::Paused => Style::Warn,
        _ => Style::Plain,
    };
    Cell::styled(format!("{phase:?}"), style)
}

/// How far a build is, by its colour.
pub(super) fn build_phase(phase: BuildPhase) -> Cell {
    let style = match phase {
        BuildPhase::Done => Style::Good,
        BuildPhase::Failed => Style::Bad,
        _ => Style::Plain,
    };
    Cell::styled(format!("{phase:?}"), style)
}

/// A step in words.
pub(super) fn step_in_words(step: &Step) -> String {
    let mut text = step.instances.to_string();
    if step.locations == Locations::First {
        text.push_str(", location by location");
    }
    let gates: Vec<&str> = step.gates.iter().map(gate_in_words).collect();
    if !gates.is_empty() {
        text.push_str(&format!(", gates {}", gates.join(", ")));
    }
    if step.bake.as_millis() > 0 {
        text.push_str(&format!(", bake {}", step.bake));
    }
    text
}

pub(super) fn gate_in_words(gate: &Gate) -> &'static str {
    match gate {
        Gate {
            network: Some(_), ..
        } => "network",
        Gate {
            addresses: Some(_), ..
        } => "addresses",
        Gate { probe: Some(_), .. } => "probe",
        Gate {
            metrics: Some(_), ..
        } => "metrics",
        _ => "human",
    }
}
