//! What the kernel has: plain values, without netlink.

use std::net::IpAddr;

use flatnet_types::MacAddr;
use ipnetwork::IpNetwork;

/// The operational state of a link (RFC 2863, `IFLA_OPERSTATE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OperState {
    /// The driver does not say.
    Unknown,
    /// A component is missing.
    NotPresent,
    /// Down.
    Down,
    /// The link below is down; of a veth: its peer.
    LowerLayerDown,
    /// In a test.
    Testing,
    /// Waits for something, such as 802.1X.
    Dormant,
    /// Passes packets.
    Up,
    /// One that this crate does not know.
    Other(u8),
}

impl From<u8> for OperState {
    fn from(n: u8) -> Self {
        match n {
            0 => Self::Unknown,
            1 => Self::NotPresent,
            2 => Self::Down,
            3 => Self::LowerLayerDown,
            4 => Self::Testing,
            5 => Self::Dormant,
            6 => Self::Up,
            n => Self::Other(n),
        }
    }
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Interface name, at most 15 bytes.
    pub name: String,
    /// Interface index.
    pub ifindex: u32,
    /// Its MAC; `None` if it has none of six octets.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Whether it can pass packets.
    pub oper: OperState,
    /// Its driver's kind: `veth`, `bridge`, `bond`, …; `None` for a physical one.
    pub kind: Option<String>,
    /// The text that it bears.
    pub alias: Option<String>,
    /// Of a veth the index of its other end, in that end's namespace; of a VLAN or macvlan
    /// the link below.
    pub peer_ifindex: Option<u32>,
    /// Whether the other end is in another namespace.
    pub peer_in_other_netns: bool,
    /// The bridge or bond that it is a port of. (Open vSwitch's kernel datapath shows here
    /// too, as `ovs-system`.)
    pub master: Option<u32>,
    /// Of a bond in a mode that has one: the link that it sends by. `None` while none has a carrier.
    pub active_slave: Option<u32>,
}

impl Link {
    /// Whether it has a carrier. A driver that does not tell has one as long as the link is up.
    pub fn has_carrier(&self) -> bool {
        match self.oper {
            OperState::Up => true,
            OperState::Unknown => self.up,
            _ => false,
        }
    }
}

/// An address of an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Index of the interface that bears it.
    pub ifindex: u32,
    /// The address with its prefix length.
    pub address: IpNetwork,
    /// How far it is valid.
    pub scope: RouteScope,
    /// `IFA_F_*` (linux/if_addr.h).
    pub flags: u32,
    /// Whose it is (`IFA_PROTO`); 0: nobody says, or the kernel is older than 5.18.
    pub protocol: u8,
}

impl Address {
    /// It does not expire (`IFA_F_PERMANENT`).
    pub fn is_permanent(&self) -> bool {
        self.flags & 0x80 != 0
    }

    /// Duplicate address detection is not done with it (`IFA_F_TENTATIVE`).
    pub fn is_tentative(&self) -> bool {
        self.flags & 0x40 != 0
    }

    /// There is no route to its prefix (`IFA_F_NOPREFIXROUTE`).
    pub fn has_no_prefix_route(&self) -> bool {
        self.flags & 0x200 != 0
    }
}

/// How far a route's destination, or an address's validity, reaches (`RT_SCOPE_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteScope {
    /// Anywhere.
    Universe,
    /// Within the site.
    Site,
    /// On the link.
    Link,
    /// This host.
    Host,
    /// Nowhere.
    Nowhere,
    /// One that the administrator defined.
    Other(u8),
}

impl From<u8> for RouteScope {
    fn from(n: u8) -> Self {
        match n {
            0 => Self::Universe,
            200 => Self::Site,
            253 => Self::Link,
            254 => Self::Host,
            255 => Self::Nowhere,
            n => Self::Other(n),
        }
    }
}

impl From<RouteScope> for u8 {
    fn from(s: RouteScope) -> u8 {
        match s {
            RouteScope::Universe => 0,
            RouteScope::Site => 200,
            RouteScope::Link => 253,
            RouteScope::Host => 254,
            RouteScope::Nowhere => 255,
            RouteScope::Other(n) => n,
        }
    }
}

/// What a route does with a packet (`RTN_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RouteKind {
    /// Send it on.
    Unicast,
    /// It is for this host.
    Local,
    /// Send it as a broadcast.
    Broadcast,
    /// It is for this host, by an address that others have too.
    Anycast,
    /// Send it as a multicast.
    Multicast,
    /// Drop it and say nothing.
    Blackhole,
    /// Drop it and say that the destination is unreachable.
    Unreachable,
    /// Drop it and say that it is prohibited.
    Prohibit,
    /// Look in the next table.
    Throw,
    /// One that this crate does not know.
    Other(u8),
}

impl From<u8> for RouteKind {
    fn from(n: u8) -> Self {
        match n {
            1 => Self::Unicast,
            2 => Self::Local,
            3 => Self::Broadcast,
            4 => Self::Anycast,
            5 => Self::Multicast,
            6 => Self::Blackhole,
            7 => Self::Unreachable,
            8 => Self::Prohibit,
            9 => Self::Throw,
            n => Self::Other(n),
        }
    }
}

impl From<RouteKind> for u8 {
    fn from(k: RouteKind) -> u8 {
        match k {
            RouteKind::Unicast => 1,
            RouteKind::Local => 2,
            RouteKind::Broadcast => 3,
            RouteKind::Anycast => 4,
            RouteKind::Multicast => 5,
            RouteKind::Blackhole => 6,
            RouteKind::Unreachable => 7,
            RouteKind::Prohibit => 8,
            RouteKind::Throw => 9,
            RouteKind::Other(n) => n,
        }
    }
}

