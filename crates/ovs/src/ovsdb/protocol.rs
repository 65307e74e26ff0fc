//! The client's side of OVSDB's protocol as a state machine without I/O.
//!
//! Bytes and the time go in; bytes to send and [`Event`]s come out, in the order in which
//! the server meant them. It asks for the schema, then for the monitor, and then carries
//! transactions; echoes are answered in every phase (RFC 7047 §4.1.11).

use std::collections::HashMap;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde_json::{Value, json};
use thiserror::Error;

use super::framing::{FrameError, JsonFramer, Limits};
use super::outcome::{Answer, OpResult, TransactError, read_reply};
use super::replica::{MonitorSpec, Replica, ReplicaError};
use super::schema::Schema;
use crate::outbox::Outbox;

/// What the machine found.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// The first copy of the tables; transactions are taken from now on.
    Synced(Replica),
    /// Changes to apply to the copy: `<table-updates2>`.
    Updated(Value),
    /// A transaction's answer.
    Replied {
        /// What the transaction was handed in with.
        token: T,
        /// The results of its operations, or why there are none.
        result: Result<Vec<OpResult>, TransactError>,
    },
}

/// Why a connection is of no use any more.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProtocolError {
    /// The stream is no stream of JSON objects.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A message that is no JSON.
    #[error("a message is no JSON")]
    Json,
    /// The server does not give the schema, or it cannot be read.
    #[error("the database's schema is not to be had")]
    Schema,
    /// The server refuses the monitor.
    #[error("the server refuses the monitor")]
    Monitor,
    /// The tables do not fit, or an update cannot be applied.
    #[error(transparent)]
    Replica(#[from] ReplicaError),
    /// The connection did not become usable in time.
    #[error("the database was not in sync within the time allowed")]
    SetupTimeout,
    /// The server has been silent, and did not answer an echo.
    #[error("the server does not answer")]
    Silent,
}

#[derive(Debug)]
enum Phase {
    Schema,
    Monitor(Replica),
    Ready,
}

#[derive(Debug)]
struct Pending<T> {
    token: T,
    expected: Vec<Answer>,
    /// Where in the stream of sent bytes the request ends.
    end: u64,
}

/// What a [`Protocol`] is about.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) database: String,
    pub(crate) monitor: MonitorSpec,
    pub(crate) limits: Limits,
    pub(crate) setup_timeout: Duration,
    pub(crate) probe_interval: Duration,
    pub(crate) silence_limit: Duration,
}

/// The state of one connection. `T` is what the caller knows a transaction by.
#[derive(Debug)]
pub(crate) struct Protocol<T> {
    setup: Setup,
    framer: JsonFramer,
    phase: Phase,
    pending: HashMap<u64, Pending<T>>,
    events: VecDeque<Event<T>>,
    out: Outbox,
    setup_by: Instant,
    heard: Instant,
    probed: bool,
}

const SCHEMA_ID: &str = "schema";
const MONITOR_ID: &str = "monitor";
const PROBE_ID: &str = "echo";

impl<T> Protocol<T> {
    /// A connection that was made at `now`.
    pub(crate) fn new(setup: Setup, now: Instant) -> Self {
        let mut protocol = Self {
            framer: JsonFramer::new(setup.limits),
            phase: Phase::Schema,
            pending: HashMap::new(),
            events: VecDeque::new(),
            out: Outbox::default(),
            setup_by: now + setup.setup_timeout,
            heard: now,
            probed: false,
            setup,
        };
        let params = json!([protocol.setup.database]);
        protocol.request("get_schema", &params, SCHEMA_ID);
        protocol
    }

    /// Where bytes from the server are to be appended, before [`Protocol::received`].
    pub(crate) fn input(&mut self) -> &mut BytesMut {
        self.framer.buffer()
    }

    /// Takes in what was appended to [`Protocol::input`].
    pub(crate) fn received(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.heard = now;
        self.probed = false;
        while let Some(frame) = self.framer.next_frame()? {
            let message = serde_json::from_slice(&frame).map_err(|_| ProtocolError::Json)?;
            self.message(message)?;
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
        match self.phase {
            Phase::Ready => probe,
            Phase::Schema | Phase::Monitor(_) => probe.min(self.setup_by),
        }
    }

    /// Lets the time pass: sends an echo into silence, and gives up on more of it.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), ProtocolError> {
        if !matches!(self.phase, Phase::Ready) && now >= self.setup_by {
            return Err(ProtocolError::SetupTimeout);
        }
        let quiet = now.saturating_duration_since(self.heard);
        if self.probed && quiet >= self.setup.silence_limit {
            return Err(ProtocolError::Silent);
        }
        if !self.probed && quiet >= self.setup.probe_interval {
            self.probed = true;
            self.request("echo", &json!([]), PROBE_ID);
        }
        Ok(())
    }

