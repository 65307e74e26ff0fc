//! Releases, and what was changed by whom.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Moment;
use crate::kinds::{ReleaseSpec, ReleaseStatus};

/// A release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReleaseObject {
    /// The team: its namespace on the hub.
    pub team: String,
    /// Its name: the application's and a number.
    pub name: String,
    /// The version that this is.
    pub resource_version: String,
    /// When it was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// Who started it, where that was by the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Steps of the application's policy.
    pub steps: u32,
    /// Instances that the application wants.
    pub replicas: u32,
    /// What is wanted of it.
    pub spec: ReleaseSpec,
    /// How far it is.
    pub status: ReleaseStatus,
}

/// A release to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReleaseRequest {
    /// The image: `sha256:` and 64 hexadecimal digits.
    pub digest: String,
    /// The template's values; the application's where they are absent.
    #[serde(default, skip_serializing_if = "Value::is_null")]
    pub values: Value,
    /// Whether instances in clusters that are unreachable count as they were seen last when others are taken out of
    /// service.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub emergency: bool,
}

/// Which step is promoted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PromoteRequest {
    /// The step, from 1; the one that the release is in where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<u32>,
}

/// What to go back to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RollbackRequest {
    /// A release's name, or a digest. Absent: what served before the release that acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// An entry of the audit log: a change that was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Its number, from 1, of this server's log.
    pub number: u64,
    /// When it was begun.
    pub at: Moment,
    /// Who asked: the user's name.
    pub by: String,
    /// What: `release.start`, `app.update` and so on.
    pub action: String,
    /// The object's team; absent for what belongs to none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub team: Option<String>,
    /// The object: `apps/web`, `releases/web-3`, `clusters/idc`.
    pub object: String,
    /// What became of it.
    pub outcome: ChangeOutcome,
    /// Why it was refused, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The difference. Secrets are not in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference: Vec<FieldChange>,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum ChangeOutcome {
    /// It was begun, and what became of it is not known: the server ended meanwhile.
    Begun,
    /// Done.
    Done,
    /// Refused, or failed.
    Failed,
}

/// A field that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct FieldChange {
    /// Its path, as in `replicas` or `placement.locations[0].min`.
    pub field: String,
    /// What it was; absent where it was not there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Value>,
    /// What it is now; absent where it is not there any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Value>,
}
