//! A standing flow monitor (OpenFlow 1.4.1 §7.3.5.19): the switch tells of flows that somebody
//! adds, changes or deletes.
//!
//! What this connection changes itself is told as an abbreviation without content, and is no
//! news here. Where changes come faster than they are read, the switch pauses and resumes:
//! after a pause anything may have changed.

use super::port;
use super::wire::{DecodeError, Reader};

/// `ofp_flow_monitor_flags`.
const OFPFMF_ADD: u16 = 1 << 1;
const OFPFMF_REMOVED: u16 = 1 << 2;
const OFPFMF_MODIFY: u16 = 1 << 3;

/// `ofp_flow_update_event`.
const OFPFME_ADDED: u16 = 1;
const OFPFME_REMOVED: u16 = 2;
const OFPFME_MODIFIED: u16 = 3;
const OFPFME_PAUSED: u16 = 5;
const OFPFME_RESUMED: u16 = 6;

const OFPTT_ALL: u8 = 0xff;
const OFPFMC_ADD: u8 = 0;
const MONITOR_ID: u32 = 1;

/// The request's body: all flows of all tables, without their instructions and without a first
/// list.
pub(super) fn request() -> Vec<u8> {
    let mut body = MONITOR_ID.to_be_bytes().to_vec();
    body.extend_from_slice(&port::ANY.to_be_bytes());
    body.extend_from_slice(&port::ANY.to_be_bytes());
    body.extend_from_slice(&(OFPFMF_ADD | OFPFMF_REMOVED | OFPFMF_MODIFY).to_be_bytes());
    body.extend_from_slice(&[OFPTT_ALL, OFPFMC_ADD]);
    super::matches::Match::default().encode(&mut body);
    body
}

/// Whether the updates of one message tell of a change of a flow that is watched.
pub(super) fn tells(body: &[u8], unwatched: (u64, u64)) -> Result<bool, DecodeError> {
    let mut r = Reader::new(body);
    let mut told = false;
    while !r.is_empty() {
        let length = usize::from(r.u16()?);
        let mut update = r.sub(length.checked_sub(2).ok_or(DecodeError::Length)?)?;
        told |= match update.u16()? {
            OFPFME_ADDED | OFPFME_REMOVED | OFPFME_MODIFIED => {
                // Table, reason, time-outs, priority, padding.
                update.skip(12)?;
                let (cookie, mask) = unwatched;
                mask == 0 || update.u64()? & mask != cookie
            }
            OFPFME_PAUSED | OFPFME_RESUMED => true,
            // An abbreviation: this connection's own work. Others may come with later versions.
            _ => false,
        };
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEARNED: (u64, u64) = (0x464c << 48, 0xffff << 48);

    fn full(event: u16, cookie: u64) -> Vec<u8> {
        let mut out = vec![0, 32];
        out.extend_from_slice(&event.to_be_bytes());
        out.extend_from_slice(&[0; 12]);
        out.extend_from_slice(&cookie.to_be_bytes());
        // An empty match.
        out.extend_from_slice(&[0, 1, 0, 4, 0, 0, 0, 0]);
        out
    }

    #[test]
    fn a_change_of_anybodys_flow_is_told() {
        for event in [OFPFME_ADDED, OFPFME_REMOVED, OFPFME_MODIFIED] {
            assert_eq!(tells(&full(event, 7), LEARNED), Ok(true));
        }
    }

    #[test]
    fn learned_flows_and_own_changes_are_not_told() {
        let mut updates = full(OFPFME_ADDED, 0x464c << 48 | 3);
        updates.extend_from_slice(&[0, 8, 0, 4, 0, 0, 0, 9]);
        assert_eq!(tells(&updates, LEARNED), Ok(false));
        updates.extend_from_slice(&full(OFPFME_REMOVED, 0));
        assert_eq!(tells(&updates, LEARNED), Ok(true));
    }

    #[test]
    fn after_a_pause_anything_may_have_changed() {
        assert_eq!(tells(&[0, 8, 0, 5, 0, 0, 0, 0], LEARNED), Ok(true));
        assert_eq!(tells(&[0, 8, 0, 6, 0, 0, 0, 0], LEARNED), Ok(true));
    }

    #[test]
    fn what_is_cut_short_is_an_error_and_no_panic() {
        let whole = full(OFPFME_ADDED, 7);
        for end in 1..16 {
            assert!(tells(&whole[..end], LEARNED).is_err(), "{end}");
        }
        assert_eq!(tells(&[0, 1], LEARNED), Err(DecodeError::Length));
    }
}
