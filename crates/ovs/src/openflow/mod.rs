//! OpenFlow 1.4 with Open vSwitch's extensions, on a standing connection.
//!
//! ```text
//!  Flow ──encode──▶ Batch ──send()──▶ queue ─▶ ┌ task ──────────────────────┐ ─▶ br.mgmt
//!    ▲                        Pending ◀─────── │ framing ▸ protocol (no I/O)│ ◀─ barrier,
//!    │                                         └────────────┬───────────────┘    errors
//!  FlowSet::diff(desired, actual) ◀── flows() ◀─────────────┤
//!                                     ports(), wait_port(), port_events() ◀── PORT_STATUS
//!                                     flow_changes() ◀── flow monitor: what others change
//! ```
//!
//! A flow is canonical: what [`Switch::flows`] gives back equals what was sent, so that the
//! difference of what is desired and what is there is empty when all is well.

mod action;
mod batch;
mod error;
mod field;
mod flow;
mod group;
mod instruction;
mod matches;
mod meter;
mod monitor;
pub mod port;
mod protocol;
mod requests;
mod settings;
mod shared;
mod switch;
mod task;
mod wire;

pub use action::{Action, Bits, Conntrack, WHOLE_PACKET, Zone};
pub use batch::{Batch, PacketOut};
pub use error::{ErrorKind, ErrorReply, Failure, OpenFlowError};
pub use field::{Bytes16, CtState, Field, FieldValue};
pub use flow::{Flow, FlowCount, FlowDiff, FlowHead, FlowKey, FlowSet, FlowStats};
pub use group::Group;
pub use instruction::Instructions;
pub use matches::Match;
pub use meter::{Meter, MeterStats, MeterUnit};
pub use port::{PortDesc, PortEvent, PortSelector};
pub use protocol::ProtocolError;
pub use settings::{FragMode, Settings};
pub use shared::{ConnError, SwitchState};
pub use switch::{FlowFilter, Pending, Switch, SwitchConfig};
pub use wire::{DecodeError, Frame, OpenFlowFramer};
