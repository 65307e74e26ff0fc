//! The controller's side of OpenFlow 1.4 as a state machine without I/O.
//!
//! The first write holds everything that makes the connection usable; the answer to its
//! barrier ends the setting up. Afterwards each batch ends in a barrier of its own, and
//! errors are told apart by their xid (OpenFlow 1.4.1 §7.1.1, §7.5.4).

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::batch::Batch;
use super::error::{ErrorReply, Failure, OpenFlowError};
use super::port::{PortDesc, PortEvent};
use super::wire::{DecodeError, Frame, OFPT_HELLO, OpenFlowFramer, Reader, message};

const OFPT_ERROR: u8 = 1;
const OFPT_ECHO_REQUEST: u8 = 2;
const OFPT_ECHO_REPLY: u8 = 3;
const OFPT_FEATURES_REQUEST: u8 = 5;
const OFPT_FEATURES_REPLY: u8 = 6;
const OFPT_SET_CONFIG: u8 = 9;
const OFPT_PORT_STATUS: u8 = 12;
const OFPT_MULTIPART_REQUEST: u8 = 18;
const OFPT_MULTIPART_REPLY: u8 = 19;
const OFPT_BARRIER_REQUEST: u8 = 20;
const OFPT_BARRIER_REPLY: u8 = 21;
const OFPT_SET_ASYNC: u8 = 28;

/// `ofp_multipart_type` (OpenFlow 1.4.1 §7.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Multipart {
    Flow = 1,
    Meter = 9,
    MeterConfig = 10,
    PortDesc = 13,
}

/// The bodies of an answer's parts; none for a barrier.
pub(crate) type Parts = Vec<Bytes>;

/// What the machine found.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// The connection is usable.
    Ready {
        /// The bridge's ID.
        datapath_id: u64,
        /// Its ports.
        ports: Vec<PortDesc>,
    },
    /// A port changed.
    Port(PortEvent),
    /// A request's answer.
    Done {
        /// What the request was handed in with.
        token: T,
        /// The answer.
        result: Result<Parts, OpenFlowError>,
    },
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// What the switch sent cannot be read. Another version usually means that OpenFlow14 is
    /// not among the bridge's `protocols`.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// The switch refuses the setting up.
    #[error("the switch refuses the connection: {0}")]
    Refused(ErrorReply),
    /// The switch left something out in the setting up.
    #[error("the switch did not send its features and ports")]
    Incomplete,
    /// The connection did not become usable in time.
    #[error("the switch was not ready within the time allowed")]
    SetupTimeout,
    /// The switch has been silent, and did not answer an echo.
    #[error("the switch does not answer")]
    Silent,
}

#[derive(Debug)]
struct Pending<T> {
    token: T,
    /// The xids of the request run from here to the key in the map.
    first: u32,
    /// The message of the batch that the first xid belongs to, counted from its front.
    index_of_first: isize,
    messages: usize,
    /// Where in the stream of sent bytes the request ends.
    end: u64,
    failures: Vec<Failure>,
    parts: Parts,
    size: usize,
}

/// What a [`Protocol`] is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) setup_timeout: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) request_timeout: Duration,
    /// The longest answer of many parts, in bytes.
    pub(crate) answer_bytes: usize,
}

/// The state of one connection. `T` is what the caller knows a request by.
#[derive(Debug)]
pub(crate) struct Protocol<T> {
    setup: Setup,
    framer: OpenFlowFramer,
    /// Until the connection is usable: what the switch told so far.
    starting: Option<Start>,
    /// By the last xid of each request.
    pending: BTreeMap<u32, Pending<T>>,
    /// When each request is given up; in order, as all have the same time.
    deadlines: VecDeque<(Instant, u32)>,
    next_xid: u32,
    events: VecDeque<Event<T>>,
    out: BytesMut,
    scratch: Vec<u8>,
    queued: u64,
    sent: u64,
    setup_by: Instant,
    heard: Instant,
    probed: bool,
}

#[derive(Debug, Default)]
struct Start {
    datapath_id: Option<u64>,
    ports: Option<Vec<PortDesc>>,
}

