//! What a flow does with a packet (OpenFlow 1.4.1 §7.2.5, ovs-actions(7)).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::{MacAddr, VlanId};

use super::field::{Bytes16, Field, FieldValue, Shown};
use super::matches::OFPVID_PRESENT;
use super::port;

mod codec;
mod conntrack;

pub use conntrack::{Conntrack, Zone};

/// The controller gets whole packets.
pub const WHOLE_PACKET: u16 = 0xffff;

/// Some bits of a field: `field[offset..offset+bits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    /// The field that they are of.
    pub field: Field,
    /// The lowest bit.
    pub offset: u16,
    /// The number of bits, from the lowest up.
    pub count: u16,
}

impl Bits {
    /// The bits, if the field has them: a switch may send what this crate would not.
    fn within(field: Field, offset: u16, count: u16) -> Option<Self> {
        let end = offset.checked_add(count)?;
        (count > 0 && end <= field.bits()).then_some(Self {
            field,
            offset,
            count,
        })
    }
}

impl From<Field> for Bits {
    fn from(field: Field) -> Self {
        Self {
            field,
            offset: 0,
            count: field.bits(),
        }
    }
}

impl fmt::Display for Bits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // ovs-ofctl's `in_port[]` is OpenFlow 1.0's, of 16 bits.
        f.write_str(match self.field {
            Field::InPort => "in_port_oxm",
            other => other.name(),
        })?;
        match (self.offset, self.count) {
            (0, n) if n == self.field.bits() => f.write_str("[]"),
            (at, 1) => write!(f, "[{at}]"),
            (at, n) => write!(f, "[{at}..{}]", u32::from(at) + u32::from(n.max(1)) - 1),
        }
    }
}

/// An action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Sends the packet out of a port.
    Output {
        /// The port; see [`port`].
        port: u32,
        /// To the controller: at most this many bytes. 0 otherwise.
        max_len: u16,
    },
    /// Adds a VLAN tag of this type, 0x8100 as a rule.
    PushVlan(u16),
    /// Takes the outermost VLAN tag off.
    PopVlan,
    /// Sets a whole field. The match must have the field's prerequisites.
    SetField {
        /// The field that is set.
        field: Field,
        /// Its new value.
        value: Bytes16,
    },
    /// Sets some bits of a field (NXAST_REG_LOAD).
    RegLoad {
        /// Which bits.
        to: Bits,
        /// Their new value.
        value: u64,
    },
    /// Copies bits between fields (NXAST_REG_MOVE).
    RegMove {
        /// The bits that are copied.
        from: Bits,
        /// To where, as many bits.
        to: Bits,
    },
    /// Searches another table and comes back (NXAST_RESUBMIT_TABLE).
    Resubmit {
        /// As if the packet had come in by this port; `None` for the port that it did.
        in_port: Option<u16>,
        /// The table; `None` for the present one.
        table: Option<u8>,
    },
    /// Asks the datapath's connection tracker (NXAST_CT).
    Conntrack(Conntrack),
    /// What the group's buckets say.
    Group(u32),
    /// One that this crate does not know, as the switch sent it, header and all.
    Unknown(Vec<u8>),
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident($ty:ty) = $field:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(value: $ty) -> Self {
                Self::set(Field::$field, value)
            }
        )*
    };
}

impl Action {
    /// To a port.
    pub fn output(port: u32) -> Self {
        Self::Output { port, max_len: 0 }
    }

    /// Back to the port that the packet came from, which `output` never does.
    pub fn in_port() -> Self {
        Self::output(port::IN_PORT)
    }

    /// To the bridge's own interface.
    pub fn local() -> Self {
        Self::output(port::LOCAL)
    }

    /// As a switch that learns would do it.
    pub fn normal() -> Self {
        Self::output(port::NORMAL)
    }

    /// The first `max_len` bytes to the controllers; [`WHOLE_PACKET`] for all.
    pub fn controller(max_len: u16) -> Self {
        Self::Output {
            port: port::CONTROLLER,
            max_len,
        }
    }

    /// Adds an 802.1Q tag; its VLAN ID is to be set next.
    pub fn push_vlan() -> Self {
        Self::PushVlan(0x8100)
    }

    /// Takes the outermost tag off.
    pub fn pop_vlan() -> Self {
        Self::PopVlan
    }

    /// Sets the outermost tag's VLAN ID; there must be a tag.
    pub fn set_vlan(id: VlanId) -> Self {
        Self::set(Field::VlanVid, OFPVID_PRESENT | id.get())
    }

