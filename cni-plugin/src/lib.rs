//! The CNI plugin `flatnet`: it checks a runtime's call, asks netd, prints the result.
//!
//! ```text
//!   runtime ── env, stdin ──▶ [run] ── AddRequest … ──▶ [netd] trait Netd
//!      ▲                        │                          │ [client] HTTP/1.1 on a unix socket
//!      └── stdout, exit code ◀──┘◀──── AddReply … ◀────────┘ [http] its bytes
//!                               │
//!                               └─ DEL while netd is away ──▶ [spool] ──▶ netd's next start
//! ```
//!
//! It is executed for every call, so it starts in about a millisecond: no async, no logger,
//! no argument parser. It decides nothing; netd does.
//!
//! | netd is away | answer |
//! |---|---|
//! | ADD, CHECK, GC | error 11, "try again later" |
//! | STATUS | error 50, "the plugin is not available" |
//! | DEL | recorded in the spool, then done |
//! | VERSION | answered without netd |

pub mod client;
mod commands;
pub mod http;
mod line;
pub mod netd;
pub mod run;
pub mod spool;

pub use client::UnixNetd;
pub use netd::{Netd, NetdError};
pub use run::{Process, run};
