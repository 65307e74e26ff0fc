//! Requests reconciles for changes on the node. Each source of events has a file and a task of its
//! own.
//!
//! ```text
//!   links ────▶ uplink and host port ─────────────┐
//!   database ─▶ rows and columns of OVSDB ────────┤
//!   switch ───▶ flow monitor, ports, connection ──┼─▶ engine.repair_requested() ─▶ reconcile
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

use crate::attach::Engine;
use crate::daemon_node::DaemonNode;

/// Starts the sources.
pub(crate) fn spawn(engine: &Engine<DaemonNode>, tasks: &mut JoinSet<()>) {
    tasks.spawn(links::run(engine.clone()));
    tasks.spawn(database::run(engine.clone()));
    tasks.spawn(switch::run(engine.clone()));
    tasks.spawn(pulse::run(engine.clone()));
    tasks.spawn(floods::run(engine.clone()));
}
