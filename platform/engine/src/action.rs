//! What is to be done.

use flatnet_platform_types::kinds::{Gate, Stable};
use serde::Serialize;

/// One thing to do. Each is idempotent, and refused where its precondition does not hold any more: then it is dropped,
/// and the next look decides anew.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Action {
    /// In a member cluster.
    Member {
        /// The cluster.
        cluster: String,
        /// The epoch that is written with it; the cluster refuses a lower one than it has seen.
        epoch: u64,
        /// What.
        op: Op,
    },
    /// Ask a gate, and observe its answer. Asking again while it is being asked changes nothing.
    Ask {
        /// The step, from 1.
        step: u32,
        /// The round of the step.
        round: u32,
        /// The gate's place in its step, from 0.
        gate: u32,
        /// What it asks.
        of: Gate,
    },
    /// Write `App.status.stable`.
    RecordStable(Stable),
}

/// What is done in a member cluster. `resource_version` is the precondition: the object is as it was observed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub enum Op {
    /// Write the epoch, so that no controller of a lower one writes any more.
    Fence,
    /// Make the ReplicaSet of a revision and group. It fails where there is one. Its pods wish to serve.
    CreateSet {
        /// The revision.
        revision: String,
        /// The group of nodes.
        group: String,
        /// Its replicas.
        replicas: u32,
    },
    /// Raise a ReplicaSet's replicas.
    RaiseSet {
        /// The ReplicaSet.
        set: String,
        /// To so many.
        replicas: u32,
        /// The precondition.
        resource_version: String,
    },
    /// Lower a ReplicaSet's replicas. As many of its pods as it loses are drained, and cheapest to delete.
    LowerSet {
        /// The ReplicaSet.
        set: String,
        /// To so many.
        replicas: u32,
        /// The precondition.
        resource_version: String,
    },
    /// Delete a ReplicaSet that has no replicas and no pods.
    DeleteSet {
        /// The ReplicaSet.
        set: String,
        /// The precondition.
        resource_version: String,
    },
    /// Set the wish of an instance.
    Serve {
        /// The pod.
        instance: String,
        /// Whether it is to serve.
        on: bool,
        /// The precondition.
        resource_version: String,
    },
    /// Set the deletion cost of an instance.
    DeletionCost {
        /// The pod.
        instance: String,
        /// The cost: [`CHEAPEST`] or 0.
        cost: i32,
        /// The precondition.
        resource_version: String,
    },
    /// Delete a pod, for good; its ReplicaSet makes another.
    DeleteInstance {
        /// The pod.
        instance: String,
        /// Why.
        why: Why,
        /// The precondition.
        resource_version: String,
    },
    /// Write the PodDisruptionBudget over `flatnet.io/serve=true`.
    SetPdb {
        /// Its `minAvailable`.
        min_available: u32,
        /// The precondition; none to create it.
        resource_version: Option<String>,
    },
}

/// The deletion cost of an instance that is to go.
pub const CHEAPEST: i32 = i32::MIN;

/// Why a pod is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Why {
    /// Its node is gone, so nothing else ever deletes it soon.
    NodeGone,
    /// Its wish is off, and its node's netd does not answer, so its drain cannot be acknowledged.
    NetdMute,
}

impl Op {
    /// Whether it may take an instance out of service, now or later.
    pub fn lowers(&self) -> bool {
        matches!(
            self,
            Self::LowerSet { .. } | Self::Serve { on: false, .. } | Self::DeleteInstance { .. }
        )
    }
}
