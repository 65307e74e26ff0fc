//! The route controller: keeps VPC route tables, a leased line's tables and the IDC's edge
//! router equal to what the plan and the host ranges say.
//!
//! ```text
//!   plan, host ranges ──▶ DesiredTable ──┐
//!                                        ├──▶ [diff] ──▶ Plan { ops, conflicts, orphans, refused }
//!   provider: list ─────▶ Table ─────────┘
//! ```
//!
//! [`mod@diff`] is pure: time, the cluster's name and what was seen earlier come in as values.
//! An entry is managed only if its name says so ([`model::Owner`]); every other entry is shown and
//! never touched.

pub mod apply;
pub mod cli;
pub mod config;
pub mod controller;
pub mod desired;
pub mod diff;
pub mod metrics;
pub mod model;
pub mod providers;
pub mod ranges;
pub mod run;
pub mod show;
pub mod store;
