//! Prometheus metrics.

use std::sync::atomic::AtomicI64;
use std::time::Duration;

use flatnet_k8s_client::Set;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SetLabel {
    namespace: String,
    set: String,
}

type SetGauge = Family<SetLabel, Gauge<i64, AtomicI64>>;

/// All metrics of addressd.
pub(crate) struct Metrics {
    registry: Registry,
    addresses: SetGauge,
    generation: SetGauge,
    acknowledged: SetGauge,
    missing: SetGauge,
    leader: Gauge<i64, AtomicI64>,
    published: Counter,
    failed: Counter,
    latency: Histogram,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flatnet_addresses"),
            addresses: Family::default(),
            generation: Family::default(),
            acknowledged: Family::default(),
            missing: Family::default(),
            leader: Gauge::default(),
            published: Counter::default(),
            failed: Counter::default(),
            latency: Histogram::new([0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0]),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "set_addresses",
            "Addresses of a set",
            self.addresses.clone(),
        );
        r.register(
            "set_generation",
            "Newest generation of a set",
            self.generation.clone(),
        );
        r.register(
            "set_acknowledged",
            "The generation that everybody has who is waited for",
            self.acknowledged.clone(),
        );
        r.register(
            "set_missing",
            "Required subscribers without the newest generation, or whose lease is over",
            self.missing.clone(),
        );
        r.register("leader", "Whether this process leads", self.leader.clone());
        r.register("published", "Statuses written", self.published.clone());
        r.register(
            "publish_failures",
            "Statuses that could not be written",
            self.failed.clone(),
        );
        r.register(
            "publish_seconds",
            "From the decision until a status is written",
            self.latency.clone(),
        );
    }

    /// Shows a set as it is.
    pub(crate) fn set(&self, set: &Set) {
        let label = label(set);
        let status = &set.status;
        let number = |n: Option<i64>| n.unwrap_or(0);
        let count = status.count.map(i64::from);
        self.addresses.get_or_create(&label).set(number(count));
        self.generation
            .get_or_create(&label)
            .set(number(status.generation));
        self.acknowledged
            .get_or_create(&label)
            .set(number(status.acknowledged));
        let missing = i64::try_from(status.missing.len()).unwrap_or(i64::MAX);
        self.missing.get_or_create(&label).set(missing);
    }

    /// Shows a set no more.
    pub(crate) fn forget(&self, set: &Set) {
        let label = label(set);
        for family in [
            &self.addresses,
            &self.generation,
            &self.acknowledged,
            &self.missing,
        ] {
            family.remove(&label);
        }
    }

    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(leads.into());
    }

    pub(crate) fn published(&self, after: Duration) {
        self.published.inc();
        self.latency.observe(after.as_secs_f64());
    }

    pub(crate) fn failed(&self) {
        self.failed.inc();
    }

    pub(crate) fn render(&self) -> String {
        let mut out = String::new();
        // Writing to a string does not fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }
}

fn label(set: &Set) -> SetLabel {
    SetLabel {
        namespace: set.key.namespace.clone(),
        set: set.key.name.clone(),
    }
}
