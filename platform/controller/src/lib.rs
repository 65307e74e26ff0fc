//! The release platform's controller: observes clusters, asks the engine, does what it says.
//!
//! ```text
//!   hub: App, Release, Template, Cluster ─┐  listed, watched
//!   members: ReplicaSets, pods, nodes,    ├─▶ caches (`flatnet_platform_watch`) ─▶ observe ─▶ engine::step
//!     PodDisruptionBudgets, the fence ────┘                                                        │ status, actions
//!   several run, one leads (`flatnet_leader`) ─▶ [run] status first ◀─ [request] (Op to a request) ◀┘
//!   hub: Build ─▶ `builds` ─▶ a Job in the member that builds
//! ```
//!
//! [`render`] and [`request`] are pure; `connect`,
//! `driver` (events), `look` (what is due), `gates` (what they say), `apply` and [`run`] are the effects.
//!
//! # Guarantees
//! - A release's status is written before the actions that follow from it are done; every write carries the version of
//!   the object that it was decided on, and the epoch of this controller's Lease.
//! - A cluster of which not everything has been listed, or that does not answer, is dark: unknown, and not empty.
//! - What this controller wrote is in what it observes next: answers are taken into the caches, and a write whose
//!   outcome is unknown makes the cluster dark until it has been listed again.

mod apply;
pub mod builds;
pub mod cli;
mod connect;
mod driver;
mod gates;
mod health;
mod leftovers;
mod look;
mod metrics;
pub mod render;
pub mod request;
pub mod run;
mod service;

pub use cli::Cli;
pub use run::main;
