//! What callers ask for: plain values, without netlink.

use std::net::IpAddr;

use flatnet_types::{IfName, MacAddr, Mtu};
use ipnetwork::IpNetwork;

use crate::Netns;
use crate::view::{NextHop, RouteKind, RouteScope};

/// A pair of Ethernet interfaces, one end on the node and one in a container.
///
/// Both ends are born up, with one transmit and one receive queue. The host's end is a
/// bridge port: IPv6 is off on it.
#[derive(Debug, Clone)]
pub struct VethSpec {
    /// The name on the node.
    pub host_name: IfName,
    /// The index on the node, chosen by the caller: at least 2, below 2³¹.
    pub host_ifindex: u32,
    /// The host end's MAC; `None` for [`host_end_mac`].
    pub host_mac: Option<MacAddr>,
    /// Text that the host's end bears (`ip link`: `alias`), at most 255 bytes.
    pub alias: Option<String>,
    /// The container's namespace.
    pub container: Netns,
    /// The name in the container.
    pub container_name: IfName,
    /// The index in the container; `None` for one that is free there.
    pub container_ifindex: Option<u32>,
    /// The container end's MAC.
    pub container_mac: MacAddr,
    /// The MTU of both ends.
    pub mtu: Mtu,
    /// Whether the host's end is born promiscuous, as a switch sets it that reads frames
    /// through a packet socket. One that finds it so changes nothing, and is not woken by its
    /// own change.
    pub promiscuous: bool,
}

/// A pair of Ethernet interfaces with both ends on the node, up, and without IPv6 addresses of
/// their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PairSpec {
    /// The name of the first end.
    pub name: IfName,
    /// The name of the other end.
    pub peer: IfName,
    /// Text that both ends bear (`ip link`: `alias`), at most 255 bytes.
    pub alias: String,
    /// The MTU of both ends.
    pub mtu: Mtu,
    /// Whether the first end is born promiscuous: see [`VethSpec::promiscuous`].
    pub promiscuous: bool,
}

/// What was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VethMade {
    /// The index on the node.
    pub host_ifindex: u32,
    /// The host end's MAC.
    pub host_mac: MacAddr,
    /// The index in the container.
    pub container_ifindex: u32,
}

/// The MAC of a host's end for which the caller chose none: `fe:f1` and the index.
///
/// Locally administered, unique on the node, and high: a bridge that takes the lowest MAC
/// of its ports for its own never takes this one.
pub fn host_end_mac(ifindex: u32) -> MacAddr {
    let [a, b, c, d] = ifindex.to_be_bytes();
    MacAddr([0xfe, 0xf1, a, b, c, d])
}

/// What the container's end is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSpec {
    /// The name in the container.
    pub ifname: IfName,
    /// The index in the container.
    pub ifindex: u32,
    /// Addresses with the prefix length of their subnet. IPv6 ones are used at once,
    /// without duplicate address detection: the IPAM saw to that.
    pub addresses: Vec<IpNetwork>,
    /// Routes through the interface, added in this order.
    pub routes: Vec<ContainerRoute>,
    /// Switch transmit checksum offload off, and with it the segmentation offloads of TCP
    /// and UDP, which need it: a datapath in user space gets whole packets then.
    pub tx_checksum_off: bool,
    /// Bring `lo` up as well.
    pub loopback_up: bool,
}

/// A route in a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerRoute {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// The gateway; `None` if the destination is on the link.
    pub via: Option<IpAddr>,
    /// The source address to prefer.
    pub src: Option<IpAddr>,
    /// Take the gateway to be on the link though no prefix says so.
    pub onlink: bool,
    /// The metric; `None` for the kernel's default (0, and 1024 for IPv6).
    pub metric: Option<u32>,
    /// The path MTU in bytes; `None` for the interface's.
    pub mtu: Option<u32>,
    /// Leave it out where another interface of the container has a route to the destination.
    pub yields: bool,
}

impl ContainerRoute {
    /// A route to `dst` by way of `via`, and nothing special.
    pub fn new(dst: IpNetwork, via: Option<IpAddr>) -> Self {
        Self {
            dst,
            via,
            src: None,
            onlink: false,
            metric: None,
            mtu: None,
            yields: false,
        }
    }
}

/// What to change of an interface; `None` leaves it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkChange {
    /// Administratively up or down.
    pub up: Option<bool>,
    /// The MTU.
    pub mtu: Option<Mtu>,
    /// The MAC.
    pub mac: Option<MacAddr>,
    /// The alias; empty removes it.
    pub alias: Option<String>,
}

/// An address to be on an interface for ever.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddressSpec {
    /// The address with its prefix length.
    pub address: IpNetwork,
    /// IPv6: use it at once, without duplicate address detection.
    pub nodad: bool,
    /// Add no route to the prefix.
    pub noprefixroute: bool,
    /// Whose it is (`IFA_PROTO`, linux/if_addr.h); 0: nobody says. A kernel before 5.18 does not
    /// keep it.
    pub protocol: u8,
}

impl AddressSpec {
    /// `address` with its route to the prefix; IPv6 without duplicate address detection.
    pub fn new(address: IpNetwork) -> Self {
        Self {
            address,
            nodad: true,
            noprefixroute: false,
            protocol: 0,
        }
    }
}

/// The main routing table (`RT_TABLE_MAIN`).
pub const TABLE_MAIN: u32 = 254;

/// A route of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteSpec {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// One next hop, or several for a multipath route; none for a blackhole and its like.
    pub nexthops: Vec<NextHop>,
    /// The source address to prefer.
    pub src: Option<IpAddr>,
    /// Number of the routing table; 254 is `main`.
    pub table: u32,
    /// Who made it (`rtm_protocol`): what marks it as ours.
    pub protocol: u8,
    /// The metric; `None` for the kernel's default (0, and 1024 for IPv6).
    pub metric: Option<u32>,
    /// How far the destination is. IPv6 has no scopes: it is ignored there.
    pub scope: RouteScope,
    /// What happens to a packet.
    pub kind: RouteKind,
}

impl RouteSpec {
    /// A unicast route in the main table: through a gateway with universe scope, and
    /// otherwise, as `ip route` does, with link scope.
    pub fn new(dst: IpNetwork, nexthops: Vec<NextHop>, protocol: u8) -> Self {
        let through_gateway = nexthops.iter().any(|n| n.via.is_some());
        Self {
            dst,
            nexthops,
            src: None,
            table: TABLE_MAIN,
            protocol,
            metric: None,
            scope: if through_gateway {
                RouteScope::Universe
            } else {
                RouteScope::Link
            },
            kind: RouteKind::Unicast,
        }
    }
}
