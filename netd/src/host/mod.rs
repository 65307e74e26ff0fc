//! The host's kernel and disk: what netd set there and another program changed, and what netd
//! depends on but does not change.
//!
//! ```text
//!   netlink: addresses, routes, rules, settings ─▶ [events] ──┬─▶ state.repair_requested() ─▶ reconcile
//!                                                             ▼
//!   each second: sysctls, netfilter, lookups, the store ─▶ [poll] ─▶ HostState ─▶ [diagnose] ─▶ Board
//! ```
//!
//! The kernel sends events for changes of only a few sysctls, and none for tables of the legacy
//! iptables: these are read once a second. The reconciler repairs what netd manages; the rest
//! becomes a problem with the command that repairs it.

mod diagnose;
mod events;
mod forward;
mod gateway;
mod poll;
mod store;
mod sysctls;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use flatnet_kernel::Kernel;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::reconcile::{ReconcileOps, Reconciler};
use crate::state::NodeState;

pub use diagnose::diagnose;
pub use poll::{DivertedRoute, HostState, Uplink};
pub(crate) use store::ensure_store_present;
pub use store::{StoreFile, StoreState};

/// Interval between two polls.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// The shortest time between two polls, however many events arrive.
const MIN_INTERVAL: Duration = Duration::from_millis(100);
/// Source name of these problems on the board.
const SOURCE: &str = "host";

/// What polling the host needs.
pub struct Host<N: ReconcileOps> {
    /// The node's state.
    pub state: NodeState<N>,
    /// Gives the sysctls that netd manages.
    pub reconciler: Arc<Reconciler<N>>,
    /// The host's kernel.
    pub kernel: Kernel,
    /// The directory and file of the store, as they were when it was opened.
    pub store: StoreFile,
    /// Whether the datapath is Open vSwitch's userspace one.
    pub userspace: bool,
}

impl<N: ReconcileOps> Host<N> {
    /// Starts the event listener and the polling.
    pub fn spawn(self, tasks: &mut JoinSet<()>) {
        let wake = Arc::new(Notify::new());
        tasks.spawn(events::run(
            self.state.clone(),
            self.kernel.clone(),
            Arc::clone(&wake),
        ));
        tasks.spawn(self.run(wake));
    }

    async fn run(self, wake: Arc<Notify>) {
        let repair_requested = self.state.repair_requested();
        let mut previous = poll::PollState::default();
        let mut by_event = true;
        loop {
            let started = Instant::now();
            let wanted = self.reconciler.sysctls();
            match poll::poll(&self, &wanted, &mut previous, by_event).await {
                Ok(observed) => {
                    if observed.differs(&wanted) {
                        repair_requested.notify_one();
                    }
                    let spec = self.state.spec();
                    let problems = diagnose(&spec, self.userspace, &observed);
                    self.state.board().post(SOURCE, problems);
                }
                Err(e) => tracing::warn!(error = %e, "the host cannot be read"),
            }
            let due = tokio::time::timeout_at(started + POLL_INTERVAL, wake.notified());
            by_event = due.await.is_ok();
            tokio::time::sleep_until(started + MIN_INTERVAL).await;
        }
    }
}

/// The store's file in netd's state directory.
pub fn store_file(state: &std::path::Path, name: &str) -> StoreFile {
    StoreFile::of(PathBuf::from(state), name)
}
