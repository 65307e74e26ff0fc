//! What netd does on a node: the trait through which ADD, DEL and CHECK act.
//!
//! The engine in [`crate::attach`] and the reconciler use only this trait and
//! [`crate::reconcile::ReconcileOps`], so that tests can let any step fail. [`crate::real`]
//! implements it with the kernel and Open vSwitch; tests use a model in memory.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;

use flatnet_kernel::{
    AddressError, ConfigureError, LinkError, NetnsError, ObserveError, RouteError, SysctlError,
};
use flatnet_ovs::openflow::{Flow, Meter, OpenFlowError, PacketOut};
use flatnet_ovs::ovsdb::TransactError;
use flatnet_types::{IfName, MacAddr, Mtu, NetnsPath, VlanId};
use ipnetwork::IpNetwork;
use serde::Serialize;
use thiserror::Error;
use tokio::sync::oneshot;

/// Error of an effect on the node.
#[derive(Debug, Error)]
pub enum NodeOpsError {
    /// The container's network namespace cannot be used.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// A link could not be made, changed or deleted.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The container's interface could not be configured.
    #[error(transparent)]
    Configure(#[from] ConfigureError),
    /// The kernel could not be read.
    #[error(transparent)]
    Observe(#[from] ObserveError),
    /// An address of the host could not be set.
    #[error(transparent)]
    Address(#[from] AddressError),
    /// A route of the host could not be set.
    #[error(transparent)]
    Route(#[from] RouteError),
    /// A sysctl could not be set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Open vSwitch's database refused a transaction or is away.
    #[error("Open vSwitch's database: {0}")]
    Database(#[from] TransactError),
    /// The switch refused flows or is away.
    #[error("Open vSwitch's flow tables: {0}")]
    Flows(#[from] OpenFlowError),
    /// The bridge is not in the database.
    #[error("bridge {bridge} is not there yet: netd makes it as soon as Open vSwitch answers")]
    NoBridge {
        /// The bridge's name.
        bridge: String,
    },
    /// What was to be changed is not there any more.
    #[error("{what} is not there any more: it was deleted meanwhile")]
    Gone {
        /// The object: `port flat0`.
        what: String,
    },
    /// An injected fault (`crate::faults`).
    #[cfg(feature = "faults")]
    #[error("{step} failed on order")]
    Injected {
        /// The step's name.
        step: &'static str,
    },
}

impl NodeOpsError {
    /// Whether the same call may succeed later without anybody changing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Netns(_) => false,
            Self::Link(e) => e.is_retryable(),
            Self::Configure(e) => e.is_retryable(),
            Self::Observe(e) => e.is_retryable(),
            Self::Address(e) => e.is_retryable(),
            Self::Route(e) => e.is_retryable(),
            Self::Sysctl(e) => e.is_retryable(),
            Self::Database(e) => e.is_retryable(),
            Self::Flows(e) => e.is_retryable(),
            Self::NoBridge { .. } | Self::Gone { .. } => true,
            #[cfg(feature = "faults")]
            Self::Injected { .. } => true,
        }
    }
}

/// An effect that has begun: it goes on whether or not it is awaited.
pub type Pending = Pin<Box<dyn Future<Output = Result<(), NodeOpsError>> + Send>>;

/// The veth pair of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkSpec {
    /// Name of the host's end, which is the port of the bridge.
    pub host_name: IfName,
    /// ifindex of the host's end: distinguishes it from any other link of that name.
    pub host_ifindex: u32,
    /// MAC of this end.
    pub host_mac: MacAddr,
    /// The link's alias (`IFLA_IFALIAS`).
    pub alias: String,
    /// Name of the container's end.
    pub container_name: IfName,
    /// The container's MAC.
    pub container_mac: MacAddr,
    /// In bytes.
    pub mtu: Mtu,
}

/// The addresses and routes of the container's interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceSpec {
    /// Name of the interface inside the container.
    pub ifname: IfName,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<IpNetwork>,
    /// Routes: destination and next hop; without a next hop the destination is on the link.
    pub routes: Vec<(IpNetwork, Option<IpAddr>)>,
}

/// A port of the bridge: the columns of its rows in Open vSwitch's database.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PortRow {
    /// Name of the port and of its interface.
    pub name: String,
    /// Type of the interface: `internal` for the host's port; empty for an existing device.
    pub kind: &'static str,
    /// The OpenFlow number to request (`ofport_request`). The switch may assign another one.
    pub number: u32,
    /// The access VLAN; `None` for a port without one.
    pub tag: Option<VlanId>,
    /// The trunk VLANs.
    pub trunks: Vec<VlanId>,
    /// The MAC of an internal port; `None` leaves it to Open vSwitch.
    pub mac: Option<MacAddr>,
    /// The MTU of an internal port in bytes (`mtu_request`). Without it, Open vSwitch keeps such a
    /// port's MTU at the smallest of the bridge's ports and undoes other settings.
    pub mtu: Option<u32>,
    /// The mark of netd, and the port's purpose or attachment.
    pub external_ids: Vec<(String, String)>,
}

/// The observed state of a container's interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerActual {
    /// MAC of this end.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Whether it is administratively up.
    pub up: bool,
    /// All addresses of the interface.
    pub addresses: Vec<IpNetwork>,
    /// The routes by this interface: destination and next hop.
    pub routes: Vec<(IpNetwork, Option<IpAddr>)>,
}

