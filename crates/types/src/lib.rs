//! Types that Flatnet's processes share: checked newtypes, CNI's types, and the messages between
//! processes. No I/O and no async.
//!
//! ```text
//!   runtime ── env, stdin ──▶ [cni] parse ──▶ CNI call ──▶ [api] AddRequest ──▶ netd
//!   runtime ◀── stdout ───── [cni] result form ◀───────── [api] AddReply ◀──── netd
//!   flatctl ◀── tables ─────────────────────────────────── [api::view] ◀──────── netd
//!   netd, flatctl ◀─────────────────────────────────────── [ipamd] HostRanges ◀─ ipamd
//! ```
//!
//! External values are parsed once, when they are read, into the newtypes of [`name`] and [`net`],
//! which hold only valid values.

pub mod api;
pub mod cni;
pub mod control;
pub mod ipamd;
pub mod marks;
pub mod name;
pub mod net;
pub mod tables;
pub mod time;

pub use name::{AttachmentKey, ContainerId, IfName, NameError, NetnsPath, NetworkName, NodeName};
pub use net::{Bandwidth, Datagrams, MacAddr, Mtu, NetError, Rate, VlanId};
pub use time::Timestamp;
