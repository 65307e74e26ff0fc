//! The metrics of a plan's source, the same in every daemon.

use std::sync::atomic::{AtomicI64, AtomicU64};

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::{Registry, Unit};

use crate::State;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    /// `accepted` or `refused`.
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: String,
}

/// Version of the plan in force, and whether the current file is refused.
#[derive(Debug, Default)]
pub struct PlanMetrics {
    valid: Gauge<i64, AtomicI64>,
    kept: Gauge<i64, AtomicI64>,
    loaded: Gauge<f64, AtomicU64>,
    reloads: Family<ResultLabel, Counter>,
    info: Family<VersionLabel, Gauge<i64, AtomicI64>>,
}

impl PlanMetrics {
    /// Registers them, with the registry's prefix.
    pub fn register(&self, registry: &mut Registry) {
        registry.register(
            "plan_valid",
            "0 while the plan that is there now is refused, and the one of before stands",
            self.valid.clone(),
        );
        registry.register(
            "plan_kept",
            "0 while the accepted plan could not be kept on disk",
            self.kept.clone(),
        );
        registry.register_with_unit(
            "plan_loaded_timestamp",
            "When the accepted plan was accepted",
            Unit::Seconds,
            self.loaded.clone(),
        );
        registry.register(
            "plan_reloads",
            "Plans by what became of them",
            self.reloads.clone(),
        );
        registry.register(
            "plan_info",
            "1, with the version of the accepted plan: the SHA-256 of its text",
            self.info.clone(),
        );
    }

    /// Updates the metrics. Call it with the first state and with each that the source publishes.
    #[allow(
        clippy::cast_precision_loss,
        reason = "milliseconds since 1970 fit a double's 53 bits for 280,000 years"
    )]
    pub fn observe<T>(&self, state: &State<T>) {
        let result = match state.refused {
            None => "accepted",
            Some(_) => "refused",
        };
        self.reloads.get_or_create(&ResultLabel { result }).inc();
        self.valid.set(i64::from(state.refused.is_none()));
        self.kept.set(i64::from(state.unkept.is_none()));
        let since = state.accepted.since.as_millis();
        self.loaded.set(since as f64 / 1000.0);
        // Only the current version has a time series.
        self.info.clear();
        let version = state.accepted.version.to_string();
        self.info.get_or_create(&VersionLabel { version }).set(1);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use flatnet_types::Timestamp;
    use prometheus_client::encoding::text;

    use super::*;
    use crate::{Accepted, Refusal, Refused, Version};

    fn shown(metrics: &PlanMetrics) -> String {
        let mut registry = Registry::with_prefix("flatnet");
        metrics.register(&mut registry);
        let mut out = String::new();
        text::encode(&mut out, &registry).expect("text");
        out
    }

    #[test]
    fn the_accepted_version_is_shown_and_a_refusal_is_counted() {
        let metrics = PlanMetrics::default();
        let state = |text: &str, refused: bool| State {
            accepted: Accepted {
                plan: Arc::new(()),
                version: Version::of(text),
                since: Timestamp::from_millis(1500),
            },
            refused: refused.then(|| {
                let source = std::io::ErrorKind::NotFound.into();
                let path = "/plan".into();
                Arc::new(Refused {
                    version: None,
                    at: Timestamp::from_millis(2000),
                    why: Refusal::Read { path, source },
                })
            }),
            unkept: None,
        };
        metrics.observe(&state("a", false));
        metrics.observe(&state("b", false));
        metrics.observe(&state("b", true));
        let text = shown(&metrics);
        for line in [
            "flatnet_plan_valid 0",
            "flatnet_plan_kept 1",
            "flatnet_plan_loaded_timestamp_seconds 1.5",
            "flatnet_plan_reloads_total{result=\"accepted\"} 2",
            "flatnet_plan_reloads_total{result=\"refused\"} 1",
            &format!("flatnet_plan_info{{version=\"{}\"}} 1", Version::of("b")),
        ] {
            assert!(
                text.contains(&format!("{line}\n")),
                "{line} is not in {text}"
            );
        }
        assert!(!text.contains(&Version::of("a").to_string()), "{text}");
    }
}
