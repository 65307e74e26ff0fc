//! What a forger may send, as a point in a space of six axes.

use super::control::Control;

/// One frame to send: the same for every site.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Shape {
    pub(super) what: Payload,
    pub(super) wrap: Wrap,
    pub(super) piece: Piece,
    pub(super) source: Source,
    pub(super) tag: Tag,
    pub(super) to: To,
}

/// What the packet carries, before anything is wrapped around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Payload {
    Arp(Arp),
    V4(V4),
    V6(V6),
    Bare(Bare),
}

/// ARP (RFC 826).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Arp {
    Request,
    Reply,
    /// A request for the sender's own address (RFC 5227 §3).
    Announcement,
    /// A request for the sender's own address from none (RFC 5227 §2.1.1).
    Probe,
    /// An operation of another protocol: 3 is RARP's request, 8 is InARP's.
    Operation(u16),
    /// A request with another hardware type than Ethernet's 1.
    Hardware(u16),
    /// A reply whose lengths are not 6 and 4.
    Lengths(u8, u8),
    /// A reply that says that its addresses are not IPv4's.
    Protocol(u16),
}

/// What an IPv4 packet bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum V4 {
    Echo,
    Udp,
    Tcp,
    DhcpClient,
    DhcpServer,
    Other(u8),
    Control(&'static Control),
}

/// What an IPv6 packet bears.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum V6 {
    Solicitation,
    /// A solicitation from no address, to find a duplicate (RFC 4862 §5.4.2).
    Duplicate,
    Advertisement,
    /// Without the option that bears the MAC, as Linux answers a probe.
    AdvertisementBare,
    /// With the option twice: the own MAC and then another's.
    AdvertisementTwice,
    /// With the option of another's MAC in 16 octets.
    AdvertisementLong,
    RouterAdvertisement,
    RouterSolicitation,
    Redirect,
    /// MLDv1's report (RFC 2710).
    Report,
    /// MLDv2's report (RFC 3810), which kernels send unasked.
    Report2,
    Echo,
    Udp,
    Tcp,
    DhcpClient,
    DhcpServer,
    Other(u8),
    Control(&'static Control),
}

/// A frame that is neither ARP nor IP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Bare {
    pub(super) name: &'static str,
    /// The EtherType; none where the field is a length (IEEE 802.3) and LLC follows.
    pub(super) ethertype: Option<u16>,
    /// How the payload begins.
    pub(super) begins: &'static [u8],
    /// The group that it is for.
    pub(super) group: [u8; 6],
}

/// What is around the message, or wrong with what is around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Wrap {
    Plain,
    /// IPv4 options of so many words (RFC 791 §3.1): no operation.
    Options(u8),
    /// IPv4's router alert (RFC 2113).
    Alert,
    /// IPv4's header length is less than a header.
    HeaderShort,
    /// IPv4's header checksum is wrong.
    Checksum,
    /// The version in the header is the other one.
    Version,
    /// The length in the header: 0, less than there is, more than there is.
    LengthZero,
    LengthShort,
    LengthLong,
    /// The frame ends in the middle of the message.
    Truncated,
    /// The EtherType is the other IP's.
    Swapped,
    /// A chain of IPv6 extension headers.
    Chain(Chain),
    /// The chain ends in the middle of a header of this kind.
    Cut(u8),
    /// A header that Open vSwitch does not look behind: mobility, HIP, Shim6, or none at all.
    Blind(u8),
    /// Encrypted (RFC 4303): what is in it cannot be known.
    Esp,
    /// A jumbogram (RFC 2675), whose length is in an option.
    Jumbo,
}

/// Extension headers that can be looked behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Chain {
    HopByHop,
    Alert,
    Routing,
    Destination,
    /// An authentication header (RFC 4302), whose payload is in the clear.
    Authentication,
    /// Hop-by-hop, destination, routing, destination (RFC 8200 §4.1).
    Four,
    /// Eight headers of destination options.
    Eight,
}

/// Which part of the message the packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    Whole,
    /// A first fragment that holds all of the message.
    First,
    /// A first fragment that ends before the message's type or ports.
    Tiny,
    /// A first fragment that holds nothing.
    Empty,
    /// The same, and in Ethernet's padding behind it stands what an honest one would hold.
    Feigned,
    /// A fragment that is the whole (RFC 6946); IPv6 alone.
    Atomic,
    Later,
}

/// Who the frame says that it is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Source {
    Own,
    /// From its own link-local address; IPv6 alone.
    LinkLocal,
    /// Another's MAC in the Ethernet header.
    Mac(Owner),
    /// Another's IP address, or another's in ARP's sender.
    Ip(Owner),
    /// Both.
    Both(Owner),
    /// Another's MAC inside: ARP's sender, the option of neighbour discovery.
    InnerMac(Owner),
    /// Another's address inside: the target of an advertisement.
    InnerIp(Owner),
}

/// Somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Owner {
    Near,
    NearLinkLocal,
    Far,
    Gateway,
    Host,
    /// Zeros.
    Nobody,
    /// Broadcast or a group.
    All,
    /// Nobody's of the lab.
    Stranger,
}

/// 802.1Q tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Tag {
    None,
    /// VLAN ID 0, priority 5.
    Priority,
    One(u16),
    Two(u16, u16),
    /// A tag of 802.1ad, TPID 0x88a8.
    Service(u16),
}

/// Who it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum To {
    /// A container of the node and VLAN.
    Near,
    /// One of another node.
    Far,
    Gateway,
    Host,
    /// A container of the node in another VLAN; only where there are VLANs.
    OtherVlan,
    Broadcast,
    /// The group that such messages go to.
    Group,
}

impl Payload {
    /// Whether it is of neighbour discovery with a target and an option of its own.
    pub(super) fn is_discovery(self) -> bool {
        matches!(
            self,
            Self::V6(
                V6::Solicitation
                    | V6::Duplicate
                    | V6::Advertisement
                    | V6::AdvertisementBare
                    | V6::AdvertisementTwice
                    | V6::AdvertisementLong
                    | V6::Redirect
                    | V6::RouterAdvertisement
            )
        )
    }

    /// Whether an advertisement of a neighbour.
    pub(super) fn is_advertisement(self) -> bool {
        matches!(
            self,
            Self::V6(
                V6::Advertisement
                    | V6::AdvertisementBare
                    | V6::AdvertisementTwice
                    | V6::AdvertisementLong
            )
        )
    }
}

impl V6 {
    /// Whether it is a message of ICMPv6.
    pub(super) fn is_icmp(self) -> bool {
        match self {
            Self::Udp | Self::Tcp | Self::DhcpClient | Self::DhcpServer | Self::Other(_) => false,
            Self::Control(c) => c.is_type(),
            _ => true,
        }
    }
}

impl Shape {
    /// Whether it breaks off before its message does, or says so.
    pub(super) fn breaks_off(&self) -> bool {
        let whole = matches!(
            self.wrap,
            Wrap::Plain | Wrap::Chain(_) | Wrap::Options(_) | Wrap::Alert
        );
        !whole || matches!(self.piece, Piece::Tiny | Piece::Empty | Piece::Feigned)
    }

    /// In how many axes it is not the plain one.
    pub(super) fn deviations(&self) -> usize {
        [
            self.wrap != Wrap::Plain,
            self.piece != Piece::Whole,
            self.source != Source::Own,
            self.tag != Tag::None,
            self.to != To::Near,
        ]
        .into_iter()
        .filter(|deviates| *deviates)
        .count()
    }
}
