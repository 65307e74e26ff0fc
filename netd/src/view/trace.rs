//! `GET /v1/trace`: what this node knows of one packet.
//!
//! ```text
//!   spec, attachments, packet ─▶ [queries] ─▶ Queries ──(kernel, ofproto/trace)──▶ Answers ─┐
//!   dry run: Actual, ChangeSet ─────────────────────────────────────────────────▶ [facts] ─▶ NodeFacts
//! ```
//!
//! Nothing is changed, and no packet is sent.

mod facts;
mod node_tracer;
mod queries;

#[cfg(test)]
mod tests;

use std::future::Future;
use std::pin::Pin;

use flatnet_types::api::trace::{NodeFacts, Packet};

use crate::node_ops::NodeOpsError;

pub use node_tracer::NodeTracer;

/// Traces one packet.
pub trait Tracer: Send + Sync {
    /// Collects the facts about a packet.
    fn trace(
        &self,
        packet: Packet,
    ) -> Pin<Box<dyn Future<Output = Result<NodeFacts, NodeOpsError>> + Send + '_>>;
}
