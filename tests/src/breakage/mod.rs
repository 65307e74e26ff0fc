//! What a person, a script or another program may break on a node by hand, how it is seen to be
//! whole again, and how long that took.
//!
//! ```text
//!   [ground] a node, a container on it, and its picture while all was well
//!   [faults] the table: how each is broken, seen whole, and undone ──▶ [clock] repaired? named?
//! ```
//!
//! The clock asks netd for its problems and its readiness, and the node itself whether it is
//! whole, every few milliseconds. It takes no word of netd's for a repair.

mod clock;
mod faults;
mod ground;

pub(crate) use clock::{Sample, time};
pub(crate) use faults::{Bound, FAULTS, Fault, Site};
pub(crate) use ground::Ground;
