//! Control protocols of routers and switches, which no container may send.
//!
//! netd's flows drop the messages of this table, netd refuses its virtual MACs for containers, and
//! the plan's check reads from it what a network may `allow`. BGP and BFD are not in it, because
//! they talk to one configured peer; nor is mDNS, which is no protocol of routers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::MacAddr;

/// A control protocol.
#[derive(Debug)]
pub struct Protocol {
    /// Its name, as a plan writes it.
    pub name: &'static str,
    /// Matches of its messages.
    pub messages: &'static [Message],
    /// Multicast groups that only its speakers join; containers may send nothing to them.
    pub groups: &'static [IpAddr],
    /// MACs of its virtual routers.
    pub macs: &'static [MacBlock],
    /// RFC, IEEE standard or vendor's document that defines it, with its section.
    pub source: &'static str,
}

/// A match of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Message {
    /// An EtherType; [`NO_ETHERTYPE`] for frames of IEEE 802.3 that have a length instead.
    Ether(u16),
    /// A protocol number over IPv4 and IPv6.
    Ip(u8),
    /// A protocol number over IPv4.
    Ip4(u8),
    /// A destination port of UDP over IPv4 and IPv6.
    Udp(u16),
    /// A type of ICMPv6.
    Icmp6(u8),
}

/// Open vSwitch's `eth_type` of a frame without an EtherType (ovs-fields(7)).
pub const NO_ETHERTYPE: u16 = 0x05ff;

/// MACs that share their first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MacBlock {
    /// The first of them.
    pub first: MacAddr,
    /// Length of the common prefix, in bits.
    pub bits: u32,
    /// Protocol and specification.
    pub what: &'static str,
    /// The family of the addresses that are at them; none: either.
    pub family: Option<Family>,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// That of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl MacBlock {
    /// Whether an address may be at one of them.
    pub fn suits(&self, address: IpAddr) -> bool {
        self.family
            .is_none_or(|family| family == Family::of(address))
    }

    /// Whether a MAC is one of them.
    pub fn contains(&self, mac: MacAddr) -> bool {
        (mac.to_u64() ^ self.first.to_u64()) >> (48 - self.bits) == 0
    }
}

impl Protocol {
    /// The protocol of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        PROTOCOLS.iter().find(|p| p.name == name)
    }

    /// Whether a network of a plan may allow it: all its messages are IP packets.
    pub fn may_be_allowed(&self) -> bool {
        let of_ip = |m: &Message| !matches!(m, Message::Ether(_));
        !self.messages.is_empty() && self.messages.iter().all(of_ip)
    }
}

/// The block of virtual MACs that contains a MAC.
pub fn virtual_mac(mac: MacAddr) -> Option<&'static MacBlock> {
    let mut blocks = PROTOCOLS.iter().flat_map(|p| p.macs);
    blocks.find(|block| block.contains(mac))
}

/// 224.0.0.n.
const fn v4(n: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(224, 0, 0, n))
}

/// ff02::n.
const fn v6(n: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, n))
}

const fn block(first: [u8; 6], bits: u32, what: &'static str, family: Option<Family>) -> MacBlock {
    MacBlock {
        first: MacAddr(first),
        bits,
        what,
        family,
    }
}

macro_rules! protocols {
    ($($name:literal $messages:expr, $groups:expr, $macs:expr, $source:literal;)*) => {
        /// All of them. No message and no group is in two rows.
        ///
        /// Numbers without another source are of IANA's registries: protocol numbers, service
        /// names and port numbers, IPv4 and IPv6 multicast addresses, ICMPv6 types.
        pub const PROTOCOLS: &[Protocol] = &[$(Protocol {
            name: $name,
            messages: $messages,
            groups: $groups,
            macs: $macs,
            source: $source,
        }),*];
    };
}

use Message::{Ether, Icmp6, Ip, Ip4, Udp};

