//! Address management: of one node (which attachment has which address, stored durably), and of
//! the cluster ([`assign`]: which host owns which range).
//!
//! ```text
//!                     reserve / commit / release, with the time of day
//!                                     │
//!   [Networks] ──▶ [Allocator] ──▶ [Ipam]: one short lock ──▶ the answer, at once
//!    ranges less    pure: who        │ queue (order = reused)
//!    what is        has what,        ▼
//!    withheld       quarantines    the writer thread: a batch = one fsync ──▶ [Durable] Ok
//!                                    │                        │ failed
//!                                    ▼                        ▼
//!                                 [Backend] ◀── load ── memory goes back to what is on disk
//! ```
//!
//! A call is decided in memory and answered at once; the write follows. The caller gets a
//! [`Durable`], does its other work, and awaits it before it publishes the result.

mod allocator;
pub mod assign;
mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
mod durable;
mod ipam;
mod range;
mod record;
mod reservation;
mod slots;
mod store;
mod time;

pub use allocator::{AllocateError, Allocator, Picked, RangeUsage, Released, Request};
pub use config::{Config, DEFAULT_QUARANTINE, DEFAULT_REMEMBERED, DEFAULT_SLOTS};
pub use durable::{Durable, DurableError};
pub use ipam::{Blocked, ChangeError, Ipam, ReserveError};
pub use range::{Family, HostRange, NetworkRange, Networks, RangeError, Span, SpanError, Withheld};
pub use record::{Record, RecordState, Recovery};
pub use reservation::{ReleaseOutcome, Reservation, ReserveRequest};
pub use store::{
    Backend, Change, Fault, MemoryBackend, RedbBackend, ReleasedRow, SCHEMA, Snapshot, StoreError,
};
pub use time::MonotoneClock;
