//! The lab: a hybrid cluster on one machine, in network namespaces.
//!
//! ```text
//!   fn-idc1 ─eth0═╗                                            ╔═eth0─ fn-vpc1   zone-a
//!                 fn-tor1 ═══ fn-edge ── line0 ── fn-vpcr ─────╢
//!                    ║        (gateways of        (a bridge a  ╚═eth0─ fn-vpc2   zone-b
//!   fn-idc2 ─eth0═fn-tor2      every VLAN)         vSwitch)
//!
//!   ═ a trunk: exactly the VLANs that the plan gives the node       fn-lab: the supervisor
//! ```
//!
//! Every node has its own Open vSwitch and its own netd, kept alive by a small supervisor. The
//! datapath of all of them is Open vSwitch's userspace or the kernel's module ([`Datapath`]). Nothing joins two members but the cables of the drawing: a packet
//! gets through only if what the nodes programmed is right.
//!
//! ```text
//!   plan.yaml ──▶ [fabric] namespaces, cables ──────────▶ up ──▶ [supervise] daemons
//!                                                          │
//!   [lab] Lab, Node, LabGuard ◀── suites, the demo         └──▶ /run/flatnet-lab  [paths]
//! ```
//!
//! Guarantees: nothing outside the lab's namespaces and `/run/flatnet-lab` is changed, and
//! `down` leaves nothing of either, whatever happened before.

pub mod bench;
mod breakage;
pub mod chaos;
mod checks;
pub mod cli;
pub mod cloud;
mod daemons;
mod datapath;
pub mod demo;
mod down;
mod edge;
mod error;
mod exec;
mod fabric;
mod files;
mod guard;
mod interrupt;
mod ipamd;
mod lab;
mod load;
pub mod lock;
mod measure;
pub mod netd;
pub mod netns;
mod ovs;
pub mod paths;
pub mod plan;
mod process;
mod progress;
mod replan;
mod rng;
mod run;
mod running;
pub mod runtime;
mod scratch;
mod screen;
mod status;
pub mod suites;
mod supervise;
mod traces;
mod up;

pub use daemons::Stopped;
pub use datapath::Datapath;
pub use down::{DownReport, down};
pub use error::{Error, Result};
pub use fabric::Role;
pub(crate) use guard::NetdArgs;
pub use guard::{LabGuard, Sandbox};
pub use lab::{Lab, Member, Node};
pub use ovs::MacEntry;
pub use paths::{Layout, MemberPaths};
pub use process::ProcessId;
pub use progress::{Progress, Silent, Terminal};
pub use replan::{replan, write_plan};
pub use status::{DaemonStatus, MemberStatus, NetdStatus, Status, status};
pub use up::{UpOptions, UpReport, up};
