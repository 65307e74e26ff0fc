//! The node's ranges from ipamd: taken over while netd runs, kept on disk, and gone on with
//! while ipamd is away.
//!
//! ```text
//!            report what is held, watch                ranges.json (fsync)
//!   ipamd ◀────────────────────────── [follow] ──▶ [held] ──▶ [disk]
//!     ▲                                   │                         ▲
//!     │        plan + ranges = NodeSpec ◀─┴─▶ allocator, flows      │ peers.json
//!     │                          ▲                                  │
//!     └── watch, mode `routed` ──┴─ [peers]: host-gw routes ────────┘
//! ```
//!
//! A range that ipamd drains, or no longer names, is given out no more and kept until
//! nothing uses it. Only then it is dropped from the disk, and only then ipamd is told.

mod disk;
mod follow;
mod held;
mod peers;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use flatnet_client::Client;
use flatnet_plan_source::Accepted;
use flatnet_types::NodeName;
use ipnetwork::IpNetwork;

use crate::plan_file::{NodePlan, PlanReceiver};

pub use follow::RangeFollower;
pub use held::{HeldRange, HeldRanges};
pub use peers::PeerFollower;
pub(crate) use spec::with_ranges;

/// How long ipamd holds an answer back for a change. As often it hears how full ranges are.
const WATCH: Duration = Duration::from_secs(20);
/// Between two attempts to reach it, at first and at most.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(4));

/// The ranges of this node that ipamd takes back when they are empty: nothing of them is given out.
/// Written by the [`RangeFollower`], read by whoever joins ranges to a plan.
pub type DrainingRanges = Arc<Mutex<BTreeSet<IpNetwork>>>;

/// What following ipamd begins with.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// ipamd.
    pub client: Client,
    /// This node.
    pub node: NodeName,
    /// The plan as it is accepted: who holds what comes from ipamd, everything else from it.
    pub plan: PlanReceiver,
    /// Where what was heard is kept.
    pub state: PathBuf,
}

impl FollowerConfig {
    /// The plan that was accepted last.
    fn accepted(&self) -> Accepted<NodePlan> {
        self.plan.borrow().accepted.clone()
    }
}
