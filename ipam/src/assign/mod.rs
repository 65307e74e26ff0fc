//! Which host owns which range: the ledger of the daemon `ipamd`, its service and its store.
//!
//! ```text
//!   plan ──▶ [Declared] ─┐            ask, report, drain, release, grow, time
//!                        ▼                           │
//!                   [Ledger]: pure ◀─────────────────┘
//!                        │ entries: the changes to store
//!                        ▼
//!                   [Service]: one thread, a batch = one fsync ──▶ [LedgerStore]
//!                        │ durable
//!                        ▼
//!                   the answer, and every watcher of that host
//! ```
//!
//! The ledger decides, one call after another; an answer is published after it is on disk. The
//! ledger is a superset of what hosts hold: if a host reports a range of which the ledger has no
//! record, it is recorded before another host can get it (docs/adr/0007, `ledger/adopt.rs`).

mod declared;
mod forecast;
mod keys;
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
    Entry, LedgerMemory, LedgerObjects, LedgerSaved, LedgerStore, ObjectError, ObjectLedger,
    RangeChange, RedbLedger, Start, Trust, read_mark,
};