/// The effects of ADD, DEL and CHECK. Deleting what is absent succeeds.
pub trait NodeOps: Send + Sync + 'static {
    /// An open network namespace.
    type Netns: Clone + Send + Sync;

    /// Opens a network namespace; fails if the path is not one.
    ///
    /// # Errors
    /// [`NodeOpsError::Netns`].
    fn open_netns(&self, path: &NetnsPath) -> Result<Self::Netns, NodeOpsError>;

    /// Sends meters and flows before it returns; the future resolves when the switch has them.
    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending;

    /// Deletes all flows of a cookie, and these meters. Sent before it returns.
    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending;

    /// Creates the veth pair, both ends up.
    fn create_link(
        &self,
        netns: &Self::Netns,
        link: &LinkSpec,
    ) -> impl Future<Output = Result<(), NodeOpsError>> + Send;

    /// Sets addresses and routes of the container's end. Returns the destinations of default routes
    /// that it did not set, because another interface of the container has them.
    fn configure(
        &self,
        netns: &Self::Netns,
        link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> impl Future<Output = Result<Vec<IpNetwork>, NodeOpsError>> + Send;

    /// Adds the port to the bridge, waits until the switch has it, and returns the OpenFlow number
    /// that the switch assigned: the requested one, unless another port has it. Also sets the
    /// time-outs and the limit of `zone`, the conntrack zone of the container's connections to
    /// services. `stored` is sent to once the database has the port's rows: the switch does not have
    /// to have seen them then.
    fn add_port(
        &self,
        row: &PortRow,
        zone: Option<u16>,
        stored: oneshot::Sender<()>,
    ) -> impl Future<Output = Result<u32, NodeOpsError>> + Send;

    /// Whether a port of the bridge has this OpenFlow number, as far as the switch has reported.
    fn has_port_number(&self, number: u32) -> bool;

    /// The OpenFlow number that the switch reports for a port; `None` if it has no such port, or
    /// does not answer.
    fn port_number(&self, name: &str) -> Option<u32>;

    /// Deletes a port of the bridge, also one whose [`NodeOps::add_port`] was dropped while it ran,
    /// and the time-outs of its zone.
    fn delete_port(
        &self,
        name: &str,
        zone: Option<u16>,
    ) -> impl Future<Output = Result<(), NodeOpsError>> + Send;

    /// Deletes the link with this name and index.
    fn delete_link(
        &self,
        name: &IfName,
        ifindex: u32,
    ) -> impl Future<Output = Result<(), NodeOpsError>> + Send;

    /// Sends packet-outs to the bridge without waiting for them.
    fn announce(&self, packets: Vec<PacketOut>);

    /// Reads a container's interface; `None` if there is no such interface.
    fn observe_container(
        &self,
        netns: &Self::Netns,
        ifname: &IfName,
    ) -> impl Future<Output = Result<Option<ContainerActual>, NodeOpsError>> + Send;

    /// Whether a process runs in the namespace.
    fn has_process(&self, netns: &Self::Netns) -> impl Future<Output = bool> + Send;

    /// Whether the host's link of this name and ifindex is up; `None` if there is no such link.
    fn link_up(
        &self,
        name: &IfName,
        ifindex: u32,
    ) -> impl Future<Output = Result<Option<bool>, NodeOpsError>> + Send;

    /// The addresses of the host's neighbour table that have this MAC.
    fn neighbours_with_mac(
        &self,
        mac: MacAddr,
    ) -> impl Future<Output = Result<Vec<IpAddr>, NodeOpsError>> + Send;

    /// The port's rows as they are; `None` if there is no such port.
    fn observe_port(&self, name: &str) -> Option<PortRow>;

    /// The flows with this cookie.
    fn observe_flows(
        &self,
        cookie: u64,
    ) -> impl Future<Output = Result<Vec<Flow>, NodeOpsError>> + Send;
}
