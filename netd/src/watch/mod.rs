//! What happens on the node, turned into reconciles. Each source is a file and a task of its own.
//!
//! ```text
//!   links ────▶ uplink and host port ─────────────┐
//!   database ─▶ rows and columns of OVSDB ────────┤
//!   switch ───▶ flow monitor, ports, connection ──┼─▶ engine.dirty() ─▶ reconcile
//!   pulse ────▶ once a second: what has no event ─┘
//! ```
//!
//! `floods` wakes nobody: it names containers that send too much.
//!
//! netd's own changes wake nobody: a source that cannot tell them from others' would make each
//! ADD read the whole node. The tasks hold nothing, and may be cancelled at any time.

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
