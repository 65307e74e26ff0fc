//! Asking ipamd, as netd, vpc-route and `flatctl` do.
//!
//! ```text
//!   [Endpoint], [Access]: token, certificate ─▶ [Client] ── connect ─▶ [Session] ─▶ ipamd
//! ```
//!
//! A session is one connection with one request at a time.

mod access;
mod dial;
mod endpoint;
pub mod ipamd;

pub use access::{Access, AccessError};
pub use endpoint::{Endpoint, EndpointError};
pub use ipamd::{Client, ClientError, Session};
