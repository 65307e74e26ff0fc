//! What netd, ipamd and vpc-route share: command-line values, log, signals, sockets, HTTP server.
//!
//! ```text
//!   command line ──▶ [args]    [log] ──▶ stderr, level by RUST_LOG
//!   SIGTERM ──▶ [stop] ──▶ servers shut down gracefully
//!   root's clients ──▶ [socket] mode 0600, and who is at the other end ─┐
//!   other machines ──▶ a listener of the daemon's own ──────────────────┼─▶ [serve], within limits
//!   Prometheus, probes ──▶ [metrics] over TCP, for everybody ───────────┘
//! ```

pub mod args;
pub mod causes;
pub mod log;
pub mod metrics;
pub mod serve;
pub mod socket;
mod stall;
pub mod stop;

pub use log::LogFormat;
