//! Bytes on their way out, and how far they got.

use bytes::{Buf, BytesMut};

/// What waits to be sent on one connection, with the places in the stream by which one tells
/// afterwards what may have arrived.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    waiting: BytesMut,
    scratch: Vec<u8>,
    /// Bytes that were ever put in.
    queued: u64,
    /// Bytes that were ever sent.
    sent: u64,
}

impl Outbox {
    /// Puts bytes in.
    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        self.queued += bytes.len() as u64;
    }

    /// Puts in what `write` writes; the space for it is used again and again.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write(&mut scratch);
        self.put(&scratch);
        self.scratch = scratch;
    }

    /// What waits.
    pub(crate) fn waiting(&self) -> &[u8] {
        &self.waiting
    }

    /// So many bytes were sent.
    pub(crate) fn advance(&mut self, count: usize) {
        self.waiting.advance(count);
        self.sent += count as u64;
    }

    /// The place behind what was put in last.
    pub(crate) fn end(&self) -> u64 {
        self.queued
    }

    /// The place up to which the stream was sent.
    pub(crate) fn sent(&self) -> u64 {
        self.sent
    }
}