    /// Sets a whole field.
    pub fn set(field: Field, value: impl FieldValue) -> Self {
        Self::SetField {
            field,
            value: value.to_bytes(field.bytes()),
        }
    }

    setters! {
        /// Sets the frame's source.
        set_eth_src(MacAddr) = EthSrc;
        /// Sets the frame's destination.
        set_eth_dst(MacAddr) = EthDst;
        /// Sets the ARP opcode: 2 makes a reply.
        set_arp_op(u16) = ArpOp;
        /// Sets ARP's source hardware address.
        set_arp_sha(MacAddr) = ArpSha;
        /// Sets ARP's target hardware address.
        set_arp_tha(MacAddr) = ArpTha;
        /// Sets ARP's source protocol address.
        set_arp_spa(Ipv4Addr) = ArpSpa;
        /// Sets ARP's target protocol address.
        set_arp_tpa(Ipv4Addr) = ArpTpa;
        /// Sets the IPv4 source.
        set_ipv4_src(Ipv4Addr) = Ipv4Src;
        /// Sets the IPv4 destination.
        set_ipv4_dst(Ipv4Addr) = Ipv4Dst;
        /// Sets the IPv6 source.
        set_ipv6_src(Ipv6Addr) = Ipv6Src;
        /// Sets the IPv6 destination.
        set_ipv6_dst(Ipv6Addr) = Ipv6Dst;
        /// Sets the target of neighbour discovery.
        set_nd_target(Ipv6Addr) = NdTarget;
        /// Sets a solicitation's source link-layer address; only a match on type 135 allows.
        set_nd_sll(MacAddr) = NdSll;
        /// Sets an advertisement's target link-layer address; only a match on type 136
        /// allows.
        set_nd_tll(MacAddr) = NdTll;
        /// Sets the ICMPv6 type.
        set_icmpv6_type(u8) = Icmpv6Type;
        /// Sets the ICMPv6 code.
        set_icmpv6_code(u8) = Icmpv6Code;
        /// See [`Field::NdReserved`]; 0x6000_0000 is solicited and override.
        set_nd_reserved(u32) = NdReserved;
        /// See [`Field::NdOptionsType`].
        set_nd_options_type(u8) = NdOptionsType;
    }

    /// Sets register `n`.
    ///
    /// # Panics
    /// From 8 on.
    pub fn set_reg(n: u8, value: u32) -> Self {
        Self::set(Field::reg(n), value)
    }

    /// Sets some bits of a field; all of them is [`Action::set`].
    pub fn load(to: impl Into<Bits>, value: u64) -> Self {
        let to = to.into();
        if to == to.field.into() && to.count <= 64 {
            return Self::set(to.field, value);
        }
        Self::RegLoad { to, value }
    }

    /// Copies a field, or bits of one, to another of the same width.
    pub fn copy(from: impl Into<Bits>, to: impl Into<Bits>) -> Self {
        Self::RegMove {
            from: from.into(),
            to: to.into(),
        }
    }

    /// Searches another table and comes back.
    pub fn resubmit(table: u8) -> Self {
        Self::Resubmit {
            in_port: None,
            table: Some(table),
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output {
                port: port::CONTROLLER,
                max_len,
            } => write!(f, "CONTROLLER:{max_len}"),
            Self::Output { port, .. } => {
                if *port < port::MAX {
                    f.write_str("output:")?;
                }
                port::show(*port, f)
            }
            Self::PushVlan(ethertype) => write!(f, "push_vlan:{ethertype:#06x}"),
            Self::PopVlan => f.write_str("pop_vlan"),
            Self::SetField { field, value } => {
                write!(f, "set_field:{}->{}", Shown(*field, value), field.name())
            }
            Self::RegLoad { to, value } => write!(f, "load:{value:#x}->{to}"),
            Self::RegMove { from, to } => write!(f, "move:{from}->{to}"),
            Self::Resubmit { in_port, table } => match (in_port, table) {
                (Some(port), None) => write!(f, "resubmit:{port}"),
                (None, None) => f.write_str("resubmit:in_port"),
                (None, Some(table)) => write!(f, "resubmit(,{table})"),
                (Some(port), Some(table)) => write!(f, "resubmit({port},{table})"),
            },
            Self::Conntrack(ct) => ct.fmt(f),
            Self::Group(id) => write!(f, "group:{id}"),
            Self::Unknown(bytes) => {
                f.write_str("unknown:0x")?;
                bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
    }
}
