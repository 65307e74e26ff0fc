//! How often kubelet itself connects to a pod.

use std::time::Duration;

use serde_json::Value;

/// Kubelet's, where a probe says nothing.
const PERIOD_DEFAULT: Duration = Duration::from_secs(10);
/// What connects to the pod: a command in the container does not.
const CONNECTS: [&str; 3] = ["httpGet", "tcpSocket", "grpc"];

/// The period of each probe of the pod's specification that connects to it; a hook that connects once has a period
/// without end.
pub(super) fn periods(spec: &Value) -> Vec<Duration> {
    let all = |field: &str| spec[field].as_array().into_iter().flatten();
    // Of the containers that come first, those that stay are probed too.
    let sidecars = all("initContainers").filter(|c| c["restartPolicy"] == "Always");
    let containers: Vec<&Value> = all("containers").chain(sidecars).collect();
    let probes = containers.iter().flat_map(|container| {
        // A container whose startup probe still runs gets no other probe; each is as good as one more.
        ["livenessProbe", "readinessProbe", "startupProbe"].map(|name| &container[name])
    });
    let probes = probes.filter(|probe| connects(probe)).map(|probe| {
        let seconds = probe["periodSeconds"].as_u64().filter(|s| *s > 0);
        seconds.map_or(PERIOD_DEFAULT, Duration::from_secs)
    });
    let hooks = containers.iter().map(|c| &c["lifecycle"]["preStop"]);
    let hooks = hooks.filter(|hook| connects(hook)).map(|_| Duration::MAX);
    probes.chain(hooks).collect()
}

/// Whether a probe or hook connects to the pod, and not to another host that it names.
fn connects(handler: &Value) -> bool {
    let named = |kind: &&str| {
        handler[*kind]["host"]
            .as_str()
            .is_some_and(|h| !h.is_empty())
    };
    CONNECTS
        .iter()
        .any(|kind| handler[*kind].is_object() && !named(kind))
}

/// How many connections they make at most in such a span, whenever it begins.
pub(super) fn at_most(periods: &[Duration], span: Duration) -> u64 {
    let of = |period: &Duration| {
        let whole = span.as_nanos() / period.as_nanos().max(1);
        u64::try_from(whole).unwrap_or(u64::MAX).saturating_add(1)
    };
    periods.iter().map(of).fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn probes_that_connect_to_the_pod_are_known_by_their_periods() {
        let http = json!({"httpGet": {"port": 80}, "periodSeconds": 1});
        let spec = json!({
            "containers": [
                {"readinessProbe": http, "livenessProbe": {"tcpSocket": {"port": 80}}},
                {"readinessProbe": {"exec": {"command": ["true"]}, "periodSeconds": 1},
                    "livenessProbe": {"httpGet": {"port": 80, "host": "10.0.0.1"}}},
                {"startupProbe": {"grpc": {"port": 80}, "periodSeconds": 3},
                    "lifecycle": {"preStop": {"httpGet": {"port": 80}}, "postStart": {"httpGet": {"port": 80}}}},
            ],
            "initContainers": [{"readinessProbe": http}, {"readinessProbe": http, "restartPolicy": "Always"}],
        });
        let seconds = |s| Duration::from_secs(s);
        let all = [
            seconds(10),
            seconds(1),
            seconds(3),
            seconds(1),
            Duration::MAX,
        ];
        assert_eq!(periods(&spec), all);
        assert!(periods(&json!({"containers": [{}]})).is_empty());
    }

    #[test]
    fn a_span_has_one_probe_more_than_whole_periods() {
        let all = [
            Duration::from_secs(1),
            Duration::from_secs(10),
            Duration::MAX,
        ];
        assert_eq!(at_most(&all, Duration::ZERO), 3);
        assert_eq!(at_most(&all, Duration::from_millis(2_500)), 5);
        assert_eq!(at_most(&[], Duration::from_secs(9)), 0);
    }
}
