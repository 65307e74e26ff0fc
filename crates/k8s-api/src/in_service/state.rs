//! What the condition says, and the patch that makes a pod say so.

use std::net::IpAddr;

use flatnet_types::Timestamp;
use serde_json::{Value, json};

use super::{DRAINED, Drained, GatedPod, IN_SERVICE, Progress, SERVE_LABEL, Shown, Wait};
use crate::own_node::rfc3339;

/// Whether a pod is in service, and what keeps it from being so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// It is.
    InService,
    /// It is being deleted, and not drained yet.
    Deleting {
        /// The EndpointSlice that has said for seconds that it is ready.
        listed: Option<String>,
    },
    /// Its label does not say so, and it is not drained yet.
    NotWished {
        /// As in [`State::Deleting`].
        listed: Option<String>,
    },
    /// It is withdrawn and drained; `None`: as its condition says already.
    Drained(Option<Drained>),
    /// Its containers are not ready.
    ContainersNotReady,
    /// This node's netd has attached no pod of its uid with its addresses.
    NoAttachment,
    /// It waits for an AddressSet.
    Waiting(Wait),
}

impl State {
    /// Every [`State::label`].
    pub const LABELS: [&str; 7] = [
        "in_service",
        "deleting",
        "not_wished",
        "drained",
        "containers_not_ready",
        "no_attachment",
        "waiting",
    ];

    /// The label of a metric.
    pub fn label(&self) -> &'static str {
        match self {
            Self::InService => "in_service",
            Self::Deleting { .. } => "deleting",
            Self::NotWished { .. } => "not_wished",
            Self::Drained(_) => "drained",
            Self::ContainersNotReady => "containers_not_ready",
            Self::NoAttachment => "no_attachment",
            Self::Waiting(_) => "waiting",
        }
    }

    /// The condition as it is to be; `None`: as it is.
    fn shown(&self) -> Option<Shown> {
        let (reason, message) = match self {
            Self::InService => (
                "InService".to_owned(),
                "attached, announced, and acknowledged by everybody who is waited for".to_owned(),
            ),
            Self::Deleting { listed } => (
                "Deleting".to_owned(),
                format!("the pod is being deleted{}", still(listed.as_deref())),
            ),
            Self::NotWished { listed } => (
                "NotWished".to_owned(),
                format!(
                    "the label {SERVE_LABEL} is not \"true\"{}",
                    still(listed.as_deref())
                ),
            ),
            Self::Drained(end) => (DRAINED.to_owned(), quiet(&(*end)?)),
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
        Some(Shown {
            is_true: *self == Self::InService,
            reason,
            message,
        })
    }
}

fn still(listed: Option<&str>) -> String {
    listed.map_or_else(String::new, |slice| {
        format!("; EndpointSlice {slice} still says that it is ready")
    })
}

