//! The daemon `ipamd`: one a cluster. It reads the plan, keeps the ledger, and serves it.
//!
//! ```text
//!   plan.yaml ──poll──▶ [plan_file] ──Declared──▶ assign::Service ──▶ ledger.redb
//!                            │ refused: diagnostics, the old stays      ▲      │
//!                            ▼                                          │      ▼
//!                       [metrics] ◀──────────────── [http] ◀── [rights] ◀── unix socket (root),
//!                                                              [door]: [tls], or TCP (token)
//! ```

mod auth;
mod cli;
mod declare;
mod door;
mod http;
mod listen;
mod metrics;
mod plan_file;
mod rights;
mod run;
#[cfg(test)]
mod tests;
mod tls;

pub use cli::{Cli, Command, InitArgs, RunArgs};
pub use declare::declare;
pub use run::main;
