//! Where daemons take the plan from: one way to notice a new plan, one check, one policy for a
//! plan that is wrong.
//!
//! ```text
//!   plan.yaml ─ looked at each second, read once it is still
//!       │
//!       ▼
//!   flatnet_plan::load ─▶ the daemon's own check and what it takes ──┬─ accepted ─▶ plan.accepted.yaml
//!       ▲                                                            │                 (fsync)
//!       │ at a start with a wrong file                               └─ refused: the accepted plan stands
//!   plan.accepted.yaml                                                        │
//!                                                                             ▼
//!                         watch channel of [State] ─▶ the daemon ─▶ its status, [PlanMetrics]
//! ```
//!
//! # The policy
//! 1. A plan is accepted when it has no error and the daemon can use it. Its version is the digest
//!    of its text.
//! 2. What is accepted is kept on disk, whole and checksummed, and told with its version.
//! 3. What is wrong (unreadable, gone, too long, not sound, of no use to this daemon) is refused: it
//!    is told with its diagnostics, and the plan that was accepted before stands, also over a
//!    restart.
//! 4. Only a start with neither a usable file nor a usable copy fails.
//! 5. An accepted plan whose copy cannot be written is in force all the same; that it is not kept is
//!    told, and tried again at every look.

mod file;
mod metrics;
mod state;

use std::convert::Infallible;
use std::future::Future;

use tokio::sync::watch;

pub use file::{COPY, FilePlan, FileSource, OpenError, read};
pub use metrics::PlanMetrics;
pub use state::{Accepted, Refusal, Refused, State, Unfit, Version};

/// A plan that is watched. `T` is what the daemon takes of it.
///
/// # Guarantees
/// There is always an accepted plan: a source without one cannot be opened.
pub trait PlanSource<T> {
    /// The state of now, and its changes. A receiver that is slow sees the last one only.
    fn watch(&self) -> watch::Receiver<State<T>>;

    /// Looks for changes for ever. Cancel safe: what is on disk is always whole, and what is told
    /// was checked.
    fn follow(self) -> impl Future<Output = Infallible> + Send;
}
