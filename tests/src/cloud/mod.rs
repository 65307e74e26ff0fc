//! The cloud of the lab: the Aliyun simulator, and the VPC router's forwarding made to
//! follow its tables.
//!
//! ```text
//!   NetworkPlan ──[ids]──▶ plan with the cloud's IDs ──[world]──▶ world.yaml ─▶ aliyun-sim
//!                                                                                  │
//!   ip -j route, rule ─[observe]─▶ Kernel ┐                          GET /_sim/tables
//!                                         ├─[sync]─▶ Vec<Op> ─▶ ip   ◀──[desired]──┘
//!                                         ┘
//! ```
//!
//! Both run in the VPC router's namespace, under the supervisor. What no table says is
//! not forwarded: a packet that comes by the line needs an entry of the VBR, one to a
//! container an entry of the VPC, one to the IDC an entry of each.

mod desired;
mod follow;
mod http;
mod ids;
mod kernel;
mod units;
mod world;

pub(crate) use follow::{Follow, follow};
pub use http::ask;
pub use ids::{identified, line_interface};
pub(crate) use units::units;
pub use world::world;

/// The port of the simulator, on every address of the VPC router.
pub const PORT: u16 = 8800;

#[cfg(test)]
mod tests;
