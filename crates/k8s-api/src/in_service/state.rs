//! What the condition says, and the patch that makes a pod say so.

use std::net::IpAddr;

use flatnet_types::Timestamp;
use serde_json::{Value, json};

use super::{GatedPod, IN_SERVICE, SERVE_LABEL, Shown, Wait};
use crate::own_node::rfc3339;

/// Whether a pod is in service, and what keeps it from being so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is.
    InService,
    /// It is being deleted.
    Deleting,
    /// Its label does not say so.
    NotWished,
    /// Its containers are not ready.
    ContainersNotReady,
    /// This node's netd has attached no pod of its uid with its addresses.
    NoAttachment,
    /// It waits for an AddressSet.
    Waiting(Wait),
}

impl State {
    /// Every [`State::label`].
    pub const LABELS: [&str; 6] = [
        "in_service",
        "deleting",
        "not_wished",
        "containers_not_ready",
        "no_attachment",
        "waiting",
    ];

    /// The label of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::InService => "in_service",
            Self::Deleting => "deleting",
            Self::NotWished => "not_wished",
            Self::ContainersNotReady => "containers_not_ready",
            Self::NoAttachment => "no_attachment",
            Self::Waiting(_) => "waiting",
        }
    }

    /// The condition as it is to be.
    fn shown(&self) -> Shown {
        let (reason, message) = match self {
            Self::InService => (
                "InService".to_owned(),
                "attached, announced, and acknowledged by everybody who is waited for".to_owned(),
            ),
            Self::Deleting => (
                "Deleting".to_owned(),
                "the pod is being deleted".to_owned(),
            ),
            Self::NotWished => (
                "NotWished".to_owned(),
                format!("the label {SERVE_LABEL} is not \"true\""),
            ),
            Self::ContainersNotReady => (
                "ContainersNotReady".to_owned(),
                "the condition ContainersReady is not True".to_owned(),
            ),
            Self::NoAttachment => (
                "NoAttachment".to_owned(),
                "netd of this node has attached no pod of this uid with the addresses of its status"
                    .to_owned(),
            ),
            Self::Waiting(Wait::Listed { set, address }) => (
                "WaitingForAddressSet".to_owned(),
                format!("AddressSet {set} does not have {address} yet"),
            ),
            Self::Waiting(Wait::Acknowledged {
                set,
                subscriber,
                generation,
            }) => (
                format!("WaitingFor{}", camel_case(subscriber)),
                format!(
                    "subscriber {subscriber} of AddressSet {set} has not acknowledged generation {generation}"
                ),
            ),
        };
        Shown {
            is_true: *self == Self::InService,
            reason,
            message,
        }
    }
}

/// `edge-fw` as `EdgeFw`: a reason is one word.
fn camel_case(name: &str) -> String {
    let parts = name.split('-').filter_map(|part| {
        let mut letters = part.chars();
        let first = letters.next()?.to_ascii_uppercase();
        Some(std::iter::once(first).chain(letters).collect::<String>())
    });
    parts.collect()
}

/// Whether a pod is to be in service. `holds`: whether netd has attached a pod of that uid with that address.
/// `waits`: what it waits for ([`super::Sets::waits`]); `None` while the sets are not known. `None`: it is to stay
/// as it is.
pub fn decide(
    pod: &GatedPod,
    holds: impl Fn(&str, IpAddr) -> bool,
    waits: Option<Vec<Wait>>,
) -> Option<State> {
    let attached = !pod.addresses.is_empty() && pod.addresses.iter().all(|ip| holds(&pod.uid, *ip));
    let state = match () {
        () if pod.deleting => State::Deleting,
        () if !pod.wished() => State::NotWished,
        () if !pod.containers_ready => State::ContainersNotReady,
        () if !attached => State::NoAttachment,
        () if pod.in_service() => State::InService,
        () => match waits?.into_iter().next() {
            Some(wait) => State::Waiting(wait),
            None => State::InService,
        },
    };
    Some(state)
}

/// A strategic merge patch of the pod's status that makes it say so, of the version that was seen; `None` where it
/// does. Conditions are merged by their type: no other one is touched.
pub fn patch(pod: &GatedPod, state: &State, now: Timestamp) -> Option<Value> {
    let new = state.shown();
    if pod.shown.as_ref() == Some(&new) {
        return None;
    }
    let status = if new.is_true { "True" } else { "False" };
    let mut condition = json!({"type": IN_SERVICE, "status": status, "reason": new.reason,
        "message": new.message});
    // Else the server keeps the one that is there.
    if pod.shown.as_ref().map(|shown| shown.is_true) != Some(new.is_true) {
        condition["lastTransitionTime"] = rfc3339(now).into();
    }
    Some(json!({
        "metadata": {"uid": pod.uid, "resourceVersion": pod.version},
        "status": {"conditions": [condition]},
    }))
}

