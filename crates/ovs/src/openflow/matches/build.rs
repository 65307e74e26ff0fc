//! Matches, one field after the other.

use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::{MacAddr, VlanId};

use super::{
    ETH_ARP, ETH_IPV4, ETH_IPV6, IP_ICMP, IP_ICMPV6, IP_TCP, IP_UDP, Match, OFPVID_PRESENT,
};
use crate::openflow::{CtState, Field};

/// Declares the builders of fields with a type of their own.
macro_rules! builders {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $field:ident;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $name(self, value: $ty) -> Self {
                self.field(Field::$field, value)
            }
        )*
    };
}

impl Match {
    /// ARP.
    pub fn arp() -> Self {
        Self::new().eth_type(ETH_ARP)
    }

    /// IPv4.
    pub fn ipv4() -> Self {
        Self::new().eth_type(ETH_IPV4)
    }

    /// IPv6.
    pub fn ipv6() -> Self {
        Self::new().eth_type(ETH_IPV6)
    }

    /// ICMP over IPv4.
    pub fn icmpv4() -> Self {
        Self::ipv4().ip_proto(IP_ICMP)
    }

    /// ICMPv6 of one type; for neighbour discovery see [`Match::neighbour`].
    pub fn icmpv6(kind: u8) -> Self {
        Self::ipv6()
            .ip_proto(IP_ICMPV6)
            .field(Field::Icmpv6Type, kind)
    }

    /// A message of neighbour discovery: 135 is a solicitation, 136 an advertisement.
    ///
    /// Guarantees: it matches the code too (0, RFC 4861 §4.3). Without it, Open vSwitch caches a
    /// flow of the kernel's datapath that leaves out target and options, and the next message for
    /// whichever target goes where the first one went.
    pub fn neighbour(kind: u8) -> Self {
        Self::icmpv6(kind).icmpv6_code(0)
    }

    /// TCP over IPv4.
    pub fn tcp4() -> Self {
        Self::ipv4().ip_proto(IP_TCP)
    }

    /// TCP over IPv6.
    pub fn tcp6() -> Self {
        Self::ipv6().ip_proto(IP_TCP)
    }

    /// UDP over IPv4.
    pub fn udp4() -> Self {
        Self::ipv4().ip_proto(IP_UDP)
    }

    /// UDP over IPv6.
    pub fn udp6() -> Self {
        Self::ipv6().ip_proto(IP_UDP)
    }

    builders! {
        /// The port that the frame came in by.
        in_port(u32) = InPort;
        /// The frame's source.
        eth_src(MacAddr) = EthSrc;
        /// The frame's destination.
        eth_dst(MacAddr) = EthDst;
        /// The type behind any tags.
        eth_type(u16) = EthType;
        /// The tag's priority; needs a tag.
        vlan_pcp(u8) = VlanPcp;
        /// ARP: 1 request, 2 reply.
        arp_op(u16) = ArpOp;
        /// ARP's source protocol address.
        arp_spa(Ipv4Addr) = ArpSpa;
        /// ARP's target protocol address.
        arp_tpa(Ipv4Addr) = ArpTpa;
        /// ARP's source hardware address.
        arp_sha(MacAddr) = ArpSha;
        /// ARP's target hardware address.
        arp_tha(MacAddr) = ArpTha;
        /// The IPv4 source.
        ipv4_src(Ipv4Addr) = Ipv4Src;
        /// The IPv4 destination.
        ipv4_dst(Ipv4Addr) = Ipv4Dst;
        /// The IPv6 source.
        ipv6_src(Ipv6Addr) = Ipv6Src;
        /// The IPv6 destination.
        ipv6_dst(Ipv6Addr) = Ipv6Dst;
        /// The IP protocol.
        ip_proto(u8) = IpProto;
        /// The TCP source port.
        tcp_src(u16) = TcpSrc;
        /// The TCP destination port.
        tcp_dst(u16) = TcpDst;
        /// The SCTP destination port.
        sctp_dst(u16) = SctpDst;
        /// The UDP source port.
        udp_src(u16) = UdpSrc;
        /// The UDP destination port.
        udp_dst(u16) = UdpDst;
        /// The ICMP type.
        icmpv4_type(u8) = Icmpv4Type;
        /// The ICMPv6 type.
        icmpv6_type(u8) = Icmpv6Type;
        /// The ICMPv6 code.
        icmpv6_code(u8) = Icmpv6Code;
        /// The address that a solicitation or advertisement is about.
        nd_target(Ipv6Addr) = NdTarget;
        /// The source link-layer address of a solicitation.
        nd_sll(MacAddr) = NdSll;
        /// The target link-layer address of an advertisement.
        nd_tll(MacAddr) = NdTll;
        /// See [`Field::NdReserved`].
        nd_reserved(u32) = NdReserved;
        /// See [`Field::NdOptionsType`].
        nd_options_type(u8) = NdOptionsType;
    }

    /// The first segment of a TCP connection: SYN without ACK (RFC 9293 §3.5).
    #[must_use]
    pub fn opens_connection(self) -> Self {
        const SYN: u16 = 0x02;
        const ACK: u16 = 0x10;
        self.field_masked(Field::TcpFlags, SYN, SYN | ACK)
    }

