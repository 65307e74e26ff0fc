//! Applications: what is wanted of one, and how its releases go.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::{Hooks, Stable, any_object};
use crate::{Amount, Span};

/// One application. Its namespace is its team's.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "App",
    plural = "apps",
    namespaced,
    shortname = "fpapp",
    category = "flatnet-platform",
    status = "AppStatus",
    printcolumn(
        name = "Replicas",
        type_ = "integer",
        json_path = ".spec.replicas",
        description = "Instances that are wanted"
    ),
    printcolumn(
        name = "Serving",
        type_ = "integer",
        json_path = ".status.inService",
        description = "Instances in service"
    ),
    printcolumn(
        name = "Stable",
        type_ = "string",
        json_path = ".status.stable.revision",
        description = "The revision that the last finished release left"
    ),
    printcolumn(
        name = "Release",
        type_ = "string",
        json_path = ".status.release",
        description = "The release that acts"
    ),
    printcolumn(
        name = "Template",
        type_ = "string",
        json_path = ".spec.template.name",
        priority = 1,
        description = "The template"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AppSpec {
    /// The git repository: an `https://` or `ssh://` URL.
    pub repo: String,
    /// The team that answers for it.
    pub team: String,
    /// The template and its values.
    pub template: TemplateRef,
    /// Instances that are wanted; where `scale` is given, what it begins with.
    pub replicas: u32,
    /// Instances by signals, between two bounds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale: Option<Scale>,
    /// What one instance requests.
    #[serde(default)]
    pub resources: Resources,
    /// Where instances may be.
    pub placement: PlacementSpec,
    /// What is run in an instance at the turns of its life, beside the template's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
    /// Who is told of instances that come into service and leave it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub discovery: Vec<Discovery>,
    /// AddressSets that the instances' addresses are in.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub address_sets: Vec<String>,
    /// How a release goes.
    #[serde(default)]
    pub release: ReleasePolicy,
}

/// A version of a template, and values for it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TemplateRef {
    /// The template.
    pub name: String,
    /// The version.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// What its placeholders stand for.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub values: Value,
}

/// What one instance requests of a node, beside one pod and one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// Thousandths of a CPU.
    pub cpu_millis: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            cpu_millis: 100,
            memory_bytes: 128 << 20,
        }
    }
}

/// Instances by signals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Scale {
    /// Never fewer.
    pub min: u32,
    /// Never more.
    pub max: u32,
    /// What is measured; the one that asks for most wins.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signals: Vec<Signal>,
    /// What is done where a signal has no data.
    #[serde(default)]
    pub on_signal_loss: SignalLoss,
}

/// A measure that instances are counted by.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Signal {
    /// A PromQL expression whose value is a sum over all instances.
    pub query: String,
    /// How much of it one instance is to have, as a decimal number.
    #[schemars(regex(pattern = r"^[0-9]+(\.[0-9]+)?$"))]
    pub per_instance: String,
}

/// What is done where a signal has no data. There is no choice that lowers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum SignalLoss {
    /// The number stays as it is.
    #[default]
    Hold,
    /// The largest number is taken.
    Max,
}

/// Where instances may be.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlacementSpec {
    /// The locations, in the order in which a step `First` takes them.
    #[schemars(
        length(min = 1, max = 64),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub locations: Vec<LocationWish>,
    /// The group of nodes, in each cluster; absent for all groups that are exclusive to nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// How instances are kept apart, where there is a choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spread: Option<Spread>,
}

/// A location for instances.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LocationWish {
    /// Its name: clusters' `location`.
    pub name: String,
    /// Instances that are placed there at least, and that no action of a release takes out of service below. Absent:
    /// what the placement gives it, less what may be missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<u32>,
}

/// How instances are kept apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Spread {
    /// Over top-of-rack switches, then hosts.
    #[default]
    Switch,
    /// Over hosts.
    Host,
    /// Not at all: the fullest host that fits.
    Pack,
}

