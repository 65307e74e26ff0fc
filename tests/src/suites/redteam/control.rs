//! Protocols by which routers and switches speak with one another, and which no container has a
//! business to speak: the one list of them.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A protocol and the group that its messages go to.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Control {
    pub(super) name: &'static str,
    pub(super) by: By,
}

/// What tells its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Id {
    /// The IP protocol.
    Protocol(u8),
    /// Source and destination port of UDP.
    Udp(u16),
    /// The destination port of UDP, from another one.
    UdpTo(u16),
    /// The type of ICMPv6, or of IGMP.
    Type(u8),
    /// The type of IPv4's ICMP.
    Icmp(u8),
}

/// Both, for a family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum By {
    V4(Id, Ipv4Addr),
    V6(Id, Ipv6Addr),
}

const fn v4(name: &'static str, id: Id, last: u8) -> Control {
    let by = By::V4(id, Ipv4Addr::new(224, 0, 0, last));
    Control { name, by }
}

const fn v6(name: &'static str, id: Id, last: u16) -> Control {
    let by = By::V6(id, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, last));
    Control { name, by }
}

impl Control {
    /// Whether it is told by UDP's ports.
    pub(super) fn is_udp(&self) -> bool {
        matches!(self.by, By::V4(Id::Udp(_), _) | By::V6(Id::Udp(_), _))
    }

    /// Whether it is told by the IP protocol.
    pub(super) fn is_protocol(&self) -> bool {
        matches!(
            self.by,
            By::V4(Id::Protocol(_), _) | By::V6(Id::Protocol(_), _)
        )
    }

    /// Whether it is told by the type of ICMPv6 or IGMP.
    pub(super) fn is_type(&self) -> bool {
        matches!(self.by, By::V4(Id::Type(_), _) | By::V6(Id::Type(_), _))
    }
}

/// IANA's registries of protocol numbers, ports and link-local groups.
pub(super) const CONTROL: &[Control] = &[
    v4("VRRP", Id::Protocol(112), 18),
    v4("HSRP", Id::Udp(1985), 2),
    v4("HSRP version 2", Id::Udp(1985), 102),
    v4("GLBP", Id::Udp(3222), 102),
    v4("OSPF", Id::Protocol(89), 5),
    v4("EIGRP", Id::Protocol(88), 10),
    v4("PIM", Id::Protocol(103), 13),
    v4("RIP", Id::Udp(520), 9),
    v4("IGMP query", Id::Type(0x11), 1),
    v6("VRRP", Id::Protocol(112), 0x12),
    v6("HSRP", Id::Udp(2029), 0x66),
    v6("OSPF", Id::Protocol(89), 5),
    v6("EIGRP", Id::Protocol(88), 0xa),
    v6("PIM", Id::Protocol(103), 0xd),
    v6("RIPng", Id::Udp(521), 9),
    v6("MLD query", Id::Type(130), 1),
];

/// The discard service, where only the group counts.
const DISCARD: Id = Id::Udp(9);

