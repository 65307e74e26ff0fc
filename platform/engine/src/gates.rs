//! What the gates of a step say.

use flatnet_platform_types::kinds::{
    Decision, Gate, GateStatus, ReleaseSpec, ReleaseStatus, Step, Verdict,
};

use crate::action::Action;
use crate::observed::{GateVerdict, Observed};

/// All gates together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Judged {
    /// All hold.
    Pass,
    /// One does not; why.
    Fail(String),
    /// Nothing is decided; whom is waited for.
    Wait {
        /// For people.
        what: String,
        /// Only a person is waited for: there is no deadline.
        human: bool,
    },
}

/// The kind of a gate.
fn kind(gate: &Gate) -> &'static str {
    match gate {
        Gate { human: Some(_), .. } => "human",
        Gate {
            metrics: Some(_), ..
        } => "metrics",
        Gate { probe: Some(_), .. } => "probe",
        Gate {
            addresses: Some(_), ..
        } => "addresses",
        Gate { .. } => "network",
    }
}

/// Whether somebody promoted the step: its human gates hold, and its bake is over.
pub(crate) fn promoted(release: &ReleaseSpec, status: &ReleaseStatus) -> bool {
    let upto = release.decision_step.unwrap_or(0);
    release.decision == Decision::Promote && upto >= status.step
}

/// What each gate of the step says now. A human gate that was passed stays so.
pub(crate) fn read(
    step: &Step,
    release: &ReleaseSpec,
    status: &ReleaseStatus,
    observed: &Observed,
) -> Vec<GateStatus> {
    let of = |(place, gate): (usize, &Gate)| {
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        let kind = kind(gate);
        if kind == "human" {
            let before = status
                .gates
                .iter()
                .any(|g| g.gate == place && g.verdict == Verdict::Pass);
            let passed = before || promoted(release, status);
            return GateStatus {
                gate: place,
                kind: kind.to_owned(),
                verdict: if passed {
                    Verdict::Pass
                } else {
                    Verdict::Unknown
                },
                reason: String::new(),
            };
        }
        let asked =
            |v: &&GateVerdict| (v.step, v.round, v.gate) == (status.step, status.round, place);
        let said = observed.verdicts.iter().find(asked);
        GateStatus {
            gate: place,
            kind: kind.to_owned(),
            verdict: said.map_or(Verdict::Unknown, |s| s.verdict),
            reason: said.map_or_else(String::new, |s| s.reason.clone()),
        }
    };
    step.gates.iter().enumerate().map(of).collect()
}

/// All of them together: one that fails decides before one that says nothing.
pub(crate) fn judge(gates: &[GateStatus], step: u32) -> Judged {
    let named = |g: &GateStatus| match g.reason.is_empty() {
        true => g.kind.clone(),
        false => format!("{}: {}", g.kind, g.reason),
    };
    if let Some(gate) = gates.iter().find(|g| g.verdict == Verdict::Fail) {
        return Judged::Fail(named(gate));
    }
    let mut unknown = gates.iter().filter(|g| g.verdict == Verdict::Unknown);
    let first = unknown.clone().find(|g| g.kind != "human");
    match (first, unknown.next()) {
        (Some(gate), _) => Judged::Wait {
            what: named(gate),
            human: false,
        },
        (None, Some(_)) => Judged::Wait {
            what: format!(
                "somebody to promote step {step} (decision: Promote, decisionStep: {step})"
            ),
            human: true,
        },
        (None, None) => Judged::Pass,
    }
}

/// Asks every gate of the step that is no person.
pub(crate) fn ask(step: &Step, status: &ReleaseStatus) -> impl Iterator<Item = Action> {
    let gates = step.gates.iter().enumerate();
    let gates = gates.filter(|(_, gate)| kind(gate) != "human");
    gates.map(|(place, gate)| Action::Ask {
        step: status.step,
        round: status.round,
        gate: u32::try_from(place).unwrap_or(u32::MAX),
        of: gate.clone(),
    })
}
