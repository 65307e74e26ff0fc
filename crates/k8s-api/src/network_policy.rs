//! NetworkPolicies, which Flatnet does not enforce: what is said of one that exists. Pure.

use flatnet_types::Timestamp;
use kube::api::{ApiResource, DynamicObject};
use serde_json::{Value, json};

use crate::pod_event::micros;

/// What says so, in the events.
pub const CONTROLLER: &str = "flatnet.io/ipamd";
/// The most bytes of a policy's name in an event's: an object's name has 253.
const NAME_MAX: usize = 200;

/// A policy that exists.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct NetworkPolicy {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its UID: one of the same name that is made anew is another one.
    pub uid: String,
}

impl NetworkPolicy {
    /// Of an object of the API.
    pub fn of_api(object: &DynamicObject) -> Self {
        let metadata = object.metadata.clone();
        Self {
            namespace: metadata.namespace.unwrap_or_default(),
            name: metadata.name.unwrap_or_default(),
            uid: metadata.uid.unwrap_or_default(),
        }
    }

    /// `NAMESPACE/NAME`.
    pub fn key(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }

    /// The event at it (`events.k8s.io/v1`). Its name is the same each time, so that it is made once.
    pub fn event(&self, at: Timestamp) -> Value {
        let short: String = self.name.chars().take(NAME_MAX).collect();
        let short = short.trim_end_matches(['.', '-']);
        let part: String = self.uid.chars().take(8).collect();
        json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": format!("{short}.flatnet-{part}"), "namespace": self.namespace},
            "eventTime": micros(at),
            "reportingController": CONTROLLER, "reportingInstance": "ipamd",
            "type": "Warning", "action": "Enforcing", "reason": "NotEnforced",
            "note": "Flatnet does not enforce NetworkPolicies: this one restricts nothing. Restrict \
                traffic in the application, or at the router between networks of the plan.",
            "regarding": {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "namespace": self.namespace, "name": self.name, "uid": self.uid},
        })
    }
}

/// For a client of the API.
pub fn resource() -> ApiResource {
    ApiResource {
        group: "networking.k8s.io".to_owned(),
        version: "v1".to_owned(),
        api_version: "networking.k8s.io/v1".to_owned(),
        kind: "NetworkPolicy".to_owned(),
        plural: "networkpolicies".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_event_of_a_policy_is_one_object_and_one_made_anew_has_another() {
        let at = Timestamp::from_millis(1_767_225_600_042);
        let policy = |uid: &str| NetworkPolicy {
            namespace: "shop".to_owned(),
            name: format!("{}.", "a".repeat(199)),
            uid: uid.to_owned(),
        };
        let event = policy("12345678-9").event(at);
        let later = policy("12345678-9").event(Timestamp::from_millis(0));
        assert_eq!(event["metadata"], later["metadata"]);
        assert_ne!(
            event["metadata"],
            policy("87654321-9").event(at)["metadata"]
        );
        let name = event["metadata"]["name"].as_str().unwrap_or_default();
        assert!(name.len() <= 253 && !name.contains(".."), "{name}");
        assert_eq!(event["regarding"]["uid"], "12345678-9");
        assert!(crate::pod_event::object(&event).is_ok());
    }
}