protocols! {
    // Routers that stand in for one another.
    "vrrp" &[Ip(112)], &[v4(18), v6(0x12)], &[
        block([0, 0, 0x5e, 0, 1, 0], 40, "VRRP for IPv4, RFC 9568 §7.3", Some(Family::V4)),
        block([0, 0, 0x5e, 0, 2, 0], 40, "VRRP for IPv6, RFC 9568 §7.3", Some(Family::V6)),
    ], "RFC 9568 §5.1; CARP has the same number and MACs (OpenBSD carp(4))";
    "hsrp" &[Udp(1985), Udp(2029)], &[v4(102), v6(0x66)], &[
        block([0, 0, 0x0c, 7, 0xac, 0], 40, "HSRP, RFC 2281 §3", Some(Family::V4)),
        block([0, 0, 0x0c, 0x9f, 0xf0, 0], 36, "HSRP version 2, Cisco", Some(Family::V4)),
        block([0, 5, 0x73, 0xa0, 0, 0], 36, "HSRP for IPv6, Cisco", Some(Family::V6)),
    ], "RFC 2281 §5; version 2 and IPv6: Cisco, First Hop Redundancy Protocols";
    "glbp" &[Udp(3222)], &[], &[block([0, 7, 0xb4, 0, 0, 0], 32, "GLBP, Cisco", None)],
        "Cisco, First Hop Redundancy Protocols: port 3222 at 224.0.0.102";
    // Routing.
    "rip" &[Udp(520)], &[v4(9)], &[], "RFC 2453 §3.6, §4.5";
    "ripng" &[Udp(521)], &[v6(9)], &[], "RFC 2080 §2.1";
    "ospf" &[Ip(89)], &[v4(5), v4(6), v4(24), v6(5), v6(6)], &[], "RFC 2328 §A.1, RFC 5340 §A.1";
    "eigrp" &[Ip(88)], &[v4(10), v6(0xa)], &[], "RFC 7868 §6.2";
    "igrp" &[Ip(9)], &[], &[], "Cisco, An Introduction to IGRP";
    "isis" &[Ip(124)], &[v4(19), v4(20), v4(21)], &[], "draft-ietf-isis-wg-over-ip; over LLC see `llc`";
    "babel" &[Udp(6696)], &[v4(111), IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 1, 6))], &[], "RFC 8966 §4";
    "olsr" &[Udp(698)], &[], &[], "RFC 3626 §3.1";
    "aodv" &[Udp(654)], &[], &[], "RFC 3561 §5";
    "manet" &[Ip(138), Udp(269)], &[v4(109), v6(0x6d)], &[], "RFC 5498";
    "rpl" &[Icmp6(155)], &[v6(0x1a)], &[], "RFC 6550 §6";
    "ggp" &[Ip(3)], &[], &[], "RFC 823";
    "egp" &[Ip(8)], &[], &[], "RFC 904";
    "idpr" &[Ip(35), Ip(38)], &[], &[], "RFC 1479";
    "idrp" &[Ip(45)], &[], &[], "IANA: Inter-Domain Routing Protocol";
    "dgp" &[Ip(86)], &[], &[], "IANA: Dissimilar Gateway Protocol";
    "nhrp" &[Ip(54)], &[], &[], "RFC 2332 §5.2";
    "renumbering" &[Icmp6(138)], &[], &[], "RFC 2894 §3";
    "inverse-nd" &[Icmp6(141), Icmp6(142)], &[], &[], "RFC 3122 §2";
    "send-path" &[Icmp6(149)], &[], &[], "RFC 3971 §6.4.2: a router's certificates";
    "mobility" &[Udp(434), Icmp6(145), Icmp6(147)], &[v4(11), v6(0xb)], &[],
        "RFC 5944 §1.8, RFC 6275 §6.6, §6.8: a home agent's messages";
    "routers" &[], &[v4(2), v6(2), IpAddr::V6(Ipv6Addr::new(0xff05, 0, 0, 0, 0, 0, 0, 2))], &[],
        "RFC 1112 §4, RFC 4291 §2.7.1: all routers";
    // Labels, reservations and what they carry.
    "ldp" &[Udp(646)], &[], &[], "RFC 5036 §3.10; its sessions over TCP pass";
    "rsvp" &[Ip(46), Udp(1698), Udp(1699)], &[v4(14), v4(16), v4(17), v6(0xe), v6(0x10)], &[],
        "RFC 2205 §3, appendix C; RFC 2814 §5";
    "mpls" &[Ip(137), Ether(0x8847), Ether(0x8848)], &[], &[], "RFC 4023 §3, RFC 5332 §3";
    "lsp-ping" &[Udp(3503)], &[], &[], "RFC 8029 §3";
    // Groups.
    "igmp" &[Ip4(2)], &[v4(4), v4(22), v4(25), v4(106), v6(4), v6(0x6a)], &[],
        "RFC 9776 §4; DVMRP (RFC 1075), PIM version 1, RGMP (RFC 3488) and router discovery \
         (RFC 4286) are messages of it";
    "mld" &[Icmp6(130), Icmp6(151), Icmp6(152), Icmp6(153)], &[], &[],
        "RFC 9777 §5.1: queries; RFC 4286: router discovery";
    "pim" &[Ip(103)], &[v4(13), v6(0xd)], &[], "RFC 7761 §4.9";
    "cbt" &[Ip(7)], &[v4(15), v6(0xf)], &[], "RFC 2189 §8";
    // Redirection of traffic, and time.
    "wccp" &[Udp(2048)], &[], &[], "draft-param-wccp-v2rev1 §5";
    "ptp" &[Udp(319), Udp(320), Ether(0x88f7)], &[v4(107), v6(0x6b)], &[],
        "IEEE 1588-2019 annexes C to F: a better clock takes a network's time over";
    // Switches.
    "llc" &[Ether(NO_ETHERTYPE)], &[], &[],
        "IEEE 802.2: spanning trees, CDP, VTP, DTP, UDLD, IS-IS";
    "lldp" &[Ether(0x88cc)], &[], &[], "IEEE 802.1AB";
    "slow" &[Ether(0x8809)], &[], &[], "IEEE 802.3 annex 57A: LACP, OAM";
    "flow-control" &[Ether(0x8808)], &[], &[], "IEEE 802.3 annex 31B: PAUSE";
    "registration" &[Ether(0x88f5), Ether(0x88f6), Ether(0x22ea)], &[], &[],
        "IEEE 802.1Q clauses 10, 35: MVRP, MMRP, MSRP";
    "eapol" &[Ether(0x888e)], &[], &[], "IEEE 802.1X";
    "cfm" &[Ether(0x8902)], &[], &[], "IEEE 802.1Q clause 20, ITU-T G.8032 (ring protection)";
    "mrp" &[Ether(0x88e3)], &[], &[], "IEC 62439-2: ring protection";
    "pppoe" &[Ether(0x8863), Ether(0x8864)], &[], &[], "RFC 2516 §4: an access concentrator";
    "trill" &[Ether(0x22f3), Ether(0x22f4)], &[], &[], "RFC 6325 §4";
    "loopback" &[Ether(0x9000)], &[], &[], "Ethernet configuration testing protocol";
    "fip" &[Ether(0x8914)], &[], &[], "INCITS FC-BB-5: a Fibre Channel switch";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_do_not_overlap_and_name_their_specification() {
        let (mut names, mut messages, mut groups) = (Vec::new(), Vec::new(), Vec::new());
        for row in PROTOCOLS {
            assert!(!row.source.is_empty());
            assert!(row.messages.len() + row.groups.len() > 0);
            assert!(!names.contains(&row.name), "{}", row.name);
            names.push(row.name);
            for message in row.messages {
                assert!(!messages.contains(message), "{message:?} of {}", row.name);
                messages.push(*message);
            }
            for group in row.groups {
                assert!(group.is_multicast() && !groups.contains(group), "{group}");
                groups.push(*group);
            }
        }
    }

    #[test]
    fn protocols_of_users_are_not_in_the_table() {
        let listed = |m: Message| PROTOCOLS.iter().any(|p| p.messages.contains(&m));
        // ICMP, IPv4 in IP, TCP, UDP, IPv6 in IP, GRE, ESP, AH, ICMPv6, SCTP, UDP-Lite.
        for number in [1, 4, 6, 17, 41, 47, 50, 51, 58, 132, 136] {
            assert!(!listed(Ip(number)) && !listed(Ip4(number)), "{number}");
        }
        // DNS, DHCP's clients, NTP, BFD, VXLAN, mDNS, LLMNR, GENEVE.
        for port in [53, 67, 123, 3784, 3785, 4784, 4789, 5353, 5355, 6081] {
            assert!(!listed(Udp(port)), "{port}");
        }
        // Echo, reports of listeners, neighbour discovery.
        for kind in [128, 129, 131, 132, 133, 135, 136, 143] {
            assert!(!listed(Icmp6(kind)), "{kind}");
        }
        let group = |ip: &str| {
            let ip = ip.parse().expect("an address");
            PROTOCOLS.iter().any(|p| p.groups.contains(&ip))
        };
        // mDNS and LLMNR; all nodes of IPv6.
        for ip in [
            "224.0.0.251",
            "224.0.0.252",
            "ff02::fb",
            "ff02::1:3",
            "ff02::1",
        ] {
            assert!(!group(ip), "{ip}");
        }
    }

    #[test]
    fn a_virtual_mac_is_known_by_its_block() {
        let what = |mac: &str| virtual_mac(mac.parse().expect("a MAC")).map(|b| b.what);
        assert_eq!(
            what("00:00:5e:00:01:0a"),
            Some("VRRP for IPv4, RFC 9568 §7.3")
        );
        assert_eq!(what("00:07:b4:00:01:02"), Some("GLBP, Cisco"));
        assert_eq!(what("00:00:5e:00:53:01"), None);
        let named = |name| Protocol::named(name).expect(name);
        assert!(named("vrrp").may_be_allowed() && named("ospf").may_be_allowed());
        assert!(!named("lldp").may_be_allowed() && !named("routers").may_be_allowed());
    }
}
