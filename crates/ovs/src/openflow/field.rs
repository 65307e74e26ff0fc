//! The fields of packets that flows match and set (OpenFlow 1.4.1 §7.2.3, ovs-fields(7)).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::MacAddr;

/// The longest field, an IPv6 address, in bytes.
const WIDEST: usize = 16;

/// How a field's value is written for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Decimal,
    Hex,
    Mac,
    Ipv4,
    Ipv6,
    Port,
}

/// Declares the fields: variant, OXM class, OXM field, bytes, name in ovs-ofctl, format.
macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $class:literal, $number:literal, $bytes:literal, $ofctl:literal, $format:ident;)*) => {
        /// A field. The order is that of the declaration, outer headers first, and it is the
        /// order in which a match is written and sent.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Field {
            $($(#[$doc])* $name,)*
        }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Field] = &[$(Field::$name,)*];

            /// OXM class and field number.
            const fn oxm(self) -> (u16, u8) {
                match self {
                    $(Field::$name => ($class, $number),)*
                }
            }

            /// The value's length on the wire, in bytes.
            pub const fn bytes(self) -> u8 {
                match self {
                    $(Field::$name => $bytes,)*
                }
            }

            /// The name in ovs-ofctl's syntax.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Field::$name => $ofctl,)*
                }
            }

            const fn format(self) -> Format {
                match self {
                    $(Field::$name => Format::$format,)*
                }
            }

            fn from_oxm(class: u16, number: u8) -> Option<Self> {
                match (class, number) {
                    $(($class, $number) => Some(Field::$name),)*
                    _ => None,
                }
            }
        }
    };
}

// Classes: 0x8000 OFPXMC_OPENFLOW_BASIC, 0x0001 OFPXMC_NXM_1 (ovs-fields(7), NXM_NX_*),
// 0x1000 the class of ERICOXM_OF_*.
fields! {
    /// Register 0, scratch space of the pipeline.
    Reg0 = 0x0001, 0, 4, "reg0", Hex;
    /// Register 1.
    Reg1 = 0x0001, 1, 4, "reg1", Hex;
    /// Register 2.
    Reg2 = 0x0001, 2, 4, "reg2", Hex;
    /// Register 3.
    Reg3 = 0x0001, 3, 4, "reg3", Hex;
    /// Register 4.
    Reg4 = 0x0001, 4, 4, "reg4", Hex;
    /// Register 5.
    Reg5 = 0x0001, 5, 4, "reg5", Hex;
    /// Register 6.
    Reg6 = 0x0001, 6, 4, "reg6", Hex;
    /// Register 7.
    Reg7 = 0x0001, 7, 4, "reg7", Hex;
    /// Metadata that tables hand on.
    Metadata = 0x8000, 2, 8, "metadata", Hex;
    /// What [`super::Conntrack`] found; see [`CtState`].
    CtState = 0x0001, 105, 4, "ct_state", Hex;
    /// The mark of the connection that was found.
    CtMark = 0x0001, 107, 4, "ct_mark", Hex;
    /// The port that a frame came in by.
    InPort = 0x8000, 0, 4, "in_port", Port;
    /// The frame's source.
    EthSrc = 0x8000, 4, 6, "eth_src", Mac;
    /// The frame's destination.
    EthDst = 0x8000, 3, 6, "eth_dst", Mac;
    /// The type behind any VLAN tags.
    EthType = 0x8000, 5, 2, "eth_type", Hex;
    /// The outermost tag's VLAN ID, with the bit 0x1000 for "there is a tag".
    VlanVid = 0x8000, 6, 2, "vlan_vid", Hex;
    /// The outermost tag's priority.
    VlanPcp = 0x8000, 7, 1, "vlan_pcp", Decimal;
    /// The ARP opcode.
    ArpOp = 0x8000, 21, 2, "arp_op", Decimal;
    /// ARP's source protocol address.
    ArpSpa = 0x8000, 22, 4, "arp_spa", Ipv4;
    /// ARP's target protocol address.
    ArpTpa = 0x8000, 23, 4, "arp_tpa", Ipv4;
    /// ARP's source hardware address.
    ArpSha = 0x8000, 24, 6, "arp_sha", Mac;
    /// ARP's target hardware address.
    ArpTha = 0x8000, 25, 6, "arp_tha", Mac;
    /// The IPv4 source.
    Ipv4Src = 0x8000, 11, 4, "nw_src", Ipv4;
    /// The IPv4 destination.
    Ipv4Dst = 0x8000, 12, 4, "nw_dst", Ipv4;
    /// The IPv6 source.
    Ipv6Src = 0x8000, 26, 16, "ipv6_src", Ipv6;
    /// The IPv6 destination.
    Ipv6Dst = 0x8000, 27, 16, "ipv6_dst", Ipv6;
    /// The differentiated services code point.
    IpDscp = 0x8000, 8, 1, "ip_dscp", Decimal;
    /// The IP protocol, or next header.
    IpProto = 0x8000, 10, 1, "nw_proto", Decimal;
    /// Whether it is a fragment (ovs-fields(7), NXM_NX_IP_FRAG): bit 0 says so, bit 1 that it is not
    /// the first.
    IpFrag = 0x0001, 26, 1, "ip_frag", Hex;
    /// The TCP source port.
    TcpSrc = 0x8000, 13, 2, "tcp_src", Decimal;
    /// The TCP destination port.
    TcpDst = 0x8000, 14, 2, "tcp_dst", Decimal;
    /// The TCP flags, from FIN (bit 0) to CWR and NS (bits 7 and 8); see RFC 9293 §3.1.
    TcpFlags = 0x0001, 34, 2, "tcp_flags", Hex;
    /// The SCTP destination port.
    SctpDst = 0x8000, 18, 2, "sctp_dst", Decimal;
    /// The UDP source port.
    UdpSrc = 0x8000, 15, 2, "udp_src", Decimal;
    /// The UDP destination port.
    UdpDst = 0x8000, 16, 2, "udp_dst", Decimal;
    /// The ICMP type.
    Icmpv4Type = 0x8000, 19, 1, "icmp_type", Decimal;
    /// The ICMP code.
    Icmpv4Code = 0x8000, 20, 1, "icmp_code", Decimal;
    /// The ICMPv6 type.
    Icmpv6Type = 0x8000, 29, 1, "icmpv6_type", Decimal;
    /// The ICMPv6 code.
    Icmpv6Code = 0x8000, 30, 1, "icmpv6_code", Decimal;
    /// The target of a neighbour solicitation or advertisement.
    NdTarget = 0x8000, 31, 16, "nd_target", Ipv6;
    /// The source link-layer address of a solicitation.
    NdSll = 0x8000, 32, 6, "nd_sll", Mac;
    /// The target link-layer address of an advertisement.
    NdTll = 0x8000, 33, 6, "nd_tll", Mac;
    /// The reserved word of neighbour discovery; in an advertisement its upper three bits
    /// are Router, Solicited and Override (RFC 4861 §4.4).
    NdReserved = 0x1000, 1, 4, "nd_reserved", Decimal;
    /// The type of the option of neighbour discovery: 1 source, 2 target link-layer address.
    NdOptionsType = 0x1000, 2, 1, "nd_options_type", Decimal;
}

