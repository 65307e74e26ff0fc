//! What a database server may send: bytes, in any chunking.
//!
//! The first byte is the size of the chunks. Checked beside "no panic": the frames do not
//! depend on the chunking, an error is final, and a value that was read is written and read
//! back as itself.

#![no_main]

use flatnet_ovs::ovsdb::{Datum, FrameError, JsonFramer, Limits, Row};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits {
    message_bytes: 4096,
    depth: 16,
};

fn frames(bytes: &[u8], chunk: usize) -> (Vec<Vec<u8>>, Option<FrameError>) {
    let mut framer = JsonFramer::new(LIMITS);
    let mut frames = Vec::new();
    for piece in bytes.chunks(chunk) {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame.to_vec()),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next_frame(), Err(error.clone()));
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

fuzz_target!(|data: &[u8]| {
    let Some((&chunk, bytes)) = data.split_first() else {
        return;
    };
    let cut = frames(bytes, usize::from(chunk).max(1));
    assert_eq!(cut, frames(bytes, bytes.len().max(1)));
    for frame in cut.0 {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(&frame) else {
            continue;
        };
        for member in value.as_object().into_iter().flat_map(|o| o.values()) {
            if let Ok(datum) = Datum::from_json(member.clone()) {
                let again = serde_json::to_value(&datum).expect("a datum is JSON");
                assert_eq!(Datum::from_json(again), Ok(datum));
            }
        }
        let _ = Row::from_json(value);
    }
});
