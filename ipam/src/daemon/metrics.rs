//! Prometheus metrics, and the forecasts of two of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, AtomicU64};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use flatnet_plan_source::PlanMetrics;
use flatnet_types::NetworkName;
use ipnetwork::IpNetwork;
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

use crate::assign::{Forecast, PoolUsage};
use flatnet_types::Timestamp;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PoolLabels {
    network: String,
    pool: String,
    /// `owned`, `resting`, `withheld`, `free`; `used`, `capacity` of what is owned.
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ForecastLabels {
    network: String,
    pool: String,
    /// `ranges`: no slice is free for another host. `addresses`: hosts' ranges are full.
    of: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RouteLabel {
    route: String,
}

/// Samples of a pool's usage.
#[derive(Debug, Default)]
struct History {
    owned: Forecast,
    used: Forecast,
}

/// Time until a pool is exhausted, at the rate of the last day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct RunsOut {
    /// Until no slice is free; `None` if the pool does not fill.
    pub(crate) ranges: Option<Duration>,
    /// Until the ranges that hosts own are full; `None` if they do not fill.
    pub(crate) addresses: Option<Duration>,
}

/// All metrics of ipamd.
pub(crate) struct Metrics {
    registry: Registry,
    addresses: Family<PoolLabels, Gauge<f64, AtomicU64>>,
    exhausted_in: Family<ForecastLabels, Gauge<f64, AtomicU64>>,
    leases: Gauge<i64, AtomicI64>,
    leader: Gauge<i64, AtomicI64>,
    unenforced_policies: Gauge<i64, AtomicI64>,
    waiting: Gauge<i64, AtomicI64>,
    in_grace_period: Gauge<i64, AtomicI64>,
    requests: Family<RequestLabels, Counter>,
    latency: Family<RouteLabel, Histogram, fn() -> Histogram>,
    /// Which plan was accepted.
    pub(crate) plan: PlanMetrics,
    history: Mutex<BTreeMap<(NetworkName, IpNetwork), History>>,
}

/// 50 µs to 60 s: a long poll ends after that.
fn latency() -> Histogram {
    Histogram::new([
        0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5,
        1.0, 2.5, 5.0, 30.0, 60.0,
    ])
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("flatnet_ipamd"),
            addresses: Family::default(),
            exhausted_in: Family::default(),
            leases: Gauge::default(),
            leader: Gauge::default(),
            unenforced_policies: Gauge::default(),
            waiting: Gauge::default(),
            in_grace_period: Gauge::default(),
            requests: Family::default(),
            latency: Family::new_with_constructor(latency),
            plan: PlanMetrics::default(),
            history: Mutex::default(),
        };
        metrics.register();
        metrics
    }
}

#[allow(
    clippy::cast_precision_loss,
    reason = "a gauge needs no 53 bits of precision"
)]
fn float(n: u64) -> f64 {
    n as f64
}

