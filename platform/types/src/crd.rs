//! The custom resource definitions, made from the kinds.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::CustomResourceExt;
use serde_json::Value;
use thiserror::Error;

use crate::kinds::{App, Build, Cluster, Grant, LocationClaim, Release, Template};
use crate::schema::{bound, demand};

/// A definition that cannot be written as one of Kubernetes.
#[derive(Debug, Error)]
#[error("the definition of {name} cannot be made: this is a fault of the kind's type")]
pub struct CrdError {
    name: String,
    #[source]
    source: serde_json::Error,
}

/// A rule: the fields to what it is about (`*` for the items of a list), the rule, its words.
type Rule = (&'static [&'static str], &'static str, &'static str);

const ONE_GATE: &str = "(has(self.network) ? 1 : 0) + (has(self.addresses) ? 1 : 0) + (has(self.probe) ? 1 : 0) + \
                        (has(self.metrics) ? 1 : 0) + (has(self.human) ? 1 : 0) == 1";
const ONE_DISCOVERY: &str = "(has(self.servicePort) ? 1 : 0) + (has(self.nginxUpstream) ? 1 : 0) + \
                             (has(self.httpHook) ? 1 : 0) == 1";

const CLUSTER: &[Rule] = &[
    (
        &["spec", "endpoint"],
        "self.startsWith('https://')",
        "an endpoint is an https:// URL",
    ),
    (
        &["spec", "location"],
        "self == oldSelf",
        "a cluster stays in its location: make another object",
    ),
];
const TEMPLATE: &[Rule] = &[(
    &["spec"],
    "self == oldSelf",
    "a template's version never changes: make another version",
)];
const APP: &[Rule] = &[
    (
        &["spec", "scale"],
        "self.min <= self.max",
        "scale.min is not more than scale.max",
    ),
    (
        &["spec"],
        "self.placement.locations.map(l, has(l.min) ? l.min : 0).sum() <= self.replicas",
        "the locations' minimums are not more than the replicas",
    ),
    (
        &["spec", "discovery", "*"],
        ONE_DISCOVERY,
        "exactly one of servicePort, nginxUpstream, httpHook",
    ),
    (
        &["spec", "release", "steps", "*", "gates", "*"],
        ONE_GATE,
        "exactly one of network, addresses, probe, metrics, human",
    ),
];
const BUILD: &[Rule] = &[(
    &["spec"],
    "self == oldSelf",
    "a build never changes: other inputs are another build",
)];
const RELEASE: &[Rule] = &[
    (
        &["spec"],
        "self.app == oldSelf.app && self.digest == oldSelf.digest",
        "a release's application and digest never change: make another release",
    ),
    (
        &["spec"],
        "!has(self.decision) || self.decision != 'Promote' || has(self.decisionStep)",
        "decision Promote says which step by decisionStep",
    ),
    (
        &["spec"],
        "!has(oldSelf.decision) || oldSelf.decision != 'Abort' || (has(self.decision) && self.decision == 'Abort')",
        "an abort is not taken back: make another release",
    ),
];
const GRANT: &[Rule] = &[];
const CLAIM: &[Rule] = &[(
    &["spec"],
    "self.app == oldSelf.app && self.location == oldSelf.location",
    "a claim stays of its application and location: make another object",
)];

/// The definition of every kind, in the order in which they are told.
///
/// # Errors
/// [`CrdError`], which a test rules out.
pub fn all() -> Result<Vec<CustomResourceDefinition>, CrdError> {
    let kinds = [
        (Cluster::crd(), CLUSTER),
        (Template::crd(), TEMPLATE),
        (App::crd(), APP),
        (Build::crd(), BUILD),
        (Release::crd(), RELEASE),
        (Grant::crd(), GRANT),
        (LocationClaim::crd(), CLAIM),
    ];
    kinds
        .into_iter()
        .map(|(crd, rules)| finished(crd, rules))
        .collect()
}

/// The YAML of a definition, as it is in `deploy/platform/crds`.
///
/// # Errors
/// The serializer's, which a definition gives it no cause to.
pub fn yaml(definition: &CustomResourceDefinition) -> Result<String, serde_norway::Error> {
    let text = serde_norway::to_string(definition)?;
    Ok(format!(
        "# Generated from platform/types: UPDATE_DOCS=1 cargo test -p flatnet-platform-types\n{text}"
    ))
}

fn finished(
    definition: CustomResourceDefinition,
    rules: &[Rule],
) -> Result<CustomResourceDefinition, CrdError> {
    let name = definition.spec.names.kind.clone();
    let wrong = |source| CrdError {
        name: name.clone(),
        source,
    };
    let mut value = serde_json::to_value(definition).map_err(wrong)?;
    let versions = value["spec"]["versions"].as_array_mut();
    for version in versions.into_iter().flatten() {
        let schema: &mut Value = &mut version["schema"]["openAPIV3Schema"];
        bound(schema);
        for (place, rule, message) in rules {
            demand(schema, place, rule, message);
        }
    }
    serde_json::from_value(value).map_err(wrong)
}
