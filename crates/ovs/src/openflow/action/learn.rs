//! A flow that makes flows (NXAST_LEARN, NXAST_LEARN2; ovs-actions(7), "learn").

use std::fmt;

use super::{Action, Bits};
use crate::openflow::field::{Bytes16, FieldValue, Shown};

/// The flow that a packet makes, and what of the packet goes into it.
///
/// The switch makes it anew with each packet, so its idle time also counts from the last
/// packet that met the flow with this action.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Learn {
    /// The table that it goes into.
    pub table: u8,
    /// Its priority.
    pub priority: u16,
    /// Its cookie.
    pub cookie: u64,
    /// Seconds without a packet after which it goes; 0 for never.
    pub idle_timeout: u16,
    /// The same once it has seen a TCP FIN or RST; 0 for no difference.
    pub fin_idle_timeout: u16,
    /// How many flows of this cookie the table may have; 0 for any number.
    pub limit: u32,
    /// What it matches and does, in this order.
    pub parts: Vec<LearnPart>,
}

/// One condition or action of a learned flow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LearnPart {
    /// It matches packets with this value in these bits.
    Match {
        /// The bits that are compared.
        bits: Bits,
        /// What with.
        value: LearnValue,
    },
    /// It writes this value into these bits.
    Load {
        /// The bits that are written.
        bits: Bits,
        /// What into them.
        value: LearnValue,
    },
    /// It sends packets out of the port whose number the packet has in these bits.
    Output(Bits),
}

/// A value of a learned flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LearnValue {
    /// Always this.
    Constant(Bytes16),
    /// What the packet has in these bits, of which there are as many.
    OfPacket(Bits),
}

impl LearnPart {
    /// A match of a whole field with a constant.
    pub fn matching(bits: impl Into<Bits>, value: impl FieldValue) -> Self {
        let bits = bits.into();
        let value = LearnValue::constant(bits, value);
        Self::Match { bits, value }
    }

    /// A match of a whole field with one of the packet.
    pub fn matching_packets(bits: impl Into<Bits>, of_packet: impl Into<Bits>) -> Self {
        Self::Match {
            bits: bits.into(),
            value: LearnValue::OfPacket(of_packet.into()),
        }
    }

    /// Writes a constant into a whole field.
    pub fn load(bits: impl Into<Bits>, value: impl FieldValue) -> Self {
        let bits = bits.into();
        let value = LearnValue::constant(bits, value);
        Self::Load { bits, value }
    }

    /// Sends to the port that the packet names.
    pub fn output(of_packet: impl Into<Bits>) -> Self {
        Self::Output(of_packet.into())
    }
}

impl LearnValue {
    fn constant(bits: Bits, value: impl FieldValue) -> Self {
        Self::Constant(value.to_bytes(constant_bytes(bits.count)))
    }
}

/// How long a constant of so many bits is on the wire: a multiple of two bytes.
pub(super) fn constant_bytes(bits: u16) -> u8 {
    u8::try_from(bits.div_ceil(16) * 2).unwrap_or(u8::MAX)
}

impl From<Learn> for Action {
    fn from(learn: Learn) -> Self {
        Self::Learn(Box::new(learn))
    }
}

impl fmt::Display for Learn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "learn(table={}", self.table)?;
        let numbers = [
            ("idle_timeout", self.idle_timeout),
            ("fin_idle_timeout", self.fin_idle_timeout),
        ];
        for (name, seconds) in numbers.into_iter().filter(|(_, n)| *n > 0) {
            write!(f, ",{name}={seconds}")?;
        }
        write!(f, ",priority={},cookie={:#x}", self.priority, self.cookie)?;
        if self.limit > 0 {
            write!(f, ",limit={}", self.limit)?;
        }
        for part in &self.parts {
            write!(f, ",{part}")?;
        }
        f.write_str(")")
    }
}

impl fmt::Display for LearnPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Match { bits, value } => match value {
                LearnValue::OfPacket(of_packet) => write!(f, "{bits}={of_packet}"),
                LearnValue::Constant(value) if *bits == bits.field.into() => {
                    write!(f, "{}={}", bits.field.name(), Shown(bits.field, value))
                }
                LearnValue::Constant(value) => write!(f, "{bits}={:#x}", value.to_u128()),
            },
            Self::Load { bits, value } => match value {
                LearnValue::OfPacket(of_packet) => write!(f, "load:{of_packet}->{bits}"),
                LearnValue::Constant(value) => write!(f, "load:{:#x}->{bits}", value.to_u128()),
            },
            Self::Output(of_packet) => write!(f, "output:{of_packet}"),
        }
    }
}