impl Field {
    /// The NXM/OXM header, without the mask bit, as actions name a field (OpenFlow 1.4.1
    /// §7.2.3.2).
    pub const fn header(self) -> u32 {
        let (class, number) = self.oxm();
        (class as u32) << 16 | (number as u32) << 9 | self.bytes() as u32
    }

    /// The field that a header names; the mask bit must be clear.
    pub(crate) fn from_header(header: u32) -> Option<Self> {
        let [c0, c1, number, bytes] = header.to_be_bytes();
        let field = Self::from_oxm(u16::from_be_bytes([c0, c1]), number >> 1)?;
        (number & 1 == 0 && field.bytes() == bytes).then_some(field)
    }

    /// The value's width in bits.
    pub const fn bits(self) -> u16 {
        match self {
            Self::VlanVid => 13,
            Self::TcpFlags => 12,
            Self::VlanPcp => 3,
            Self::IpDscp => 6,
            _ => self.bytes() as u16 * 8,
        }
    }

    /// Register `n`.
    ///
    /// # Panics
    /// From 8 on; the number is the programmer's.
    pub fn reg(n: u8) -> Self {
        const REGS: [Field; 8] = [
            Field::Reg0,
            Field::Reg1,
            Field::Reg2,
            Field::Reg3,
            Field::Reg4,
            Field::Reg5,
            Field::Reg6,
            Field::Reg7,
        ];
        assert!(n < 8, "registers 0 to 7 are in use, not {n}");
        REGS[usize::from(n)]
    }
}

/// The bits of [`Field::CtState`] (ovs-fields(7), "ct_state").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CtState(pub u32);

