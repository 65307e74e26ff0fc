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
        /// The byte.
        byte: u8,
        /// Where in the stream, in bytes from its start.
        offset: u64,
    },
    /// A closing bracket that fits no opening one.
    #[error("unbalanced {:?} at offset {offset}", char::from(*byte))]
    Unbalanced {
        /// The bracket.
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
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    fn frames(framer: &mut JsonFramer) -> Result<Vec<Bytes>, FrameError> {
        let mut out = Vec::new();
        while let Some(frame) = framer.next_frame()? {
            out.push(frame);
        }
        Ok(out)
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<String>().prop_map(Value::from),
            "[\\\\\"{}\\[\\]]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map(any::<String>(), inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_messages(
            values in prop::collection::vec(any_json(), 1..5),
            blanks in "[ \n\t\r]{0,3}",
            cuts in prop::collection::vec(1usize..40, 1..80),
        ) {
            let messages: Vec<Value> = values.into_iter().map(|v| json!({"v": v})).collect();
            let mut stream = Vec::new();
            for m in &messages {
                stream.extend_from_slice(blanks.as_bytes());
                stream.extend_from_slice(m.to_string().as_bytes());
            }
            let mut framer = JsonFramer::new(Limits::default());
            let mut got = Vec::new();
            let mut rest = stream.as_slice();
            let mut cuts = cuts.into_iter().cycle();
            while !rest.is_empty() {
                let (now, later) = rest.split_at(cuts.next().unwrap_or(1).min(rest.len()));
                framer.push(now);
                got.extend(frames(&mut framer).expect("well-formed"));
                rest = later;
            }
            let got: Vec<Value> =
                got.iter().map(|f| serde_json::from_slice(f).expect("JSON")).collect();
            prop_assert_eq!(got, messages);
        }

        #[test]
        fn garbage_never_panics_and_never_loops(bytes: Vec<u8>, cut in 1usize..16) {
            let mut framer = JsonFramer::new(Limits { message_bytes: 64, depth: 4 });
            for chunk in bytes.chunks(cut) {
                framer.push(chunk);
                if frames(&mut framer).is_err() {
                    prop_assert!(framer.next_frame().is_err(), "an error is final");
                }
            }
        }
    }

    #[test]
    fn a_message_cut_at_every_byte_is_whole() {
        let message = br#"{"method":"echo","params":["\\\"}]",{}],"id":"e"}"#;
        for cut in 0..message.len() {
            let mut framer = JsonFramer::new(Limits::default());
            framer.push(&message[..cut]);
            assert_eq!(framer.next_frame(), Ok(None), "cut at {cut}");
            framer.push(&message[cut..]);
            assert_eq!(framer.next_frame(), Ok(Some(Bytes::from_static(message))));
            assert_eq!(framer.next_frame(), Ok(None));
        }
    }

    #[test]
    fn what_is_no_object_is_refused_with_its_place() {
        let mut framer = JsonFramer::new(Limits::default());
        framer.push(b"{} \nHTTP/1.1");
        assert_eq!(framer.next_frame(), Ok(Some(Bytes::from_static(b"{}"))));
        let error = FrameError::Garbage {
            byte: b'H',
            offset: 4,
        };
        assert_eq!(framer.next_frame(), Err(error.clone()));
        framer.push(b"{}");
        assert_eq!(framer.next_frame(), Err(error));
    }

    #[test]
    fn brackets_must_match() {
        let mut framer = JsonFramer::new(Limits::default());
        framer.push(b"{[}");
        assert_eq!(
            framer.next_frame(),
            Err(FrameError::Unbalanced {
                byte: b'}',
                offset: 2
            })
        );
    }

    #[test]
    fn limits_hold_before_a_message_is_complete() {
        let limits = Limits {
            message_bytes: 8,
            depth: 2,
        };
        let mut framer = JsonFramer::new(limits);
        framer.push(b"{\"123456789");
        assert_eq!(framer.next_frame(), Err(FrameError::TooLong { limit: 8 }));
        let mut framer = JsonFramer::new(limits);
        framer.push(b"{[[");
        assert_eq!(framer.next_frame(), Err(FrameError::TooDeep { limit: 2 }));
        let mut framer = JsonFramer::new(limits);
        framer.push(b"{\"a\":12}");
        assert_eq!(
            framer.next_frame(),
            Ok(Some(Bytes::from_static(b"{\"a\":12}"))),
            "eight bytes are allowed"
        );
    }
}
