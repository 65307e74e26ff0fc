//! Bytes: a reader that never runs past its end, a framer, and the message header.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// OpenFlow 1.4.
pub(crate) const VERSION: u8 = 0x05;
/// `ofp_header` (OpenFlow 1.4.1 §7.1.1).
pub(crate) const HEADER: usize = 8;

/// Why bytes are no OpenFlow message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// It ends too early.
    #[error("the message is cut short")]
    Short,
    /// A length within it is impossible.
    #[error("a length in the message is impossible")]
    Length,
    /// A number within it means nothing.
    #[error("a value in the message means nothing")]
    Value,
    /// It has another version than was agreed.
    #[error("a message has version {version:#04x}, not 0x05")]
    Version {
        /// The version in its header.
        version: u8,
    },
}

/// Reads big-endian numbers off the front of a slice.
#[derive(Debug, Clone)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let (front, rest) = self.0.split_at_checked(count).ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(front)
    }

    pub(crate) fn skip(&mut self, count: usize) -> Result<(), DecodeError> {
        self.take(count).map(|_| ())
    }

    pub(crate) fn sub(&mut self, count: usize) -> Result<Self, DecodeError> {
        self.take(count).map(Self)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (front, rest) = self.0.split_first_chunk().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*front)
    }

    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_be_bytes)
    }
}

/// Writes the length of what follows `start` into the two bytes at `at`.
///
/// A message of ours is a few hundred bytes; one that does not fit its length field gets the
/// largest, and the switch refuses it.
pub(crate) fn patch_length(out: &mut [u8], at: usize, start: usize) {
    let length = u16::try_from(out.len() - start).unwrap_or(u16::MAX);
    out[at..at + 2].copy_from_slice(&length.to_be_bytes());
}

/// Fills with zeros to a multiple of eight bytes, counted from `start`.
pub(crate) fn pad8(out: &mut Vec<u8>, start: usize) {
    let length = out.len() - start;
    out.resize(start + length.next_multiple_of(8), 0);
}

/// Begins a message, lets `body` write the rest, and sets the length.
pub(crate) fn message(out: &mut Vec<u8>, kind: u8, xid: u32, body: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend_from_slice(&[VERSION, kind, 0, 0]);
    out.extend_from_slice(&xid.to_be_bytes());
    body(out);
    patch_length(out, start + 2, start);
}

/// One message of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// `OFPT_…`.
    pub kind: u8,
    /// The transaction that it belongs to.
    pub xid: u32,
    /// What follows the header.
    pub body: Bytes,
}

/// OFPT_HELLO, whose version says what its sender would like.
pub(crate) const OFPT_HELLO: u8 = 0;
/// OFPT_SET_CONFIG.
pub(super) const OFPT_SET_CONFIG: u8 = 9;

/// Cuts a stream of bytes into messages by the length in their header.
///
/// Guarantees: the frames depend on the bytes only, not on how they were chunked; at most
/// 64 KiB are held, as a length has 16 bits. After an error the place in the stream is lost,
/// and every further call gives an error.
#[derive(Debug, Default)]
pub struct OpenFlowFramer {
    buffer: BytesMut,
    failed: Option<DecodeError>,
}

impl OpenFlowFramer {
    /// A framer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where a reader appends what it read. Bytes that are there already must stay.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Appends bytes of the stream.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete message, or `None` until more bytes come.
    ///
    /// # Errors
    /// [`DecodeError`] for a length below the header's, or another version; it is final.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        self.cut().inspect_err(|e| self.failed = Some(*e))
    }

    fn cut(&mut self) -> Result<Option<Frame>, DecodeError> {
        let Some(&[version, kind, l0, l1, x0, x1, x2, x3]) = self.buffer.first_chunk() else {
            return Ok(None);
        };
        if version != VERSION && kind != OFPT_HELLO {
            return Err(DecodeError::Version { version });
        }
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        if length < HEADER {
            return Err(DecodeError::Length);
        }
        if self.buffer.len() < length {
            return Ok(None);
        }
        let mut body = self.buffer.split_to(length).freeze();
        body.advance(HEADER);
        Ok(Some(Frame {
            kind,
            xid: u32::from_be_bytes([x0, x1, x2, x3]),
            body,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_frames(
            messages in prop::collection::vec((any::<u8>(), any::<u32>(),
                prop::collection::vec(any::<u8>(), 0..60)), 0..6),
            cut in 1usize..50,
        ) {
            let mut stream = Vec::new();
            for (kind, xid, body) in &messages {
                message(&mut stream, *kind, *xid, |out| out.extend_from_slice(body));
            }
            let mut framer = OpenFlowFramer::new();
            let mut got = Vec::new();
            for chunk in stream.chunks(cut) {
                framer.push(chunk);
                while let Some(f) = framer.next_frame().expect("well-formed") {
                    got.push((f.kind, f.xid, f.body.to_vec()));
                }
            }
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn garbage_never_panics(bytes: Vec<u8>) {
            let mut framer = OpenFlowFramer::new();
            framer.push(&bytes);
            while let Ok(Some(_)) = framer.next_frame() {}
        }
    }

    #[test]
    fn a_length_below_the_header_is_refused() {
        let mut framer = OpenFlowFramer::new();
        framer.push(&[5, 10, 0, 7, 0, 0, 0, 0]);
        assert_eq!(framer.next_frame(), Err(DecodeError::Length));
    }

    #[test]
    fn another_version_is_refused_except_in_a_hello() {
        let mut framer = OpenFlowFramer::new();
        framer.push(&[6, 0, 0, 8, 0, 0, 0, 1, 4, 10, 0, 8, 0, 0, 0, 0]);
        assert!(matches!(framer.next_frame(), Ok(Some(_))));
        assert_eq!(
            framer.next_frame(),
            Err(DecodeError::Version { version: 4 })
        );
    }
}
