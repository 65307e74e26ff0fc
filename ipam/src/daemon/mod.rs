//! The daemon `ipamd`: one a cluster. It reads the plan, keeps the ledger, and serves it.
//!
//! ```text
//!   plan.yaml ─▶ plan-source, [declare] ─Declared─▶ assign::Service ──▶ ledger.redb
//!                            │ which is accepted, why one is refused    ▲      │
//!                            ▼                                          │      ▼
//!                       [metrics] ◀──────────────── [http] ◀── [rights] ◀── unix socket (root),
//!                                                              [listener]: [tls], or TCP (token)
//! ```
//!
//! With `--elect` any number of them run. `leading` has the Lease, `duties` are what only the one that leads does,
//! with the ledger in the cluster (`cluster_ledger`); the others answer by their `role`.

mod auth;
mod carried;
mod cli;
mod cluster_ledger;
mod declare;
mod duties;
mod failure;
mod http;
mod leading;
mod lease_place;
mod listen;
mod listener;
mod metrics;
mod probes;
mod range_status;
mod rights;
mod role;
mod run;
mod source;
#[cfg(test)]
mod tests;
mod tls_caller;

pub use cli::{Cli, Command, InitArgs, RunArgs};
pub use declare::declare;
pub use lease_place::LeasePlace;
pub use run::main;
