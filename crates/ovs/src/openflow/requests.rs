//! Requests under way: which xids are whose, what was refused, and when to give up.
//!
//! An atomic batch takes two steps, as a switch commits what is left of a bundle when it
//! refuses one of its messages (tried on Open vSwitch 3.1): the bundle is filled and a
//! barrier awaited, then it is committed, or discarded. What is asked for meanwhile is held
//! back, or it would overtake.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::batch::Batch;
use super::error::{ErrorReply, Failure, OpenFlowError};
use super::wire::message;
use crate::outbox::Outbox;

const OFPT_GET_CONFIG_REQUEST: u8 = 7;
const OFPT_MULTIPART_REQUEST: u8 = 18;

/// Requests use the xids from here on; those before are the connection's own.
pub(crate) const FIRST_XID: u32 = 16;

/// `ofp_multipart_type` (OpenFlow 1.4.1 §7.3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Multipart {
    Flow = 1,
    Aggregate = 2,
    GroupDesc = 7,
    Meter = 9,
    MeterConfig = 10,
    PortDesc = 13,
    FlowMonitor = 16,
}

impl Multipart {
    /// Appends a request for it.
    pub(crate) fn encode(self, xid: u32, body: &[u8], out: &mut Vec<u8>) {
        message(out, OFPT_MULTIPART_REQUEST, xid, |out| {
            out.extend_from_slice(&(self as u16).to_be_bytes());
            out.extend_from_slice(&[0; 6]);
            out.extend_from_slice(body);
        });
    }
}

/// What can be asked for.
#[derive(Debug)]
pub(crate) enum Request {
    /// Changes.
    Batch {
        /// The messages, in the order in which they are sent.
        batch: Batch,
        /// All or nothing.
        atomic: bool,
    },
    /// A list.
    Multipart {
        /// Of what.
        kind: Multipart,
        /// The request's body, which says which of them are wanted.
        body: Vec<u8>,
    },
    /// The switch's settings (OpenFlow 1.4.1 §7.3.2): one part, like a list's.
    Config,
}

/// The bodies of an answer's parts; none for a batch.
pub(crate) type Parts = Vec<Bytes>;

/// A request that is over.
pub(crate) type Done<T> = (T, Result<Parts, OpenFlowError>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    /// A bundle that is being filled.
    Filling,
    /// A bundle that is being committed or discarded.
    Closing,
    Multipart,
}

#[derive(Debug)]
struct Pending<T> {
    token: T,
    kind: Kind,
    /// The request's xids run from here to the key in the map.
    first: u32,
    messages: usize,
    /// Where in the stream the request ends, once it has been put there whole.
    end: Option<u64>,
    failures: Vec<Failure>,
    parts: Parts,
    size: usize,
}

/// The requests of one connection.
#[derive(Debug)]
pub(crate) struct Requests<T> {
    timeout: Duration,
    /// The longest answer in parts, in bytes.
    limit: usize,
    /// By the last xid of each.
    pending: BTreeMap<u32, Pending<T>>,
    /// When each is given up; in order, as all have the same time.
    deadlines: VecDeque<(Instant, u32)>,
    next_xid: u32,
    /// The last xid of the bundle that is being filled.
    filling: Option<u32>,
    held: VecDeque<(Request, T)>,
}

impl<T> Requests<T> {
    pub(crate) fn new(timeout: Duration, limit: usize) -> Self {
        Self {
            timeout,
            limit,
            pending: BTreeMap::new(),
            deadlines: VecDeque::new(),
            next_xid: FIRST_XID,
            filling: None,
            held: VecDeque::new(),
        }
    }

