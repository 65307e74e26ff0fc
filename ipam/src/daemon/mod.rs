//! The daemon `ipamd`: one a cluster. It reads the plan, keeps the ledger, and serves it.
//!
//! ```text
//!   plan.yaml ──poll──▶ [plan_file] ──Declared──▶ assign::Service ──▶ ledger.redb
//!                            │ refused: diagnostics, the old stays      ▲      │
//!                            ▼                                          │      ▼
//!                       [metrics] ◀──────────────── [http] ◀── unix socket (root), TCP (token)
//! ```

mod auth;
mod cli;
mod declare;
mod http;
mod listen;
mod metrics;
mod plan_file;
mod run;
#[cfg(test)]
mod tests;

pub use cli::{Cli, Command, InitArgs, RunArgs};
pub use declare::declare;
pub use run::main;
