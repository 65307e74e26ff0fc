//! Releases, drains and placement over several clusters, as pure functions. No I/O, no clock, no hidden memory.
//!
//! ```text
//!   App, Release (spec, status) ──┐
//!   [observed] every cluster ─────┼─▶ [step()] ─▶ status, actions, when to look again
//!   now ──────────────────────────┘      │
//!                                         ├ view: instances by revision, cluster and group; what is dark
//!                                         ├ machine: Pending → Placing → steps → Holding → Retiring → Done
//!                                         ├ goal: how many of which revision serve and are parked, and where
//!                                         └ converge: goal and view to [action]s, lowering only within a budget
//!
//!   [place::Request] + headroom ─▶ [place::place()] ─▶ Placement (where each goes) | Shortage (what is missing)
//! ```
//!
//! [measure]: what a metrics gate asks of Prometheus, and what its answers say.
//!
//! # Invariants
//! 1. No action takes the instances in service below the wanted number less `maxUnavailable`, in all and for each
//!    location; where a fault already has, none lowers them further.
//! 2. A cluster that does not answer counts as absent when something is lowered, and as it was seen last when something
//!    is raised; the exception is an emergency: an abort, a rollback, or one that somebody declares.
//! 3. Whatever is done follows from status and observation: a controller may die between any two actions.
//! 4. Of two controllers, only the one whose epoch a cluster has seen last lowers anything there: the first action in a
//!    cluster is always [`action::Op::Fence`].
//! 5. Time counts only while somebody looks ([`flatnet_platform_types::kinds::Timers`]).
//!
//! # Assumptions
//! What is observed of a cluster includes every write that this controller has made there; until its cache has caught up,
//! the controller says [`observed::Sight::Dark`].

pub mod action;
pub mod apportion;
mod budget;
mod converge;
mod gates;
mod goal;
mod machine;
pub mod measure;
pub mod observed;
pub mod place;
mod retarget;
mod step;
mod timers;
mod view;

pub use action::{Action, Op};
pub use observed::Observed;
pub use retarget::headroom;
pub use step::{Input, Outcome, step};
