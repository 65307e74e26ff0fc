//! What a gate asks.

use flatnet_platform_engine::measure::{Measure, Names};
use flatnet_platform_types::kinds::{AppSpec, Gate, Metrics, ReleaseStatus, Verdict};

use super::subjects::{Subjects, Tools};
use super::{metrics, paths, probe, sets};

/// A question.
pub(crate) enum Question {
    /// Can the instances be reached, and is the network of their nodes well?
    Network(Subjects),
    /// Has everybody their addresses who lets in by address?
    Addresses(Subjects, Vec<String>),
    /// Do they answer 200?
    Probe(Subjects, String),
    /// Does a measure hold?
    Metrics(Metrics, Result<Measure, String>),
}

impl Question {
    /// The question of a gate; none for one that waits for a person.
    pub(crate) fn of(
        gate: &Gate,
        app: &AppSpec,
        status: &ReleaseStatus,
        subjects: Subjects,
    ) -> Option<Self> {
        if let Some(metrics) = &gate.metrics {
            let stable = status.from.as_ref().map_or("", |s| s.revision.as_str());
            let names = Names {
                app: &subjects.app.name,
                namespace: &subjects.app.namespace,
                revision: &status.revision,
                stable,
            };
            let measure = Measure::of(metrics, names).map_err(|e| e.to_string());
            return Some(Self::Metrics(metrics.clone(), measure));
        }
        Some(match gate {
            Gate { human: Some(_), .. } => return None,
            Gate {
                probe: Some(path), ..
            } => Self::Probe(subjects, path.clone()),
            Gate {
                addresses: Some(_), ..
            } => Self::Addresses(subjects, app.address_sets.clone()),
            _ => Self::Network(subjects),
        })
    }

    /// Asks it.
    pub(crate) async fn ask(self, tools: Tools) -> (Verdict, String) {
        let subjects = match &self {
            Self::Network(s) | Self::Addresses(s, _) | Self::Probe(s, _) => Some(s),
            Self::Metrics(..) => None,
        };
        if let Some(cluster) = subjects.and_then(|s| s.dark.as_ref()) {
            return (
                Verdict::Unknown,
                format!("cluster {cluster} is unreachable"),
            );
        }
        if subjects.is_some_and(|s| s.new.is_empty()) {
            return (
                Verdict::Unknown,
                "there is no new instance in service".to_owned(),
            );
        }
        match self {
            Self::Network(subjects) => paths::ask(&subjects).await,
            Self::Addresses(subjects, named) => sets::ask(&subjects, &named).await,
            Self::Probe(subjects, path) => probe::ask(&subjects, &path, &tools.getter).await,
            Self::Metrics(gate, measure) => metrics::ask(&gate, measure, &tools).await,
        }
    }
}
