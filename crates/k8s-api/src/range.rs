//! A range that ipamd assigned, as a `HostRange` object: one entry of its ledger.
//!
//! ```text
//!   lease ─▶ [object] spec: host, network, prefix; annotation: the whole lease ─▶ API server
//!   lease ◀─ [lease]  refused where the annotation and the spec do not say the same ◀────┘
//! ```
//!
//! The object's name is made of the range's first address alone, so that two that begin alike cannot both be
//! there. The lease is an annotation and not the status: what restores objects from a backup leaves statuses
//! out, and a lease that is lost may be given away twice.

use std::net::IpAddr;
use std::time::Duration;

use flatnet_types::ipamd::{DrainReason, Lease, LeaseState, LeaseView};
use ipnetwork::IpNetwork;
use k8s_openapi::jiff;
use kube::api::{DynamicObject, ObjectMeta};
use serde_json::json;
use thiserror::Error;

use crate::object::Kind;
use crate::status::HostRangeStatus;

/// The label of a range that ipamd assigned. What bears it is no part of the plan.
pub const ASSIGNED_LABEL: &str = "flatnet.io/assigned";
/// The label selector of the ranges that ipamd assigned.
pub const ASSIGNED: &str = "flatnet.io/assigned";
/// The label selector of the ranges that the plan is made of.
pub const DECLARED: &str = "!flatnet.io/assigned";
/// The annotation with the lease: the JSON of `GET /v1/ranges`, without what hosts report.
pub const LEASE_ANNOTATION: &str = "flatnet.io/lease";

/// An object that bears ipamd's label and is none of its entries.
#[derive(Debug, Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum RangeError {
    /// It has no lease, or one that this version does not understand.
    #[error(
        "HostRange/{name} has no lease that can be read ({detail}): put the annotation \
         {LEASE_ANNOTATION} back, or delete the object if no host uses its addresses"
    )]
    Unreadable { name: String, detail: String },
    /// Its lease is another range's, or another host's.
    #[error(
        "HostRange/{name} has the lease of {lease} in its annotation {LEASE_ANNOTATION}, and its spec is of \
         {spec}: put back what was changed"
    )]
    Mismatch {
        name: String,
        lease: String,
        spec: String,
    },
}

/// The name of the object whose range begins with the first address of `prefix`.
///
/// ```
/// use flatnet_k8s_api::range::name;
/// assert_eq!(name("10.100.0.64/26".parse().unwrap()), "assigned-10.100.0.64");
/// assert_eq!(
///     name("fd00:1::/64".parse().unwrap()),
///     "assigned-fd00-0001-0000-0000-0000-0000-0000-0000"
/// );
/// ```
pub fn name(prefix: IpNetwork) -> String {
    match prefix.network() {
        IpAddr::V4(first) => format!("assigned-{first}"),
        IpAddr::V6(first) => {
            let words = first.segments().map(|word| format!("{word:04x}"));
            format!("assigned-{}", words.join("-"))
        }
    }
}

/// The object of a lease.
///
/// # Errors
/// The serializer's, which a lease gives it no cause to.
pub fn object(lease: &Lease) -> Result<DynamicObject, serde_json::Error> {
    let name = name(lease.prefix);
    let mut object = DynamicObject::new(&name, &Kind::HostRange.resource());
    let label = (ASSIGNED_LABEL.to_owned(), "ipamd".to_owned());
    let annotation = (LEASE_ANNOTATION.to_owned(), serde_json::to_string(lease)?);
    object.metadata = ObjectMeta {
        name: Some(name),
        labels: Some([label].into()),
        annotations: Some([annotation].into()),
        ..ObjectMeta::default()
    };
    object.data = json!({"spec": spec(lease)});
    Ok(object)
}

/// Whether ipamd made the object.
pub fn is_assigned(object: &DynamicObject) -> bool {
    let labels = object.metadata.labels.as_ref();
    labels.is_some_and(|labels| labels.contains_key(ASSIGNED_LABEL))
}

/// The lease that an object is of.
///
/// # Errors
/// [`RangeError`]: it is none that [`object`] made.
pub fn lease(object: &DynamicObject) -> Result<Lease, RangeError> {
    let name = object.metadata.name.clone().unwrap_or_default();
    let annotations = object.metadata.annotations.as_ref();
    let text = annotations.and_then(|all| all.get(LEASE_ANNOTATION));
    let Some(text) = text.filter(|_| is_assigned(object)) else {
        let detail = "the annotation or the label is missing".to_owned();
        return Err(RangeError::Unreadable { name, detail });
    };
    let lease: Lease = serde_json::from_str(text).map_err(|e| RangeError::Unreadable {
        name: name.clone(),
        detail: e.to_string(),
    })?;
    let (found, wanted) = (&object.data["spec"], spec(&lease));
    if *found != wanted || name != self::name(lease.prefix) {
        let (lease, spec) = (wanted.to_string(), found.to_string());
        return Err(RangeError::Mismatch { name, lease, spec });
    }
    Ok(lease)
}