/// The xids of the setting up; requests come after them.
const SETUP_XID: u32 = 1;
const PORTS_XID: u32 = 2;
const READY_XID: u32 = 3;
const ECHO_XID: u32 = 4;
const FIRST_XID: u32 = 16;

impl<T> Protocol<T> {
    /// A connection that was made at `now`.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let mut protocol = Self {
            setup,
            framer: OpenFlowFramer::new(),
            starting: Some(Start::default()),
            pending: BTreeMap::new(),
            deadlines: VecDeque::new(),
            next_xid: FIRST_XID,
            events: VecDeque::new(),
            out: BytesMut::new(),
            scratch: Vec::new(),
            queued: 0,
            sent: 0,
            setup_by: now + setup.setup_timeout,
            heard: now,
            probed: false,
        };
        protocol.emit(|out| {
            message(out, OFPT_HELLO, SETUP_XID, |_| {});
            message(out, OFPT_FEATURES_REQUEST, SETUP_XID, |_| {});
            // No flags; a miss_send_len that is not 0 is what makes the switch send
            // asynchronous messages to a connection like this.
            message(out, OFPT_SET_CONFIG, SETUP_XID, |out| {
                out.extend_from_slice(&[0, 0, 0, 128]);
            });
            message(out, OFPT_SET_ASYNC, SETUP_XID, only_port_status);
            // After SET_ASYNC, so that no port comes between the list and the changes.
            multipart(out, PORTS_XID, Multipart::PortDesc, &[]);
            message(out, OFPT_BARRIER_REQUEST, READY_XID, |_| {});
        });
        protocol
    }

    /// Where bytes from the switch are to be appended, before [`Protocol::received`].
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        self.framer.buffer()
    }

    /// Takes in what was appended to [`Protocol::input`].
    pub(crate) fn received(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.heard = now;
        self.probed = false;
        while let Some(frame) = self.framer.next_frame()? {
            self.frame(&frame)?;
        }
        Ok(())
    }

    /// The next thing found.
    pub(crate) fn event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Bytes that wait to be sent.
    pub(crate) fn output(&self) -> &[u8] {
        &self.out
    }

    /// `count` bytes of [`Protocol::output`] were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.out.advance(count);
        self.sent += count as u64;
    }

    /// When [`Protocol::tick`] is due.
    pub(crate) fn deadline(&self) -> Instant {
        let interval = self.setup.probe_interval;
        let probe = self.heard + if self.probed { interval * 2 } else { interval };
        let starting = self.starting.as_ref().map(|_| self.setup_by);
        let request = self.deadlines.front().map(|(at, _)| *at);
        [starting, request]
            .into_iter()
            .flatten()
            .fold(probe, Instant::min)
    }

    /// Lets the time pass: gives up requests, sends an echo into silence, and gives up on
    /// more of it.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), ProtocolError> {
        while let Some(&(at, xid)) = self.deadlines.front() {
            // One that was answered meanwhile needs no time any more.
            if at > now && self.pending.contains_key(&xid) {
                break;
            }
            self.deadlines.pop_front();
            if let Some(pending) = self.pending.remove(&xid) {
                let after = self.setup.request_timeout;
                self.events.push_back(Event::Done {
                    token: pending.token,
                    result: Err(OpenFlowError::TimedOut { after }),
                });
            }
        }
        if self.starting.is_some() && now >= self.setup_by {
            return Err(ProtocolError::SetupTimeout);
        }
        let quiet = now.saturating_duration_since(self.heard);
        if self.probed && quiet >= self.setup.probe_interval * 2 {
            return Err(ProtocolError::Silent);
        }
        if !self.probed && quiet >= self.setup.probe_interval {
            self.probed = true;
            self.emit(|out| message(out, OFPT_ECHO_REQUEST, ECHO_XID, |_| {}));
        }
        Ok(())
    }

    /// Sends a batch and a barrier.
    ///
    /// # Errors
    /// The token, if the connection is not usable yet: nothing was sent.
    pub(crate) fn batch(
        &mut self,
        batch: &Batch,
        atomic: bool,
        token: T,
        now: Instant,
    ) -> Result<(), T> {
        if self.starting.is_some() {
            return Err(token);
        }
        let count = batch.xids(atomic);
        let first = self.allocate(count);
        self.emit(|out| batch.finish(atomic, first, out));
        let last = first + (count - 1);
        let index_of_first = if atomic { -1 } else { 0 };
        self.expect(first, last, (index_of_first, batch.len()), token, now);
        Ok(())
    }

    /// Sends a request whose answer has parts.
    ///
    /// # Errors
    /// As [`Protocol::batch`].
    pub(crate) fn multipart(
        &mut self,
        kind: Multipart,
        body: &[u8],
        token: T,
        now: Instant,
    ) -> Result<(), T> {
        if self.starting.is_some() {
            return Err(token);
        }
        let xid = self.allocate(1);
        self.emit(|out| multipart(out, xid, kind, body));
        self.expect(xid, xid, (0, 0), token, now);
        Ok(())
    }

    /// The requests without an answer, each with whether it was sent whole.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = (T, bool)> {
        let sent = self.sent;
        self.pending
            .into_values()
            .map(move |p| (p.token, p.end <= sent))
    }

    fn emit(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.scratch.clear();
        write(&mut self.scratch);
        self.out.extend_from_slice(&self.scratch);
        self.queued += self.scratch.len() as u64;
    }

    /// `count` xids in a row, never across the end of their range.
    fn allocate(&mut self, count: u32) -> u32 {
        if self.next_xid > u32::MAX - count {
            self.next_xid = FIRST_XID;
        }
        let first = self.next_xid;
        self.next_xid += count;
        first
    }

    fn expect(
        &mut self,
        first: u32,
        last: u32,
        (index_of_first, messages): (isize, usize),
        token: T,
        now: Instant,
    ) {
        let pending = Pending {
            token,
            first,
            index_of_first,
            messages,
            end: self.queued,
            failures: Vec::new(),
            parts: Vec::new(),
            size: 0,
        };
        self.pending.insert(last, pending);
        // Those that were answered are taken off here, or a busy connection would keep them
        // all until its next quiet moment.
        while let Some((_, xid)) = self.deadlines.front() {
            if self.pending.contains_key(xid) {
                break;
            }
            self.deadlines.pop_front();
        }
        self.deadlines
            .push_back((now + self.setup.request_timeout, last));
    }

    fn frame(&mut self, frame: &Frame) -> Result<(), ProtocolError> {
        match frame.kind {
            OFPT_ECHO_REQUEST => {
                self.emit(|out| {
                    message(out, OFPT_ECHO_REPLY, frame.xid, |out| {
                        out.extend_from_slice(&frame.body);
                    });
                });
            }
            OFPT_ERROR => self.failed(frame.xid, ErrorReply::decode(&frame.body)?)?,
            OFPT_BARRIER_REPLY => self.barrier(frame.xid)?,
            OFPT_MULTIPART_REPLY => self.part(frame)?,
            OFPT_PORT_STATUS => {
                let event = PortEvent::decode(&mut Reader::new(&frame.body))?;
                match &mut self.starting {
                    // The list is on its way and may be older than the change.
                    Some(start) => start.change(event),
                    None => self.events.push_back(Event::Port(event)),
                }
            }
            OFPT_FEATURES_REPLY => {
                let id = Reader::new(&frame.body).u64()?;
                if let Some(start) = &mut self.starting {
                    start.datapath_id = Some(id);
                }
            }
            // A hello, an echo's answer, a bundle's, and what was not asked for.
            _ => {}
        }
        Ok(())
    }

    fn failed(&mut self, xid: u32, error: ErrorReply) -> Result<(), ProtocolError> {
        if xid < FIRST_XID {
            return Err(ProtocolError::Refused(error));
        }
        let found = self.pending.range_mut(xid..).next();
        let Some((&last, pending)) = found.filter(|(_, p)| p.first <= xid) else {
            tracing::warn!(xid, %error, "an error of the switch that belongs to no request");
            return Ok(());
        };
        let index = isize::try_from(xid - pending.first)
            .ok()
            .and_then(|n| usize::try_from(n + pending.index_of_first).ok())
            .filter(|index| *index < pending.messages);
        pending.failures.push(Failure { index, error });
        // A request without a barrier gets nothing but the error.
        if pending.first == last {
            self.done(last);
        }
        Ok(())
    }

    fn barrier(&mut self, xid: u32) -> Result<(), ProtocolError> {
        if xid != READY_XID {
            self.done(xid);
            return Ok(());
        }
        let Some(start) = self.starting.take() else {
            return Ok(());
        };
        match start {
            Start {
                datapath_id: Some(datapath_id),
                ports: Some(ports),
            } => {
                self.events.push_back(Event::Ready { datapath_id, ports });
                Ok(())
            }
            _ => Err(ProtocolError::Incomplete),
        }
    }

    /// Ends the request whose last xid this is.
    fn done(&mut self, xid: u32) {
        if let Some(pending) = self.pending.remove(&xid) {
            let result = if pending.failures.is_empty() {
                Ok(pending.parts)
            } else {
                Err(OpenFlowError::Rejected {
                    failures: pending.failures,
                })
            };
            let token = pending.token;
            self.events.push_back(Event::Done { token, result });
        }
    }

    fn part(&mut self, frame: &Frame) -> Result<(), ProtocolError> {
        let mut r = Reader::new(&frame.body);
        r.skip(2)?;
        let more = r.u16()? & 1 != 0;
        r.skip(4)?;
        let body = frame.body.slice_ref(r.rest());
        if frame.xid == PORTS_XID {
            if let Some(start) = &mut self.starting {
                let ports = start.ports.get_or_insert_default();
                while !r.is_empty() {
                    let port = PortDesc::decode(&mut r)?;
                    ports.retain(|p| p.number != port.number);
                    ports.push(port);
                }
            }
            return Ok(());
        }
        let Some(pending) = self.pending.get_mut(&frame.xid) else {
            return Ok(());
        };
        pending.size += body.len();
        if pending.size > self.setup.answer_bytes {
            let limit = self.setup.answer_bytes;
            if let Some(pending) = self.pending.remove(&frame.xid) {
                self.events.push_back(Event::Done {
                    token: pending.token,
                    result: Err(OpenFlowError::TooLong { limit }),
                });
            }
            return Ok(());
        }
        pending.parts.push(body);
        if !more {
            self.done(frame.xid);
        }
        Ok(())
    }
}

