//! The controller's side of OpenFlow 1.4 as a state machine without I/O.
//!
//! The first write holds everything that makes the connection usable; the answer to its
//! barrier ends the setting up. Afterwards each batch ends in a barrier of its own, and
//! errors are told apart by their xid (OpenFlow 1.4.1 §7.1.1, §7.5.4).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use thiserror::Error;

use super::error::{ErrorKind, ErrorReply, OpenFlowError};
use super::monitor;
use super::port::{PortDesc, PortEvent};
use super::requests::{Done, FIRST_XID, Multipart, Parts, Request, Requests};
use super::settings::Settings;
use super::wire::{
    DecodeError, Frame, OFPT_HELLO, OFPT_SET_CONFIG, OpenFlowFramer, Reader, message,
};
use crate::outbox::Outbox;

const OFPT_ERROR: u8 = 1;
const OFPT_ECHO_REQUEST: u8 = 2;
const OFPT_ECHO_REPLY: u8 = 3;
const OFPT_FEATURES_REQUEST: u8 = 5;
const OFPT_FEATURES_REPLY: u8 = 6;
const OFPT_GET_CONFIG_REPLY: u8 = 8;
const OFPT_PORT_STATUS: u8 = 12;
const OFPT_MULTIPART_REPLY: u8 = 19;
const OFPT_BARRIER_REQUEST: u8 = 20;
const OFPT_BARRIER_REPLY: u8 = 21;
const OFPT_SET_ASYNC: u8 = 28;

/// What the machine found.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// The connection is usable.
    Ready {
        /// The bridge's ID.
        datapath_id: u64,
        /// The bridge's ports at that moment.
        ports: Vec<PortDesc>,
        /// Whether it tells of changes of its flows.
        monitored: bool,
    },
    /// Flows changed, and not by a request of this connection; a run of changes that came
    /// together is one event.
    FlowsChanged,
    /// A port changed.
    Port(PortEvent),
    /// A request's answer.
    Done {
        /// What the request was handed in with.
        token: T,
        /// The answer's parts, or why there are none.
        result: Result<Parts, OpenFlowError>,
    },
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// What the switch sent cannot be read.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// OpenFlow14 is not among the bridge's `protocols`.
    #[error("the bridge does not speak OpenFlow 1.4; is OpenFlow14 among its protocols?")]
    NoCommonVersion,
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

/// What a [`Protocol`] is about.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) setup_timeout: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) silence_limit: Duration,
    pub(crate) request_timeout: Duration,
    /// The longest answer of many parts, in bytes.
    pub(crate) answer_bytes: usize,
    /// What the switch is set to when the connection comes about.
    pub(crate) settings: Settings,
    /// Changes of flows whose cookie equals the first number in the bits of the second are
    /// not told.
    pub(crate) unwatched: (u64, u64),
}

/// The state of one connection. `T` is what the caller knows a request by.
#[derive(Debug)]
pub(crate) struct Protocol<T> {
    setup: Setup,
    framer: OpenFlowFramer,
    /// Until the connection is usable: what the switch told so far.
    starting: Option<Start>,
    requests: Requests<T>,
    events: VecDeque<Event<T>>,
    out: Outbox,
    setup_by: Instant,
    heard: Instant,
    probed: bool,
    /// In what is being taken in, there was a change of flows to tell of.
    flows_changed: bool,
}

#[derive(Debug, Default)]
struct Start {
    datapath_id: Option<u64>,
    ports: Option<Vec<PortDesc>>,
    /// The switch refused to tell of changes of flows.
    unmonitored: bool,
}

/// The xids of the setting up; requests come after them.
const SETUP_XID: u32 = 1;
const PORTS_XID: u32 = 2;
const READY_XID: u32 = 3;
const ECHO_XID: u32 = 4;
const MONITOR_XID: u32 = 5;

