//! Injected failures, for the end-to-end suites: only in builds with the feature `faults`.
//!
//! ```text
//!   suite ──writes──▶ the file that FLATNET_FAULTS names ◀──takes one order at each step── netd
//! ```
//!
//! An order is a line `STEP ACTION [COUNT]`. The first one for a step is executed COUNT times (once
//! where no COUNT is given), and is removed from the file *before* it is executed, so that a netd
//! that killed itself does not do so again after its restart, and a suite that finds the file empty
//! knows that the failure happened.
//!
//! | ACTION | at that step |
//! |---|---|
//! | `fail-before` | nothing is done, an error is returned |
//! | `fail-after` | it is done, and an error is returned |
//! | `kill`, `kill-after` | netd sends itself SIGKILL, before or after doing it |
//! | `hang=2.5` | it is done after so many seconds |
//! | `pass` | no fault, so that the next order is for a later execution |
//!
//! STEP is a method of [`crate::node_ops::NodeOps`] or [`crate::reconcile::ReconcileOps`] (`bearers`
//! stands for `neighbours_with_mac`), `store` for a write of the store, or `*` for any of them. Other
//! lines are left alone.

mod node;
mod queue;
mod store;

pub use node::FaultyNode;
pub use queue::{FaultAction, FaultQueue};
pub use store::FaultyStore;

/// Environment variable with the path of the file of faults.
pub const FILE_VARIABLE: &str = "FLATNET_FAULTS";

/// Kills this process with SIGKILL, as the kernel's OOM killer would.
fn kill_self() -> ! {
    let own = nix::unistd::Pid::this();
    // Signalling the own process cannot fail, and SIGKILL does not return.
    let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
    std::process::abort()
}