impl CtState {
    /// It begins a connection that nobody remembers yet.
    pub const NEW: Self = Self(0x01);
    /// It belongs to a connection that is known.
    pub const ESTABLISHED: Self = Self(0x02);
    /// It belongs to a connection that is known: an error about it (ICMP).
    pub const RELATED: Self = Self(0x04);
    /// It goes the other way than the packet that began the connection.
    pub const REPLY: Self = Self(0x08);
    /// It fits no connection, and begins none.
    pub const INVALID: Self = Self(0x10);
    /// It was looked up.
    pub const TRACKED: Self = Self(0x20);
}

/// A field's value or mask: as many bytes as the field has, in network order.
///
/// Guarantee: bytes beyond the field's are zero, so equal values compare equal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes16 {
    bytes: [u8; WIDEST],
    len: u8,
}

impl Bytes16 {
    /// Takes `bytes`, of which there must be at most sixteen.
    pub(crate) fn new(bytes: &[u8]) -> Option<Self> {
        let mut all = [0; WIDEST];
        all.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(Self {
            bytes: all,
            len: u8::try_from(bytes.len()).ok()?,
        })
    }

    /// The value's bytes in network order.
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }

    /// The bytes as a number.
    pub fn to_u128(&self) -> u128 {
        self.as_slice()
            .iter()
            .fold(0, |n, b| n << 8 | u128::from(*b))
    }

    pub(crate) fn from_u128(value: u128, len: u8) -> Self {
        let len = len.min(16);
        let mut bytes = [0; WIDEST];
        let all = value.to_be_bytes();
        bytes[..usize::from(len)].copy_from_slice(&all[WIDEST - usize::from(len)..]);
        Self { bytes, len }
    }

    pub(crate) fn and(&self, mask: &Self) -> Self {
        Self::from_u128(self.to_u128() & mask.to_u128(), self.len)
    }
}

impl fmt::Debug for Bytes16 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.to_u128())
    }
}

/// What fits into a field.
pub trait FieldValue: Copy {
    /// The value in network order, in `bytes` bytes; upper bits that do not fit are cut.
    fn to_bytes(self, bytes: u8) -> Bytes16;
}

macro_rules! numbers {
    ($($ty:ty),*) => {$(
        impl FieldValue for $ty {
            fn to_bytes(self, bytes: u8) -> Bytes16 {
                Bytes16::from_u128(u128::from(self), bytes)
            }
        }
    )*};
}

numbers!(u8, u16, u32, u64, u128);

impl FieldValue for MacAddr {
    fn to_bytes(self, bytes: u8) -> Bytes16 {
        self.to_u64().to_bytes(bytes)
    }
}

impl FieldValue for Ipv4Addr {
    fn to_bytes(self, bytes: u8) -> Bytes16 {
        self.to_bits().to_bytes(bytes)
    }
}

impl FieldValue for Ipv6Addr {
    fn to_bytes(self, bytes: u8) -> Bytes16 {
        self.to_bits().to_bytes(bytes)
    }
}

/// Writes a value of `field` as ovs-ofctl does.
pub(crate) struct Shown<'a>(pub(crate) Field, pub(crate) &'a Bytes16);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n = self.1.to_u128();
        // Each is as wide as its field, which is as wide as its format's type.
        #[expect(clippy::cast_possible_truncation)]
        match self.0.format() {
            Format::Decimal => write!(f, "{n}"),
            Format::Hex => write!(f, "{n:#x}"),
            Format::Ipv4 => write!(f, "{}", Ipv4Addr::from_bits(n as u32)),
            Format::Ipv6 => write!(f, "{}", Ipv6Addr::from_bits(n)),
            Format::Port => super::port::show(n as u32, f),
            Format::Mac => match self.1.as_slice() {
                &[a, b, c, d, e, g] => MacAddr([a, b, c, d, e, g]).fmt(f),
                _ => write!(f, "{n:#x}"),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_those_of_ovs_fields() {
        assert_eq!(Field::InPort.header(), 0x8000_0004);
        assert_eq!(Field::Ipv6Dst.header(), 0x8000_3610);
        assert_eq!(Field::Reg1.header(), 0x0001_0204);
        assert_eq!(Field::NdReserved.header(), 0x1000_0204);
        assert_eq!(Field::NdOptionsType.header(), 0x1000_0401);
    }

    #[test]
    fn a_header_names_its_field_only() {
        for field in Field::ALL {
            assert_eq!(Field::from_header(field.header()), Some(*field));
            assert_eq!(Field::from_header(field.header() | 0x100), None);
            assert_eq!(Field::from_header(field.header() + 1), None);
        }
        assert_eq!(Field::from_header(0xffff_0004), None);
    }
}