fn int(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

impl Metrics {
    fn register(&mut self) {
        let r = &mut self.registry;
        r.register(
            "pool_addresses",
            "Addresses of a pool by what they are",
            self.addresses.clone(),
        );
        r.register_with_unit(
            "pool_exhausted_in",
            "When a pool runs out at the rate of the last day; absent where it does not fill",
            Unit::Seconds,
            self.exhausted_in.clone(),
        );
        r.register("leases", "Ranges that hosts hold", self.leases.clone());
        r.register(
            "leader",
            "1 for the one that keeps the ledger, 0 for one that stands by",
            self.leader.clone(),
        );
        r.register(
            "network_policies_unenforced",
            "NetworkPolicies of the cluster, which restrict nothing; 0 where the plan is a file",
            self.unenforced_policies.clone(),
        );
        r.register(
            "waiting",
            "Ranges that hosts wait for",
            self.waiting.clone(),
        );
        r.register(
            "settling",
            "1 while nothing new is granted, since hosts are still heard",
            self.in_grace_period.clone(),
        );
        r.register(
            "requests",
            "Requests by route and status",
            self.requests.clone(),
        );
        r.register_with_unit(
            "request_duration",
            "Time from a request to its answer, long polls included",
            Unit::Seconds,
            self.latency.clone(),
        );
        self.plan.register(r);
    }

    /// Counts one request.
    pub(crate) fn request(&self, route: &str, status: u16, took: Duration) {
        let label = RouteLabel {
            route: route.to_owned(),
        };
        self.latency
            .get_or_create(&label)
            .observe(took.as_secs_f64());
        let route = label.route;
        self.requests
            .get_or_create(&RequestLabels { route, status })
            .inc();
    }

    /// Sets the gauges of the pools, and samples their usage for the forecasts.
    pub(crate) fn pools(&self, pools: &[PoolUsage], now: Timestamp) -> Vec<RunsOut> {
        let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.retain(|(network, pool), _| {
            let same = |p: &PoolUsage| &p.network == network && &p.pool == pool;
            pools.iter().any(same)
        });
        self.addresses.clear();
        self.exhausted_in.clear();
        let all = pools.iter().map(|pool| {
            let key = (pool.network.clone(), pool.pool);
            let past = history.entry(key).or_default();
            past.owned.record(now, pool.owned);
            past.used.record(now, pool.used);
            let runs_out = RunsOut {
                ranges: past.owned.exhausted_in(pool.free()),
                addresses: past
                    .used
                    .exhausted_in(pool.capacity.saturating_sub(pool.used)),
            };
            self.pool(pool, runs_out);
            runs_out
        });
        all.collect()
    }

    fn pool(&self, pool: &PoolUsage, runs_out: RunsOut) {
        let states = [
            ("owned", pool.owned),
            ("resting", pool.quarantined),
            ("withheld", pool.withheld),
            ("free", pool.free()),
            ("used", pool.used),
            ("capacity", pool.capacity),
        ];
        for (state, addresses) in states {
            let labels = PoolLabels {
                network: pool.network.to_string(),
                pool: pool.pool.to_string(),
                state,
            };
            self.addresses.get_or_create(&labels).set(float(addresses));
        }
        let forecasts = [
            ("ranges", runs_out.ranges),
            ("addresses", runs_out.addresses),
        ];
        for (of, when) in forecasts {
            let labels = ForecastLabels {
                network: pool.network.to_string(),
                pool: pool.pool.to_string(),
                of,
            };
            if let Some(when) = when {
                self.exhausted_in
                    .get_or_create(&labels)
                    .set(when.as_secs_f64());
            }
        }
    }

    /// Whether this one keeps the ledger.
    pub(crate) fn leads(&self, leads: bool) {
        self.leader.set(i64::from(leads));
    }

    /// How many NetworkPolicies exist.
    pub(crate) fn unenforced_policies(&self, count: usize) {
        self.unenforced_policies.set(int(count));
    }

    /// Sets the gauges of the ledger.
    pub(crate) fn ledger(&self, leases: usize, waiting: usize, in_grace_period: bool) {
        self.leases.set(int(leases));
        self.waiting.set(int(waiting));
        self.in_grace_period.set(i64::from(in_grace_period));
    }

    /// All metrics in the OpenMetrics text format.
    pub(crate) fn encode(&self) -> Result<String, std::fmt::Error> {
        let mut out = String::new();
        text::encode(&mut out, &self.registry)?;
        Ok(out)
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
        metrics.request("/", 200, Duration::from_millis(1));
        let (network, pool) = (String::new(), String::new());
        let labels = PoolLabels {
            network: network.clone(),
            pool: pool.clone(),
            state: "free",
        };
        metrics.addresses.get_or_create(&labels).set(0.0);
        let labels = ForecastLabels {
            network,
            pool,
            of: "ranges",
        };
        metrics.exhausted_in.get_or_create(&labels).set(0.0);
        let list = flatnet_daemon::metrics::catalogue(&metrics.encode().expect("text"));
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../deploy/prometheus/metrics/ipamd.txt");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, &list).expect("writes");
        }
        let shipped = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            shipped == list,
            "{} differs: UPDATE_DOCS=1 cargo test -p flatnet-ipam --lib metrics",
            path.display()
        );
    }
}