impl Start {
    fn change(&mut self, event: PortEvent) {
        let ports = self.ports.get_or_insert_default();
        match event {
            PortEvent::Added(port) | PortEvent::Modified(port) => {
                ports.retain(|p| p.number != port.number);
                ports.push(port);
            }
            PortEvent::Deleted(port) => ports.retain(|p| p.number != port.number),
            PortEvent::Resync => {}
        }
    }
}

/// OFPT_SET_ASYNC (OpenFlow 1.4.1 §7.3.10): changes of ports, and nothing else that the
/// switch would send unasked.
fn only_port_status(out: &mut Vec<u8>) {
    const OFPACPT_PACKET_IN_MASTER: u16 = 1;
    const OFPACPT_PORT_STATUS_MASTER: u16 = 3;
    const OFPACPT_FLOW_REMOVED_MASTER: u16 = 5;
    /// Added, deleted, modified.
    const ALL_REASONS: u32 = 7;
    for (property, mask) in [
        (OFPACPT_PACKET_IN_MASTER, 0),
        (OFPACPT_PORT_STATUS_MASTER, ALL_REASONS),
        (OFPACPT_FLOW_REMOVED_MASTER, 0),
    ] {
        out.extend_from_slice(&property.to_be_bytes());
        out.extend_from_slice(&8_u16.to_be_bytes());
        out.extend_from_slice(&mask.to_be_bytes());
    }
}

fn multipart(out: &mut Vec<u8>, xid: u32, kind: Multipart, body: &[u8]) {
    message(out, OFPT_MULTIPART_REQUEST, xid, |out| {
        out.extend_from_slice(&(kind as u16).to_be_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(body);
    });
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
