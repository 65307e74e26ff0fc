//! Asking the datapath's connection tracker (NXAST_CT; ovs-actions(7), "ct").

use std::fmt;

use super::Action;
use crate::openflow::field::Field;
use crate::openflow::wire::{DecodeError, Reader};

/// NX_CT_F_COMMIT.
const COMMIT: u16 = 1;
/// NX_CT_RECIRC_NONE.
const NO_TABLE: u8 = 0xff;

/// Looks a packet up among the connections of a zone. Fragments are put together for it, and leave
/// the switch as fragments again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conntrack {
    /// A connection that is not known is remembered, and each is given this mark; `None`: it is only
    /// looked up.
    pub commit: Option<u32>,
    /// The zone: connections of one are not known in another.
    pub zone: Zone,
    /// Where the packet goes on with what was found in [`super::Field::CtState`], at the cost of a
    /// second look into the datapath's cache; `None`: the next action, with nothing found.
    pub table: Option<u8>,
}

/// Which zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone {
    /// This one.
    Is(u16),
    /// The one in the lower half of a register.
    In(Field),
}

impl From<u16> for Zone {
    fn from(zone: u16) -> Self {
        Self::Is(zone)
    }
}

/// The lower half of a register, as `ofs_nbits` of NXAST_CT has it.
const LOWER_HALF: u16 = 15;

impl Conntrack {
    /// Looks the packet up, and goes on in `table`.
    pub fn look_up(zone: impl Into<Zone>, table: u8) -> Self {
        Self {
            commit: None,
            zone: zone.into(),
            table: Some(table),
        }
    }

    /// Remembers the connection by this mark, and goes on with the next action.
    pub fn remember(zone: impl Into<Zone>, mark: u32) -> Self {
        Self {
            commit: Some(mark),
            zone: zone.into(),
            table: None,
        }
    }

    /// The same, and goes on in a table.
    #[must_use]
    pub const fn then(self, table: u8) -> Self {
        Self {
            table: Some(table),
            ..self
        }
    }

    /// The action's body, behind its subtype.
    pub(super) fn encode(self, out: &mut Vec<u8>) {
        let flags = if self.commit.is_some() { COMMIT } else { 0 };
        out.extend_from_slice(&flags.to_be_bytes());
        let (source, zone) = match self.zone {
            Zone::Is(zone) => (0, zone),
            Zone::In(register) => (register.header(), LOWER_HALF),
        };
        out.extend_from_slice(&source.to_be_bytes());
        out.extend_from_slice(&zone.to_be_bytes());
        out.push(self.table.unwrap_or(NO_TABLE));
        // Padding, and no helper for a protocol.
        out.extend_from_slice(&[0; 5]);
        if let Some(mark) = self.commit {
            Action::set(Field::CtMark, mark).encode(out);
        }
    }

    /// Reads it; `None` for one that does more than this.
    pub(super) fn decode(body: &mut Reader<'_>) -> Result<Option<Self>, DecodeError> {
        let (flags, source, zone) = (body.u16()?, body.u32()?, body.u16()?);
        let table = body.u8()?;
        body.skip(3)?;
        let helper = body.u16()?;
        let mut inside = Vec::new();
        while !body.is_empty() {
            inside.push(Action::decode(body)?);
        }
        let mark = match inside.as_slice() {
            [
                Action::SetField {
                    field: Field::CtMark,
                    value,
                },
            ] => u32::try_from(value.to_u128()).ok(),
            _ => None,
        };
        let known = match (flags, mark) {
            (0, _) => inside.is_empty(),
            (COMMIT, mark) => mark.is_some(),
            _ => false,
        };
        let zone = match (source, zone) {
            (0, zone) => Some(Zone::Is(zone)),
            (source, LOWER_HALF) => Field::from_header(source).map(Zone::In),
            _ => None,
        };
        let zone = zone.filter(|_| known && helper == 0);
        Ok(zone.map(|zone| Self {
            commit: mark,
            zone,
            table: (table != NO_TABLE).then_some(table),
        }))
    }
}

impl From<Conntrack> for Action {
    fn from(ct: Conntrack) -> Self {
        Self::Conntrack(ct)
    }
}

impl fmt::Display for Conntrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let commit = self.commit.map(|_| "commit".to_owned());
        let table = self.table.map(|table| format!("table={table}"));
        let zone = match self.zone {
            Zone::Is(0) => None,
            Zone::Is(zone) => Some(format!("zone={zone}")),
            Zone::In(register) => Some(format!("zone={}[0..15]", register.name())),
        };
        let mark = self.commit.map(|m| Action::set(Field::CtMark, m));
        let mark = mark.map(|set| format!("exec({set})"));
        let parts: Vec<String> = [commit, table, zone, mark].into_iter().flatten().collect();
        match parts.is_empty() {
            true => f.write_str("ct"),
            false => write!(f, "ct({})", parts.join(",")),
        }
    }
}
