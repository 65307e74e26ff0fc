//! The CNI plugin `flatnet`: it validates a runtime's call, calls netd, and prints the result.
//!
//! ```text
//!   runtime ── env, stdin ──▶ [run] ── AddRequest … ──▶ [netd] trait Netd
//!      ▲                        │                          │ [client] HTTP/1.1 on a unix socket
//!      └── stdout, exit code ◀──┘◀──── AddReply … ◀────────┘ [http] its bytes
//!                               │
//!                               └─ DEL while netd is down ──▶ [flatnet_spool] ──▶ netd's next start
//! ```
//!
//! It is executed for every call, so it has to start within about a millisecond: no async, no
//! logger, no argument parser. All decisions are netd's.
//!
//! | command while netd is down | answer |
//! |---|---|
//! | ADD, CHECK, GC | error 11, "try again later" |
//! | STATUS | error 50, "the plugin is not available" |
//! | DEL | success; the DEL is spooled |
//! | VERSION | answered without netd |

pub mod client;
mod commands;
pub mod http;
mod line;
pub mod netd;
pub mod run;

pub use client::UnixNetd;
pub use netd::{Netd, NetdError};
pub use run::{Process, run};
