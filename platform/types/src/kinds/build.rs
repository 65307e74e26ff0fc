//! Builds: a commit to an image.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Moment;

/// A commit built by a template's version. The same inputs have the same name, and there is no second build.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Build",
    plural = "builds",
    namespaced,
    shortname = "fpbuild",
    category = "flatnet-platform",
    status = "BuildStatus",
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The application"
    ),
    printcolumn(
        name = "Commit",
        type_ = "string",
        json_path = ".spec.commit",
        description = "The commit"
    ),
    printcolumn(
        name = "Phase",
        type_ = "string",
        json_path = ".status.phase",
        description = "How far it is"
    ),
    printcolumn(
        name = "Digest",
        type_ = "string",
        json_path = ".status.digest",
        priority = 1,
        description = "The image"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct BuildSpec {
    /// The application, in the same namespace.
    pub app: String,
    /// The commit: 40 hexadecimal digits.
    #[schemars(regex(pattern = r"^[0-9a-f]{40}$"))]
    pub commit: String,
    /// The version of the application's template.
    #[schemars(range(min = 1))]
    pub template_version: u32,
    /// The base image's digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base_digest: Option<String>,
}

/// How far a build is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BuildStatus {
    /// How far it is.
    #[serde(default)]
    pub phase: BuildPhase,
    /// The image, once it is in the registry: `sha256:` and 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// Where its log is: a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub began: Option<Moment>,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Moment>,
}

/// How far a build is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum BuildPhase {
    /// Not begun.
    #[default]
    Pending,
    /// Its Job runs.
    Running,
    /// The image is in the registry.
    Done,
    /// It ended without an image.
    Failed,
}
