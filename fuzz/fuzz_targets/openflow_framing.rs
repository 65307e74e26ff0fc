//! What a switch may send: bytes, in any chunking, and the flows of a dump.
//!
//! The first byte is the size of the chunks. Checked beside "no panic": the frames do not
//! depend on the chunking, an error is final, and a flow that was read can be shown and
//! compared.

#![no_main]

use flatnet_ovs::openflow::{DecodeError, Flow, FlowSet, FlowStats, Frame, OpenFlowFramer};
use libfuzzer_sys::fuzz_target;

fn frames(bytes: &[u8], chunk: usize) -> (Vec<Frame>, Option<DecodeError>) {
    let mut framer = OpenFlowFramer::new();
    let mut frames = Vec::new();
    for piece in bytes.chunks(chunk) {
        framer.push(piece);
        loop {
            match framer.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => {
                    assert_eq!(framer.next_frame(), Err(error));
                    return (frames, Some(error));
                }
            }
        }
    }
    (frames, None)
}

fn check(flows: Vec<FlowStats>) {
    let flows: Vec<Flow> = flows.into_iter().map(|s| s.flow).collect();
    for flow in &flows {
        assert!(flow.to_string().contains("actions="));
    }
    let set: FlowSet = flows.into_iter().collect();
    assert!(FlowSet::diff(&set, &set).is_empty());
}

fuzz_target!(|data: &[u8]| {
    let Some((&chunk, bytes)) = data.split_first() else {
        return;
    };
    let cut = frames(bytes, usize::from(chunk).max(1));
    assert_eq!(cut, frames(bytes, bytes.len().max(1)));
    for frame in cut.0 {
        // A multipart reply's body has a header of eight bytes.
        let parts = frame.body.get(8..).unwrap_or_default();
        check(FlowStats::read_all(parts).unwrap_or_default());
    }
    check(FlowStats::read_all(bytes).unwrap_or_default());
});
