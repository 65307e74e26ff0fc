//! Failures on order, for the end-to-end suites: only in builds with the feature `faults`.
//!
//! ```text
//!   suite ──writes──▶ the file that FLATNET_FAULTS names ◀──takes one order at each step── netd
//! ```
//!
//! An order is a line `STEP ACTION [COUNT]`; the first one for a step is obeyed COUNT times
//! (once where no COUNT is given), and is taken out of the file *before* it is obeyed, so that
//! a netd that killed itself does not do so again when it is back, and a suite that finds the
//! file empty knows that the failure did happen.
//!
//! | ACTION | at that step |
//! |---|---|
//! | `fail-before` | nothing is done, an error is given |
//! | `fail-after` | it is done, and an error is given all the same |
//! | `kill`, `kill-after` | netd sends itself SIGKILL, before or after doing it |
//! | `hang=2.5` | it is done after so many seconds |
//! | `pass` | nothing special, so that the next order is for the next time |
//!
//! STEP is a method of [`crate::node::NodeOps`] or [`crate::reconcile::ReconcileOps`], `store` for
//! a write of the store, or `*` for any of them. Lines that are no orders are left alone.

mod node;
mod order;
mod store;

pub use node::FaultyNode;
pub use order::{Action, Orders};
pub use store::FaultyStore;

/// The variable that names the file of orders.
pub const FILE: &str = "FLATNET_FAULTS";

/// Ends this process as the kernel would.
fn die() -> ! {
    let own = nix::unistd::Pid::this();
    // It cannot fail for oneself, and does not return.
    let _ = nix::sys::signal::kill(own, nix::sys::signal::Signal::SIGKILL);
    std::process::abort()
}
