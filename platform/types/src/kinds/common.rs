//! What several kinds have in common.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Instances of a group of nodes of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CellCount {
    /// The cluster.
    pub cluster: String,
    /// Its location.
    pub location: String,
    /// The group.
    pub group: String,
    /// How many.
    pub count: u32,
}

/// A revision that serves, and where its instances are meant to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Stable {
    /// The revision: ten hexadecimal digits.
    pub revision: String,
    /// Instances by cluster and group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub placement: Vec<CellCount>,
}

/// What is run in an instance at the turns of its life: paths in the image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Hooks {
    /// Starts the application.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// Stops it, within the pod's grace period.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<String>,
    /// Run when it is parked, for workers that take work by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub park: Option<String>,
}

/// An object whose fields are somebody else's.
pub(super) fn any_object(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}
