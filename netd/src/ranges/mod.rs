//! The node's ranges from ipamd: taken over while netd runs, kept on disk, and gone on with
//! while ipamd is away.
//!
//! ```text
//!            report what is held, watch                ranges.json (fsync)
//!   ipamd ◀────────────────────────── [follow] ──▶ [holdings] ──▶ [disk]
//!     ▲                                   │                         ▲
//!     │        plan + ranges = NodeSpec ◀─┴─▶ allocator, flows      │ peers.json
//!     │                          ▲                                  │
//!     └── watch, mode `routed` ──┴─ [peers]: host-gw routes ────────┘
//! ```
//!
//! A range that ipamd drains, or no longer names, is given out no more and kept until
//! nothing uses it. Only then it is dropped from the disk, and only then ipamd is told.

mod disk;
mod follow;
mod holdings;
mod peers;
mod spec;
#[cfg(test)]
mod tests;

pub use follow::{Follower, FollowerStart};
pub use holdings::{Holding, Holdings};
pub use peers::{Peers, PeersStart};
