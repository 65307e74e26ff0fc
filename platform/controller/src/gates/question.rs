//! What a gate asks, and of whom.

use std::collections::BTreeMap;

use flatnet_platform_engine::measure::{Measure, Names};
use flatnet_platform_types::kinds::{AppSpec, Gate, Metrics, ReleaseStatus, Verdict};
use flatnet_platform_watch::Key;
use flatnet_platform_watch::member::Member;
use flatnet_platform_watch::seen::{PodSeen, SetSeen};
use flatnet_tls::get::Getter;
use kube::Client;

use super::{metrics, paths, probe, sets};

/// An instance that is asked, or asked about.
#[derive(Clone)]
pub(crate) struct Target {
    /// Its cluster.
    pub(crate) cluster: String,
    /// The pod's name.
    pub(crate) pod: String,
    /// The node that it is on.
    pub(crate) node: Option<String>,
    /// Its addresses.
    pub(crate) addresses: Vec<String>,
    /// The first port that it declares.
    pub(crate) port: Option<u16>,
}

/// The instances of an application in service, and the ways to their clusters.
#[derive(Clone, Default)]
pub(crate) struct Subjects {
    /// The application.
    pub(crate) app: Key,
    /// The ways to the members that have new instances.
    pub(crate) clients: BTreeMap<String, Client>,
    /// Of the release's revision.
    pub(crate) new: Vec<Target>,
    /// Of other revisions.
    pub(crate) old: Vec<Target>,
    /// A cluster that has new instances and is not current.
    pub(crate) dark: Option<String>,
}

impl Subjects {
    /// The instances in service of an application.
    pub(crate) fn of<'a>(
        app: &Key,
        status: &ReleaseStatus,
        members: impl Iterator<Item = (&'a str, &'a Member, &'a Client)>,
    ) -> Self {
        let mut subjects = Self {
            app: app.clone(),
            ..Self::default()
        };
        let mut current = Vec::new();
        for (name, member, client) in members {
            current.push(name);
            let of_app = |s: &&SetSeen| s.key.namespace == app.namespace && s.app == app.name;
            for set in member.sets.iter().filter(of_app) {
                let own = |p: &&PodSeen| {
                    p.in_service
                        && !p.ended
                        && p.key.namespace == app.namespace
                        && p.set.as_deref() == Some(set.key.name.as_str())
                };
                let targets = member.pods.iter().filter(own).map(|pod| Target {
                    cluster: name.to_owned(),
                    pod: pod.key.name.clone(),
                    node: pod.node.clone(),
                    addresses: pod.addresses.clone(),
                    port: pod.port,
                });
                match set.revision == status.revision {
                    true => subjects.new.extend(targets),
                    false => subjects.old.extend(targets),
                }
            }
            if subjects.new.iter().any(|t| t.cluster == name) {
                subjects.clients.insert(name.to_owned(), client.clone());
            }
        }
        let mut with_new = status.per_cluster.iter().filter(|c| c.new > 0);
        let dark = with_new.find(|c| !current.contains(&c.cluster.as_str()));
        subjects.dark = dark.map(|c| c.cluster.clone());
        subjects
    }
}

/// What gates ask by.
#[derive(Clone, Default)]
pub(crate) struct Tools {
    /// Documents by HTTP.
    pub(crate) getter: Getter,
    /// The URL of a Prometheus, or of what answers like it, without a slash at its end.
    pub(crate) metrics: Option<String>,
}

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