/// Where a route sends a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct NextHop {
    /// The gateway; `None` if the destination is on the link.
    pub via: Option<IpAddr>,
    /// The interface; `None` lets the kernel choose by the gateway.
    pub ifindex: Option<u32>,
    /// The gateway is taken to be on the link though no prefix says so.
    pub onlink: bool,
    /// Its share among several, 1 to 256.
    pub weight: u16,
}

impl NextHop {
    /// By way of a gateway.
    pub fn via(gateway: IpAddr) -> Self {
        Self {
            via: Some(gateway),
            ifindex: None,
            onlink: false,
            weight: 1,
        }
    }

    /// Straight out of an interface.
    pub fn dev(ifindex: u32) -> Self {
        Self {
            via: None,
            ifindex: Some(ifindex),
            onlink: false,
            weight: 1,
        }
    }

    /// The same through the interface `ifindex`.
    #[must_use]
    pub fn through(mut self, ifindex: u32) -> Self {
        self.ifindex = Some(ifindex);
        self
    }

    /// The same, with a gateway that is on the link though no prefix says so.
    #[must_use]
    pub fn onlink(mut self) -> Self {
        self.onlink = true;
        self
    }
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Destination prefix; a /0 is the default route.
    pub dst: IpNetwork,
    /// Number of the routing table; 254 is `main`.
    pub table: u32,
    /// Who made it (`rtm_protocol`).
    pub protocol: u8,
    /// The metric; the kernel's default for IPv6 is 1024, for IPv4 0, which reads as `None`.
    pub metric: Option<u32>,
    /// How far the destination is.
    pub scope: RouteScope,
    /// What happens to a packet.
    pub kind: RouteKind,
    /// The source address that is preferred.
    pub src: Option<IpAddr>,
    /// The path MTU in bytes, if it is set.
    pub mtu: Option<u32>,
    /// Where it sends a packet.
    pub nexthops: Vec<NextHop>,
}

/// A container's interface as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerView {
    /// Its index in the container.
    pub ifindex: u32,
    /// Its MAC.
    pub mac: Option<MacAddr>,
    /// In bytes.
    pub mtu: u32,
    /// Administratively up.
    pub up: bool,
    /// Whether it can pass packets.
    pub oper: OperState,
    /// The index of the host's end, if it is a veth.
    pub peer_ifindex: Option<u32>,
    /// Its addresses, with the link-local one of IPv6.
    pub addresses: Vec<Address>,
    /// The routes through it, of the main table.
    pub routes: Vec<Route>,
}

/// What the kernel does with one packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteLookup {
    /// It follows this route.
    Found(Box<Route>),
    /// It drops it.
    Refused {
        /// Why, in the kernel's words.
        reason: String,
    },
}

/// An entry of a neighbour table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Neighbour {
    /// The neighbour's address.
    pub address: IpAddr,
    /// The link that it is on.
    pub ifindex: u32,
    /// Its MAC; none: nobody has answered for it.
    pub mac: Option<MacAddr>,
    /// Whether it is, or was, asked for in vain (`NUD_INCOMPLETE`, `NUD_FAILED`).
    pub failed: bool,
}

/// Entries in the neighbour tables, of all states.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NeighbourCount {
    /// ARP.
    pub ipv4: usize,
    /// Neighbour discovery.
    pub ipv6: usize,
}

/// The bounds of a neighbour table (arp(7)). They are the same for all namespaces, and a
/// namespace other than the first may not show them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NeighbourLimits {
    /// Below this many entries nothing is collected.
    pub gc_thresh1: u32,
    /// More than this many are borne for five seconds.
    pub gc_thresh2: u32,
    /// More than this many are never kept.
    pub gc_thresh3: u32,
}

/// Something that happened to a link of the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkEvent {
    /// It is new or has changed; this is how it is.
    Changed(Link),
    /// It is gone.
    Deleted {
        /// Interface name, at most 15 bytes.
        name: String,
        /// Interface index.
        ifindex: u32,
    },
    /// Events were lost: read the links anew.
    Resync,
}

/// Something that happened to the node's addresses, routes, rules or settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostEvent {
    /// An address came or went.
    Address(Address),
    /// A route came or went.
    Route(Box<Route>),
    /// A rule came or went.
    Rule,
    /// A setting changed of those that the kernel announces: forwarding, `rp_filter`,
    /// `proxy_arp` (`RTM_NEWNETCONF`).
    Setting,
    /// Events were lost: read everything anew.
    Resync,
}

/// A rule by which the kernel chooses a routing table (ip-rule(8)).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rule {
    /// Whether it is of IPv6.
    pub ipv6: bool,
    /// Its priority: the lowest comes first.
    pub priority: u32,
    /// The source that it asks for; `None` for any.
    pub src: Option<IpNetwork>,
    /// The destination that it asks for; `None` for any.
    pub dst: Option<IpNetwork>,
    /// The interface by which a packet came in.
    pub iif: Option<String>,
    /// The interface to which its sender is bound.
    pub oif: Option<String>,
    /// The mark that it asks for.
    pub mark: Option<u32>,
    /// Whether it holds for all that it does not ask for (`not`).
    pub inverted: bool,
    /// The table that it names; 0 if it names none.
    pub table: u32,
    /// What it does (`FR_ACT_*`, linux/fib_rules.h): 1 looks in its table, 6 to 8 drop.
    pub action: u8,
}

/// What came of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    /// Whether there was anything to delete.
    pub existed: bool,
}
