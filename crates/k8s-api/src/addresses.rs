//! `AddressSet`: which addresses a label selector is now, and who has taken note of it.
//!
//! ```text
//!   spec.selector ─▶ addressd ─▶ status.generation, status.addresses
//!                                   │ watched
//!   subscribers (flatctl addresses follow) ─▶ status.acknowledgements ─▶ addressd ─▶ status.acknowledged
//! ```
//!
//! Each field of the status has one writer: an item of `acknowledgements` its subscriber, everything else
//! addressd. A subscriber's lease is a `Lease` of `coordination.k8s.io` ([`lease_name`]), so that renewing it
//! writes, and sends to who watches, a small object and not the whole list.

#![allow(
    clippy::duplicated_attributes,
    reason = "columns of one type: each `printcolumn` is an attribute of its own to kube"
)]

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most addresses of a set. With IPv6's longest texts that is 0.7 MB, where an object of the API server has
/// 1.5 MB at most.
pub const MOST_ADDRESSES: usize = 16_384;
/// The most subscribers of a set.
pub const MOST_SUBSCRIBERS: u64 = 64;
/// How long a lease lasts that does not say so.
pub const LEASE_SECONDS: u32 = 30;
/// How long one whose lease is over is still waited for, where the set does not say so.
pub const PROCEED_AFTER_SECONDS: u32 = 30;
/// The label of subscribers' Leases: the name of their set.
pub const SET_LABEL: &str = "flatnet.io/address-set";
/// The annotation of subscribers' Leases: the name of the subscriber.
pub const SUBSCRIBER_ANNOTATION: &str = "flatnet.io/subscriber";
/// Condition: whether `addresses` are what the selector is now.
pub const RESOLVED: &str = "Resolved";
/// Condition: whether everybody who is waited for has the newest generation.
pub const ACKNOWLEDGED: &str = "Acknowledged";

/// The addresses of the pods of its namespace that a label selector is now, for applications that let in by
/// address. An address is in it from when the pod's status has it until it is released. Everybody who writes it
/// into a firewall or a list is a subscriber and acknowledges a generation, so that one can wait for it.
#[allow(clippy::duplicated_attributes, reason = "each column has its type")]
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[kube(
    group = "flatnet.io",
    version = "v1alpha1",
    kind = "AddressSet",
    plural = "addresssets",
    namespaced,
    shortname = "fnset",
    category = "flatnet",
    schema = "disabled",
    status = "AddressSetStatus",
    printcolumn(
        name = "Addresses",
        type_ = "integer",
        json_path = ".status.count",
        description = "How many addresses it has"
    ),
    printcolumn(
        name = "Generation",
        type_ = "integer",
        json_path = ".status.generation",
        description = "Grows whenever the addresses change"
    ),
    printcolumn(
        name = "Acknowledged",
        type_ = "integer",
        json_path = ".status.acknowledged",
        description = "The generation that everybody has who is waited for"
    ),
    printcolumn(
        name = "Missing",
        type_ = "string",
        json_path = ".status.missing[*]",
        description = "Required subscribers without the newest generation, or whose lease is over"
    ),
    printcolumn(
        name = "Changed",
        type_ = "date",
        json_path = ".status.changed",
        description = "When the addresses changed last"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        priority = "1",
        json_path = ".status.conditions[?(@.type==\"Acknowledged\")].message",
        description = "Who is waited for, and who is not any more"
    )
)]
pub struct AddressSetSpec {
    /// Which pods of the namespace.
    pub selector: Selector,
    /// Only addresses of these families. Absent: both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub families: Vec<Family>,
    /// What becomes of a required subscriber whose lease is over, or that never had one. Absent: Proceed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_missing: Option<OnMissing>,
    /// With Proceed: for how many seconds it is waited for after its lease is over. Absent: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 86400))]
    pub proceed_after_seconds: Option<u32>,
    /// Who acknowledges. Absent: nobody is waited for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<Subscriber>,
}

/// A label selector, as Kubernetes has it. An empty one is refused: it would be every pod of the namespace.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// Labels that a pod has, with these values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Demands on labels, all of which hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub match_expressions: Vec<Requirement>,
}

/// A demand on a label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Requirement {
    /// The label's key.
    pub key: String,
    /// How it is compared.
    pub operator: Operator,
    /// With what; empty for Exists and DoesNotExist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// How a label is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Operator {
    /// Its value is one of `values`.
    In,
    /// It is absent, or its value is none of `values`.
    NotIn,
    /// It is there.
    Exists,
    /// It is absent.
    DoesNotExist,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Family {
    /// IPv4.
    IPv4,
    /// IPv6.
    IPv6,
}

/// What becomes of a required subscriber that is missing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnMissing {
    /// It is named, and not waited for once `proceedAfterSeconds` have passed.
    #[default]
    Proceed,
    /// It is named, and waited for.
    Hold,
}

/// Who acknowledges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Subscriber {
    /// Its name: what `flatctl addresses follow --name` is given.
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Whether it is waited for. Absent: Required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// For how many seconds it counts as alive after a renewal of its lease. Absent: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 3, max = 3600))]
    pub lease_seconds: Option<u32>,
}

