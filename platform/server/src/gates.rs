//! What of a release's gates the object's schema cannot prove.

use flatnet_platform_engine::measure::{Measure, Names};
use flatnet_platform_types::api::Code;
use flatnet_platform_types::kinds::AppSpec;

use crate::problem::{Refusal, Reply};

/// Refuses measures that are no comparison in PromQL: a release would wait for them and pause.
pub(crate) fn check(spec: &AppSpec) -> Reply<()> {
    for (step, gates) in spec.release.steps.iter().map(|s| &s.gates).enumerate() {
        for (place, gate) in gates.iter().enumerate() {
            let Some(metrics) = &gate.metrics else {
                continue;
            };
            let names = Names {
                app: "app",
                namespace: "team",
                revision: "new",
                stable: "old",
            };
            if let Err(error) = Measure::of(metrics, names) {
                let field = format!("spec.release.steps[{step}].gates[{place}].metrics.query");
                let refusal = Refusal::new(Code::Invalid, format!("{:?}: {error}", metrics.query));
                return Err(refusal.field(&field, "is no measure"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_measure_that_never_says_anything_is_refused_at_its_place() {
        let spec = |query: &str| -> AppSpec {
            serde_json::from_value(json!({
                "repo": "r", "team": "t", "template": {"name": "plain", "version": 1}, "replicas": 1,
                "placement": {"locations": [{"name": "one"}]},
                "release": {"steps": [{"instances": 1, "gates": [
                    {"probe": "/health"}, {"metrics": {"query": query, "minSamples": 1}}]}]},
            }))
            .expect("an application")
        };
        assert!(check(&spec("rate(errors{app=\"{{ .app }}\"}[1m]) < 1")).is_ok());
        let refused = check(&spec("rate(errors[1m])")).expect_err("no comparison");
        let fields = format!("{refused:?}");
        assert!(
            fields.contains("spec.release.steps[0].gates[1].metrics.query"),
            "{fields}"
        );
    }
}
