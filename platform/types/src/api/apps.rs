//! Applications, their instances, and where these can be.

use serde::{Deserialize, Serialize};

use crate::Moment;
use crate::kinds::{AppSpec, AppStatus, LocationClaimSpec, LocationClaimStatus, PlacementSpec};

/// An application in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppSummary {
    /// The team: its namespace on the hub.
    pub team: String,
    /// Its name.
    pub name: String,
    /// Its git repository.
    pub repo: String,
    /// Its template, `NAME@VERSION`.
    pub template: String,
    /// Its locations, in their order.
    pub locations: Vec<String>,
    /// Instances that are wanted.
    pub replicas: u32,
    /// Instances in service, as far as is known.
    pub in_service: u32,
    /// The revision that the last finished release left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The release that acts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// How far that release is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<crate::kinds::Phase>,
}

/// An application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AppObject {
    /// The team: its namespace on the hub.
    pub team: String,
    /// Its name.
    pub name: String,
    /// The version of what is wanted. The status does not count.
    pub resource_version: String,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
    /// What is wanted of it.
    pub spec: AppSpec,
    /// What is said of it.
    pub status: AppStatus,
}

/// An application to make or to change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppWrite {
    /// Its name, of a DNS label. Of a change: absent, or the same as in the path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Of a change: the version that it was decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// What is wanted of it.
    pub spec: AppSpec,
}

/// How many instances are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScaleRequest {
    /// So many.
    pub replicas: u32,
    /// Also where there is no room for all of them now: those wait for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub even_without_room: bool,
}

/// What became of a change of the number of instances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Scaled {
    /// Instances that were wanted before.
    pub from: u32,
    /// Instances that are wanted now.
    pub to: u32,
    /// The release that raises or lowers them; absent where none acts, and nothing happens before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
    /// Where more go, as seen now.
    pub placed: Placed,
}

/// A placement to try.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlaceRequest {
    /// Instances in all; the application's where it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// Another placement than the application's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub placement: Option<PlacementSpec>,
}

/// Where instances go that are not there yet. The cluster's scheduler decides: nodes are a prediction.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Placed {
    /// How many are to be added.
    pub wanted: u32,
    /// How many of them have room.
    pub fits: u32,
    /// Where those go.
    pub cells: Vec<PlacedCell>,
    /// What is short, for people; empty where nothing is.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub shortage: String,
    /// Clusters that could not be looked at: they may have room.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// Instances to add in a group of nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlacedCell {
    /// The cluster.
    pub cluster: String,
    /// Its location.
    pub location: String,
    /// The group.
    pub group: String,
    /// How many.
    pub count: u32,
    /// The nodes, as they would be chosen by what is free.
    pub nodes: Vec<PlacedNode>,
}

/// Instances on a node.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlacedNode {
    /// The node.
    pub name: String,
    /// Instances to add.
    pub count: u32,
}

/// A cluster that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Unread {
    /// The cluster.
    pub cluster: String,
    /// Why, for people.
    pub reason: String,
}

/// An application's instances, as the clusters say now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Instances {
    /// The instances, by cluster and name.
    pub items: Vec<Instance>,
    /// Clusters that could not be asked: what is there is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unread: Vec<Unread>,
}

/// An instance: a pod.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Instance {
    /// The pod's name.
    pub name: String,
    /// The cluster.
    pub cluster: String,
    /// Its location.
    pub location: String,
    /// The group of nodes.
    pub group: String,
    /// The revision that it runs.
    pub revision: String,
    /// Its node; absent until it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Its addresses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// What it does.
    pub state: InstanceState,
    /// Why it does not serve, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub reason: String,
    /// How often its containers were started again.
    pub restarts: u32,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created: Option<Moment>,
}

/// What an instance does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum InstanceState {
    /// It may receive new connections.
    InService,
    /// It is wished to serve, and does not yet.
    Starting,
    /// Its wish is off, and not everybody has let go of it yet.
    Draining,
    /// It is alive and out of service, kept for the way back.
    Parked,
    /// It is being deleted.
    Deleting,
    /// Its containers have ended.
    Ended,
}

/// A request for a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Claim {
    /// The location.
    pub location: String,
    /// The most instances there, parked ones and those of a release under way included.
    pub instances: u32,
    /// What for, for who answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// A request for a location, and the answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ClaimObject {
    /// The team: its namespace on the hub.
    pub team: String,
    /// Its name.
    pub name: String,
    /// The version of what is wanted. The status does not count.
    pub resource_version: String,
    /// What is asked for.
    pub spec: LocationClaimSpec,
    /// The answer.
    pub status: LocationClaimStatus,
    /// Instances of that application's size that fit into the location now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<u64>,
}

/// The answer to a request for a location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimAnswer {
    /// Whether it is granted.
    pub approved: bool,
    /// Why not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
