//! Who may do what, and where an application may be.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Moment;

/// A right of a person or a program on an application, or on all of a team's (its namespace). It never exceeds the
/// rights of who writes it.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Grant",
    plural = "grants",
    namespaced,
    shortname = "fpgrant",
    category = "flatnet-platform",
    printcolumn(
        name = "Role",
        type_ = "string",
        json_path = ".spec.role",
        description = "The role"
    ),
    printcolumn(
        name = "Subject",
        type_ = "string",
        json_path = ".spec.subject.name",
        description = "Who has it"
    ),
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The application; all where it is empty"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct GrantSpec {
    /// Who has it.
    pub subject: Subject,
    /// What it allows.
    pub role: Role,
    /// The application, in the same namespace; absent for all that are there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
}

/// A person or a program. Exactly one of the fields beside the name is not needed: the kind says which it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// `User`, `Group` or `ServiceAccount`, as in RBAC.
    #[schemars(regex(pattern = r"^(User|Group|ServiceAccount)$"))]
    pub kind: String,
    /// Its name.
    pub name: String,
}

/// What a grant allows; each role has the rights of those before it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Role {
    /// To see.
    Viewer,
    /// To build, release, pause, abort and roll back.
    Releaser,
    /// To change the application.
    Owner,
}

/// An application's request to be in a location, and the answer of who is responsible for the location. Approved, it
/// is a quota.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "LocationClaim",
    plural = "locationclaims",
    namespaced,
    shortname = "fpclaim",
    category = "flatnet-platform",
    status = "LocationClaimStatus",
    printcolumn(
        name = "App",
        type_ = "string",
        json_path = ".spec.app",
        description = "The application"
    ),
    printcolumn(
        name = "Location",
        type_ = "string",
        json_path = ".spec.location",
        description = "The location"
    ),
    printcolumn(
        name = "Instances",
        type_ = "integer",
        json_path = ".spec.instances",
        description = "The most instances"
    ),
    printcolumn(
        name = "Approved",
        type_ = "boolean",
        json_path = ".status.approved",
        description = "Whether it is granted"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct LocationClaimSpec {
    /// The application, in the same namespace.
    pub app: String,
    /// The location.
    pub location: String,
    /// The most instances that it may have there, parked ones and those of a release under way included.
    pub instances: u32,
    /// What for, for who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The answer to a claim.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LocationClaimStatus {
    /// Whether it is granted; absent while nobody has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approved: Option<bool>,
    /// Who answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// When.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Moment>,
    /// Why it was refused, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