fn quiet(end: &Drained) -> String {
    let late = end.late;
    let mut text = format!(
        "no EndpointSlice offers it, and no new connection came for {:?}",
        end.quiet
    );
    if late.all_connections() + late.datagrams > 0 {
        text += &format!("; late before that: {} connections", late.all_connections());
    }
    if late.datagrams > 0 {
        text += &format!(", {} datagrams", late.datagrams);
    }
    text
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
/// `waits`: what it waits for ([`super::Sets::waits`]); `None` while the sets are not known. `drain`: how its drain
/// stands, where it is withdrawn. `None`: it is to stay as it is.
pub fn decide(
    pod: &GatedPod,
    holds: impl Fn(&str, IpAddr) -> bool,
    waits: Option<Vec<Wait>>,
    drain: &Progress,
) -> Option<State> {
    let attached = !pod.addresses.is_empty() && pod.addresses.iter().all(|ip| holds(&pod.uid, *ip));
    let (listed, end) = match drain {
        Progress::Draining => (None, None),
        Progress::Listed { slice } => (Some(slice.clone()), None),
        Progress::Drained(end) => (None, Some(*end)),
    };
    let state = match () {
        () if pod.withdrawn() && pod.drained() => State::Drained(None),
        () if pod.withdrawn() && end.is_some() => State::Drained(end),
        () if pod.deleting => State::Deleting { listed },
        () if !pod.wished() => State::NotWished { listed },
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
    let new = state.shown()?;
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

    use std::time::Duration;

    use super::*;
    use crate::in_service::Counts;

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

    const NOT_WISHED: State = State::NotWished { listed: None };
    const ON: &Progress = &Progress::Draining;

    fn wait() -> Wait {
        Wait::Acknowledged {
            set: "web".to_owned(),
            subscriber: "edge-fw".to_owned(),
            generation: 5,
        }
    }

    /// The pod as it is after the patch.
    fn patched(pod: &GatedPod, state: &State) -> GatedPod {
        let shown = state.shown().or_else(|| pod.shown.clone());
        GatedPod {
            shown,
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
        assert_eq!(decide(&pod(), held, none(), ON), Some(State::InService));
        assert_eq!(
            decide(&pod(), held, None, ON),
            None,
            "the sets are not known"
        );
        let waiting = decide(&pod(), held, Some(vec![wait()]), ON).expect("known");
        let shown = waiting.shown().expect("it is to be written");
        assert_eq!(shown.reason, "WaitingForEdgeFw");
        assert!(shown.message.contains("edge-fw of AddressSet web"));
        // Half of its addresses are another's.
        let half = |_: &str, ip: IpAddr| ip.is_ipv4();
        assert_eq!(decide(&pod(), half, none(), ON), Some(State::NoAttachment));
        let other = |uid: &str, _: IpAddr| uid == "another";
        assert_eq!(decide(&pod(), other, none(), ON), Some(State::NoAttachment));
        let change = |change: fn(&mut GatedPod)| {
            let mut pod = pod();
            change(&mut pod);
            decide(&pod, held, None, ON)
        };
        assert_eq!(
            change(|p| p.deleting = true),
            Some(State::Deleting { listed: None })
        );
        assert_eq!(change(|p| p.labels.clear()), Some(NOT_WISHED));
        let not_ready = change(|p| p.containers_ready = false);
        assert_eq!(not_ready, Some(State::ContainersNotReady));
        let no_address = change(|p| p.addresses.clear());
        assert_eq!(no_address, Some(State::NoAttachment));
    }

    #[test]
    fn only_a_change_of_status_is_a_transition() {
        let state = State::Waiting(wait());
        let first = patch(&pod(), &NOT_WISHED, NOW).expect("a patch");
        let condition = &first["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], "2026-01-01T00:00:00Z");
        assert_eq!(first["metadata"]["resourceVersion"], "7");
        let there = patched(&pod(), &NOT_WISHED);
        let second = patch(&there, &state, NOW).expect("another reason");
        let condition = &second["status"]["conditions"][0];
        assert_eq!(condition["lastTransitionTime"], Value::Null);
        assert_eq!(patch(&patched(&pod(), &state), &state, NOW), None);
    }

    #[test]
    fn a_drained_pod_says_so_until_its_wish_is_back() {
        let mut pod = pod();
        pod.labels.clear();
        let held = |_: &str, _: IpAddr| true;
        let listed = Progress::Listed {
            slice: "web-1".to_owned(),
        };
        let state = decide(&pod, held, None, &listed).expect("known");
        let shown = state.shown().expect("it is to be written");
        assert_eq!(shown.reason, "NotWished");
        assert!(shown.message.contains("EndpointSlice web-1"), "{shown:?}");
        let late = Counts {
            connections: 2,
            by_node: 1,
            datagrams: 0,
        };
        let quiet = Duration::from_secs(2);
        let end = Progress::Drained(Drained { quiet, late });
        let state = decide(&pod, held, None, &end).expect("known");
        let shown = state.shown().expect("it is to be written");
        assert_eq!((shown.is_true, shown.reason.as_str()), (false, "Drained"));
        assert!(
            shown
                .message
                .ends_with("for 2s; late before that: 3 connections"),
            "{shown:?}"
        );
        // A netd that starts knows nothing of the drain: the condition is the memory.
        let mut after = patched(&pod, &state);
        let known = decide(&after, held, None, ON);
        assert_eq!(known, Some(State::Drained(None)));
        assert_eq!(patch(&after, &State::Drained(None), NOW), None);
        after.deleting = true;
        assert_eq!(decide(&after, held, None, ON), Some(State::Drained(None)));
        after.deleting = false;
        after.labels = super::tests::pod().labels;
        let back = decide(&after, held, Some(Vec::new()), &end);
        assert_eq!(back, Some(State::InService));
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
            pod.shown = serves.then(|| State::InService.shown()).flatten();
            let waits = waits.map(|n| vec![wait(); n]);
            let own = !deleting && wished && ready && held;
            let state = decide(&pod, |_, _| held, waits.clone(), ON);
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
                prop_assert_eq!(decide(&after, |_, _| held, waits, ON), Some(state.clone()));
                prop_assert_eq!(patch(&after, &state, NOW), None);
            }
        }
    }
}
