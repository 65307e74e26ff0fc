//! Actions as bytes (OpenFlow 1.4.1 §7.2.5; ovs-actions(7) for the extensions).

use super::{Action, Bits, Conntrack};
use crate::openflow::field::{Bytes16, Field};
use crate::openflow::wire::{DecodeError, Reader, pad8, patch_length};

impl Action {
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
            Self::Conntrack(ct) => {
                nicira(out, NXAST_CT);
                ct.encode(out);
            }
            Self::Group(id) => {
                head(out, OFPAT_GROUP);
                out.extend_from_slice(&id.to_be_bytes());
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
            OFPAT_GROUP => Some(Self::Group(body.u32()?)),
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
const OFPAT_GROUP: u16 = 22;
const OFPAT_SET_FIELD: u16 = 25;
const OFPAT_EXPERIMENTER: u16 = 0xffff;
const NX_VENDOR: u32 = 0x0000_2320;
const NXAST_RESUBMIT: u16 = 1;
const NXAST_REG_MOVE: u16 = 6;
const NXAST_REG_LOAD: u16 = 7;
const NXAST_RESUBMIT_TABLE: u16 = 14;
const NXAST_CT: u16 = 35;
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
        NXAST_CT => Ok(Conntrack::decode(body)?.map(Action::Conntrack)),
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
