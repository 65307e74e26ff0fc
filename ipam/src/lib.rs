//! The addresses of one host: which ranges it owns, who has which address, and a memory of
//! it that survives crashes.
//!
//! ```text
//!                     reserve / commit / release, with the time of day
//!                                     │
//!   [Networks] ──▶ [Allocator] ──▶ [Ipam]: one short lock ──▶ the answer, at once
//!    ranges less    pure: who        │ queue (order = history)
//!    what is        has what,        ▼
//!    withheld       what rests     the writer thread: a batch = one fsync ──▶ [Durable] Ok
//!                                    │                        │ failed
//!                                    ▼                        ▼
//!                                 [Backend] ◀── load ── memory goes back to what is on disk
//! ```
//!
//! Memory decides and answers; the disk remembers. Between the two a caller holds a
//! [`Durable`], does what else there is to do, and joins it before anybody is told.

mod allocator;
pub mod assign;
mod config;
#[cfg(feature = "daemon")]
pub mod daemon;
mod durable;
mod ipam;
mod range;
mod record;
mod slots;
mod store;
mod time;

pub use allocator::{AllocateError, Allocator, Picked, RangeUsage, Released, Request};
pub use config::{Config, DEFAULT_REMEMBERED, DEFAULT_REST, DEFAULT_SLOTS};
pub use durable::{Durable, DurableError};
pub use ipam::{Blocked, ChangeError, Ipam, ReserveError};
pub use range::{Family, HostRange, NetworkRange, Networks, RangeError, Span, SpanError, Withheld};
pub use record::{Record, RecordState, Recovery, Release, Reservation, ReserveRequest};
pub use store::{
    Backend, Change, Fault, MemoryBackend, RedbBackend, ReleasedRow, SCHEMA, Snapshot, StoreError,
};
pub use time::MonotoneClock;
