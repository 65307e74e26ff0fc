//! The daemon `ipamd`: one a cluster. It reads the plan, keeps the ledger, and serves it.
//!
//! ```text
//!   plan.yaml ─▶ plan-source, [declare] ─Declared─▶ assign::Service ──▶ ledger.redb
//!                            │ which is accepted, why one is refused    ▲      │
//!                            ▼                                          │      ▼
//!                       [metrics] ◀──────────────── [http] ◀── [rights] ◀── unix socket (root),
//!                                                              [listener]: [tls], or TCP (token)
//! ```

mod auth;
mod cli;
mod declare;
mod failure;
mod http;
mod listen;
mod listener;
mod metrics;
mod rights;
mod run;
mod source;
#[cfg(test)]
mod tests;
mod tls;

pub use cli::{Cli, Command, InitArgs, RunArgs};
pub use declare::declare;
pub use run::main;
