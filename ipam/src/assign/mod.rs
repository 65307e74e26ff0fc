//! Which host owns which range: what the daemon `ipamd` knows, and how it stays true.
//!
//! ```text
//!   plan ──▶ [Declared] ─┐            ask, report, drain, release, grow, time
//!                        ▼                           │
//!                   [Ledger]: pure ◀─────────────────┘
//!                        │ entries: what is to be remembered
//!                        ▼
//!                   [Service]: one thread, a batch = one fsync ──▶ [LedgerStore]
//!                        │ durable
//!                        ▼
//!                   the answer, and every watcher of that host
//! ```
//!
//! The ledger decides, alone and in order; nobody is told before the disk knows. It is a
//! superset of what hosts hold: a host that shows a range which the ledger does not know
//! gets it written in before anybody else can have it (docs/adr/0007).

mod declared;
mod forecast;
mod ledger;
mod service;
mod store;

pub use declared::{
    Declared, DeclaredError, DeclaredHost, DeclaredNetwork, DeclaredPool, DeclaredRange, Segment,
};
pub use forecast::Forecast;
pub use ledger::{AssignError, Ledger, LedgerConfig, LedgerStart, PlanOutcome, PoolUsage};
pub use service::{Clock, Service, ServiceError, ServiceStart, Wait};
pub use store::{
    Entry, LedgerMemory, LedgerSaved, LedgerStore, RedbLedger, Start, Trust, read_mark,
};
