//! Acknowledgements: `struct nlmsgerr` and the extended part behind it
//! (linux/netlink.h; Documentation/userspace-api/netlink/intro.rst, "Ext ACK").

use netlink_packet_core::{
    NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NLMSG_ERROR, NLMSG_OVERRUN, NetlinkBuffer,
    NlasIterator,
};
use nix::errno::Errno;

use crate::error::Fault;

/// The attribute with the kernel's words.
const NLMSGERR_ATTR_MSG: u16 = 1;
/// The errno, and the header of the request.
const NLMSGERR_LEN: usize = 4 + 16;

/// The end of an answer: success, or an errno and perhaps a text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ack {
    errno: Option<Errno>,
    text: Option<String>,
}

impl Ack {
    /// Reads `message` if it ends an answer; `None` if it is an object.
    ///
    /// # Errors
    /// [`Fault::Undecodable`] if it is too short.
    pub(crate) fn parse(message: &NetlinkBuffer<&[u8]>) -> Result<Option<Self>, Fault> {
        let payload = message.payload();
        let attributes = match message.message_type() {
            NLMSG_ERROR => error_attributes(message.flags(), payload),
            NLMSG_DONE => payload.get(4..).unwrap_or_default(),
            NLMSG_OVERRUN => {
                return Err(Fault::Undecodable {
                    reason: "the kernel lost part of the answer".to_owned(),
                });
            }
            _ => return Ok(None),
        };
        let code = match payload.first_chunk::<4>() {
            Some(code) => i32::from_ne_bytes(*code),
            // An NLMSG_DONE may come without its code.
            None if message.message_type() == NLMSG_DONE => 0,
            None => {
                return Err(Fault::Undecodable {
                    reason: "an acknowledgement without its code".to_owned(),
                });
            }
        };
        let tlvs = message.flags() & NLM_F_ACK_TLVS != 0;
        Ok(Some(Self {
            errno: (code != 0).then(|| Errno::from_raw(code.wrapping_neg())),
            text: tlvs.then(|| text(attributes)).flatten(),
        }))
    }

    /// The failure that it tells of, if it tells of one.
    pub(crate) fn into_fault(self) -> Option<Fault> {
        let text = self.text;
        self.errno.map(|errno| Fault::Refused { errno, text })
    }
}

/// Where the attributes of an NLMSG_ERROR begin: behind the request's header, or behind the
/// whole request if it is repeated.
fn error_attributes(flags: u16, payload: &[u8]) -> &[u8] {
    let repeated = if flags & NLM_F_CAPPED != 0 {
        0
    } else {
        payload.get(4..8).map_or(0, |b| {
            let length = u32::from_ne_bytes([b[0], b[1], b[2], b[3]]) as usize;
            length.saturating_sub(16).next_multiple_of(4)
        })
    };
    payload
        .get(NLMSGERR_LEN.saturating_add(repeated)..)
        .unwrap_or_default()
}

/// The kernel's words, without what could spoil a log line.
fn text(attributes: &[u8]) -> Option<String> {
    NlasIterator::new(attributes)
        .map_while(Result::ok)
        .find(|a| a.kind() == NLMSGERR_ATTR_MSG)
        .map(|a| {
            String::from_utf8_lossy(a.value())
                .trim_end_matches('\0')
                .chars()
                .filter(|c| !c.is_control())
                .collect()
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u16, flags: u16, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(16 + payload.len()).expect("a short payload");
        let mut bytes = length.to_ne_bytes().to_vec();
        bytes.extend(kind.to_ne_bytes());
        bytes.extend(flags.to_ne_bytes());
        bytes.extend([0; 8]);
        bytes.extend(payload);
        bytes
    }

    fn parse(bytes: &[u8]) -> Result<Option<Ack>, Fault> {
        Ack::parse(&NetlinkBuffer::new_checked(bytes).expect("a whole message"))
    }

    fn said(words: &str) -> Vec<u8> {
        let length = u16::try_from(4 + words.len() + 1).expect("short");
        let mut nla = length.to_ne_bytes().to_vec();
        nla.extend(NLMSGERR_ATTR_MSG.to_ne_bytes());
        nla.extend(words.as_bytes());
        nla.resize(usize::from(length).next_multiple_of(4), 0);
        nla
    }

    #[test]
    fn zero_is_success() {
        let ack = parse(&message(NLMSG_ERROR, NLM_F_CAPPED, &[0; 20]))
            .expect("whole")
            .expect("an acknowledgement");
        assert_eq!(ack.into_fault(), None);
    }

    #[test]
    fn the_kernels_words_are_kept_when_the_request_is_capped() {
        let mut payload = (-17_i32).to_ne_bytes().to_vec();
        payload.extend([0; 16]);
        payload.extend(said("Name in use"));
        let fault = parse(&message(
            NLMSG_ERROR,
            NLM_F_CAPPED | NLM_F_ACK_TLVS,
            &payload,
        ))
        .expect("whole")
        .and_then(Ack::into_fault);
        assert_eq!(
            fault,
            Some(Fault::Refused {
                errno: Errno::EEXIST,
                text: Some("Name in use".to_owned())
            })
        );
    }

    #[test]
    fn the_kernels_words_are_found_behind_a_repeated_request() {
        let mut payload = (-22_i32).to_ne_bytes().to_vec();
        payload.extend(24_u32.to_ne_bytes());
        payload.extend([0; 12]);
        payload.extend([0xff; 8]);
        payload.extend(said("no"));
        let fault = parse(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, &payload))
            .expect("whole")
            .and_then(Ack::into_fault)
            .expect("a failure");
        assert_eq!(
            fault.to_string(),
            "the kernel refused: EINVAL: Invalid argument (no)"
        );
    }

    #[test]
    fn a_short_acknowledgement_is_an_error_and_no_panic() {
        assert!(parse(&message(NLMSG_ERROR, NLM_F_ACK_TLVS, &[1, 2])).is_err());
        for n in 0..40 {
            let payload = vec![0xff; n];
            for flags in [0, NLM_F_ACK_TLVS, NLM_F_ACK_TLVS | NLM_F_CAPPED] {
                let _ = parse(&message(NLMSG_ERROR, flags, &payload));
                let _ = parse(&message(NLMSG_DONE, flags, &payload));
            }
        }
    }

    #[test]
    fn an_object_is_no_acknowledgement() {
        assert_eq!(parse(&message(16, 0, &[0; 16])), Ok(None));
    }
}
