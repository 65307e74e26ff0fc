//! `learn` as bytes (nx_action_learn and its flow_mod_specs, in Open vSwitch's ofp-actions).

use super::codec::field_of;
use super::learn::{Learn, LearnPart, LearnValue, constant_bytes};
use super::{Action, Bits};
use crate::openflow::field::Bytes16;
use crate::openflow::wire::{DecodeError, Reader};

/// The part's value is in the action; otherwise it is in the packet.
const SRC_CONSTANT: u16 = 1 << 13;
const SRC_RESERVED: u16 = 0xc000;
const DST_MATCH: u16 = 0;
const DST_LOAD: u16 = 1 << 11;
const DST_OUTPUT: u16 = 2 << 11;
const DST_MASK: u16 = 3 << 11;
const BITS_MASK: u16 = 0x3ff;

/// Appends what follows the subtype. With a limit it is NXAST_LEARN2.
pub(super) fn encode(learn: &Learn, out: &mut Vec<u8>) {
    for number in [learn.idle_timeout, 0, learn.priority] {
        out.extend_from_slice(&number.to_be_bytes());
    }
    out.extend_from_slice(&learn.cookie.to_be_bytes());
    out.extend_from_slice(&[0, 0, learn.table, 0]);
    out.extend_from_slice(&learn.fin_idle_timeout.to_be_bytes());
    out.extend_from_slice(&[0, 0]);
    if learn.limit > 0 {
        out.extend_from_slice(&learn.limit.to_be_bytes());
        out.extend_from_slice(&[0; 4]);
    }
    for part in &learn.parts {
        encode_part(part, out);
    }
}

fn encode_part(part: &LearnPart, out: &mut Vec<u8>) {
    let (kind, count) = match part {
        LearnPart::Match { bits, .. } => (DST_MATCH, bits.count),
        LearnPart::Load { bits, .. } => (DST_LOAD, bits.count),
        LearnPart::Output(bits) => (DST_OUTPUT, bits.count),
    };
    let value = match part {
        LearnPart::Match { value, .. } | LearnPart::Load { value, .. } => *value,
        LearnPart::Output(bits) => LearnValue::OfPacket(*bits),
    };
    let source = match value {
        LearnValue::Constant(_) => SRC_CONSTANT,
        LearnValue::OfPacket(_) => 0,
    };
    out.extend_from_slice(&(source | kind | count & BITS_MASK).to_be_bytes());
    match value {
        LearnValue::Constant(value) => out.extend_from_slice(value.as_slice()),
        LearnValue::OfPacket(bits) => encode_bits(bits, out),
    }
    match part {
        LearnPart::Match { bits, .. } | LearnPart::Load { bits, .. } => encode_bits(*bits, out),
        LearnPart::Output(_) => {}
    }
}

fn encode_bits(bits: Bits, out: &mut Vec<u8>) {
    out.extend_from_slice(&bits.field.header().to_be_bytes());
    out.extend_from_slice(&bits.offset.to_be_bytes());
}

/// Reads what follows the subtype; `None` for what this crate has no words for.
pub(super) fn decode(body: &mut Reader<'_>, limited: bool) -> Result<Option<Action>, DecodeError> {
    let (idle_timeout, hard_timeout, priority) = (body.u16()?, body.u16()?, body.u16()?);
    let (cookie, flags, table) = (body.u64()?, body.u16()?, body.u8()?);
    body.skip(1)?;
    let (fin_idle_timeout, fin_hard_timeout) = (body.u16()?, body.u16()?);
    let limit = if limited {
        let limit = body.u32()?;
        body.skip(4)?;
        limit
    } else {
        0
    };
    if hard_timeout != 0 || fin_hard_timeout != 0 || flags != 0 {
        return Ok(None);
    }
    let mut parts = Vec::new();
    // Zeros fill the action up to a multiple of eight bytes.
    while body.len() >= 2 && !body.rest().iter().all(|b| *b == 0) {
        let Some(part) = decode_part(body)? else {
            return Ok(None);
        };
        parts.push(part);
    }
    let learn = Learn {
        table,
        priority,
        cookie,
        idle_timeout,
        fin_idle_timeout,
        limit,
        parts,
    };
    Ok(Some(learn.into()))
}

fn decode_part(body: &mut Reader<'_>) -> Result<Option<LearnPart>, DecodeError> {
    let header = body.u16()?;
    let count = header & BITS_MASK;
    if header & SRC_RESERVED != 0 {
        return Ok(None);
    }
    let value = if header & SRC_CONSTANT != 0 {
        Bytes16::new(body.take(constant_bytes(count).into())?).map(LearnValue::Constant)
    } else {
        decode_bits(body, count)?.map(LearnValue::OfPacket)
    };
    Ok(match (header & DST_MASK, value) {
        (DST_MATCH, Some(value)) => {
            decode_bits(body, count)?.map(|bits| LearnPart::Match { bits, value })
        }
        (DST_LOAD, Some(value)) => {
            decode_bits(body, count)?.map(|bits| LearnPart::Load { bits, value })
        }
        (DST_OUTPUT, Some(LearnValue::OfPacket(bits))) => Some(LearnPart::Output(bits)),
        _ => None,
    })
}

fn decode_bits(body: &mut Reader<'_>, count: u16) -> Result<Option<Bits>, DecodeError> {
    let (field, offset) = (field_of(body.u32()?), body.u16()?);
    Ok(field.and_then(|field| Bits::within(field, offset, count)))
}
