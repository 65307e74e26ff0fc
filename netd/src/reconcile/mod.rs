//! Keeps the node as the plan and the store say: observe → plan → apply, until a plan is empty.
//!
//! ```text
//!   NodeSpec + store ─▶ [desired] ─┐
//!                                  ├─▶ [plan] ─▶ ops ─▶ [run], [apply] ─▶ observe again
//!   OVSDB, flows, kernel ─▶ [actual] ┘
//! ```
//!
//! [`plan()`] is pure and gives what can be done in the state that was seen; what needs an
//! earlier op's result (the address of a port that is not there yet) comes in the next round.
//! Against a healthy node it is empty, so a restart touches nothing.

mod actual;
mod apply;
mod attempts;
mod desired;
mod op;
mod plan;
mod pods;
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
