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
mod change_set;
mod desired;
mod op;
mod plan;
mod ports;
mod probe;
mod routes;
mod run;
mod switch;
mod timeouts;
mod uplink;

pub use actual::{
    Actual, ActualPort, BridgeRow, InterfaceLocation, LinkActual, RestoreWait, RouteActual,
    SwitchActual, TimeoutsActual, UnmanagedRoute, ZoneTimeouts,
};
pub use change_set::ChangeSet;
pub use desired::{Desired, HOST_LINK, HOST_PORT, NodeOptions, node_ports};
pub use op::{Op, Severity, Subject};
pub use plan::plan;
pub use run::{MonotonicClock, ReconcileOps, Reconciler, Report};
pub use switch::FRAGMENTS;
pub use timeouts::TIMEOUTS;
