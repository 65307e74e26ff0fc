//! The node daemon: owns the bridge, the ports, the flows, the routes and the addresses of one
//! node; serves CNI; keeps everything as the plan and the store say.
//!
//! ```text
//!  flatnet, curl ─▶ [server] ─▶ [attach] engine ─────▶ [world] trait ◀── [real] kernel, OVSDB,
//!                      │           │   ▲ plan: pure        ▲                    OpenFlow
//!                      │           ▼   │                   │
//!                      │         ipam store                │
//!                      └──────▶ [reconcile] observe → plan (pure) → apply
//!                                    ▲
//!       link, database and switch events, the clock ─ [run]
//! ```
//!
//! Stopping netd leaves the data path alone; starting it again finds nothing to do.

pub mod attach;
pub mod config;
#[cfg(feature = "faults")]
pub mod faults;
pub mod flows;
mod live;
pub mod marks;
pub mod metrics;
#[cfg(test)]
mod model;
pub mod ranges;
pub mod real;
pub mod reconcile;
pub mod run;
mod scrape;
pub mod server;
pub mod view;
pub mod world;
