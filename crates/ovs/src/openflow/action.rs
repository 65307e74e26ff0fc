//! What a flow does with a packet (OpenFlow 1.4.1 §7.2.5, ovs-actions(7)).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use flatnet_types::{MacAddr, VlanId};

use super::field::{Bytes16, Field, FieldValue, Shown};
use super::matches::OFPVID_PRESENT;
use super::port;
use super::wire::{DecodeError, Reader, pad8, patch_length};

/// The controller gets whole packets.
pub const WHOLE_PACKET: u16 = 0xffff;

/// Some bits of a field: `field[offset..offset+bits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bits {
    /// The field.
    pub field: Field,
    /// The lowest bit.
    pub offset: u16,
    /// How many.
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
        f.write_str(self.field.name())?;
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
        /// The field.
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
        /// From where.
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

    /// Appends the action, padded.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Output { port, max_len } => {
                head(out, OFPAT_OUTPUT);
                out.extend_from_slice(&port.to_be_bytes());
                out.extend_from_slice(&max_len.to_be_bytes());
            }
            Self::PushVlan(ethertype) => {
                head(out, OFPAT_PUSH_VLAN);
                out.extend_from_slice(&ethertype.to_be_bytes());
            }
            Self::PopVlan => head(out, OFPAT_POP_VLAN),
            Self::SetField { field, value } => {
                head(out, OFPAT_SET_FIELD);
                out.extend_from_slice(&field.header().to_be_bytes());
                out.extend_from_slice(value.as_slice());
            }
            Self::RegLoad { to, value } => {
                nicira(out, NXAST_REG_LOAD);
                // Six bits of offset, then the width less one (NXAST_REG_LOAD).
                let offset_width = to.offset << 6 | to.count.saturating_sub(1) & 0x3f;
                out.extend_from_slice(&offset_width.to_be_bytes());
                out.extend_from_slice(&to.field.header().to_be_bytes());
                out.extend_from_slice(&value.to_be_bytes());
            }
            Self::RegMove { from, to } => {
                nicira(out, NXAST_REG_MOVE);
                for part in [to.count, from.offset, to.offset] {
                    out.extend_from_slice(&part.to_be_bytes());
                }
                for bits in [from, to] {
                    out.extend_from_slice(&bits.field.header().to_be_bytes());
                }
            }
            Self::Resubmit { in_port, table } => {
                nicira(out, NXAST_RESUBMIT_TABLE);
                out.extend_from_slice(&in_port.unwrap_or(NX_IN_PORT).to_be_bytes());
                out.push(table.unwrap_or(NX_THIS_TABLE));
            }
            Self::Unknown(bytes) => {
                out.extend_from_slice(bytes);
                return;
            }
        }
        pad8(out, start);
        patch_length(out, start + 2, start);
    }

    /// Reads one action.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let whole = r.clone();
        let kind = r.u16()?;
        let length = usize::from(r.u16()?);
        let mut body = r.sub(length.checked_sub(4).ok_or(DecodeError::Length)?)?;
        let bytes = whole.clone().take(length)?;
        let known = match kind {
            OFPAT_OUTPUT => Some(Self::Output {
                port: body.u32()?,
                max_len: body.u16()?,
            }),
            OFPAT_PUSH_VLAN => Some(Self::PushVlan(body.u16()?)),
            OFPAT_POP_VLAN => Some(Self::PopVlan),
            OFPAT_SET_FIELD => set_field(&mut body)?,
            OFPAT_EXPERIMENTER if body.u32()? == NX_VENDOR => nicira_body(&mut body)?,
            _ => None,
        };
        Ok(known.unwrap_or_else(|| Self::Unknown(bytes.to_vec())))
    }
}

const OFPAT_OUTPUT: u16 = 0;
const OFPAT_PUSH_VLAN: u16 = 17;
const OFPAT_POP_VLAN: u16 = 18;
const OFPAT_SET_FIELD: u16 = 25;
const OFPAT_EXPERIMENTER: u16 = 0xffff;
const NX_VENDOR: u32 = 0x0000_2320;
const NXAST_RESUBMIT: u16 = 1;
const NXAST_REG_MOVE: u16 = 6;
const NXAST_REG_LOAD: u16 = 7;
const NXAST_RESUBMIT_TABLE: u16 = 14;
/// OFPP_IN_PORT in the 16 bits of OpenFlow 1.0, which the extensions kept.
const NX_IN_PORT: u16 = 0xfff8;
const NX_THIS_TABLE: u8 = 0xff;

