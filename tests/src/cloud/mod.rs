//! The cloud of the lab: the Aliyun simulator, the VPC router's forwarding made to follow its
//! tables, and vpc-route, which fills them and the edge router's.
//!
//! ```text
//!   NetworkPlan ──[ids]──▶ plan with the cloud's IDs ──[world]──▶ world.yaml ─▶ aliyun-sim
//!                                                                                  │
//!   ip -j route, rule ─[observe]─▶ Kernel ┐                          GET /_sim/tables
//!                                         ├─[sync]─▶ Vec<Op> ─▶ ip   ◀──[desired]──┘
//!                                         ┘
//! ```
//!
//! All run in the VPC router's namespace, under the supervisor. What no table says is
//! not forwarded: a packet that comes by the line needs an entry of the VBR, one to a
//! container an entry of the VPC, one to the IDC an entry of each.

mod controller;
mod desired;
mod follow;
mod hand;
mod http;
mod ids;
mod kernel;
mod units;
mod world;

pub use controller::{CLUSTER, VPC_ROUTE, config, config_path, socket, state_dir};
pub(crate) use controller::{wait_converged, write_config};
pub(crate) use follow::{Follow, follow};
pub use hand::{HAND_KEY, by_hand};
pub use http::ask;
pub use ids::{identified, line_interface};
pub(crate) use units::{SIMULATOR, pid_file, unit_names, units};
pub use world::world;
pub(crate) use world::{grow_world, write_world};

/// The port of the simulator, on every address of the VPC router.
pub const PORT: u16 = 8800;

#[cfg(test)]
mod tests;
