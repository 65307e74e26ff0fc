//! Prometheus metrics.

use std::sync::atomic::AtomicI64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClusterLabel {
    cluster: String,
}

/// All metrics of the controller.
pub(crate) struct Metrics {
    registry: Registry,
    leader: Gauge<i64, AtomicI64>,
    hub: Gauge<i64, AtomicI64>,
    clusters: Family<ClusterLabel, Gauge<i64, AtomicI64>>,
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

    pub(crate) fn render(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}