/// What `kubectl get` shows of a range. `quarantine` is how long a released range stays without a host.
pub fn status(view: &LeaseView, quarantine: Duration) -> HostRangeStatus {
    let (state, reason) = match view.lease.state {
        LeaseState::Active => ("active", None),
        LeaseState::Draining { reason } => {
            let reason = match reason {
                DrainReason::Plan => "the plan no longer gives it to this host",
                DrainReason::Admin => "an admin drained it",
                DrainReason::Contested => {
                    "conflict: another host reports that it uses its addresses"
                }
            };
            ("draining", Some(reason.to_owned()))
        }
        LeaseState::Quarantined { since, .. } => {
            let until = since.saturating_add(quarantine);
            let seconds = i64::try_from(until.as_millis() / 1000).unwrap_or(i64::MAX);
            let until = jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::MAX);
            (
                "quarantined",
                Some(format!("no other host has it before {until}")),
            )
        }
    };
    HostRangeStatus {
        state: Some(state.to_owned()),
        reason,
        source: Some(view.lease.source.as_str().to_owned()),
        capacity: view.capacity.map(countable),
        used: view.used.map(countable),
        conditions: Vec::new(),
    }
}

/// The API has numbers of 64 bits with a sign, and JSON's readers agree on 53 bits.
fn countable(addresses: u64) -> u64 {
    addresses.min(1 << 53)
}

fn spec(lease: &Lease) -> serde_json::Value {
    json!({
        "host": lease.host,
        "network": lease.network,
        "prefix": lease.prefix.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use flatnet_types::Timestamp;
    use flatnet_types::ipamd::{Incarnation, LeaseId, LeaseSource};

    use super::*;

    fn a_lease(prefix: &str) -> Lease {
        Lease {
            id: LeaseId(7),
            ledger: Incarnation(u64::MAX),
            host: "idc1".parse().expect("a name"),
            network: "app".parse().expect("a name"),
            prefix: prefix.parse().expect("a prefix"),
            source: LeaseSource::SubAllocated,
            state: LeaseState::Quarantined {
                since: Timestamp::from_millis(5),
                drained: true,
            },
            granted_at: Timestamp::from_millis(1),
            stamp: 9,
        }
    }

    #[test]
    fn a_lease_is_in_its_object_as_it_was() {
        for prefix in ["10.100.0.64/26", "fd00:1::/64"] {
            let object = object(&a_lease(prefix)).expect("an object");
            assert!(is_assigned(&object));
            assert_eq!(lease(&object).expect("a lease"), a_lease(prefix));
        }
    }

    #[test]
    fn what_somebody_changed_is_told_and_not_believed() {
        let whole = object(&a_lease("10.100.0.64/26")).expect("an object");
        let mut other = whole.clone();
        other.data["spec"]["host"] = "idc2".into();
        assert!(matches!(lease(&other), Err(RangeError::Mismatch { .. })));
        let mut bare = whole.clone();
        bare.metadata.annotations = None;
        assert!(matches!(lease(&bare), Err(RangeError::Unreadable { .. })));
        let mut renamed = whole;
        renamed.metadata.name = Some("assigned-10.100.0.0".to_owned());
        assert!(matches!(lease(&renamed), Err(RangeError::Mismatch { .. })));
    }

    #[test]
    fn a_status_says_what_may_be_done_with_a_range_and_until_when() {
        let mut view = LeaseView {
            lease: a_lease("10.100.0.64/26"),
            used: Some(3),
            capacity: Some(u64::MAX),
            reported_at: None,
        };
        let told = status(&view, Duration::from_secs(300));
        assert_eq!(told.state.as_deref(), Some("quarantined"));
        let until = "no other host has it before 1970-01-01T00:05:00Z";
        assert_eq!(told.reason.as_deref(), Some(until));
        assert_eq!((told.used, told.capacity), (Some(3), Some(1 << 53)));
        view.lease.state = LeaseState::Draining {
            reason: DrainReason::Contested,
        };
        let told = status(&view, Duration::ZERO);
        assert!(told.reason.expect("a reason").starts_with("conflict: "));
    }

    #[test]
    fn ranges_that_begin_alike_have_one_name() {
        let name = |text: &str| name(text.parse().expect("a prefix"));
        assert_eq!(name("10.0.0.0/24"), name("10.0.0.0/26"));
        assert_ne!(name("10.0.0.0/26"), name("10.0.0.64/26"));
        assert_ne!(name("fd00::/64"), name("fd00:0:0:1::/64"));
    }
}
