//! Keeps the node as the plan and the store declare: observe → plan → apply, until the change set
//! is empty.
//!
//! ```text
//!   NodeSpec + store ─▶ [desired] ─┐
//!                                  ├─▶ [plan] ─▶ ops ─▶ [run], [apply] ─▶ observe again
//!   OVSDB, flows, kernel ─▶ [actual] ┘
//! ```
//!
//! [`plan()`] is pure and returns the ops that are possible in the observed state; an op that needs
//! the result of another one (the address of a port that does not exist yet) follows in the next
//! round. For a healthy node there are no ops, so a restart changes nothing.

mod actual;
mod apply;
mod attachments;
mod attempts;
mod desired;
mod op;
mod plan;
mod probe;
mod routes;
mod run;
mod switch;
mod timeouts;
mod uplink;

pub use actual::{
    Actual, ActualPort, BridgeRow, InterfaceLocation, LinkActual, RouteActual, UnmanagedRoute,
};
pub use desired::{Desired, HOST_PORT, NodeOptions, node_ports};
pub use op::{Op, Severity, Subject};
pub use plan::{ChangeSet, plan};
pub use run::{MonotonicClock, ReconcileOps, Reconciler, Report};
pub use switch::{FRAGMENTS, RestoreWait, SwitchActual};
pub use timeouts::{TIMEOUTS, TimeoutsActual, ZoneTimeouts};