/// Their like, each sent once to its group.
pub(super) const MORE: &[Control] = &[
    v4("GGP", Id::Protocol(3), 1),
    v6("GGP", Id::Protocol(3), 1),
    v4("CBT", Id::Protocol(7), 1),
    v6("CBT", Id::Protocol(7), 1),
    v4("EGP", Id::Protocol(8), 1),
    v6("EGP", Id::Protocol(8), 1),
    v4("IGRP", Id::Protocol(9), 1),
    v6("IGRP", Id::Protocol(9), 1),
    v4("IDPR", Id::Protocol(35), 1),
    v6("IDPR", Id::Protocol(35), 1),
    v4("IDPR control", Id::Protocol(38), 1),
    v6("IDPR control", Id::Protocol(38), 1),
    v4("IDRP", Id::Protocol(45), 1),
    v6("IDRP", Id::Protocol(45), 1),
    v4("RSVP", Id::Protocol(46), 1),
    v6("RSVP", Id::Protocol(46), 1),
    v4("NHRP", Id::Protocol(54), 1),
    v6("NHRP", Id::Protocol(54), 1),
    v4("DGP", Id::Protocol(86), 1),
    v6("DGP", Id::Protocol(86), 1),
    v4("IS-IS", Id::Protocol(124), 1),
    v6("IS-IS", Id::Protocol(124), 1),
    v4("MPLS in IP", Id::Protocol(137), 1),
    v6("MPLS in IP", Id::Protocol(137), 1),
    v4("MANET", Id::Protocol(138), 1),
    v6("MANET", Id::Protocol(138), 1),
    v4("MANET port", Id::Udp(269), 1),
    v6("MANET port", Id::Udp(269), 1),
    v4("PTP event", Id::Udp(319), 1),
    v6("PTP event", Id::Udp(319), 1),
    v4("PTP general", Id::Udp(320), 1),
    v6("PTP general", Id::Udp(320), 1),
    v4("Mobile IP", Id::Udp(434), 1),
    v6("Mobile IP", Id::Udp(434), 1),
    v4("RIP port", Id::Udp(520), 1),
    v6("RIP port", Id::Udp(520), 1),
    v4("RIPng port", Id::Udp(521), 1),
    v6("RIPng port", Id::Udp(521), 1),
    v4("LDP", Id::Udp(646), 1),
    v6("LDP", Id::Udp(646), 1),
    v4("AODV", Id::Udp(654), 1),
    v6("AODV", Id::Udp(654), 1),
    v4("OLSR", Id::Udp(698), 1),
    v6("OLSR", Id::Udp(698), 1),
    v4("RSVP encapsulated", Id::Udp(1698), 1),
    v6("RSVP encapsulated", Id::Udp(1698), 1),
    v4("RSVP encapsulated again", Id::Udp(1699), 1),
    v6("RSVP encapsulated again", Id::Udp(1699), 1),
    v4("HSRP port", Id::Udp(1985), 1),
    v6("HSRP port", Id::Udp(1985), 1),
    v4("HSRP port for IPv6", Id::Udp(2029), 1),
    v6("HSRP port for IPv6", Id::Udp(2029), 1),
    v4("WCCP", Id::Udp(2048), 1),
    v6("WCCP", Id::Udp(2048), 1),
    v4("GLBP port", Id::Udp(3222), 1),
    v6("GLBP port", Id::Udp(3222), 1),
    v4("LSP ping", Id::Udp(3503), 1),
    v6("LSP ping", Id::Udp(3503), 1),
    v4("Babel", Id::Udp(6696), 1),
    v6("Babel", Id::Udp(6696), 1),
    v4("group 2", DISCARD, 2),
    v4("group 4", DISCARD, 4),
    v4("group 5", DISCARD, 5),
    v4("group 6", DISCARD, 6),
    v4("group 9", DISCARD, 9),
    v4("group 10", DISCARD, 10),
    v4("group 11", DISCARD, 11),
    v4("group 13", DISCARD, 13),
    v4("group 14", DISCARD, 14),
    v4("group 15", DISCARD, 15),
    v4("group 16", DISCARD, 16),
    v4("group 17", DISCARD, 17),
    v4("group 18", DISCARD, 18),
    v4("group 19", DISCARD, 19),
    v4("group 20", DISCARD, 20),
    v4("group 21", DISCARD, 21),
    v4("group 22", DISCARD, 22),
    v4("group 24", DISCARD, 24),
    v4("group 25", DISCARD, 25),
    v4("group 102", DISCARD, 102),
    v4("group 106", DISCARD, 106),
    v4("group 107", DISCARD, 107),
    v4("group 109", DISCARD, 109),
    v4("group 111", DISCARD, 111),
    v6("group 2", DISCARD, 0x2),
    v6("group 4", DISCARD, 0x4),
    v6("group 5", DISCARD, 0x5),
    v6("group 6", DISCARD, 0x6),
    v6("group 9", DISCARD, 0x9),
    v6("group a", DISCARD, 0xa),
    v6("group b", DISCARD, 0xb),
    v6("group d", DISCARD, 0xd),
    v6("group e", DISCARD, 0xe),
    v6("group f", DISCARD, 0xf),
    v6("group 10", DISCARD, 0x10),
    v6("group 12", DISCARD, 0x12),
    v6("group 1a", DISCARD, 0x1a),
    v6("group 66", DISCARD, 0x66),
    v6("group 6a", DISCARD, 0x6a),
    v6("group 6b", DISCARD, 0x6b),
    v6("group 6d", DISCARD, 0x6d),
    Control {
        name: "Babel's group",
        by: By::V6(DISCARD, Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 6)),
    },
    Control {
        name: "all routers of a site",
        by: By::V6(DISCARD, Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2)),
    },
    v6("MLD done", Id::Type(132), 1),
    v6("router renumbering", Id::Type(138), 1),
    v6("inverse discovery", Id::Type(141), 1),
    v6("inverse discovery answer", Id::Type(142), 1),
    v6("home agent answer", Id::Type(145), 1),
    v6("mobile prefix", Id::Type(147), 1),
    v6("certification path", Id::Type(149), 1),
    v6("router discovery advertisement", Id::Type(151), 1),
    v6("router discovery solicitation", Id::Type(152), 1),
    v6("router discovery end", Id::Type(153), 1),
    v6("RPL", Id::Type(155), 1),
    v4("ICMP redirect", Id::Icmp(5), 1),
    v4("ICMP router advertisement", Id::Icmp(9), 1),
    v4("IGMP version 3 report", Id::Type(0x22), 22),
    v4("RSVP encapsulated from another port", Id::UdpTo(1698), 1),
    v6("RSVP encapsulated from another port", Id::UdpTo(1698), 1),
    v4(
        "RSVP encapsulated again from another port",
        Id::UdpTo(1699),
        1,
    ),
    v6(
        "RSVP encapsulated again from another port",
        Id::UdpTo(1699),
        1,
    ),
    v4("HSRP from another port", Id::UdpTo(1985), 1),
    v6("HSRP from another port", Id::UdpTo(1985), 1),
    v4("HSRP for IPv6 from another port", Id::UdpTo(2029), 1),
    v6("HSRP for IPv6 from another port", Id::UdpTo(2029), 1),
    v4("WCCP from another port", Id::UdpTo(2048), 1),
    v6("WCCP from another port", Id::UdpTo(2048), 1),
    v4("GLBP from another port", Id::UdpTo(3222), 1),
    v6("GLBP from another port", Id::UdpTo(3222), 1),
    v4("LSP ping from another port", Id::UdpTo(3503), 1),
    v6("LSP ping from another port", Id::UdpTo(3503), 1),
    v4("Babel from another port", Id::UdpTo(6696), 1),
    v6("Babel from another port", Id::UdpTo(6696), 1),
];