    /// Puts a request into the outbox, or holds it back while a bundle is being filled.
    pub(crate) fn submit(&mut self, request: Request, token: T, now: Instant, out: &mut Outbox) {
        if self.filling.is_some() {
            self.held.push_back((request, token));
            return;
        }
        let (kind, xids, messages) = match &request {
            Request::Multipart { .. } | Request::Config => (Kind::Multipart, 1, 0),
            Request::Batch { batch, atomic } => {
                let kind = if *atomic { Kind::Filling } else { Kind::Plain };
                (kind, batch.xids(*atomic), batch.len())
            }
        };
        // A bundle needs two more, to be closed.
        let reserved = if kind == Kind::Filling {
            xids + 2
        } else {
            xids
        };
        let first = self.allocate(reserved);
        let last = first + (xids - 1);
        out.write(|out| match &request {
            Request::Multipart { kind, body } => kind.encode(first, body, out),
            Request::Config => message(out, OFPT_GET_CONFIG_REQUEST, first, |_| {}),
            Request::Batch { batch, atomic } => batch.encode(*atomic, first, out),
        });
        if kind == Kind::Filling {
            self.filling = Some(last);
        }
        let pending = Pending {
            token,
            kind,
            first,
            messages,
            end: (kind != Kind::Filling).then(|| out.end()),
            failures: Vec::new(),
            parts: Vec::new(),
            size: 0,
        };
        self.expect(last, pending, now);
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

    fn expect(&mut self, last: u32, pending: Pending<T>, now: Instant) {
        self.pending.insert(last, pending);
        // Those that were answered are taken off here, or a busy connection would keep them
        // all until its next quiet moment.
        while let Some((_, xid)) = self.deadlines.front() {
            if self.pending.contains_key(xid) {
                break;
            }
            self.deadlines.pop_front();
        }
        self.deadlines.push_back((now + self.timeout, last));
    }

    /// Takes in an error of the switch; a request without a barrier gets nothing else.
    pub(crate) fn failed(&mut self, xid: u32, error: ErrorReply) -> Option<Done<T>> {
        let found = self.pending.range_mut(xid..).next();
        let Some((&last, pending)) = found.filter(|(_, p)| p.first <= xid) else {
            tracing::warn!(xid, %error, "an error of the switch that belongs to no request");
            return None;
        };
        // The first xid of a bundle opens it.
        let before = match pending.kind {
            Kind::Filling | Kind::Closing => 1,
            Kind::Plain | Kind::Multipart => 0,
        };
        let index = usize::try_from(xid - pending.first)
            .ok()
            .and_then(|n| n.checked_sub(before))
            .filter(|index| *index < pending.messages);
        pending.failures.push(Failure { index, error });
        match pending.kind {
            Kind::Multipart => self.finish(last),
            Kind::Plain | Kind::Filling | Kind::Closing => None,
        }
    }

    /// Takes in the answer to a barrier.
    pub(crate) fn barrier(&mut self, xid: u32, now: Instant, out: &mut Outbox) -> Option<Done<T>> {
        if self.filling != Some(xid) {
            return self.finish(xid);
        }
        if let Some(mut pending) = self.pending.remove(&xid) {
            let commit = pending.failures.is_empty();
            out.write(|out| Batch::close(pending.first, commit, xid + 1, out));
            pending.kind = Kind::Closing;
            pending.end = Some(out.end());
            self.expect(xid + 2, pending, now);
        }
        self.release(now, out);
        None
    }

    /// Submits what was held back, up to the next bundle.
    fn release(&mut self, now: Instant, out: &mut Outbox) {
        self.filling = None;
        while self.filling.is_none()
            && let Some((request, token)) = self.held.pop_front()
        {
            self.submit(request, token, now, out);
        }
    }

    /// Takes in a part of an answer.
    pub(crate) fn part(&mut self, xid: u32, body: Bytes, more: bool) -> Option<Done<T>> {
        let limit = self.limit;
        let pending = self.pending.get_mut(&xid)?;
        pending.size += body.len();
        if pending.size > limit {
            let pending = self.pending.remove(&xid)?;
            return Some((pending.token, Err(OpenFlowError::TooLong { limit })));
        }
        pending.parts.push(body);
        if more { None } else { self.finish(xid) }
    }

    /// Ends the request whose last xid this is.
    fn finish(&mut self, last: u32) -> Option<Done<T>> {
        let pending = self.pending.remove(&last)?;
        let result = if pending.failures.is_empty() {
            Ok(pending.parts)
        } else {
            Err(OpenFlowError::Rejected {
                failures: pending.failures,
            })
        };
        Some((pending.token, result))
    }

    /// When the next request is given up.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadlines.front().map(|(at, _)| *at)
    }

    /// Gives up one request whose time is over; to be called until there is none.
    pub(crate) fn expire(&mut self, now: Instant, out: &mut Outbox) -> Option<T> {
        while let Some(&(at, last)) = self.deadlines.front() {
            let waiting = self.pending.contains_key(&last);
            if waiting && at > now {
                break;
            }
            self.deadlines.pop_front();
            let Some(pending) = self.pending.remove(&last) else {
                continue;
            };
            if self.filling == Some(last) {
                out.write(|out| Batch::close(pending.first, false, last + 1, out));
                self.release(now, out);
            }
            return Some(pending.token);
        }
        None
    }

    /// The time after which requests are given up.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The requests without an answer, each with whether the switch may have done it, where
    /// `sent` is how far the stream was sent. A bundle without its commit was not done.
    pub(crate) fn into_unanswered(self, sent: u64) -> impl Iterator<Item = (T, bool)> {
        let held = self.held.into_iter().map(|(_, token)| (token, false));
        self.pending
            .into_values()
            .map(move |p| (p.token, p.end.is_some_and(|end| end <= sent)))
            .chain(held)
    }
}
