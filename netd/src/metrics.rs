//! The Prometheus metrics of netd.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use flatnet_k8s_api::in_service::State;
use flatnet_plan_source::PlanMetrics;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::flows::{DropReason, Limit};
use crate::reconcile::Report;

/// Labels of a CNI call: the command and its result.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct CallLabels {
    /// `add`, `del`, `check`, `gc`, `status`.
    pub command: &'static str,
    /// The CNI error code, 0 for success.
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
    /// The range in text form.
    pub range: String,
}

/// The label of one problem.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ProblemLabel {
    /// [`crate::problems::Problem::code`].
    pub code: &'static str,
}

/// The label of one connection to Open vSwitch.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct PeerLabel {
    /// `ovsdb` or `openflow`.
    pub connection: &'static str,
}

/// The label of one reason for which frames of containers are dropped.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct DropLabel {
    /// [`DropReason::label`].
    pub reason: &'static str,
}

/// The label of one kind of limit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LimitLabel {
    /// [`Limit::label`].
    pub limit: &'static str,
}

/// The label of one state of a pod with the gate `flatnet.io/in-service`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct GateLabel {
    /// [`flatnet_k8s_api::in_service::State::label`].
    pub state: &'static str,
}

/// A gauge with a series for each range.
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
    /// Addresses in quarantine.
    pub resting: RangeGauge,
    /// Attachments.
    pub attachments: Gauge<i64, AtomicI64>,
    /// Reconnections to Open vSwitch.
    pub reconnects: Family<PeerLabel, Gauge<i64, AtomicI64>>,
    ops: Family<OpLabel, Counter>,
    failures: Counter,
    problems: Gauge<i64, AtomicI64>,
    problem: Family<ProblemLabel, Gauge<i64, AtomicI64>>,
    /// The metrics of the accepted plan.
    pub plan: PlanMetrics,
    drops: Family<DropLabel, Counter>,
    metered: Family<LimitLabel, Counter>,
    gates: Family<GateLabel, Gauge<i64, AtomicI64>>,
    late: Counter,
    /// The last readings of the meters, by number.
    meter_readings: Mutex<Readings<u32>>,
    /// The last readings of the drop flows, by cookie and reason.
    drop_readings: Mutex<Readings<(u64, DropReason)>>,
    /// The problem codes that have occurred so far.
    known_codes: Mutex<BTreeSet<&'static str>>,
}

