//! The kernel's side of Flatnet: veth pairs, addresses, routes and sysctls, by rtnetlink,
//! in this node's namespace and in containers'. The only crate that knows netlink, and the
//! only one that may hold `unsafe`.
//!
//! ```text
//!                    Kernel (a handle: Send + Sync, cheap to clone)
//!                       │ a job and a oneshot for its answer
//!         ┌─────────────┼──────────────────────┐
//!         ▼             ▼                      ▼
//!   request threads   deletion threads     monitor thread
//!   a socket each     (DELLINK holds        RTNLGRP_LINK ──▶ watch(): LinkEvents
//!   in home           its thread ~20 ms)        ├─ RTM_DELLINK ──▶ wakes delete_link()
//!     │   ▲               │                     └─ addresses, routes, rules, netconf
//!     │   │               │                           ──▶ watch_host(): HostEvents
//!     │   └ setns there   ▼
//!     │     and back    home namespace (netd's)
//!     ▼
//!   container's namespace: a socket born in it, kept by Netns
//! ```
//!
//! Assumptions: [`Kernel::start`] is called on a thread that is in the node's namespace
//! ("home"); the process has CAP_NET_ADMIN and CAP_SYS_ADMIN.
//!
//! Cancel safety of every `async fn` of [`Kernel`]: a future that is dropped before a
//! thread took its job cancels it; later the job runs to its end and only its result is
//! lost. So an ADD that is given up may have made its link: its rollback deletes it, and
//! deleting the absent is `Ok`.
//!
//! Nothing here needs a particular runtime, and nothing blocks the thread that awaits.

mod ack;
mod configure;
mod delete;
mod detail;
mod entry;
mod error;
mod host;
mod identity;
mod ioctl;
mod kernel;
mod lookup;
pub mod memory;
mod message;
mod monitor;
pub mod netfilter;
mod netns;
mod observe;
mod packet;
mod pool;
mod socket;
mod spec;
mod sysctl;
mod veth;
mod view;

pub use detail::LinkDetail;
pub use entry::{Entry, EntryError, EntryKind, LinkId};
pub use error::{
    AddressError, ConfigureError, Fault, LinkError, NetnsError, ObserveError, PacketError,
    RequestError, RouteError, StartError, SysctlError,
};
pub use identity::NetnsId;
pub use kernel::Kernel;
pub use monitor::{HostEvents, LinkEvents};
pub use netns::Netns;
pub use packet::{PacketSocket, Receives};
pub use spec::{
    AddressSpec, ContainerRoute, ContainerSpec, LinkChange, PairSpec, RouteSpec, TABLE_MAIN,
    VethMade, VethSpec, host_end_mac,
};
pub use sysctl::{SysctlKey, use_directory as use_sysctl_directory};
pub use view::{
    Address, ContainerView, Deleted, HostEvent, Link, LinkEvent, Neighbour, NeighbourCount,
    NeighbourLimits, NextHop, OperState, Route, RouteKind, RouteLookup, RouteScope, Rule,
};
