//! An event at a pod (`events.k8s.io/v1`), as `kubectl describe pod` shows it. Pure.

use flatnet_types::Timestamp;
use flatnet_types::api::PodRef;
use kube::api::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::own_node::rfc3339;

/// What says so, in every event of a netd.
pub const CONTROLLER: &str = "flatnet.io/netd";
/// The most bytes of a note (the API's validation).
const NOTE_MAX: usize = 1024;
/// The most bytes of a pod's name in an event's: an object's name has 253.
const NAME_MAX: usize = 200;

/// Something that happened to a pod.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodEvent {
    /// The event's name, of its namespace: the pod's.
    pub name: String,
    /// The pod; its namespace, name and uid are known.
    pub pod: PodRef,
    /// One word in camel case, for machines.
    pub reason: &'static str,
    /// What happened, for people.
    pub note: String,
    /// When it happened first.
    pub at: Timestamp,
}

impl PodEvent {
    /// The name of an event of a pod; `serial` tells those of one millisecond apart.
    pub fn name_of(pod: &PodRef, at: Timestamp, serial: u64) -> String {
        let short = cut(&pod.name, NAME_MAX).trim_end_matches(['.', '-']);
        format!("{short}.{:x}.{serial:x}", at.as_millis())
    }

    /// The object of the API. `node`: whose netd says so.
    pub fn to_api(&self, node: &str) -> Value {
        let pod = &self.pod;
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": self.name, "namespace": pod.namespace},
            "eventTime": micros(self.at),
            "reportingController": CONTROLLER, "reportingInstance": node,
            "type": "Warning", "action": "Attaching", "reason": self.reason,
            "note": cut(&self.note, NOTE_MAX),
            "regarding": {"apiVersion": "v1", "kind": "Pod",
                "namespace": pod.namespace, "name": pod.name, "uid": pod.uid},
        })
    }
}

/// A merge patch of an event that happened again: `count` times in all, last at `at`.
pub fn again(count: u32, at: Timestamp) -> Value {
    json!({"series": {"count": count, "lastObservedTime": micros(at)}})
}

/// For a client of the API.
pub fn resource() -> ApiResource {
    ApiResource {
        group: "events.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "events.k8s.io/v1".to_owned(),
        kind: "Event".to_owned(),
        plural: "events".to_owned(),
    }
}

/// An object of the API for [`resource`].
///
/// # Errors
/// None for what [`PodEvent::to_api`] makes.
pub fn object(event: &Value) -> Result<DynamicObject, serde_json::Error> {
    serde_json::from_value(event.clone())
}

/// With six digits after the second, as the API wants its `MicroTime`.
pub(crate) fn micros(at: Timestamp) -> String {
    let whole = rfc3339(at);
    let millis = at.as_millis() % 1000;
    format!("{}.{millis:03}000Z", whole.trim_end_matches('Z'))
}

/// At most so many bytes, and whole characters.
fn cut(text: &str, most: usize) -> &str {
    let mut end = text.len().min(most);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodRef {
        PodRef {
            namespace: "shop".to_owned(),
            name: name.to_owned(),
            uid: "12-34".to_owned(),
        }
    }

    #[test]
    fn an_event_is_of_its_pod_and_says_which_node_says_so() {
        let at = Timestamp::from_millis(1_767_225_600_042);
        let event = PodEvent {
            name: PodEvent::name_of(&pod("web-0"), at, 1),
            pod: pod("web-0"),
            reason: "NoAddressLeft",
            note: "x".repeat(2000),
            at,
        };
        let object = event.to_api("idc1");
        assert_eq!(object["eventTime"], "2026-01-01T00:00:00.042000Z");
        assert_eq!(object["regarding"]["uid"], "12-34");
        assert_eq!(object["metadata"]["namespace"], "shop");
        assert_eq!(object["reportingInstance"], "idc1");
        assert_eq!(object["note"].as_str().map(str::len), Some(NOTE_MAX));
        assert!(super::object(&object).is_ok());
    }

    #[test]
    fn the_name_of_an_event_is_one_of_an_object_however_long_the_pods_is() {
        let at = Timestamp::from_millis(1_767_225_600_042);
        let long = PodEvent::name_of(&pod(&format!("{}.", "a".repeat(199))), at, u64::MAX);
        assert!(long.len() <= 253 && !long.contains(".."), "{long}");
        assert_ne!(
            PodEvent::name_of(&pod("a"), at, 1),
            PodEvent::name_of(&pod("a"), at, 2)
        );
    }
}