    /// Register `n`, from 0 to 7.
    ///
    /// # Panics
    /// From 8 on.
    #[must_use]
    pub fn reg(self, n: u8, value: u32) -> Self {
        self.field(Field::reg(n), value)
    }

    /// Some bits of register `n`.
    ///
    /// # Panics
    /// From 8 on.
    #[must_use]
    pub fn reg_masked(self, n: u8, value: u32, mask: u32) -> Self {
        self.field_masked(Field::reg(n), value, mask)
    }

    /// The packet was looked up, and belongs to a connection of this mark in this way.
    #[must_use]
    pub fn found(self, kind: CtState, mark: u32) -> Self {
        self.is(kind).marked(mark)
    }

    /// The packet was looked up, and is of this kind.
    #[must_use]
    pub fn is(self, kind: CtState) -> Self {
        let bits = kind.0 | CtState::TRACKED.0;
        self.field_masked(Field::CtState, bits, bits)
    }

    /// The connection that the packet was found to belong to has this mark.
    #[must_use]
    pub fn marked(self, mark: u32) -> Self {
        self.field(Field::CtMark, mark)
    }

    /// The packet was not looked up yet.
    #[must_use]
    pub fn not_looked_up(self) -> Self {
        self.field_masked(Field::CtState, 0u32, CtState::TRACKED.0)
    }

    /// Some bits of the frame's source.
    #[must_use]
    pub fn eth_src_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.field_masked(Field::EthSrc, value, mask)
    }

    /// Some bits of the frame's destination; the mask 01:00:00:00:00:00 tells group
    /// addresses.
    #[must_use]
    pub fn eth_dst_masked(self, value: MacAddr, mask: MacAddr) -> Self {
        self.field_masked(Field::EthDst, value, mask)
    }

    /// A tag with this VLAN ID.
    #[must_use]
    pub fn vlan(self, id: VlanId) -> Self {
        self.field(Field::VlanVid, OFPVID_PRESENT | id.get())
    }

    /// No tag.
    #[must_use]
    pub fn untagged(self) -> Self {
        self.field(Field::VlanVid, 0u16)
    }

    /// Whole, or the first fragment: what has a header of its transport, if it is not cut off.
    #[must_use]
    pub fn not_later_fragment(self) -> Self {
        self.field_masked(Field::IpFrag, 0u8, 2u8)
    }

    /// A fragment, whichever.
    #[must_use]
    pub fn fragment(self) -> Self {
        self.field_masked(Field::IpFrag, 1u8, 1u8)
    }

    /// In one piece.
    #[must_use]
    pub fn whole(self) -> Self {
        self.field_masked(Field::IpFrag, 0u8, 1u8)
    }

    /// A tag without a VLAN, which bears a priority only (IEEE 802.1Q §9.6, VID 0).
    #[must_use]
    pub fn priority_tagged(self) -> Self {
        self.field(Field::VlanVid, OFPVID_PRESENT)
    }

    /// A tag, with any VLAN ID.
    #[must_use]
    pub fn tagged(self) -> Self {
        self.field_masked(Field::VlanVid, OFPVID_PRESENT, OFPVID_PRESENT)
    }

    /// ARP source protocol addresses of a prefix.
    #[must_use]
    pub fn arp_spa_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::ArpSpa, addr, mask4(prefix_len))
    }

    /// ARP target protocol addresses of a prefix.
    #[must_use]
    pub fn arp_tpa_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::ArpTpa, addr, mask4(prefix_len))
    }

    /// IPv4 sources of a prefix.
    #[must_use]
    pub fn ipv4_src_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv4Src, addr, mask4(prefix_len))
    }

    /// IPv4 destinations of a prefix.
    #[must_use]
    pub fn ipv4_dst_net(self, addr: Ipv4Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv4Dst, addr, mask4(prefix_len))
    }

    /// IPv6 sources of a prefix.
    #[must_use]
    pub fn ipv6_src_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv6Src, addr, mask6(prefix_len))
    }

    /// IPv6 destinations of a prefix.
    #[must_use]
    pub fn ipv6_dst_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::Ipv6Dst, addr, mask6(prefix_len))
    }

    /// Targets of neighbour discovery of a prefix.
    #[must_use]
    pub fn nd_target_net(self, addr: Ipv6Addr, prefix_len: u8) -> Self {
        self.field_masked(Field::NdTarget, addr, mask6(prefix_len))
    }
}

fn mask4(prefix_len: u8) -> u32 {
    u32::MAX
        .checked_shl(32 - u32::from(prefix_len.min(32)))
        .unwrap_or(0)
}

fn mask6(prefix_len: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(prefix_len.min(128)))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_from_nothing_to_everything_are_masks() {
        assert_eq!(mask4(0), 0);
        assert_eq!(mask4(24), 0xffff_ff00);
        assert_eq!(mask4(32), u32::MAX);
        assert_eq!(mask6(0), 0);
        assert_eq!(mask6(128), u128::MAX);
    }
}
