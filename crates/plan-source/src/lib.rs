//! The source of the plan for all daemons: how a new plan is noticed, how it is checked, and what
//! happens if it is invalid.
//!
//! ```text
//!   plan.yaml ─ checked each second, read once it is unchanged
//!       │
//!       ▼
//!   flatnet_plan::load ─▶ the daemon's own check and what it takes ──┬─ accepted ─▶ plan.accepted.yaml
//!       ▲                                                            │                 (fsync)
//!       │ at a start with a wrong file                               └─ refused: the accepted plan stays
//!   plan.accepted.yaml                                                        │
//!                                                                             ▼
//!                         watch channel of [State] ─▶ the daemon ─▶ its status, [PlanMetrics]
//! ```
//!
//! With the feature `kubernetes` the plan can come from a cluster's objects instead: listed, watched, joined to
//! one document once they are quiet, and then treated by the same code.
//!
//! ```text
//!   API server ─ list, watch ─▶ objects of all kinds ─ quiet ─▶ one document ─▶ the same check, copy, state
//!       ▲                                                                                │
//!       ├────────────── [publish_verdicts]: the status of the plan's head ◀── watch ─────┤
//!       └── [publish_parts]: NodeNetwork of each node, NodePeers of each vSwitch ◀───────┘
//! ```
//!
//! A node takes its own part from these, by the same code again:
//!
//! ```text
//!   API server ─ list, watch ─▶ own NodeNetwork, its NodePeers ─▶ one document ─▶ the same check, copy, state
//!       ▲                                                                                │
//!       └── [publish_node_status]: revision, refusal, addresses, problems ◀── watch ─────┘
//! ```
//!
//! # The policy
//! 1. A plan is accepted when it has no error and the daemon can use it. Its version is the digest
//!    of its text.
//! 2. An accepted plan is saved to disk with a checksum, and published with its version.
//! 3. An invalid plan (unreadable, missing, too long, with errors, or unusable for this daemon; an API server
//!    that gives no answer) is refused: the refusal is published with its diagnostics, and the plan that was accepted before
//!    stays in force, also across a restart.
//! 4. Only a start with neither a usable plan nor a usable copy fails; that of a node's own objects waits for them.
//! 5. An accepted plan whose copy cannot be written is in force nevertheless; the error is
//!    published, and writing is retried each second.

mod copy;
mod document;
mod file;
#[cfg(feature = "kubernetes")]
mod kubernetes;
mod metrics;
mod policy;
mod state;

use std::convert::Infallible;
use std::future::Future;

use tokio::sync::watch;

pub use copy::COPY;
pub use file::{FilePlan, FileSource, read};
#[cfg(feature = "kubernetes")]
pub use kubernetes::{
    AcceptedPlan, ClusterPlan, ClusterSource, NodeObjects, NodeReport, NodeSource, OwnObject,
    Policies, follow_policies, publish_node_status, publish_parts, publish_verdicts,
};
pub use metrics::PlanMetrics;
pub use policy::OpenError;
pub use state::{Accepted, Refusal, Refused, State, UnusablePlan, Version};

/// A watched plan. `T` is what the daemon extracts from it.
///
/// # Guarantees
/// There is always an accepted plan: a source without one cannot be opened.
pub trait PlanSource<T> {
    /// The current state and its changes. A slow receiver sees the latest state only.
    fn watch(&self) -> watch::Receiver<State<T>>;

    /// Checks for changes, forever. Cancel safe: files are replaced atomically, and a state is
    /// published after it was checked.
    fn follow(self) -> impl Future<Output = Infallible> + Send;
}
