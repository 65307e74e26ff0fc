//! What of a pod with the gate matters.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use kube::api::DynamicObject;

use super::{DRAINED, IN_SERVICE, QUIET_ANNOTATION, SERVE_LABEL};

/// How long no new connection may come before a pod is drained, where it says nothing else.
pub const QUIET_DEFAULT: Duration = Duration::from_secs(2);
/// What a pod may say instead: netd looks four times a second.
const QUIET: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(500)..=Duration::from_secs(300);

/// A pod that has the readiness gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatedPod {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`.
    pub uid: String,
    /// `metadata.resourceVersion`.
    pub version: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether it has a deletionTimestamp.
    pub deleting: bool,
    /// Whether its condition ContainersReady is True.
    pub containers_ready: bool,
    /// The addresses of its status.
    pub addresses: Vec<IpAddr>,
    /// How long no new connection may come before it is drained.
    pub quiet: Duration,
    /// How often kubelet connects to it: the period of each of its probes.
    pub probes: Vec<Duration>,
    /// The condition as it is.
    pub shown: Option<Shown>,
}

/// A condition as a pod has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Shown {
    /// Whether its status is True.
    pub is_true: bool,
    /// Its reason.
    pub reason: String,
    /// Its message.
    pub message: String,
}

impl GatedPod {
    /// The pod of the API; `None` where it does not have the gate.
    pub fn of_api(object: &DynamicObject) -> Option<Self> {
        let gates = object.data["spec"]["readinessGates"].as_array()?;
        gates.iter().find(|g| g["conditionType"] == IN_SERVICE)?;
        let (metadata, status) = (&object.metadata, &object.data["status"]);
        let condition = |type_: &str| {
            let all = status["conditions"].as_array()?;
            all.iter().find(|c| c["type"] == type_)
        };
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
        let addresses = status["podIPs"].as_array().into_iter().flatten();
        Some(Self {
            namespace: metadata.namespace.clone()?,
            name: metadata.name.clone()?,
            uid: metadata.uid.clone()?,
            version: metadata.resource_version.clone()?,
            labels: metadata.labels.clone().unwrap_or_default(),
            deleting: metadata.deletion_timestamp.is_some(),
            containers_ready: condition("ContainersReady").is_some_and(|c| c["status"] == "True"),
            addresses: addresses
                .filter_map(|ip| ip["ip"].as_str()?.parse().ok())
                .collect(),
            quiet: metadata
                .annotations
                .as_ref()
                .and_then(|all| quiet(all.get(QUIET_ANNOTATION)?))
                .unwrap_or(QUIET_DEFAULT),
            probes: super::probes::periods(&object.data["spec"]),
            shown: condition(IN_SERVICE).map(|c| Shown {
                is_true: c["status"] == "True",
                reason: text(&c["reason"]),
                message: text(&c["message"]),
            }),
        })
    }

    /// Whether it is wished to be in service.
    pub fn wished(&self) -> bool {
        self.labels.get(SERVE_LABEL).is_some_and(|v| v == "true")
    }

    /// Whether it is to get no new connections: it is not wished, or it is being deleted.
    pub fn withdrawn(&self) -> bool {
        self.deleting || !self.wished()
    }

    /// Whether its condition says that it is drained.
    pub fn drained(&self) -> bool {
        self.shown
            .as_ref()
            .is_some_and(|shown| !shown.is_true && shown.reason == DRAINED)
    }

    /// Whether its condition is True.
    pub fn in_service(&self) -> bool {
        self.shown.as_ref().is_some_and(|shown| shown.is_true)
    }
}

/// Whole seconds (`2s`) or milliseconds (`1500ms`) within [`QUIET`].
fn quiet(text: &str) -> Option<Duration> {
    let number = |digits: &str| digits.parse::<u32>().ok().map(u64::from);
    let span = match text.strip_suffix("ms") {
        Some(digits) => Duration::from_millis(number(digits)?),
        None => Duration::from_secs(number(text.strip_suffix('s')?)?),
    };
    QUIET.contains(&span).then_some(span)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quiet_time_is_in_seconds_or_milliseconds_within_bounds() {
        for (text, millis) in [("2s", 2_000), ("500ms", 500), ("300s", 300_000)] {
            assert_eq!(quiet(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in [
            "",
            "2",
            "s",
            "-2s",
            "1.5s",
            "2m",
            "499ms",
            "301s",
            "99999999999s",
        ] {
            assert_eq!(quiet(text), None, "{text}");
        }
    }
}
