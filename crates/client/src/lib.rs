//! Asking ipamd, as netd and vpc-route do.
//!
//! ```text
//!   [Endpoint] ─▶ [Client] ── connect ─▶ [Session] ── one request at a time ─▶ ipamd
//! ```

mod endpoint;
pub mod ipamd;

pub use endpoint::{Endpoint, EndpointError};
pub use ipamd::{Client, ClientError, Session};