#[cfg(test)]
pub(super) mod tests {
    use kube::api::DynamicObject;
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_millis(1_767_225_600_500);

    fn object() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"namespace": "shop", "name": "web-0", "uid": "u", "resourceVersion": "7",
                "labels": {"app": "web", SERVE_LABEL: "true"}},
            "spec": {"readinessGates": [{"conditionType": IN_SERVICE}]},
            "status": {"podIPs": [{"ip": "10.0.0.2"}, {"ip": "fd00::2"}],
                "conditions": [{"type": "ContainersReady", "status": "True"}]},
        })
    }

    fn of(object: Value) -> Option<GatedPod> {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        GatedPod::of_api(&object)
    }

    /// A pod that is wished, attached, ready, and not in service yet.
    pub(in crate::in_service) fn pod() -> GatedPod {
        of(object()).expect("it has the gate")
    }

    fn wait() -> Wait {
        Wait::Acknowledged {
            set: "web".to_owned(),
            subscriber: "edge-fw".to_owned(),
            generation: 5,
        }
    }

    /// The pod as it is after the patch.
    fn patched(pod: &GatedPod, state: &State) -> GatedPod {
        let shown = state.shown();
        GatedPod {
            shown: Some(shown),
            ..pod.clone()
        }
    }

    #[test]
    fn a_pod_without_the_gate_is_nobodys_business() {
        let mut without = object();
        without["spec"] = json!({"readinessGates": [{"conditionType": "other"}]});
        assert_eq!(of(without), None);
    }

    #[test]
    fn each_thing_that_lacks_has_its_reason() {
        let held = |_: &str, _: IpAddr| true;
        let none = || Some(Vec::new());
        assert_eq!(decide(&pod(), held, none()), Some(State::InService));
        assert_eq!(decide(&pod(), held, None), None, "the sets are not known");
        let waiting = decide(&pod(), held, Some(vec![wait()])).expect("known");
        assert_eq!(waiting.shown().reason, "WaitingForEdgeFw");
        assert!(
            waiting
                .shown()
                .message
                .contains("edge-fw of AddressSet web")
        );
        // Half of its addresses are another's.
        let half = |_: &str, ip: IpAddr| ip.is_ipv4();
        assert_eq!(decide(&pod(), half, none()), Some(State::NoAttachment));
        let other = |uid: &str, _: IpAddr| uid == "another";
        assert_eq!(decide(&pod(), other, none()), Some(State::NoAttachment));
        let change = |change: fn(&mut GatedPod)| {
            let mut pod = pod();
            change(&mut pod);
            decide(&pod, held, None)
        };
        assert_eq!(change(|p| p.deleting = true), Some(State::Deleting));
        assert_eq!(change(|p| p.labels.clear()), Some(State::NotWished));
        let not_ready = change(|p| p.containers_ready = false);
        assert_eq!(not_ready, Some(State::ContainersNotReady));
        let no_address = change(|p| p.addresses.clear());
        assert_eq!(no_address, Some(State::NoAttachment));
    }

    #[test]
    fn only_a_change_of_status_is_a_transition() {
        let state = State::Waiting(wait());
        let first = patch(&pod(), &State::NotWished, NOW).expect("a patch");
        let condition = &first["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(first["metadata"]["resourceVersion"], "7");
        let there = patched(&pod(), &State::NotWished);
        let second = patch(&there, &state, NOW).expect("another reason");
        let condition = &second["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], Value::Null);
        assert_eq!(patch(&patched(&pod(), &state), &state, NOW), None);
    }

    proptest! {
        /// In service follows from all that is demanded; what serves is not withdrawn for a set; and what was
        /// written is not written again.
        #[test]
        fn in_service_is_what_is_demanded_and_is_not_written_twice(
            (deleting, wished, ready, held, serves) in any::<(bool, bool, bool, bool, bool)>(),
            waits in prop::option::of(0usize..3),
        ) {
            let mut pod = pod();
            pod.deleting = deleting;
            pod.containers_ready = ready;
            if !wished {
                pod.labels.insert(SERVE_LABEL.to_owned(), "false".to_owned());
            }
            pod.shown = serves.then(|| State::InService.shown());
            let waits = waits.map(|n| vec![wait(); n]);
            let own = !deleting && wished && ready && held;
            let state = decide(&pod, |_, _| held, waits.clone());
            let acknowledged = waits.as_ref().map(Vec::is_empty);
            let wanted = match (own, serves, acknowledged) {
                (false, _, _) => Some(false),
                (true, true, _) => Some(true),
                (true, false, known) => known,
            };
            prop_assert_eq!(state.as_ref().map(|s| *s == State::InService), wanted);
            if let Some(state) = state {
                prop_assert!(State::LABELS.contains(&state.label()));
                let after = patched(&pod, &state);
                prop_assert_eq!(decide(&after, |_, _| held, waits), Some(state.clone()));
                prop_assert_eq!(patch(&after, &state, NOW), None);
            }
        }
    }
}
