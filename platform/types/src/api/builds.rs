//! Builds.

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::kinds::{BuildSpec, BuildStatus};

/// A build.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildObject {
    /// The team: its namespace on the hub.
    pub team: String,
    /// Its name, which stands for its inputs.
    pub name: String,
    /// The version that this is.
    pub resource_version: String,
    /// When it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// Who asked for it, where that was by the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// What is built.
    pub spec: BuildSpec,
    /// How far it is.
    pub status: BuildStatus,
}

/// A commit to build.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BuildRequest {
    /// A commit (40 hexadecimal digits), or a branch or tag of the repository.
    pub commit: String,
    /// Build it once more where that failed before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub again: bool,
}
