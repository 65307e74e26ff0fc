//! Objects of hub and members as they were seen last, and the ways to their API servers.
//!
//! ```text
//!   kubeconfig, Secret ─▶ [way] (clients) ─▶ [mod@follow] (list, then watch) ─▶ [cache::Told] ─▶ [cache::Cache]
//!                                                            [hub]: App, Release, Cluster, Template ◀─┤
//!       [seen] (what is read of an object) ─▶ [member]: ReplicaSets, pods, nodes, headroom ◀──────────┤
//!                                            [mod@observe]: what the engine sees of an application ◀──┘
//! ```
//!
//! # Guarantees
//! - A server is followed from list to first error: what is heard of in part is never taken for whole.
//! - What a write answered is in the cache at once, and what is older does not undo it.

pub mod cache;
pub mod follow;
pub mod hub;
mod kinds;
pub mod member;
pub mod observe;
pub mod quantity;
pub mod seen;
pub mod way;

pub use cache::{Cache, Key, Seen, Told};
