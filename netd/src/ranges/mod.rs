//! The node's ranges from ipamd: applied while netd runs, and kept on disk, so that ipamd may be
//! away.
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
//! A range that ipamd drains, or no longer lists, gives out no new addresses and is kept until none
//! of its addresses is in use. Then it is removed from the disk, and after that released at The
//! client of ipamd.

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
use flatnet_clock::Backoff;
use flatnet_plan_source::Accepted;
use flatnet_types::NodeName;
use ipnetwork::IpNetwork;

use crate::node_plan::{NodePlan, PlanReceiver};

pub use follow::RangeFollower;
pub use held::{HeldRange, HeldRanges};
pub use peers::PeerFollower;
pub(crate) use spec::with_ranges;

/// How long ipamd delays an answer until something changes. The node reports the use of its ranges
/// as often.
const WATCH: Duration = Duration::from_secs(20);
/// Delays before reconnecting to ipamd.
const RETRY: Backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(4));

/// The node's draining ranges, which give out no addresses and go back to ipamd when they are
/// empty. Written by the [`RangeFollower`], read where ranges are joined to a plan.
pub type DrainingRanges = Arc<Mutex<BTreeSet<IpNetwork>>>;

/// Parameters of the followers.
#[derive(Debug, Clone)]
pub struct FollowerConfig {
    /// The client of ipamd.
    pub client: Client,
    /// This node's name.
    pub node: NodeName,
    /// The accepted plan. It declares everything but the ranges, which come from ipamd.
    pub plan: PlanReceiver,
    /// The state directory, where ipamd's answers are kept.
    pub state: PathBuf,
}

impl FollowerConfig {
    /// The last accepted plan.
    fn accepted(&self) -> Accepted<NodePlan> {
        self.plan.borrow().accepted.clone()
    }
}