/// Whether a subscriber is waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Role {
    /// It is waited for.
    #[default]
    Required,
    /// It is shown, and not waited for.
    Advisory,
}

/// What addressd says of a set, and what its subscribers acknowledge.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AddressSetStatus {
    /// The `metadata.generation` that the rest of the status is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Grows by one whenever `addresses` change, and never otherwise. Absent: not resolved yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// When this generation was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed: Option<Time>,
    /// How many addresses it has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// The addresses, IPv4 first, in their order; none twice; 16,384 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The generation that everybody has who is waited for. It never goes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<i64>,
    /// Required subscribers that do not have the newest generation, or whose lease is over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub missing: Vec<String>,
    /// Each subscriber of the spec, as addressd sees it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subscribers: Vec<SubscriberStatus>,
    /// What subscribers say; each writes its own item.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<Acknowledgement>,
    /// `Resolved`: whether `addresses` are what the selector is now. `Acknowledged`: whether everybody who is
    /// waited for has this generation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// How a subscriber is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubscriberStatus {
    /// Its name in the spec.
    pub name: String,
    /// Whether it is waited for, where it is alive.
    pub role: Role,
    /// How it is.
    pub state: SubscriberState,
    /// Whether it is waited for now.
    pub awaited: bool,
    /// The generation that it acknowledged last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acknowledged: Option<i64>,
}

/// How a subscriber is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum SubscriberState {
    /// Its lease stands, and it has the newest generation.
    Current,
    /// Its lease stands, and it has an older generation or none.
    Behind,
    /// Its lease is over.
    Expired,
    /// It has never had a lease that this addressd saw.
    Absent,
}

/// What a subscriber says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    /// Its name in the spec.
    pub subscriber: String,
    /// The generation whose addresses are in force at all of its targets.
    pub generation: i64,
    /// When it was acknowledged, by the subscriber's clock.
    pub at: Time,
    /// Where it has written them, for people.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
}

impl AddressSetSpec {
    /// The subscriber of that name.
    pub fn subscriber(&self, name: &str) -> Option<&Subscriber> {
        self.subscribers.iter().find(|s| s.name == name)
    }
}

impl Subscriber {
    /// For how many seconds its lease lasts.
    pub fn lease_seconds(&self) -> u32 {
        self.lease_seconds.unwrap_or(LEASE_SECONDS)
    }

    /// Whether it is waited for.
    pub fn role(&self) -> Role {
        self.role.unwrap_or_default()
    }
}

impl AddressSetStatus {
    /// What a subscriber has acknowledged.
    pub fn acknowledgement(&self, subscriber: &str) -> Option<i64> {
        let found = self.acknowledgements.iter();
        let mut found = found.filter(|a| a.subscriber == subscriber);
        found.next().map(|a| a.generation)
    }

    /// The condition of that type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|c| c.type_ == type_)
    }
}

impl Selector {
    /// Whether it selects what bears these labels. An empty selector selects nothing: the definition refuses it,
    /// and one that got past it must not let in a whole namespace.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        let empty = self.match_labels.is_empty() && self.match_expressions.is_empty();
        let has = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        !empty
            && self.match_labels.iter().all(has)
            && self.match_expressions.iter().all(|r| r.holds(labels))
    }
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let listed = || value.is_some_and(|v| self.values.contains(v));
        match self.operator {
            Operator::In => listed(),
            Operator::NotIn => !listed(),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// The name of a subscriber's Lease, in the namespace of its set. The name of a subscriber has no dot, so that no
/// two pairs share one.
pub fn lease_name(set: &str, subscriber: &str) -> String {
    format!("{set}.{subscriber}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(of: &[(&str, &str)]) -> BTreeMap<String, String> {
        let pairs = of.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        pairs.collect()
    }

    fn requirement(key: &str, operator: Operator, values: &[&str]) -> Selector {
        Selector {
            match_labels: BTreeMap::new(),
            match_expressions: vec![Requirement {
                key: key.to_owned(),
                operator,
                values: values.iter().map(|v| (*v).to_owned()).collect(),
            }],
        }
    }

    #[test]
    fn a_selector_is_kubernetes_own_but_for_the_empty_one() {
        let pod = labels(&[("app", "web"), ("tier", "front")]);
        let mut by_label = Selector {
            match_labels: labels(&[("app", "web")]),
            match_expressions: Vec::new(),
        };
        assert!(by_label.selects(&pod));
        assert!(!by_label.selects(&labels(&[("app", "db")])));
        by_label.match_expressions = requirement("tier", Operator::In, &["back"]).match_expressions;
        assert!(!by_label.selects(&pod), "all demands hold");
        for (selector, selects) in [
            (requirement("tier", Operator::In, &["front", "x"]), true),
            (requirement("tier", Operator::NotIn, &["front"]), false),
            // As Kubernetes has it: a label that is absent is not in the list.
            (requirement("zone", Operator::NotIn, &["a"]), true),
            (requirement("zone", Operator::In, &["a"]), false),
            (requirement("tier", Operator::Exists, &[]), true),
            (requirement("zone", Operator::DoesNotExist, &[]), true),
            (Selector::default(), false),
        ] {
            assert_eq!(selector.selects(&pod), selects, "{selector:?}");
        }
    }
}
