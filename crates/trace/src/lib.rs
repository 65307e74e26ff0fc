//! Why can't A reach B: what was observed, held against what the plan wants. Everything in
//! here is pure.
//!
//! ```text
//!   vpc-route: GET /v1/tables ──▶ [tables] ──────┐
//!   netd:      GET /v1/trace  ──▶ api::trace ────┼──▶ [observed] ──▶ [mod@walk] ─▶ hops, the
//!   plan ────────────────────────────────────────┘                │        first wrong one
//!                                                                 └▶ [line] ─▶ what a leased
//!                                                                         line's tables lack
//! ```
//!
//! A fact that could not be had is [`observed::Fact::Unknown`], with the reason and what to
//! run: it never counts as well, nor as wrong.

pub mod hop;
pub mod line;
pub mod observed;
pub mod place;
pub mod tables;
pub mod walk;

#[cfg(test)]
mod tests;

pub use flatnet_types::api::trace::{Packet, Proto};
pub use walk::{nodes_of, walk};
