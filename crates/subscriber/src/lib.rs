//! A subscriber of an AddressSet, of one cluster or of several: what `flatctl addresses follow` does.
//!
//! ```text
//!   cluster a ─ watch ─▶ ┐                      ┌─ [target] file, nginx, MySQL accounts, nft set, ipset
//!   cluster b ─ watch ─▶ ┴ [merge] one list ─▶ ─┤       written whole, read back, reload command
//!   [state] what was accepted last ─▶ ┘         └─▶ acknowledged in each cluster, its lease renewed ([follow])
//! ```
//!
//! # Guarantees
//! - Nothing is written before a list of *every* cluster is known, from its API server or from the state file.
//! - A cluster that is away, or whose set is deleted, unresolved or not whole, keeps its last list in force. An
//!   empty list is written only where the set says that it is empty.
//! - A generation is acknowledged only after all targets have been read back and the reload command has
//!   succeeded.
//! - A target is replaced in one step: it never holds a part of a list.

pub mod follow;
pub mod merge;
pub mod options;
pub mod report;
pub mod state;
pub mod target;
mod worker;

pub use follow::follow;
pub use options::Options;
pub use report::Report;
pub use target::{Target, TargetError};
