//! OVSDB, the switch's configuration database (RFC 7047, ovsdb-server(7)).
//!
//! ```text
//!  Session ──Op──▶ queue ─▶ ┌ task ────────────────────────────┐ ─▶ db.sock
//!     ▲  ▲                  │ framing ▸ protocol (no I/O) ▸ … │ ◀─ update2, then the reply
//!     │  └──── reply ◀───── │                                  │
//!     └─ read(|replica|) ◀─ │ 1. replica  2. version, changes  │
//!                           └──────────── 3. reply ────────────┘
//! ```
//!
//! Columns are monitored with `monitor_cond` and `update2` (Open vSwitch 2.6 and later):
//! a bridge with a thousand ports then sends one UUID for a new port, not a thousand.

mod framing;
mod op;
mod outcome;
mod protocol;
mod replica;
mod row;
mod schema;
mod session;
mod shared;
mod task;
mod value;

pub use framing::{FrameError, JsonFramer, Limits};
pub use op::{
    Condition, Delete, Function, Insert, Mutate, Mutator, Name, Op, Select, Update, Wait,
};
pub use outcome::{OpErrorKind, OpResult, ServerError, TransactError};
pub use protocol::ProtocolError;
pub use replica::{ChangeKind, MonitorSpec, Replica, ReplicaError, RowChange};
pub use row::{Row, RowError};
pub use session::{Session, SessionConfig, SessionError};
pub use shared::{Change, ConnError, ConnState};
pub use uuid::Uuid;
pub use value::{Atom, Datum, DatumError, Real};
