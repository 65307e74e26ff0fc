//! Prometheus metrics, with the field's names.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::reconcile::Report;

/// The label of a CNI command and how it ended: the CNI error code, 0 for success.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// `add`, `del`, `check`, `gc`, `status`.
    pub command: &'static str,
    /// CNI's error code.
    pub code: u32,
}

/// The label of one command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CommandLabel {
    /// `add`, `del`, `check`, `gc`, `status`.
    pub command: &'static str,
}

/// The label of one kind of op.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OpLabel {
    /// [`crate::reconcile::Op::kind`].
    pub op: &'static str,
}

/// The labels of one range.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RangeLabels {
    /// The plan's network.
    pub network: String,
    /// The range.
    pub range: String,
}

/// The label of one table of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PeerLabel {
    /// `ovsdb` or `openflow`.
    pub connection: &'static str,
}

/// A gauge of every range.
pub type RangeGauge = Family<RangeLabels, Gauge<f64, AtomicU64>>;

/// All metrics of netd.
pub struct Metrics {
    registry: Registry,
    latency: Family<CommandLabel, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    /// Addresses that a range has for containers.
    pub capacity: RangeGauge,
    /// Addresses in use.
    pub used: RangeGauge,
    /// Addresses at rest after their release.
    pub resting: RangeGauge,
    /// Attachments.
    pub attachments: Gauge<i64, AtomicI64>,
    /// Reconnects to Open vSwitch.
    pub reconnects: Family<PeerLabel, Gauge<i64, AtomicI64>>,
    ops: Family<OpLabel, Counter>,
    failures: Counter,
    problems: Gauge<i64, AtomicI64>,
    drops: Counter,
    /// The last reading of each drop flow, by cookie, so that the sum only grows.
    seen: Mutex<BTreeMap<u64, u64>>,
}

/// 0.5 ms to 8 s.
fn latency() -> Histogram {
    Histogram::new([
        0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0,
        2.0, 4.0, 8.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flatnet"),
            latency: Family::new_with_constructor(latency),
            calls: Family::default(),
            capacity: Family::default(),
            used: Family::default(),
            resting: Family::default(),
            attachments: Gauge::default(),
            reconnects: Family::default(),
            ops: Family::default(),
            failures: Counter::default(),
            problems: Gauge::default(),
            drops: Counter::default(),
            seen: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register_with_unit(
            "cni_request_duration",
            "Time from a CNI request to its reply",
            Unit::Seconds,
            self.latency.clone(),
        );
        r.register(
            "cni_requests",
            "CNI requests by command and CNI code",
            self.calls.clone(),
        );
        r.register(
            "range_capacity",
            "Addresses of a range",
            self.capacity.clone(),
        );
        r.register(
            "range_used",
            "Addresses of a range in use",
            self.used.clone(),
        );
        r.register(
            "range_resting",
            "Released addresses at rest",
            self.resting.clone(),
        );
        r.register(
            "attachments",
            "Attachments of this node",
            self.attachments.clone(),
        );
        r.register(
            "ovs_reconnects",
            "Connections lost and made again",
            self.reconnects.clone(),
        );
        r.register(
            "reconcile_ops",
            "Changes that the reconciler made",
            self.ops.clone(),
        );
        r.register(
            "reconcile_failures",
            "Changes that failed",
            self.failures.clone(),
        );
        r.register(
            "problems",
            "What netd cannot mend by itself",
            self.problems.clone(),
        );
        r.register(
            "port_security_drops",
            "Frames of containers dropped because of what they are not allowed to send",
            self.drops.clone(),
        );
    }

    /// Counts one call.
    pub fn call(&self, command: &'static str, code: u32, took: Duration) {
        self.calls
            .get_or_create(&CallLabels { command, code })
            .inc();
        self.latency
            .get_or_create(&CommandLabel { command })
            .observe(took.as_secs_f64());
    }

    /// Counts what a reconcile did, asked for or not.
    pub fn reconciled(&self, report: &Report) {
        for op in &report.kinds {
            self.ops.get_or_create(&OpLabel { op }).inc();
        }
        self.failures.inc_by(report.view.failed.len() as u64);
        self.problems
            .set(i64::try_from(report.view.problems.len()).unwrap_or(i64::MAX));
    }

    /// Takes the readings of the drop flows, by cookie. A flow that was made anew counts from
    /// zero again.
    pub fn drops(&self, readings: impl IntoIterator<Item = (u64, u64)>) {
        let mut seen = self
            .seen
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut now = BTreeMap::new();
        for (cookie, packets) in readings {
            *now.entry(cookie).or_insert(0) += packets;
        }
        for (cookie, packets) in &now {
            let before = seen.get(cookie).copied().unwrap_or(0);
            self.drops.inc_by(if *packets >= before {
                packets - before
            } else {
                *packets
            });
        }
        *seen = now;
    }

    /// In Prometheus' text format.
    ///
    /// # Errors
    /// If a value cannot be formatted.
    pub fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drops_only_grow_also_when_a_flow_is_made_anew() {
        let metrics = Metrics::default();
        metrics.drops([(1, 5), (2, 1)]);
        metrics.drops([(1, 7)]);
        metrics.drops([(1, 3)]);
        let text = metrics.encode().expect("text");
        assert!(
            text.contains("flatnet_port_security_drops_total 11"),
            "{text}"
        );
    }

    #[test]
    fn a_call_is_counted_with_its_code_and_time() {
        let metrics = Metrics::default();
        metrics.call("add", 0, Duration::from_millis(4));
        let text = metrics.encode().expect("text");
        assert!(
            text.contains("flatnet_cni_requests_total{command=\"add\",code=\"0\"} 1"),
            "{text}"
        );
        assert!(
            text.contains(
                "flatnet_cni_request_duration_seconds_bucket{le=\"0.005\",command=\"add\"} 1"
            ),
            "{text}"
        );
    }
}