impl<T> Protocol<T> {
    /// A connection that was made at `now`.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let mut protocol = Self {
            setup,
            framer: OpenFlowFramer::new(),
            starting: Some(Start::default()),
            requests: Requests::new(setup.request_timeout, setup.answer_bytes),
            events: VecDeque::new(),
            out: Outbox::default(),
            setup_by: now + setup.setup_timeout,
            heard: now,
            probed: false,
            flows_changed: false,
        };
        protocol.out.write(|out| {
            message(out, OFPT_HELLO, SETUP_XID, |_| {});
            message(out, OFPT_FEATURES_REQUEST, SETUP_XID, |_| {});
            // A miss_send_len that is not 0 is what makes the switch send asynchronous
            // messages to a connection like this.
            message(out, OFPT_SET_CONFIG, SETUP_XID, |out| {
                setup.settings.encode(out);
            });
            message(out, OFPT_SET_ASYNC, SETUP_XID, only_port_status);
            // After SET_ASYNC, so that no port comes between the list and the changes.
            Multipart::PortDesc.encode(PORTS_XID, &[], out);
            Multipart::FlowMonitor.encode(MONITOR_XID, &monitor::request(), out);
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
        self.flows_changed = false;
        while let Some(frame) = self.framer.next_frame()? {
            self.frame(&frame, now)?;
        }
        if std::mem::take(&mut self.flows_changed) {
            self.events.push_back(Event::FlowsChanged);
        }
        Ok(())
    }

    /// The next thing found.
    pub(crate) fn event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// Bytes that wait to be sent.
    pub(crate) fn output(&self) -> &[u8] {
        self.out.waiting()
    }

    /// `count` bytes of [`Protocol::output`] were sent.
    pub(crate) fn sent(&mut self, count: usize) {
        self.out.advance(count);
    }

    /// When [`Protocol::tick`] is due.
    pub(crate) fn deadline(&self) -> Instant {
        let probe = match self.probed {
            true => self.heard + self.setup.silence_limit,
            false => self.heard + self.setup.probe_interval,
        };
        let starting = self.starting.as_ref().map(|_| self.setup_by);
        let request = self.requests.deadline();
        [starting, request]
            .into_iter()
            .flatten()
            .fold(probe, Instant::min)
    }

    /// Lets the time pass: gives up requests, sends an echo into silence, and gives up on
    /// more of it.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), ProtocolError> {
        while let Some(token) = self.requests.expire(now, &mut self.out) {
            let after = self.requests.timeout();
            let result = Err(OpenFlowError::TimedOut { after });
            self.events.push_back(Event::Done { token, result });
        }
        if self.starting.is_some() && now >= self.setup_by {
            return Err(ProtocolError::SetupTimeout);
        }
        let quiet = now.saturating_duration_since(self.heard);
        if self.probed && quiet >= self.setup.silence_limit {
            return Err(ProtocolError::Silent);
        }
        if !self.probed && quiet >= self.setup.probe_interval {
            self.probed = true;
            self.out
                .write(|out| message(out, OFPT_ECHO_REQUEST, ECHO_XID, |_| {}));
        }
        Ok(())
    }

    /// Makes a request.
    ///
    /// # Errors
    /// The token, if the connection is not usable yet: nothing was sent.
    pub(crate) fn request(&mut self, request: Request, token: T, now: Instant) -> Result<(), T> {
        if self.starting.is_some() {
            return Err(token);
        }
        self.requests.submit(request, token, now, &mut self.out);
        Ok(())
    }

    /// The requests without an answer, each with whether it may have been done.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = (T, bool)> {
        let sent = self.out.sent();
        self.requests.into_unanswered(sent)
    }

    fn done(&mut self, done: Option<Done<T>>) {
        if let Some((token, result)) = done {
            self.events.push_back(Event::Done { token, result });
        }
    }

    fn frame(&mut self, frame: &Frame, now: Instant) -> Result<(), ProtocolError> {
        match frame.kind {
            OFPT_ECHO_REQUEST => {
                self.out.write(|out| {
                    message(out, OFPT_ECHO_REPLY, frame.xid, |out| {
                        out.extend_from_slice(&frame.body);
                    });
                });
            }
            OFPT_ERROR => {
                let error = ErrorReply::decode(&frame.body)?;
                // A switch without flow monitors is of use all the same.
                if frame.xid == MONITOR_XID {
                    if let Some(start) = &mut self.starting {
                        start.unmonitored = true;
                    }
                    return Ok(());
                }
                if frame.xid < FIRST_XID {
                    return Err(refused(error));
                }
                let done = self.requests.failed(frame.xid, error);
                self.done(done);
            }
            OFPT_BARRIER_REPLY if frame.xid == READY_XID => self.ready()?,
            OFPT_BARRIER_REPLY => {
                let done = self.requests.barrier(frame.xid, now, &mut self.out);
                self.done(done);
            }
            OFPT_MULTIPART_REPLY => self.part(frame)?,
            OFPT_GET_CONFIG_REPLY => {
                let done = self.requests.part(frame.xid, frame.body.clone(), false);
                self.done(done);
            }
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

    fn ready(&mut self) -> Result<(), ProtocolError> {
        let Some(start) = self.starting.take() else {
            return Ok(());
        };
        match start {
            Start {
                datapath_id: Some(datapath_id),
                ports: Some(ports),
                unmonitored,
            } => {
                self.events.push_back(Event::Ready {
                    datapath_id,
                    ports,
                    monitored: !unmonitored,
                });
                Ok(())
            }
            _ => Err(ProtocolError::Incomplete),
        }
    }

    fn part(&mut self, frame: &Frame) -> Result<(), ProtocolError> {
        let mut r = Reader::new(&frame.body);
        let kind = r.u16()?;
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
        // Changes come with xid 0, unasked.
        if kind == Multipart::FlowMonitor as u16 {
            self.flows_changed |= monitor::tells(&body, self.setup.unwatched)?;
            return Ok(());
        }
        let done = self.requests.part(frame.xid, body, more);
        self.done(done);
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

/// A switch that has settled on an older version refuses the first message after the hello.
fn refused(error: ErrorReply) -> ProtocolError {
    const OFPBRC_BAD_VERSION: u16 = 0;
    match (error.kind, error.code) {
        (ErrorKind::HelloFailed, _) | (ErrorKind::BadRequest, OFPBRC_BAD_VERSION) => {
            ProtocolError::NoCommonVersion
        }
        _ => ProtocolError::Refused(error),
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

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