fn head(out: &mut Vec<u8>, kind: u16) {
    out.extend_from_slice(&kind.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
}

fn nicira(out: &mut Vec<u8>, subtype: u16) {
    head(out, OFPAT_EXPERIMENTER);
    out.extend_from_slice(&NX_VENDOR.to_be_bytes());
    out.extend_from_slice(&subtype.to_be_bytes());
}

fn set_field(body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    let header = body.u32()?;
    let value = body.take((header & 0xff) as usize)?;
    Ok(match (Field::from_header(header), Bytes16::new(value)) {
        (Some(field), Some(value)) => Some(Action::SetField { field, value }),
        _ => None,
    })
}

fn nicira_body(body: &mut Reader<'_>) -> Result<Option<Action>, DecodeError> {
    match body.u16()? {
        NXAST_RESUBMIT => Ok(Some(resubmit(body.u16()?, NX_THIS_TABLE))),
        NXAST_RESUBMIT_TABLE => Ok(Some(resubmit(body.u16()?, body.u8()?))),
        NXAST_REG_LOAD => {
            let offset_width = body.u16()?;
            let (field, value) = (field_of(body.u32()?), body.u64()?);
            let (offset, count) = (offset_width >> 6, (offset_width & 0x3f) + 1);
            Ok(field
                .and_then(|field| Bits::within(field, offset, count))
                .map(|to| Action::load(to, value)))
        }
        NXAST_REG_MOVE => {
            let (count, from, to) = (body.u16()?, body.u16()?, body.u16()?);
            let from = field_of(body.u32()?).and_then(|f| Bits::within(f, from, count));
            let to = field_of(body.u32()?).and_then(|f| Bits::within(f, to, count));
            Ok(from.zip(to).map(|(from, to)| Action::RegMove { from, to }))
        }
        _ => Ok(None),
    }
}

fn resubmit(in_port: u16, table: u8) -> Action {
    Action::Resubmit {
        in_port: (in_port != NX_IN_PORT).then_some(in_port),
        table: (table != NX_THIS_TABLE).then_some(table),
    }
}

/// The field of an action's header. For moves and loads the switch answers with the older
/// NXM headers where there are some (ovs-fields(7), "NXM"), whatever it was sent.
fn field_of(header: u32) -> Option<Field> {
    const NXM: &[(u32, Field)] = &[
        (0x0000_0206, Field::EthDst),
        (0x0000_0406, Field::EthSrc),
        (0x0000_0602, Field::EthType),
        (0x0000_0c01, Field::IpProto),
        (0x0000_0e04, Field::Ipv4Src),
        (0x0000_1004, Field::Ipv4Dst),
        (0x0000_1202, Field::TcpSrc),
        (0x0000_1402, Field::TcpDst),
        (0x0000_1602, Field::UdpSrc),
        (0x0000_1802, Field::UdpDst),
        (0x0000_1a01, Field::Icmpv4Type),
        (0x0000_1c01, Field::Icmpv4Code),
        (0x0000_1e02, Field::ArpOp),
        (0x0000_2004, Field::ArpSpa),
        (0x0000_2204, Field::ArpTpa),
        (0x0001_2206, Field::ArpSha),
        (0x0001_2406, Field::ArpTha),
        (0x0001_2610, Field::Ipv6Src),
        (0x0001_2810, Field::Ipv6Dst),
        (0x0001_2a01, Field::Icmpv6Type),
        (0x0001_2c01, Field::Icmpv6Code),
        (0x0001_2e10, Field::NdTarget),
        (0x0001_3006, Field::NdSll),
        (0x0001_3206, Field::NdTll),
    ];
    Field::from_header(header).or_else(|| {
        NXM.iter()
            .find(|(nxm, _)| *nxm == header)
            .map(|(_, field)| *field)
    })
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
            Self::Unknown(bytes) => {
                f.write_str("unknown:0x")?;
                bytes.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }
    }
}
