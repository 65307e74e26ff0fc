//! A container runtime's side of CNI: namespaces, and a driver that calls plugins exactly as
//! the reference library (libcni 1.3, `libcni/api.go`) does.
//!
//! ```text
//!   conflist ──parse──▶ [conf] Conflist ──stdin for one plugin──┐
//!   RuntimeConf ─────── [invoke] environment ───────────────────┼──▶ exec ──▶ result | error
//!   [netns] ContainerNs ── CNI_NETNS, the node's namespace ─────┘
//! ```
//!
//! It shares no types with Flatnet's own CNI code, so that neither can cover the other's
//! mistakes, and it drives any plugin: the tests and the benchmark run the reference plugins
//! through the same code.

mod conf;
mod driver;
mod error;
mod invoke;
pub mod netns;
mod result;

pub use conf::{Conflist, Plugin};
pub use driver::{Added, Cni, RuntimeConf};
pub use error::{ConfError, RuntimeError};
pub use netns::{ContainerNs, NetnsError};
pub use result::{CniResult, Interface, Ip, Route};

#[cfg(test)]
mod tests;
