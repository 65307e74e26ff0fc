//! Prometheus metrics, with the field's names.

use std::sync::atomic::{AtomicI64, AtomicU64};
use std::time::Duration;

use flatnet_plan_source::PlanMetrics;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::controller::Outcome;
use crate::providers::Observer;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TableLabel {
    table: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EntryLabels {
    table: String,
    owner: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ActionLabel {
    action: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    action: &'static str,
    code: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OpLabels {
    table: String,
    op: &'static str,
}

type TableGauge = Family<TableLabel, Gauge<i64, AtomicI64>>;

/// All metrics of vpc-route.
pub struct Metrics {
    registry: Registry,
    entries: Family<EntryLabels, Gauge<i64, AtomicI64>>,
    headroom: TableGauge,
    drift: TableGauge,
    conflicts: TableGauge,
    orphans: TableGauge,
    refused: TableGauge,
    not_understood: TableGauge,
    failing: TableGauge,
    ops: Family<OpLabels, Counter>,
    latency: Family<ActionLabel, Histogram, fn() -> Histogram>,
    calls: Family<CallLabels, Counter>,
    convergence: Histogram,
    leader: Gauge<i64, AtomicI64>,
    last_round: Gauge<f64, AtomicU64>,
    /// Which plan was accepted.
    pub plan: PlanMetrics,
}

/// 10 ms to some minutes.
fn seconds() -> Histogram {
    Histogram::new([
        0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flatnet_route"),
            entries: Family::default(),
            headroom: Family::default(),
            drift: Family::default(),
            conflicts: Family::default(),
            orphans: Family::default(),
            refused: Family::default(),
            not_understood: Family::default(),
            failing: Family::default(),
            ops: Family::default(),
            latency: Family::new_with_constructor(seconds),
            calls: Family::default(),
            convergence: seconds(),
            leader: Gauge::default(),
            last_round: Gauge::default(),
            plan: PlanMetrics::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "entries",
            "Custom entries of a table, by owner",
            self.entries.clone(),
        );
        r.register(
            "quota_headroom",
            "Entries that a table can still take",
            self.headroom.clone(),
        );
        r.register(
            "drift",
            "Ops that the last look at a table asked for",
            self.drift.clone(),
        );
        r.register(
            "conflicts",
            "Entries of others that are in the way",
            self.conflicts.clone(),
        );
        r.register(
            "orphans",
            "Entries of ours that nothing asks for",
            self.orphans.clone(),
        );
        r.register(
            "refused",
            "What the last look refused to do",
            self.refused.clone(),
        );
        r.register(
            "not_understood",
            "Entries of a table that this version does not understand, and leaves alone",
            self.not_understood.clone(),
        );
        r.register(
            "failing",
            "1 while a table cannot be kept",
            self.failing.clone(),
        );
        r.register("ops", "Ops that are in force", self.ops.clone());
        r.register(
            "api_calls",
            "Calls of the API by action and code",
            self.calls.clone(),
        );
        r.register("leader", "1 while this process leads", self.leader.clone());
        r.register(
            "last_round_timestamp",
            "When the last round ended, in seconds since 1970",
            self.last_round.clone(),
        );
        self.plan.register(r);
        r.register_with_unit(
            "api_call_duration",
            "How long a call of the API took",
            Unit::Seconds,
            self.latency.clone(),
        );
        r.register_with_unit(
            "convergence",
            "From a difference that was found to a table that is right",
            Unit::Seconds,
            self.convergence.clone(),
        );
    }

    /// Whether this process leads.
    pub fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// A round ended.
    pub fn round(&self, outcomes: &[Outcome], took: Duration, now: u64) {
        let count = |n: usize| i64::try_from(n).unwrap_or(i64::MAX);
        for outcome in outcomes {
            let table = outcome.title.clone();
            let label = TableLabel {
                table: table.clone(),
            };
            let failing = i64::from(outcome.result.is_err());
            self.failing.get_or_create(&label).set(failing);
            if let Some(usage) = outcome.usage {
                for (owner, n) in [("ours", usage.managed), ("foreign", usage.unmanaged)] {
                    let table = table.clone();
                    let labels = EntryLabels { table, owner };
                    self.entries.get_or_create(&labels).set(count(n));
                }
                if let Some(quota) = usage.quota {
                    let used = usage.managed + usage.unmanaged;
                    self.headroom
                        .get_or_create(&label)
                        .set(count(quota) - count(used));
                }
            }
            let Ok((plan, report)) = &outcome.result else {
                continue;
            };
            self.drift.get_or_create(&label).set(count(plan.ops.len()));
            self.conflicts
                .get_or_create(&label)
                .set(count(plan.conflicts.len()));
            self.orphans
                .get_or_create(&label)
                .set(count(plan.orphans.len()));
            self.refused
                .get_or_create(&label)
                .set(count(plan.refused.len()));
            self.not_understood
                .get_or_create(&label)
                .set(count(plan.not_understood.len()));
            if let Some(report) = report {
                let failed = |op| report.failed.iter().any(|f| f.op == op);
                for op in plan.ops.iter().filter(|op| !failed((*op).clone())) {
                    let labels = OpLabels {
                        table: table.clone(),
                        op: op.kind(),
                    };
                    self.ops.get_or_create(&labels).inc();
                }
                if report.failed.is_empty() {
                    self.convergence.observe(took.as_secs_f64());
                }
            }
        }
        // Seconds since 1970 fit a double's 53 bits for a long time yet.
        self.last_round.set(now as f64);
    }

    /// The text that Prometheus reads.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match text::encode(&mut text, &self.registry) {
            Ok(()) => text,
            Err(_) => String::new(),
        }
    }
}

impl Observer for Metrics {
    fn called(&self, action: &'static str, code: &str, took: Duration) {
        let code = code.to_owned();
        self.calls.get_or_create(&CallLabels { action, code }).inc();
        self.latency
            .get_or_create(&ActionLabel { action })
            .observe(took.as_secs_f64());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let label = TableLabel {
            table: String::new(),
        };
        for family in [
            &metrics.headroom,
            &metrics.drift,
            &metrics.conflicts,
            &metrics.orphans,
            &metrics.refused,
            &metrics.not_understood,
            &metrics.failing,
        ] {
            family.get_or_create(&label).set(0);
        }
        let (table, owner) = (String::new(), "ours");
        let labels = EntryLabels { table, owner };
        metrics.entries.get_or_create(&labels).set(0);
        let (table, op) = (String::new(), "add");
        metrics.ops.get_or_create(&OpLabels { table, op }).inc();
        metrics.called("action", "OK", Duration::from_millis(1));
        let list = flatnet_daemon::metrics::catalogue(&metrics.render());
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy/prometheus/metrics/vpc-route.txt");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &list).expect("writes");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == list,
            "{} differs: UPDATE_DOCS=1 cargo test -p flatnet-vpc-route --lib metrics",
            path.display()
        );
    }
}
