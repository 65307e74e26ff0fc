//! Releases: an application's digest and values taken through steps.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::{CellCount, Stable, any_object};
use crate::{Moment, Span};

/// An application's digest and values taken through the steps of its policy, over all clusters with one budget.
#[derive(CustomResource, Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Release",
    plural = "releases",
    namespaced,
    shortname = "fprelease",
    category = "flatnet-platform",
    status = "ReleaseStatus",
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The application"
    ),
    printcolumn(
        name = "Kind",
        type_ = "string",
        json_path = ".spec.kind",
        description = "Deploy or Rollback"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "How far it is"
    ),
    printcolumn(
        name = "Step",
        type_ = "integer",
        json_path = ".status.step",
        description = "The step"
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        description = "What is waited for"
    ),
    printcolumn(
        name = "Digest",
        type_ = "string",
        json_path = ".spec.digest",
        priority = 1,
        description = "The image"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ReleaseSpec {
    /// The application, in the same namespace.
    pub app: String,
    /// The image: `sha256:` and 64 hexadecimal digits. Never a tag.
    #[schemars(regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: String,
    /// The template's values; the application's where they are absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    #[schemars(schema_with = "any_object")]
    pub values: Value,
    /// The way forth, or the way back.
    #[serde(default)]
    pub kind: ReleaseKind,
    /// What somebody wants of it.
    #[serde(default)]
    pub decision: Decision,
    /// Of `Promote`: the step (from 1) whose human gates pass and whose bake ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_step: Option<u32>,
    /// One more, and a release that paused by itself goes on.
    #[serde(default)]
    pub attempt: u32,
    /// An emergency: instances in clusters that are unreachable count as they were seen last when others are taken out
    /// of service. Aborts and rollbacks do that by themselves.
    #[serde(default)]
    pub emergency: bool,
}

/// The way forth, or the way back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ReleaseKind {
    /// The application's steps with their gates.
    #[default]
    Deploy,
    /// All at once, parked instances first, without gates; waits for nothing that is broken.
    Rollback,
}

/// What somebody wants of a release.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Decision {
    /// It goes on.
    #[default]
    Run,
    /// It stays as it is.
    Pause,
    /// The step `decisionStep` is over once its other gates pass.
    Promote,
    /// The old instances serve again, the new ones go.
    Abort,
}

/// How far a release is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Phase {
    /// Not begun.
    #[default]
    Pending,
    /// Where its instances go is being found out.
    Placing,
    /// The step's instances are made.
    Raising,
    /// They are waited for to be in service, and old ones to be out of it.
    Waiting,
    /// The step's gates are asked.
    Gating,
    /// The step's gates must hold for a while.
    Baking,
    /// All serve; old ones are parked for the way back.
    Holding,
    /// The parked ones are deleted.
    Retiring,
    /// Over, and as it was meant.
    Done,
    /// Nothing is raised or lowered until somebody decides.
    Paused,
    /// The old ones are brought back into service, the new ones taken out.
    Aborting,
    /// Over: the old ones serve.
    Aborted,
    /// Over: a later release of the application acts.
    Superseded,
    /// Over before anything was raised.
    Failed,
}

impl Phase {
    /// Whether the release is over; it still keeps the number of instances, until a later one acts.
    pub fn is_over(self) -> bool {
        matches!(
            self,
            Self::Done | Self::Aborted | Self::Superseded | Self::Failed
        )
    }

    /// Whether it is in a step.
    pub fn is_step(self) -> bool {
        matches!(
            self,
            Self::Raising | Self::Waiting | Self::Gating | Self::Baking
        )
    }
}

/// What is said of a release. With what is observed of the clusters it is all that the controller knows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ReleaseStatus {
    /// How far it is.
    pub phase: Phase,
    /// Why it is in that phase: one word in CamelCase.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// What is waited for, or what went wrong, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// What of the wanted number of instances has no room, for people; empty where all has.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub shortage: String,
    /// The step, from 1; 0 before the first.
    pub step: u32,
    /// How often the step's gates were begun anew, since its instances were not all in service any more.
    pub round: u32,
    /// The `spec.attempt` that it acts on.
    pub attempt: u32,
    /// The revision that it brings.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub revision: String,
    /// What served when it began; empty where nothing did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Stable>,
    /// Where its instances go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub target: Vec<CellCount>,
    /// What was counted in each cluster when it was reachable last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub per_cluster: Vec<ClusterCount>,
    /// What the gates of the step say.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<GateStatus>,
    /// How long is waited for what already.
    pub timers: Timers,
    /// The last changes of phase, the latest last; at most fifty.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<HistoryEntry>,
}

/// What was counted in a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ClusterCount {
    /// The cluster.
    pub cluster: String,
    /// Whether the figures are current.
    pub current: bool,
    /// Instances of the release's revision.
    pub new: u32,
    /// Instances of others.
    pub old: u32,
    /// Instances in service, of all revisions.
    pub in_service: u32,
    /// Instances in service, of the release's revision.
    pub new_in_service: u32,
    /// Instances of all revisions that are kept out of service.
    pub parked: u32,
}

/// What a gate says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct GateStatus {
    /// The gate's place in its step, from 0.
    pub gate: u32,
    /// What it is: `network`, `addresses`, `probe`, `metrics` or `human`.
    pub kind: String,
    /// What it says.
    pub verdict: Verdict,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
}

/// What a gate says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Verdict {
    /// It holds.
    Pass,
    /// It does not.
    Fail,
    /// There is nothing to judge by. It decides nothing.
    #[default]
    Unknown,
}

/// Time that is counted. Each look at the release adds what passed since the last one, but never more than a bound, and
/// nothing where the clock went back: so a clock that jumps ends no bake, and time in which nobody looked does not count.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct Timers {
    /// The last look.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seen: Option<Moment>,
    /// For the step's instances to be in service.
    pub ready: Span,
    /// For its gates to say something.
    pub gate: Span,
    /// How long all gates have held.
    pub bake: Span,
    /// How long old instances have been parked after the last step.
    pub hold: Span,
}

/// A change of phase.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HistoryEntry {
    /// When.
    pub at: Moment,
    /// The phase that it went to.
    pub phase: Phase,
    /// The step, from 1.
    pub step: u32,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
}
