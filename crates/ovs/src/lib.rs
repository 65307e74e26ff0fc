//! Open vSwitch on one node: its database and its flow tables, without starting a process.
//!
//! ```text
//!             ┌───────────────────────── flatnet-ovs ─────────────────────────┐
//!   netd ──▶  │ ovsdb::Session    transactions, a replica of chosen tables    │ ─▶ db.sock
//!             │ openflow::Switch  flows, meters, barriers, port changes       │ ─▶ br.mgmt
//!             │        both on: link   connect, back off, read, write, probe  │
//!             └───────────────────────────────────────────────────────────────┘
//! ```
//!
//! Both protocols are state machines without I/O that take the time as an argument; one task
//! for each connection carries bytes between machine and socket. Both reconnect by
//! themselves, and neither repeats a request: who made it learns whether it may have been
//! done, and decides.

pub mod appctl;
mod link;
pub mod openflow;
mod outbox;
pub mod ovsdb;
mod timing;

pub use link::ConnError;
pub use timing::Timing;
