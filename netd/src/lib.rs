//! The node daemon: manages the bridge, the ports, the flows, the routes and the addresses of one
//! node; serves CNI; keeps all of it as the plan and the store declare.
//!
//! ```text
//!  flatnet, curl ─▶ [server] ─▶ [attach] engine ──▶ [node_ops] trait ◀── [real] kernel, OVSDB,
//!                      │           │   ▲ plan: pure        ▲                    OpenFlow
//!                      │           ▼   │                   │
//!                      │         ipam store                │
//!                      └──────▶ [reconcile] observe → plan (pure) → apply
//!                                    ▲
//!       link, database and switch events, the clock ─ [run]
//! ```
//!
//! What netd knows of its node is in [state], which all of these borrow.
//!
//! Stopping netd leaves the data path alone; starting it again finds nothing to do.

pub mod allocator;
mod ask;
pub mod attach;
pub mod cli;
pub mod clock;
pub mod cni_files;
pub mod command;
mod compose;
pub mod config;
mod daemon_node;
mod failover;
#[cfg(feature = "faults")]
pub mod faults;
pub mod features;
pub mod flows;
pub mod host;
mod in_service;
mod kubernetes_node;
pub mod marks;
pub mod metrics;
#[cfg(test)]
mod model;
pub mod node_ops;
pub mod node_plan;
mod node_report;
pub mod owned;
pub mod plan_file;
pub mod pod_events;
pub mod preflight;
pub mod probe;
pub mod problems;
pub mod ranges;
pub mod ready;
pub mod real;
pub mod reconcile;
mod replay;
mod run;
mod scrape;
mod scraped;
pub mod server;
mod shares;
pub mod source;
mod start;
pub mod state;
mod tasks;
pub mod uplink;
pub mod view;
mod waiting;
mod watch;
