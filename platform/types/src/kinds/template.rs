//! How a kind of component is built and run.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::common::{Hooks, any_object};

/// How a kind of component is built and run. One object a version; it never changes.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Template",
    plural = "templates",
    shortname = "fptemplate",
    category = "flatnet-platform",
    printcolumn(
        name = "Template",
        type_ = "string",
        json_path = ".spec.name",
        description = "The template's name"
    ),
    printcolumn(
        name = "Version",
        type_ = "integer",
        json_path = ".spec.version",
        description = "The version"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp",
        description = "When it was made"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct TemplateSpec {
    /// The template's name; the object's is this with `-vVERSION`.
    pub name: String,
    /// The version: 1, 2, 3 and so on.
    #[schemars(range(min = 1))]
    pub version: u32,
    /// JSON Schema of the values that an application gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub schema: Option<Value>,
    /// A pod's template, in which `{{ .NAME }}` stands for a value.
    #[schemars(schema_with = "any_object")]
    pub pod_template: Value,
    /// The Dockerfile that applications of this template are built with, unless they have their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub dockerfile: Option<String>,
    /// The base image, by digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_image: Option<String>,
    /// What is run in an instance at the turns of its life.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hooks: Option<Hooks>,
}
