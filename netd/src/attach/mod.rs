//! Attachments: what an ADD makes and a DEL removes.
//!
//! ```text
//!  ADD: check ─▶ reserve ─▶ [plan] ─┬▶ port ─▶ its number ─▶ flows ──┬─▶ reply
//!         pure      ╎         pure   └▶ link ─▶ addresses ─▶ commit ──┘
//!                   ╎                  both undone, in reverse, where one fails
//!                   └ durable by the time of the commit; nothing is visible before it is queued
//! ```
//!
//! [`plan`] decides everything; [`engine`] executes it through [`crate::node_ops::NodeOps`].

mod add;
mod check;
mod cleanup;
mod del;
pub mod engine;
pub mod error;
mod macs;
pub mod plan;

pub(crate) use cleanup::{finish_cleanup, recover};
pub use engine::Engine;
pub(crate) use engine::announcements;
pub use error::AttachError;
pub use plan::AttachmentSpec;

#[cfg(test)]
mod tests;
