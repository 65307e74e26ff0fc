//! Clusters and templates.

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::kinds::{ClusterSpec, ClusterState, ClusterStatus, NodeGroup, TemplateSpec};

/// A member cluster.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterObject {
    /// Its name.
    pub name: String,
    /// The version of what is wanted. The status does not count.
    pub resource_version: String,
    /// When it was added.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// What is wanted. The credentials are a reference.
    pub spec: ClusterSpec,
    /// What is observed.
    pub status: ClusterStatus,
}

/// A cluster to add.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterAdd {
    /// Its name, of a DNS label.
    pub name: String,
    /// The location, by the name that placements use.
    pub location: String,
    /// The URL of its API server; with a kubeconfig it is that of its current context where this is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// What lets the platform in. It is kept in a Secret of the hub, and never told again.
    pub credentials: ClusterCredentials,
    /// Groups of its nodes.
    #[serde(default)]
    pub groups: Vec<NodeGroup>,
}

/// What lets the platform into a cluster: a kubeconfig, or a token and the authority of the server's certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterCredentials {
    /// A kubeconfig with its credentials in it (`kubectl config view --raw --flatten --minify`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubeconfig: Option<String>,
    /// A bearer token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The authority of the server's certificate, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
}

/// Which are given, without what they are.
impl std::fmt::Debug for ClusterCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClusterCredentials")
            .field("kubeconfig", &self.kubeconfig.is_some())
            .field("token", &self.token.is_some())
            .field("ca", &self.ca.is_some())
            .finish()
    }
}

/// What of a cluster is to be changed; what is absent stays.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClusterUpdate {
    /// The version that the change was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// Whether instances are placed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
    /// All groups of its nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub groups: Option<Vec<NodeGroup>>,
    /// New credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<ClusterCredentials>,
}

/// With what a cluster's nodes pull images.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RegistryPassword {
    /// The user.
    pub user: String,
    /// Its password.
    pub password: String,
    /// Until when it is valid.
    pub expires: Moment,
}

/// Without the password.
impl std::fmt::Debug for RegistryPassword {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RegistryPassword")
            .field("user", &self.user)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// A version of a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TemplateObject {
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// It; it never changes.
    pub spec: TemplateSpec,
}

/// A version of a template to make.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TemplateWrite {
    /// It.
    pub spec: TemplateSpec,
}
