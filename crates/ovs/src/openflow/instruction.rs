//! A flow's instructions: meter, actions, next table (OpenFlow 1.4.1 §7.2.4).

use std::fmt;

use super::action::Action;
use super::wire::{DecodeError, Reader, patch_length};

const OFPIT_GOTO_TABLE: u16 = 1;
const OFPIT_APPLY_ACTIONS: u16 = 4;
const OFPIT_METER: u16 = 6;

/// What a flow does, in the order in which the switch does it. All empty drops the packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Instructions {
    /// The meter that may drop the packet first.
    pub meter: Option<u32>,
    /// What is done at once; none and an empty list are the same to the switch.
    pub actions: Vec<Action>,
    /// The table that goes on.
    pub goto: Option<u8>,
    /// Instructions that this crate does not know, as the switch sent them.
    pub unknown: Vec<Vec<u8>>,
}

impl Instructions {
    /// Appends the instructions.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        if let Some(meter) = self.meter {
            out.extend_from_slice(&OFPIT_METER.to_be_bytes());
            out.extend_from_slice(&[0, 8]);
            out.extend_from_slice(&meter.to_be_bytes());
        }
        if !self.actions.is_empty() {
            let start = out.len();
            out.extend_from_slice(&OFPIT_APPLY_ACTIONS.to_be_bytes());
            out.extend_from_slice(&[0; 6]);
            for action in &self.actions {
                action.encode(out);
            }
            patch_length(out, start + 2, start);
        }
        for unknown in &self.unknown {
            out.extend_from_slice(unknown);
        }
        if let Some(table) = self.goto {
            out.extend_from_slice(&OFPIT_GOTO_TABLE.to_be_bytes());
            out.extend_from_slice(&[0, 8, table, 0, 0, 0]);
        }
    }

    /// Reads instructions up to the end.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut all = Self::default();
        while !r.is_empty() {
            let whole = r.clone();
            let kind = r.u16()?;
            let length = usize::from(r.u16()?);
            let mut body = r.sub(length.checked_sub(4).ok_or(DecodeError::Length)?)?;
            match kind {
                OFPIT_METER => all.meter = Some(body.u32()?),
                OFPIT_GOTO_TABLE => all.goto = Some(body.u8()?),
                OFPIT_APPLY_ACTIONS => {
                    body.skip(4)?;
                    while !body.is_empty() {
                        all.actions.push(Action::decode(&mut body)?);
                    }
                }
                _ => all.unknown.push(whole.clone().take(length)?.to_vec()),
            }
        }
        Ok(all)
    }
}

impl fmt::Display for Instructions {
    /// ovs-ofctl's list of actions; `drop` for none.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut comma = "";
        if let Some(meter) = self.meter {
            write!(f, "meter:{meter}")?;
            comma = ",";
        }
        for action in &self.actions {
            write!(f, "{comma}{action}")?;
            comma = ",";
        }
        for unknown in &self.unknown {
            write!(f, "{comma}unknown:0x")?;
            unknown.iter().try_for_each(|b| write!(f, "{b:02x}"))?;
            comma = ",";
        }
        if let Some(table) = self.goto {
            write!(f, "{comma}goto_table:{table}")?;
            comma = ",";
        }
        if comma.is_empty() {
            f.write_str("drop")?;
        }
        Ok(())
    }
}
