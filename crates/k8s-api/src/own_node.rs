//! What a node's netd writes of the node's own Node in Kubernetes: the condition `NetworkUnavailable`, and that the
//! taint that a kubelet may register with is gone. Pure.
//!
//! Kubernetes itself makes of `NetworkUnavailable=True` the taint
//! `node.kubernetes.io/network-unavailable:NoSchedule`, so that netd needs no right to set one.

use flatnet_types::Timestamp;
use k8s_openapi::jiff;
use serde_json::{Value, json};

/// The taint that netd takes away when the node is ready, and never sets: `kubelet --register-with-taints`.
pub const TAINT: &str = "flatnet.io/not-ready";
/// The condition.
const CONDITION: &str = "NetworkUnavailable";
/// The longest message, in characters.
const MESSAGE_MAX: usize = 1024;

/// A strategic merge patch of a Node.
#[derive(Debug, Clone, PartialEq)]
pub enum NodePatch {
    /// Of its status.
    Status(Value),
    /// Of what is declared.
    Spec(Value),
}

impl NodePatch {
    /// Writes nothing, and is answered with the Node: the right to patch is all that a reader needs.
    pub fn nothing() -> Self {
        Self::Status(json!({}))
    }
}

/// Whether the Node says that its network is there.
pub fn says_ready(node: &Value) -> bool {
    condition(node).is_some_and(|c| c["status"] == "False")
}

/// The next patch that makes a Node say so; `None` where it does. `not_ready`: why the node does not serve.
pub fn patch(node: &Value, not_ready: Option<&str>, now: Timestamp) -> Option<NodePatch> {
    condition_patch(node, not_ready, now).or_else(|| match not_ready {
        None => taint_patch(node),
        Some(_) => None,
    })
}

/// Takes the taint away. A list of taints is written as a whole, so that the version that was read is named: of a
/// Node that somebody else has written meanwhile the patch fails.
fn taint_patch(node: &Value) -> Option<NodePatch> {
    let ours = |taint: &&Value| taint["key"] == TAINT;
    let taints = node["spec"]["taints"].as_array()?;
    taints.iter().find(ours)?;
    let left: Vec<&Value> = taints.iter().filter(|t| !ours(t)).collect();
    let version = &node["metadata"]["resourceVersion"];
    Some(NodePatch::Spec(json!({
        "metadata": {"resourceVersion": version},
        "spec": {"taints": left},
    })))
}

fn condition(node: &Value) -> Option<&Value> {
    let all = node["status"]["conditions"].as_array()?;
    all.iter().find(|c| c["type"] == CONDITION)
}

fn condition_patch(node: &Value, not_ready: Option<&str>, now: Timestamp) -> Option<NodePatch> {
    let (status, reason, message) = match not_ready {
        None => (
            "False",
            "FlatnetReady",
            "packets pass, and attaching is served",
        ),
        Some(why) => ("True", "FlatnetNotReady", why),
    };
    let message: String = message.chars().take(MESSAGE_MAX).collect();
    let old = condition(node);
    let same = |key: &str, value: &str| old.is_some_and(|c| c[key] == value);
    if same("status", status) && same("reason", reason) && same("message", &message) {
        return None;
    }
    let at = rfc3339(now);
    let mut new = json!({"type": CONDITION, "status": status, "reason": reason,
        "message": message, "lastHeartbeatTime": at});
    // Else the server keeps the one that is there: conditions are merged by their type.
    if !same("status", status) {
        new["lastTransitionTime"] = at.into();
    }
    Some(NodePatch::Status(json!({"status": {"conditions": [new]}})))
}

/// In whole seconds, as the API writes times.
pub(crate) fn rfc3339(at: Timestamp) -> String {
    let seconds = i64::try_from(at.as_millis() / 1000).unwrap_or(i64::MAX);
    let at = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
    at.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_500);

    fn node(status: &str, message: &str) -> Value {
        json!({"spec": {"taints": [{"key": "other", "effect": "NoSchedule"}]}, "status": {"conditions": [
            {"type": "Ready", "status": "True"},
            {"type": CONDITION, "status": status, "reason": "FlatnetNotReady", "message": message},
        ]}})
    }

    fn status(patch: Option<NodePatch>) -> Value {
        match patch {
            Some(NodePatch::Status(patch)) => patch["status"]["conditions"][0].clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_node_without_the_condition_gets_it_with_the_reason_and_one_that_has_it_is_not_written() {
        let new = status(patch(&json!({}), Some("no plan yet"), NOW));
        assert_eq!(new["status"], "True");
        assert_eq!(new["message"], "no plan yet");
        assert_eq!(new["lastTransitionTime"], "2026-01-01T00:00:00Z");
        let there = json!({"status": {"conditions": [new]}});
        assert_eq!(patch(&there, Some("no plan yet"), NOW), None);
        assert!(!says_ready(&there));
        let ready = status(patch(&there, None, NOW));
        assert!(says_ready(&json!({"status": {"conditions": [ready]}})));
    }

    #[test]
    fn another_reason_is_no_transition() {
        let new = status(patch(&node("True", "one"), Some("another"), NOW));
        assert_eq!(new["lastTransitionTime"], Value::Null);
        assert_eq!(new["message"], "another");
    }

    #[test]
    fn the_taint_goes_with_the_first_ready_and_nothing_else_of_the_node_does() {
        let mut node = node("True", "one");
        node["metadata"] = json!({"resourceVersion": "7"});
        let taints = node["spec"]["taints"].as_array_mut().expect("taints");
        taints.push(json!({"key": TAINT, "effect": "NoSchedule"}));
        assert_eq!(patch(&node, Some("one"), NOW), None, "not ready: it stays");
        let ready = status(patch(&node, None, NOW));
        node["status"]["conditions"] = json!([ready]);
        let wanted = json!({"metadata": {"resourceVersion": "7"},
            "spec": {"taints": [{"key": "other", "effect": "NoSchedule"}]}});
        assert_eq!(
            patch(&node, None, NOW),
            Some(NodePatch::Spec(wanted.clone()))
        );
        node["spec"] = wanted["spec"].clone();
        assert_eq!(patch(&node, None, NOW), None);
    }
}
