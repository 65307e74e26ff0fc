//! Groups that choose one of their buckets (OpenFlow 1.4.1 §5.6, §7.3.4.3).
//!
//! Open vSwitch chooses by a hash that the datapath computes: the packet is recirculated with it,
//! so that what comes before the group and what comes after are cached apart.

use super::action::Action;
use super::port;
use super::wire::{DecodeError, Reader, patch_length};

const OFPGT_SELECT: u8 = 1;

/// A group of the type select. Its buckets have equal weights and watch nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Group {
    /// 0 to 0xffff_ff00 (`OFPG_MAX`).
    pub id: u32,
    /// The actions of each bucket.
    pub buckets: Vec<Vec<Action>>,
}

impl Group {
    /// Appends what follows the command in a GROUP_MOD.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[OFPGT_SELECT, 0]);
        out.extend_from_slice(&self.id.to_be_bytes());
        for actions in &self.buckets {
            let start = out.len();
            out.extend_from_slice(&[0; 2]);
            out.extend_from_slice(&1_u16.to_be_bytes());
            // Neither a port nor a group is watched.
            out.extend_from_slice(&port::ANY.to_be_bytes());
            out.extend_from_slice(&port::ANY.to_be_bytes());
            out.extend_from_slice(&[0; 4]);
            for action in actions {
                action.encode(out);
            }
            patch_length(out, start, start);
        }
    }

    /// Reads one `ofp_group_desc`; a group of another type than select has no buckets here.
    pub(crate) fn decode(r: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let length = usize::from(r.u16()?);
        let mut r = r.sub(length.checked_sub(2).ok_or(DecodeError::Length)?)?;
        let kind = r.u8()?;
        r.skip(1)?;
        let id = r.u32()?;
        let mut buckets = Vec::new();
        while kind == OFPGT_SELECT && !r.is_empty() {
            let length = usize::from(r.u16()?);
            let mut bucket = r.sub(length.checked_sub(2).ok_or(DecodeError::Length)?)?;
            // Weight, watched port and group, padding.
            bucket.skip(14)?;
            let mut actions = Vec::new();
            while !bucket.is_empty() {
                actions.push(Action::decode(&mut bucket)?);
            }
            buckets.push(actions);
        }
        Ok(Self { id, buckets })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a switch sends of it.
    fn described(group: &Group, kind: u8) -> Vec<u8> {
        let mut body = Vec::new();
        group.encode(&mut body);
        body[0] = kind;
        let length = u16::try_from(body.len() + 2).expect("short");
        [&length.to_be_bytes()[..], &body].concat()
    }

    #[test]
    fn a_group_comes_back_as_it_was_sent() {
        let group = Group {
            id: 7,
            buckets: vec![vec![Action::resubmit(1)], vec![Action::output(3)]],
        };
        let bytes = described(&group, OFPGT_SELECT);
        let mut r = Reader::new(&bytes);
        assert_eq!(Group::decode(&mut r), Ok(group));
        assert!(r.is_empty());
    }

    #[test]
    fn a_group_of_another_type_differs_from_all_of_ours() {
        let group = Group {
            id: 7,
            buckets: vec![vec![Action::resubmit(1)]],
        };
        let bytes = described(&group, 0);
        let read = Group::decode(&mut Reader::new(&bytes)).expect("a group");
        assert_ne!(read, group);
        assert!(Group::decode(&mut Reader::new(&bytes[..6])).is_err());
    }
}
