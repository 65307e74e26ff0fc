//! What a controller has seen of the clusters.

use std::collections::BTreeMap;

use flatnet_platform_types::Moment;
use flatnet_platform_types::kinds::{Stable, Verdict};

use crate::place::Node;

/// All that is known beside the objects on the hub.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observed {
    /// The generation of the controller's own lease; higher is later.
    pub epoch: u64,
    /// What the last finished release of the application left: `App.status.stable`.
    pub stable: Option<Stable>,
    /// A later release of the same application, by its name.
    pub superseded_by: Option<String>,
    /// The clusters of the application's locations, by name.
    pub clusters: BTreeMap<String, Cluster>,
    /// What gates said, of any step and round.
    pub verdicts: Vec<GateVerdict>,
    /// Instances that other releases have been promised and have not made yet, by cluster and group.
    pub reserved: BTreeMap<(String, String), u32>,
}

/// Whether what is known of a cluster is current.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Sight {
    /// Its API server answers, and every write of this controller is in what is observed.
    Clear,
    /// It does not answer. What is there is unknown, and not nothing.
    #[default]
    Dark,
    /// Somebody declared that it is gone (`Cluster.spec.state: Lost`).
    Lost,
}

/// A member cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cluster {
    /// Its location.
    pub location: String,
    /// Whether what follows is current. Of a cluster that is not [`Sight::Clear`] nothing else here is read.
    pub sight: Sight,
    /// Whether new instances may be placed there (`Cluster.spec.state: Active`).
    pub open: bool,
    /// The highest epoch that was written there: no write of a lower one is accepted any more.
    pub fence: u64,
    /// The application's ReplicaSets.
    pub sets: Vec<Set>,
    /// The application's PodDisruptionBudget.
    pub pdb: Option<Pdb>,
    /// Groups of nodes that the application may use.
    pub groups: Vec<Group>,
}

/// A group of nodes with what is free on each.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// Its ready and schedulable nodes.
    pub nodes: Vec<Node>,
}

/// A ReplicaSet of the application: one for each revision, cluster and group.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Set {
    /// Its name.
    pub name: String,
    /// The revision that it runs.
    pub revision: String,
    /// The group of nodes.
    pub group: String,
    /// Its `spec.replicas`.
    pub replicas: u32,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
    /// Its pods.
    pub instances: Vec<Instance>,
}

/// A pod of the application.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Instance {
    /// Its name.
    pub name: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
    /// The wish: its label `flatnet.io/serve` is `true`.
    pub serve: bool,
    /// netd's condition `flatnet.io/in-service` is true, and the containers are ready.
    pub in_service: bool,
    /// It has a deletionTimestamp.
    pub deleting: bool,
    /// The state of its node.
    pub node: NodeState,
    /// Its drain.
    pub drain: Drain,
    /// Its annotation `controller.kubernetes.io/pod-deletion-cost`, 0 where it has none.
    pub deletion_cost: i32,
    /// What keeps it from being in service, for people: `ImagePullBackOff`, a subscriber that has not acknowledged.
    pub trouble: Option<String>,
}

/// The state of an instance's node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NodeState {
    /// It serves.
    #[default]
    Well,
    /// It is cordoned: its instances are to be elsewhere.
    Leaving,
    /// It is known to be gone.
    Gone,
    /// Its netd does not answer. What is there goes on, but nothing can be taken out of service.
    Mute,
}

/// The drain of an instance whose wish is off.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Drain {
    /// Everybody who can acknowledge has, and the port has been quiet.
    pub done: bool,
    /// When the wish went off, as far as is known.
    pub since: Option<Moment>,
}

/// The PodDisruptionBudget of the application's instances that serve.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pdb {
    /// Its `spec.minAvailable`.
    pub min_available: u32,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
}

/// What a gate said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GateVerdict {
    /// The step that it was asked for, from 1.
    pub step: u32,
    /// The round of the step.
    pub round: u32,
    /// The gate's place in its step, from 0.
    pub gate: u32,
    /// What it said.
    pub verdict: Verdict,
    /// Why, for people.
    pub reason: String,
}
