//! Prometheus metrics.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicI64;
use std::sync::{Mutex, PoisonError};

use flatnet_platform_types::kinds::ReleaseStatus;
use flatnet_platform_watch::Key;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabel {
    cluster: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct InstancesLabel {
    namespace: String,
    app: String,
    cluster: String,
    /// `new`, `old`, `in_service` or `parked`.
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    namespace: String,
    app: String,
    phase: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabel {
    phase: String,
}

/// What was set for an application, to be taken back when it is otherwise.
#[derive(Default)]
struct Shown {
    phase: Option<PhaseLabel>,
    instances: Vec<InstancesLabel>,
}

/// All metrics of the controller.
pub(crate) struct Metrics {
    registry: Registry,
    leader: Gauge<i64, AtomicI64>,
    hub: Gauge<i64, AtomicI64>,
    clusters: Family<ClusterLabel, Gauge<i64, AtomicI64>>,
    instances: Family<InstancesLabel, Gauge<i64, AtomicI64>>,
    phases: Family<PhaseLabel, Gauge<i64, AtomicI64>>,
    ended: Family<EndLabel, Counter>,
    shown: Mutex<BTreeMap<Key, Shown>>,
    pub(crate) looks: Counter,
    pub(crate) writes: Counter,
    pub(crate) failures: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("flatnet_platform");
        let metrics = (
            Gauge::default(),
            Gauge::default(),
            Family::default(),
            [Counter::default(), Counter::default(), Counter::default()],
        );
        let (leader, hub, clusters, [looks, writes, failures]) = metrics;
        registry.register("leader", "Whether this process leads", leader.clone());
        registry.register(
            "hub_reachable",
            "Whether everything of the hub is listed and watched",
            hub.clone(),
        );
        registry.register(
            "cluster_reachable",
            "Whether everything of a member is listed and watched",
            Family::clone(&clusters),
        );
        let (instances, phases, ended) = (Family::default(), Family::default(), Family::default());
        registry.register(
            "instances",
            "Instances of an application in a cluster, as its release counts them: of the release's revision (new), of others \
             (old), in service, and kept out of service (parked)",
            Family::clone(&instances),
        );
        registry.register(
            "release_phase",
            "1 for the phase that the acting release of an application is in",
            Family::clone(&phases),
        );
        registry.register(
            "releases_ended",
            "Releases that came to one of their ends",
            Family::clone(&ended),
        );
        registry.register(
            "looks",
            "Times that a release was looked at",
            Counter::clone(&looks),
        );
        registry.register(
            "writes",
            "Writes to hub and members",
            Counter::clone(&writes),
        );
        registry.register(
            "write_failures",
            "Writes that were refused, or got no answer",
            Counter::clone(&failures),
        );
        Self {
            registry,
            leader,
            hub,
            clusters,
            instances,
            phases,
            ended,
            shown: Mutex::default(),
            looks,
            writes,
            failures,
        }
    }
}

impl Metrics {
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub(crate) fn hub(&self, there: bool) {
        self.hub.set(there.into());
    }

    pub(crate) fn cluster(&self, cluster: &str, there: bool) {
        let label = ClusterLabel {
            cluster: cluster.to_owned(),
        };
        self.clusters.get_or_create(&label).set(there.into());
    }

    pub(crate) fn forget(&self, cluster: &str) {
        self.clusters.remove(&ClusterLabel {
            cluster: cluster.to_owned(),
        });
    }

    /// Shows the acting release of an application.
    pub(crate) fn release(&self, app: &Key, status: &ReleaseStatus) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let shown = all.entry(app.clone()).or_default();
        let phase = PhaseLabel {
            namespace: app.namespace.clone(),
            app: app.name.clone(),
            phase: format!("{:?}", status.phase),
        };
        if shown.phase.as_ref() != Some(&phase) {
            let before = shown.phase.replace(phase.clone());
            // Of a release that had ended before this process saw it, the end is no news.
            if before.is_some() && status.phase.is_over() {
                let end = EndLabel {
                    phase: phase.phase.clone(),
                };
                self.ended.get_or_create(&end).inc();
            }
            if let Some(before) = before {
                self.phases.remove(&before);
            }
            self.phases.get_or_create(&phase).set(1);
        }
        let mut now = Vec::new();
        for count in &status.per_cluster {
            let states = [
                ("new", count.new),
                ("old", count.old),
                ("in_service", count.in_service),
                ("parked", count.parked),
            ];
            for (state, number) in states {
                let label = InstancesLabel {
                    namespace: app.namespace.clone(),
                    app: app.name.clone(),
                    cluster: count.cluster.clone(),
                    state,
                };
                self.instances.get_or_create(&label).set(number.into());
                now.push(label);
            }
        }
        for gone in shown.instances.iter().filter(|l| !now.contains(l)) {
            self.instances.remove(gone);
        }
        shown.instances = now;
    }

    /// Shows an application no more.
    pub(crate) fn forget_app(&self, app: &Key) {
        let mut all = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(shown) = all.remove(app) else {
            return;
        };
        if let Some(phase) = &shown.phase {
            self.phases.remove(phase);
        }
        for label in &shown.instances {
            self.instances.remove(label);
        }
    }

    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use flatnet_platform_types::kinds::{ClusterCount, Phase};

    use super::*;

    #[test]
    fn an_application_is_shown_in_one_phase_and_no_more_when_it_is_gone() {
        let metrics = Metrics::default();
        let app = Key::new("shop", "web");
        let status = |phase, cluster: &str| ReleaseStatus {
            phase,
            per_cluster: vec![ClusterCount {
                cluster: cluster.to_owned(),
                new: 3,
                ..ClusterCount::default()
            }],
            ..ReleaseStatus::default()
        };
        metrics.release(&app, &status(Phase::Baking, "one"));
        metrics.release(&app, &status(Phase::Done, "two"));
        metrics.release(&app, &status(Phase::Done, "two"));
        let text = metrics.render().expect("text");
        let has = |line: &str| text.lines().any(|l| l == line);
        assert!(has(
            "flatnet_platform_release_phase{namespace=\"shop\",app=\"web\",phase=\"Done\"} 1"
        ));
        assert!(has(
            "flatnet_platform_instances{namespace=\"shop\",app=\"web\",cluster=\"two\",state=\"new\"} 3"
        ));
        assert!(has(
            "flatnet_platform_releases_ended_total{phase=\"Done\"} 1"
        ));
        assert!(
            !text.contains("Baking") && !text.contains("\"one\""),
            "{text}"
        );
        metrics.forget_app(&app);
        assert!(!metrics.render().expect("text").contains("\"web\""));
    }
}