/// Buckets from 0.5 ms to 8 s.
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
            problem: Family::default(),
            plan: PlanMetrics::default(),
            drops: Family::default(),
            metered: Family::default(),
            gates: Family::default(),
            late: Counter::default(),
            meter_readings: Mutex::default(),
            drop_readings: Mutex::default(),
            known_codes: Mutex::default(),
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
            "What is wrong and netd cannot repair by itself",
            self.problems.clone(),
        );
        r.register(
            "problem",
            "What is wrong, by the problem's code; docs/operations.md lists them",
            self.problem.clone(),
        );
        r.register(
            "port_security_drops",
            "Frames of containers dropped because of what they are not allowed to send, by the reason; \
             docs/threat-model.md lists them",
            self.drops.clone(),
        );
        r.register(
            "metered_drops",
            "Frames of and for containers dropped because they exceed a limit: of bandwidth, or of ARP \
             and neighbour discovery",
            self.metered.clone(),
        );
        r.register(
            "in_service_gates",
            "Pods of this node with the readiness gate flatnet.io/in-service, by what netd found last",
            self.gates.clone(),
        );
        r.register(
            "late_connections",
            "New TCP connections to pods of this node after their endpoints were withdrawn and before they were drained",
            self.late.clone(),
        );
        self.plan.register(r);
        self.gates(&BTreeMap::new());
        for limit in Limit::ALL {
            self.metered_counter(limit);
        }
        // Every reason has a series from the start, with the value 0.
        for reason in DropReason::ALL {
            self.drop_counter(reason);
        }
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

    /// Counts the ops and failures of a reconcile.
    pub fn reconciled(&self, report: &Report) {
        for op in &report.kinds {
            self.ops.get_or_create(&OpLabel { op }).inc();
        }
        self.failures.inc_by(report.failures);
    }

    /// Sets the number of problems of each code. The series of a code stays, with the value 0.
    pub fn problems(&self, counts: &BTreeMap<&'static str, i64>) {
        self.problems.set(counts.values().sum());
        let mut known = locked(&self.known_codes);
        known.extend(counts.keys());
        for code in known.iter() {
            self.problem
                .get_or_create(&ProblemLabel { code })
                .set(counts.get(code).copied().unwrap_or(0));
        }
    }

    /// Sets how many pods with the gate are in each state; those that are not named are 0.
    pub fn gates(&self, counts: &BTreeMap<&'static str, i64>) {
        for state in State::LABELS {
            let count = counts.get(state).copied().unwrap_or(0);
            self.gates.get_or_create(&GateLabel { state }).set(count);
        }
    }

    /// Adds connections that came to a pod after its endpoints were withdrawn.
    pub fn late(&self, connections: u64) {
        self.late.inc_by(connections);
    }

    /// Adds the readings of the drop flows: cookie, reason, packets.
    pub fn drops(&self, readings: impl IntoIterator<Item = (u64, DropReason, u64)>) {
        let mut now = BTreeMap::new();
        for (cookie, reason, packets) in readings {
            *now.entry((cookie, reason)).or_insert(0) += packets;
        }
        for ((_, reason), packets) in locked(&self.drop_readings).increase(now) {
            self.drop_counter(reason).inc_by(packets);
        }
    }

    /// Adds the readings of the meters: number, packets dropped.
    pub fn metered(&self, readings: impl IntoIterator<Item = (u32, u64)>) {
        let now = readings.into_iter().collect();
        for (id, packets) in locked(&self.meter_readings).increase(now) {
            if let Some((limit, _)) = Limit::of_meter(id) {
                self.metered_counter(limit).inc_by(packets);
            }
        }
    }

    fn metered_counter(&self, limit: Limit) -> Counter {
        let limit = limit.label();
        self.metered.get_or_create(&LimitLabel { limit }).clone()
    }

    fn drop_counter(&self, reason: DropReason) -> Counter {
        let reason = reason.label();
        self.drops.get_or_create(&DropLabel { reason }).clone()
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

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The last reading of counters that the switch may reset.
#[derive(Debug)]
pub(crate) struct Readings<K>(BTreeMap<K, u64>);

impl<K> Default for Readings<K> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<K: Copy + Ord> Readings<K> {
    /// The increase of each counter since the last reading. A counter that is less than before was
    /// reset and counts from zero.
    pub(crate) fn increase(&mut self, now: BTreeMap<K, u64>) -> BTreeMap<K, u64> {
        let more = |(key, count): (&K, &u64)| {
            let before = self.0.get(key).copied().unwrap_or(0);
            let more = count.checked_sub(before).unwrap_or(*count);
            (more > 0).then_some((*key, more))
        };
        let increases = now.iter().filter_map(more).collect();
        self.0 = now;
        increases
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drop_counters_only_grow_also_when_a_flow_is_recreated() {
        let metrics = Metrics::default();
        let (spoofed, forged) = (DropReason::SpoofedAddress, DropReason::ForgedNd);
        metrics.drops([(1, spoofed, 5), (2, spoofed, 1), (0, forged, 2)]);
        metrics.drops([(1, spoofed, 7), (0, forged, 2)]);
        metrics.drops([(1, spoofed, 3), (0, forged, 3)]);
        let text = metrics.encode().expect("text");
        for (reason, packets) in [("spoofed_address", 11), ("forged_nd", 3), ("unparsed", 0)] {
            let line =
                format!("flatnet_port_security_drops_total{{reason=\"{reason}\"}} {packets}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn metered_counters_only_grow() {
        let metrics = Metrics::default();
        let [ingress, _, neighbours] = Limit::meters_of(9);
        metrics.metered([(ingress, 5), (neighbours, 1), (u32::MAX, 7)]);
        metrics.metered([(ingress, 2), (neighbours, 4)]);
        let text = metrics.encode().expect("text");
        for (limit, packets) in [("ingress", 7), ("egress", 0), ("neighbours", 4)] {
            let line = format!("flatnet_metered_drops_total{{limit=\"{limit}\"}} {packets}\n");
            assert!(text.contains(&line), "{text}");
        }
    }

    #[test]
    fn a_counter_that_was_reset_counts_from_zero() {
        let mut readings = Readings::default();
        readings.increase(BTreeMap::from([(1, 10), (2, 10), (3, 10)]));
        let now = BTreeMap::from([(1, 10), (2, 25), (3, 4), (4, 2), (5, 0)]);
        assert_eq!(readings.increase(now), [(2, 15), (3, 4), (4, 2)].into());
    }

    /// The list that alerts and dashboards are held against.
    #[test]
    fn the_shipped_list_has_every_metric() {
        let metrics = Metrics::default();
        let state: flatnet_plan_source::State<()> = flatnet_plan_source::State {
            accepted: flatnet_plan_source::Accepted {
                plan: std::sync::Arc::new(()),
                version: flatnet_plan_source::Version::of(""),
                since: flatnet_types::Timestamp::from_millis(0),
            },
            refused: None,
            unkept: None,
        };
        metrics.plan.observe(&state);
        metrics.call("add", 0, Duration::from_millis(1));
        metrics.ops.get_or_create(&OpLabel { op: "op" }).inc();
        metrics.problems(&BTreeMap::from([("code", 1)]));
        let range = RangeLabels {
            network: String::new(),
            range: String::new(),
        };
        for family in [&metrics.capacity, &metrics.used, &metrics.resting] {
            family.get_or_create(&range).set(0.0);
        }
        let connection = PeerLabel {
            connection: "ovsdb",
        };
        metrics.reconnects.get_or_create(&connection).set(0);
        let list = flatnet_daemon::metrics::catalogue(&metrics.encode().expect("text"));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy/prometheus/metrics/netd.txt");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &list).expect("writes");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == list,
            "{} differs: UPDATE_DOCS=1 cargo test -p flatnet-netd --lib metrics",
            path.display()
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
