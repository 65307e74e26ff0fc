//! What the session's task does with the protocol's findings.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use bytes::BytesMut;

use super::outcome::{OpResult, TransactError};
use super::protocol::{Event, Protocol, ProtocolError, Setup};
use super::replica::RowChange;
use super::shared::{Change, Command, ConnError, ConnState, Reply, Shared};
use crate::link::{Endpoint, Machine};

impl Machine for Protocol<Reply> {
    type Command = Command;
    type Error = ProtocolError;

    fn input(&mut self) -> &mut BytesMut {
        self.input()
    }

    fn received(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.received(now)
    }

    fn output(&self) -> &[u8] {
        self.output()
    }

    fn sent(&mut self, count: usize) {
        self.sent(count);
    }

    fn deadline(&self) -> Instant {
        self.deadline()
    }

    fn tick(&mut self, now: Instant) -> Result<(), ProtocolError> {
        self.tick(now)
    }

    fn obey(&mut self, command: Command, _now: Instant) {
        match command {
            Command::Transact {
                id,
                message,
                expected,
                reply,
            } => {
                if let Err(reply) = self.transact(id, &message, expected, reply) {
                    not_connected(reply, false);
                }
            }
            Command::Cancel { id } => self.cancel(id),
        }
    }
}

/// The caller may have gone away: then nobody wants the answer.
fn give(reply: Reply, result: Result<Vec<OpResult>, TransactError>) {
    let _ = reply.send(result);
}

fn not_connected(reply: Reply, maybe_applied: bool) {
    give(reply, Err(TransactError::Disconnected { maybe_applied }));
}

/// The session's end of its connections.
pub(crate) struct Database {
    pub(crate) setup: Setup,
    pub(crate) shared: Arc<Shared>,
}

impl Endpoint for Database {
    type Machine = Protocol<Reply>;

    fn begin(&self, now: Instant) -> Protocol<Reply> {
        self.shared.state.send_replace(ConnState::Syncing);
        Protocol::new(self.setup.clone(), now)
    }

    /// Applies updates and hands out answers, in the server's order.
    fn publish(&self, protocol: &mut Protocol<Reply>) -> Result<(), ProtocolError> {
        let shared = &self.shared;
        while let Some(event) = protocol.event() {
            match event {
                Event::Synced(replica) => {
                    *shared
                        .replica
                        .write()
                        .unwrap_or_else(PoisonError::into_inner) = replica;
                    announce(shared, true, Vec::new());
                    let generation = shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
                    shared.state.send_replace(ConnState::Ready { generation });
                }
                Event::Updated(updates) => {
                    let rows = shared
                        .replica
                        .write()
                        .unwrap_or_else(PoisonError::into_inner)
                        .apply(updates)?;
                    announce(shared, false, rows);
                }
                Event::Replied { token, result } => give(token, result),
            }
        }
        Ok(())
    }

    fn end(&self, protocol: Protocol<Reply>) {
        // First the copy is marked, so that who is told of the failure does not trust it.
        self.shared
            .replica
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .set_synced(false);
        for (reply, maybe_applied) in protocol.into_unanswered() {
            not_connected(reply, maybe_applied);
        }
    }

    fn down(&self, failures: u32, cause: ConnError) {
        self.shared.state.send_replace(ConnState::Disconnected {
            failures,
            cause: Some(Arc::new(cause)),
        });
    }

    fn refuse(&self, command: Command) {
        if let Command::Transact { reply, .. } = command {
            not_connected(reply, false);
        }
    }

    fn heard(&self) {
        self.shared.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Relaxed)
    }
}

fn announce(shared: &Shared, resync: bool, rows: Vec<RowChange>) {
    let mut version = 0;
    shared.version.send_modify(|v| {
        *v += 1;
        version = *v;
    });
    // Without a listener there is nobody to tell.
    let _ = shared.changes.send(Arc::new(Change {
        version,
        resync,
        rows,
    }));
}
