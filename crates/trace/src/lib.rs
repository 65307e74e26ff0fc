//! Why can't A reach B: what was observed, held against what the plan wants. Everything in
//! here is pure.
//!
//! ```text
//!   vpc-route: GET /v1/tables ──▶ [tables] ──┐
//!                                            ├──▶ judgements: which entry an address takes,
//!   plan ────────────────────────────────────┘    whether it is the one that is wanted
//! ```

pub mod tables;
