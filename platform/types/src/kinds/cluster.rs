//! Clusters that instances are placed in.

use std::collections::BTreeMap;

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Moment;

/// A Kubernetes cluster that applications' instances are placed in. The controller speaks to its API server; there is
/// no agent in it.
#[derive(CustomResource, Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[kube(
    group = "platform.flatnet.io",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "fpcluster",
    category = "flatnet-platform",
    status = "ClusterStatus",
    printcolumn(
        name = "Location",
        type_ = "string",
        json_path = ".spec.location",
        description = "The location that it is in"
    ),
    printcolumn(
        name = "State",
        type_ = "string",
        json_path = ".spec.state",
        description = "Whether instances are placed there"
    ),
    printcolumn(
        name = "Reachable",
        type_ = "string",
        json_path = ".status.reachable",
        description = "Whether its API server answers"
    ),
    printcolumn(
        name = "Seen",
        type_ = "date",
        json_path = ".status.lastSeen",
        description = "When it answered last"
    ),
    printcolumn(
        name = "Version",
        type_ = "string",
        json_path = ".status.version",
        description = "Its Kubernetes"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// The URL of its API server: `https://` and a host.
    pub endpoint: String,
    /// The Secret on the hub with the key `kubeconfig`, or the keys `token` and `ca.crt`.
    pub credentials: SecretRef,
    /// The location, by the name that applications' placements use.
    pub location: String,
    /// Whether instances are placed there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ClusterState>,
    /// Groups of its nodes. A node that is in none is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub groups: Vec<NodeGroup>,
}

/// Whether instances are placed in a cluster.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum ClusterState {
    /// They are.
    #[default]
    Active,
    /// New ones are not; those that are there are moved away by the next release.
    Draining,
    /// It is given up for gone: an emergency that somebody declares. Its instances count as absent, and are raised
    /// elsewhere.
    Lost,
}

/// A Secret of the hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SecretRef {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A group of nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct NodeGroup {
    /// Its name, which is one within the cluster.
    pub name: String,
    /// Labels that its nodes have.
    pub node_selector: BTreeMap<String, String>,
    /// The one application that may use it (`NAMESPACE/NAME`); absent where all may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclusive_for: Option<String>,
}

/// What is observed of a cluster.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Whether its API server answers.
    #[serde(default)]
    pub reachable: Reachable,
    /// When it answered last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<Moment>,
    /// The version of its Kubernetes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// What is free in each group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headroom: Vec<GroupHeadroom>,
    /// What hinders, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Whether an API server answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub enum Reachable {
    /// It does, and what is observed is current.
    True,
    /// It refuses: the address is wrong, or the credentials.
    False,
    /// It does not answer, or has not been asked yet: what is there is unknown, and not nothing.
    #[default]
    Unknown,
}

/// What is free in a group of nodes: sums over its ready and schedulable nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct GroupHeadroom {
    /// The group.
    pub group: String,
    /// Its nodes.
    pub nodes: u32,
    /// Thousandths of a CPU that no pod has requested.
    pub cpu_millis: u64,
    /// Bytes of memory that no pod has requested.
    pub memory_bytes: u64,
    /// Pods that the kubelets would still take.
    pub pods: u64,
    /// Free addresses of Flatnet's ranges on the nodes, less those in quarantine.
    pub addresses: u64,
}
