//! Requests reconciles for changes on the node. Each source of events has a file and a task of its
//! own.
//!
//! ```text
//!   links ────▶ uplink and host port ─────────────┐
//!   database ─▶ rows and columns of OVSDB ────────┤
//!   switch ───▶ flow monitor, ports, connection ──┼─▶ state.repair_requested() ─▶ reconcile
//!   pulse ────▶ once a second: what has no event ─┘
//! ```
//!
//! `floods` requests no reconcile: it posts the problem of containers that exceed their neighbour
//! limit.
//!
//! netd's own changes request no reconcile; otherwise each ADD would make netd observe the whole
//! node. The tasks are cancel safe.

mod database;
mod floods;
mod links;
mod pulse;
mod switch;

use tokio::task::JoinSet;

use crate::daemon_node::DaemonNode;
use crate::state::NodeState;

/// Starts the sources.
pub(crate) fn spawn(state: &NodeState<DaemonNode>, tasks: &mut JoinSet<()>) {
    tasks.spawn(links::run(state.clone()));
    tasks.spawn(database::run(state.clone()));
    tasks.spawn(switch::run(state.clone()));
    tasks.spawn(pulse::run(state.clone()));
    tasks.spawn(floods::run(state.clone()));
}