/// Who is told of instances in service. Exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Discovery {
    /// The port of a Kubernetes Service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub service_port: Option<u16>,
    /// An upstream of nginx on hosts outside of the clusters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nginx_upstream: Option<String>,
    /// A URL that is sent a POST.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_hook: Option<String>,
}

/// How a release goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ReleasePolicy {
    /// The steps; what the last one leaves of the whole is done without a gate. None: all at once.
    #[schemars(length(max = 32))]
    pub steps: Vec<Step>,
    /// How many of the wanted instances may be out of service by what a release does.
    pub max_unavailable: Amount,
    /// How many instances there may be above those wanted and those parked.
    pub max_surge: Amount,
    /// Old instances that are kept out of service for the way back.
    pub keep_old: KeepOld,
    /// How long is waited.
    pub deadlines: Deadlines,
    /// What becomes of a release whose gate fails or whose instances do not come.
    pub on_failure: OnFailure,
}

impl Default for ReleasePolicy {
    fn default() -> Self {
        Self {
            steps: Vec::new(),
            max_unavailable: Amount::Instances(0),
            max_surge: Amount::Percent(25),
            keep_old: KeepOld::default(),
            deadlines: Deadlines::default(),
            on_failure: OnFailure::default(),
        }
    }
}

/// A step of a release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// How many instances are new at its end, in all.
    pub instances: Amount,
    /// Which locations they are in.
    #[serde(default)]
    pub locations: Locations,
    /// How long the gates must hold.
    #[serde(default)]
    pub bake: Span,
    /// What must pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub gates: Vec<Gate>,
}

/// Which locations a step's instances are in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Locations {
    /// The first location is filled before the second.
    First,
    /// Each has its share.
    #[default]
    Each,
}

/// Something that must pass before a step is over. Exactly one of the fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Gate {
    /// The new instances are reached from the hub, and the network of their nodes is ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<bool>,
    /// Every subscriber of the AddressSets has acknowledged the new instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses: Option<bool>,
    /// An HTTP path of the new instances that answers 200: `/PATH`, at the first port that the pod declares (80 where it
    /// declares none), or `:PORT/PATH`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024), regex(pattern = r"^(:[1-9][0-9]{0,4})?/[!-~]*$"))]
    pub probe: Option<String>,
    /// A measure of the new instances.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<Metrics>,
    /// Somebody promotes the step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub human: Option<bool>,
}

/// A measure that decides.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Metrics {
    /// A PromQL comparison (`… < 0.01`) that has a result while all is well. `{{ .app }}`, `{{ .namespace }}`,
    /// `{{ .revision }}` (the new one) and `{{ .stable }}` (the one before) stand for names.
    #[schemars(length(min = 1, max = 4096))]
    pub query: String,
    /// Samples without which it says nothing: those of the selector in what is compared that has most.
    pub min_samples: u32,
}

/// Old instances that are kept out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct KeepOld {
    /// How many.
    pub count: Amount,
    /// For how long after the last step.
    #[serde(rename = "for")]
    pub span: Span,
}

impl Default for KeepOld {
    fn default() -> Self {
        Self {
            count: Amount::Percent(100),
            span: Span::seconds(3_600),
        }
    }
}

/// How long is waited. Time counts only while somebody watches, and while no cluster that is waited for is
/// unreachable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Deadlines {
    /// For a step's instances to be in service.
    pub ready: Span,
    /// For a gate to say something.
    pub gate: Span,
    /// For a drained instance's connections.
    pub drain: Span,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            ready: Span::seconds(600),
            gate: Span::seconds(600),
            drain: Span::seconds(60),
        }
    }
}

/// What becomes of a release that fails.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum OnFailure {
    /// The old instances serve again, the new ones go.
    #[default]
    Abort,
    /// It waits for somebody.
    Pause,
}

/// What is said of an application.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppStatus {
    /// What the last finished release left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stable: Option<Stable>,
    /// The release that acts, by its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Instances in service, as far as is known.
    #[serde(default)]
    pub in_service: u32,
}
