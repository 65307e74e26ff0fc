//! The release platform's controller: observes clusters, asks the engine, does what it says.
//!
//! ```text
//!   hub: App, Release, Template, Cluster ─┐  listed, watched
//!   members: ReplicaSets, pods, nodes,    ├─▶ [hub], [member] (caches) ─▶ [mod@observe] ─▶ engine::step
//!     PodDisruptionBudgets, the fence ────┘                                                │ status, actions
//!   several run, one leads (`flatnet_leader`) ─▶ [run] status first ◀─ [request] (Op to a request) ◀┘
//! ```
//!
//! [`seen`], [`cache`], [`hub`], [`member`], [`mod@observe`], [`render`] and [`request`] are pure; `connect`, `follow`,
//! `driver` (events), `look` (what is due), `apply` and [`run`] are the effects.
//!
//! # Guarantees
//! - A release's status is written before the actions that follow from it are done; every write carries the version of
//!   the object that it was decided on, and the epoch of this controller's Lease.
//! - A cluster of which not everything has been listed, or that does not answer, is dark: unknown, and not empty.
//! - What this controller wrote is in what it observes next: answers are taken into the caches, and a write whose
//!   outcome is unknown makes the cluster dark until it has been listed again.

mod apply;
pub mod cache;
pub mod cli;
mod connect;
mod driver;
mod follow;
mod health;
pub mod hub;
mod look;
pub mod member;
mod metrics;
pub mod observe;
pub mod quantity;
pub mod render;
pub mod request;
pub mod run;
pub mod seen;

pub use cli::Cli;
pub use run::main;
