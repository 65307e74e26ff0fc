//! Cuts a stream of bytes into JSON objects.
//!
//! JSON-RPC over a stream has no length prefix and no separator (RFC 7047 §4): a message
//! ends where its outermost brace closes. One `read()` may bring a part of a message, or
//! several; the framer keeps its place between them and looks at each byte once.

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

/// How much a peer may send before it is hung up on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes. The first copy of a large database is one message.
    pub message_bytes: usize,
    /// The deepest nesting of arrays and objects. OVSDB needs about 10; `serde_json` stops
    /// at 128.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 64 << 20,
            depth: 64,
        }
    }
}

/// Why a stream is not a stream of JSON objects.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FrameError {
    /// A byte between messages that is neither white space nor `{`.
    #[error("byte {byte:#04x} at offset {offset} cannot begin a JSON-RPC message")]
    Garbage {
        /// The byte that was found there.
        byte: u8,
        /// Where in the stream, in bytes from its start.
        offset: u64,
    },
    /// A closing bracket that fits no opening one.
    #[error("unbalanced {:?} at offset {offset}", char::from(*byte))]
    Unbalanced {
        /// The closing bracket, as ASCII.
        byte: u8,
        /// Where in the stream, in bytes from its start.
        offset: u64,
    },
    /// A message longer than [`Limits::message_bytes`].
    #[error("a message is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// A message nested deeper than [`Limits::depth`].
    #[error("a message is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit, in levels.
        limit: usize,
    },
}

/// The streaming framer.
///
/// Guarantees: the frames depend on the bytes only, not on how they were chunked; each frame
/// begins with `{` and ends with its `}`; after an error every further call gives the same
/// error, as the place in the stream is lost.
#[derive(Debug)]
pub struct JsonFramer {
    limits: Limits,
    buffer: BytesMut,
    /// Bytes of `buffer` that were looked at.
    scanned: usize,
    /// Bytes of the stream that left `buffer`.
    consumed: u64,
    /// The closing brackets that are awaited, innermost last.
    open: Vec<u8>,
    string: StringState,
    failed: Option<FrameError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum StringState {
    Outside,
    Inside,
    Escape,
}

impl JsonFramer {
    /// A framer at the start of a stream.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: BytesMut::new(),
            scanned: 0,
            consumed: 0,
            open: Vec::new(),
            string: StringState::Outside,
            failed: None,
        }
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
    /// [`FrameError`]; it is final.
    pub fn next_frame(&mut self) -> Result<Option<Bytes>, FrameError> {
        if let Some(error) = &self.failed {
            return Err(error.clone());
        }
        self.scan().inspect_err(|e| self.failed = Some(e.clone()))
    }

    fn scan(&mut self) -> Result<Option<Bytes>, FrameError> {
        if self.open.is_empty() {
            self.skip_white_space();
        }
        while let Some(&byte) = self.buffer.get(self.scanned) {
            if self.scanned >= self.limits.message_bytes {
                return Err(FrameError::TooLong {
                    limit: self.limits.message_bytes,
                });
            }
            self.step(byte)?;
            self.scanned += 1;
            if self.open.is_empty() {
                let frame = self.buffer.split_to(self.scanned).freeze();
                self.consumed += self.scanned as u64;
                self.scanned = 0;
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn skip_white_space(&mut self) {
        let blanks = self
            .buffer
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\t' | b'\r' | b'\n'))
            .count();
        self.buffer.advance(blanks);
        self.consumed += blanks as u64;
    }

    fn step(&mut self, byte: u8) -> Result<(), FrameError> {
        match (self.string, byte) {
            (StringState::Escape, _) => self.string = StringState::Inside,
            (StringState::Inside, b'\\') => self.string = StringState::Escape,
            (StringState::Inside, b'"') => self.string = StringState::Outside,
            (StringState::Inside, _) => {}
            (StringState::Outside, b'{') => self.descend(b'}')?,
            (StringState::Outside, _) if self.open.is_empty() => {
                return Err(FrameError::Garbage {
                    byte,
                    offset: self.offset(),
                });
            }
            (StringState::Outside, b'[') => self.descend(b']')?,
            (StringState::Outside, b'}' | b']') => {
                if self.open.pop() != Some(byte) {
                    return Err(FrameError::Unbalanced {
                        byte,
                        offset: self.offset(),
                    });
                }
            }
            (StringState::Outside, b'"') => self.string = StringState::Inside,
            (StringState::Outside, _) => {}
        }
        Ok(())
    }

    fn descend(&mut self, closing: u8) -> Result<(), FrameError> {
        if self.open.len() >= self.limits.depth {
            return Err(FrameError::TooDeep {
                limit: self.limits.depth,
            });
        }
        self.open.push(closing);
        Ok(())
    }

    fn offset(&self) -> u64 {
        self.consumed + self.scanned as u64
    }
}

#[cfg(test)]
#[path = "framing/tests.rs"]
mod tests;
