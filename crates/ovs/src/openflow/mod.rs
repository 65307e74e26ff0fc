//! OpenFlow 1.4 with Open vSwitch's extensions, on a standing connection.
//!
//! ```text
//!  Flow ──encode──▶ Batch ──send()──▶ queue ─▶ ┌ task ──────────────────────┐ ─▶ br.mgmt
//!    ▲                        Pending ◀─────── │ framing ▸ protocol (no I/O)│ ◀─ barrier,
//!    │                                         └────────────┬───────────────┘    errors
//!  FlowSet::diff(desired, actual) ◀── flows() ◀─────────────┤
//!                                     ports(), wait_port(), port_events() ◀── PORT_STATUS
//! ```
//!
//! A flow is canonical: what [`Switch::flows`] gives back equals what was sent, so that the
//! difference of what is desired and what is there is empty when all is well.

mod action;
mod batch;
mod error;
mod field;
mod flow;
mod instruction;
mod matches;
mod meter;
pub mod port;
mod protocol;
mod requests;
mod switch;
mod task;
mod wire;

pub use action::{Action, Bits, Learn, LearnPart, LearnValue, WHOLE_PACKET};
pub use batch::{Batch, PacketOut};
pub use error::{ErrorKind, ErrorReply, Failure, OpenFlowError};
pub use field::{Bytes16, Field, FieldValue};
pub use flow::{Flow, FlowDiff, FlowKey, FlowSet, FlowStats};
pub use instruction::Instructions;
pub use matches::Match;
pub use meter::{Meter, MeterStats, MeterUnit};
pub use port::{PortDesc, PortEvent, PortSelector};
pub use protocol::ProtocolError;
pub use switch::{ConnError, FlowFilter, Pending, Switch, SwitchConfig, SwitchState};
pub use wire::{DecodeError, Frame, OpenFlowFramer};