    /// Sends a transaction, given as a whole JSON-RPC message with this `id`.
    ///
    /// # Errors
    /// The token, if transactions are not taken yet: nothing was sent.
    pub(crate) fn transact(
        &mut self,
        id: u64,
        message: &[u8],
        expected: Vec<Answer>,
        token: T,
    ) -> Result<(), T> {
        if !matches!(self.phase, Phase::Ready) {
            return Err(token);
        }
        self.out.put(message);
        let end = self.out.end();
        let pending = Pending {
            token,
            expected,
            end,
        };
        self.pending.insert(id, pending);
        Ok(())
    }

    /// Forgets a transaction and asks the server to cancel it (RFC 7047 §4.1.4).
    pub(crate) fn cancel(&mut self, id: u64) {
        if self.pending.remove(&id).is_some() {
            let message = json!({"method": "cancel", "params": [id], "id": null});
            self.out.put(message.to_string().as_bytes());
        }
    }

    /// The transactions without an answer, each with whether it was sent whole.
    pub(crate) fn into_unanswered(self) -> impl Iterator<Item = (T, bool)> {
        let sent = self.out.sent();
        self.pending
            .into_values()
            .map(move |p| (p.token, p.end <= sent))
    }

    fn request(&mut self, method: &str, params: &Value, id: &str) {
        let message = json!({"method": method, "params": params, "id": id});
        self.out.put(message.to_string().as_bytes());
    }

    fn message(&mut self, mut message: Value) -> Result<(), ProtocolError> {
        let mut take = |name| message.get_mut(name).map(Value::take).unwrap_or_default();
        let (method, id) = (take("method"), take("id"));
        match method.as_str() {
            Some(method) => self.called(method, take("params"), &id),
            None => self.answered(&id, take("result"), &take("error")),
        }
    }

    /// A request or a notification of the server. What is not known is tolerated: a request
    /// gets an error, a notification is passed over.
    fn called(&mut self, method: &str, params: Value, id: &Value) -> Result<(), ProtocolError> {
        match method {
            "echo" if !id.is_null() => {
                let reply = json!({"result": params, "error": null, "id": id});
                self.out.put(reply.to_string().as_bytes());
            }
            "update2" => {
                let Value::Array(params) = params else {
                    return Err(ReplicaError::Malformed.into());
                };
                let [name, updates] =
                    <[Value; 2]>::try_from(params).map_err(|_| ReplicaError::Malformed)?;
                if name.as_str() == Some(MONITOR_ID) {
                    self.update(updates)?;
                }
            }
            _ if !id.is_null() => {
                let reply = json!({"result": null, "error": "unknown method", "id": id});
                self.out.put(reply.to_string().as_bytes());
            }
            _ => tracing::debug!(method, "an unknown notification"),
        }
        Ok(())
    }

    fn update(&mut self, updates: Value) -> Result<(), ProtocolError> {
        match &mut self.phase {
            Phase::Ready => self.events.push_back(Event::Updated(updates)),
            Phase::Monitor(replica) => {
                replica.apply(updates)?;
            }
            Phase::Schema => return Err(ReplicaError::Malformed.into()),
        }
        Ok(())
    }

    fn answered(&mut self, id: &Value, result: Value, error: &Value) -> Result<(), ProtocolError> {
        if let Some(id) = id.as_u64() {
            // An answer to what was cancelled finds nobody.
            if let Some(pending) = self.pending.remove(&id) {
                let result = read_reply(&pending.expected, result, error);
                let token = pending.token;
                self.events.push_back(Event::Replied { token, result });
            }
            return Ok(());
        }
        match id.as_str() {
            Some(SCHEMA_ID) if matches!(self.phase, Phase::Schema) => {
                let schema = Schema::from_json(&result).ok_or(ProtocolError::Schema)?;
                let monitor = self.setup.monitor.under(&schema);
                let replica = Replica::new(&monitor, &schema)?;
                self.phase = Phase::Monitor(replica);
                let tables: serde_json::Map<String, Value> = monitor
                    .tables()
                    .map(|(table, columns)| (table.to_owned(), json!([{"columns": columns}])))
                    .collect();
                let params = json!([self.setup.database, MONITOR_ID, tables]);
                self.request("monitor_cond", &params, MONITOR_ID);
            }
            Some(MONITOR_ID) => match std::mem::replace(&mut self.phase, Phase::Ready) {
                Phase::Monitor(mut replica) => {
                    if !error.is_null() {
                        return Err(ProtocolError::Monitor);
                    }
                    replica.apply(result)?;
                    self.events.push_back(Event::Synced(replica));
                }
                other => self.phase = other,
            },
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
#[path = "protocol/tests.rs"]
mod tests;
