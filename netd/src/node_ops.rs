//! The effects that netd has on the world, named by what netd needs of them.
//!
//! The engine in [`crate::attach`] and the reconciler know only this trait, so that a test
//! can hand them a world of its own and let any step fail. [`crate::real`] is the real one.

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

/// What a step could not do.
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
    /// A suite ordered this failure (`crate::faults`).
    #[cfg(feature = "faults")]
    #[error("{step} failed on order")]
    Injected {
        /// Name of the step that was to fail.
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
            Self::NoBridge { .. } => true,
            #[cfg(feature = "faults")]
            Self::Injected { .. } => true,
        }
    }
}

/// An effect that was begun: it goes on whether or not it is awaited.
pub type Pending = Pin<Box<dyn Future<Output = Result<(), NodeOpsError>> + Send>>;

/// The link of an attachment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkSpec {
    /// The host's end, the port of the bridge.
    pub host_name: IfName,
    /// Its index, so that it can be told from any other link of that name.
    pub host_ifindex: u32,
    /// Its MAC.
    pub host_mac: MacAddr,
    /// What `ip link` shows beside it.
    pub alias: String,
    /// The container's end.
    pub container_name: IfName,
    /// The container's MAC.
    pub container_mac: MacAddr,
    /// In bytes.
    pub mtu: Mtu,
}

/// What the container's interface bears.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InterfaceSpec {
    /// Name of the interface inside the container.
    pub ifname: IfName,
    /// Addresses with their prefix lengths.
    pub addresses: Vec<IpNetwork>,
    /// Routes: destination and next hop.
    pub routes: Vec<(IpNetwork, Option<IpAddr>)>,
}

/// A port of the bridge, as its rows in the database say it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct PortRow {
    /// The port and its interface.
    pub name: String,
    /// `internal` for the host's own; empty for a device that is there already.
    pub kind: &'static str,
    /// The OpenFlow number to ask for. The switch may choose another one.
    pub number: u32,
    /// The access VLAN.
    pub tag: Option<VlanId>,
    /// The trunk VLANs.
    pub trunks: Vec<VlanId>,
    /// The MAC of an internal port.
    pub mac: Option<MacAddr>,
    /// The MTU that Open vSwitch is to give an internal port, in bytes. Without it, Open vSwitch
    /// sets such a port's MTU to the least of the bridge's ports, whoever sets another.
    pub mtu: Option<u32>,
    /// Our mark, and what it is for.
    pub external_ids: Vec<(String, String)>,
}

/// What a container's interface really is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerActual {
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// All its addresses.
    pub addresses: Vec<IpNetwork>,
    /// The routes that leave by it: destination and next hop.
    pub routes: Vec<(IpNetwork, Option<IpAddr>)>,
}

/// The effects of ADD, DEL and CHECK. Every one that deletes treats the absent as done.
pub trait NodeOps: Send + Sync + 'static {
    /// An open network namespace.
    type Netns: Clone + Send + Sync;

    /// Opens a container's namespace and checks that it is one.
    ///
    /// # Errors
    /// [`NodeOpsError::Netns`].
    fn open_netns(&self, path: &NetnsPath) -> Result<Self::Netns, NodeOpsError>;

    /// Sends meters and flows at once; the future resolves when the switch has them.
    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending;

    /// Deletes the flows of a cookie and these meters.
    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending;

    /// Makes both ends of the link, up.
    fn create_link(
        &self,
        netns: &Self::Netns,
        link: &LinkSpec,
    ) -> impl Future<Output = Result<(), NodeOpsError>> + Send;

    /// Gives the container's end its addresses and routes. Returns the destinations of default
    /// routes that another interface of the container has already: the first one keeps them.
    fn configure(
        &self,
        netns: &Self::Netns,
        link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> impl Future<Output = Result<Vec<IpNetwork>, NodeOpsError>> + Send;

    /// Makes the port of the bridge, waits until the switch has it, and gives the OpenFlow
    /// number that the switch chose for it: the one that was asked for, unless another port
    /// has that one. With it come the time-outs and the limit of the conntrack zone of the
    /// container's connections to services.
    fn add_port(
        &self,
        row: &PortRow,
        zone: Option<u16>,
    ) -> impl Future<Output = Result<u32, NodeOpsError>> + Send;

    /// The OpenFlow number of a port, as the switch says it; `None` if it has no such port, or
    /// does not answer.
    fn port_number(&self, name: &str) -> Option<u32>;

    /// Takes a port out of the bridge, also one whose [`NodeOps::add_port`] was dropped while
    /// it ran, and the time-outs of its zone with it.
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

    /// Sends frames from the bridge. Nobody waits for them.
    fn announce(&self, packets: Vec<PacketOut>);

    /// Reads a container's interface; none: there is no such interface.
    fn observe_container(
        &self,
        netns: &Self::Netns,
        ifname: &IfName,
    ) -> impl Future<Output = Result<Option<ContainerActual>, NodeOpsError>> + Send;

    /// Whether a process runs in the namespace.
    fn has_process(&self, netns: &Self::Netns) -> impl Future<Output = bool> + Send;

    /// Whether the host's link of this name and index is up; none: there is no such link.
    fn link_up(
        &self,
        name: &IfName,
        ifindex: u32,
    ) -> impl Future<Output = Result<Option<bool>, NodeOpsError>> + Send;

    /// The neighbours of the host that have this MAC, as its kernel knows them.
    fn neighbours_with_mac(
        &self,
        mac: MacAddr,
    ) -> impl Future<Output = Result<Vec<IpAddr>, NodeOpsError>> + Send;

    /// The port's rows as they are; none: there is no such port.
    fn observe_port(&self, name: &str) -> Option<PortRow>;

    /// The flows that bear this cookie.
    fn observe_flows(
        &self,
        cookie: u64,
    ) -> impl Future<Output = Result<Vec<Flow>, NodeOpsError>> + Send;
}
