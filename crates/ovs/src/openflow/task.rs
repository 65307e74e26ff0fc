//! What the connection's task does with the protocol's findings.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use bytes::BytesMut;

use super::error::OpenFlowError;
use super::port::PortEvent;
use super::protocol::{Event, Protocol, ProtocolError, Setup};
use super::shared::{Command, ConnError, Reply, Shared, SwitchState};
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

    fn obey(&mut self, (request, reply): Command, now: Instant) {
        if let Err(reply) = self.request(request, reply, now) {
            not_connected(reply, false);
        }
    }
}

/// The caller may have gone away: then nobody wants the answer.
fn not_connected(reply: Reply, maybe_applied: bool) {
    let _ = reply.send(Err(OpenFlowError::Disconnected { maybe_applied }));
}

/// The handle's end of its connections.
pub(crate) struct Bridge {
    pub(crate) setup: Setup,
    pub(crate) shared: Arc<Shared>,
}

impl Bridge {
    fn ports_changed(&self, event: PortEvent) {
        self.shared.ports_version.send_modify(|v| *v += 1);
        // Without a listener there is nobody to tell.
        let _ = self.shared.events.send(event);
    }
}

impl Endpoint for Bridge {
    type Machine = Protocol<Reply>;

    fn begin(&self, now: Instant) -> Protocol<Reply> {
        self.shared.state.send_replace(SwitchState::Connecting);
        Protocol::new(self.setup, now)
    }

    fn publish(&self, protocol: &mut Protocol<Reply>) -> Result<(), ProtocolError> {
        let table = || {
            self.shared
                .ports
                .write()
                .unwrap_or_else(PoisonError::into_inner)
        };
        while let Some(event) = protocol.event() {
            match event {
                Event::Ready {
                    datapath_id,
                    ports,
                    monitored,
                } => {
                    self.shared.monitored.store(monitored, Ordering::Relaxed);
                    *table() = ports.into_iter().map(|p| (p.number, p)).collect();
                    self.ports_changed(PortEvent::Resync);
                    let generation = self.shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
                    self.shared.state.send_replace(SwitchState::Connected {
                        generation,
                        datapath_id,
                    });
                }
                Event::Port(event) => {
                    match &event {
                        PortEvent::Added(port) | PortEvent::Modified(port) => {
                            table().insert(port.number, port.clone());
                        }
                        PortEvent::Deleted(port) => {
                            table().remove(&port.number);
                        }
                        PortEvent::Resync => {}
                    }
                    self.ports_changed(event);
                }
                Event::FlowsChanged => self.shared.flows_version.send_modify(|v| *v += 1),
                Event::Done { token, result } => {
                    let _ = token.send(result);
                }
            }
        }
        Ok(())
    }

    fn end(&self, protocol: Protocol<Reply>) {
        self.shared
            .ports
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        for (reply, maybe_applied) in protocol.into_unanswered() {
            not_connected(reply, maybe_applied);
        }
    }

    fn down(&self, failures: u32, cause: ConnError) {
        self.shared.state.send_replace(SwitchState::Disconnected {
            failures,
            cause: Some(Arc::new(cause)),
        });
    }

    fn refuse(&self, (_, reply): Command) {
        not_connected(reply, false);
    }

    fn heard(&self) {
        self.shared.heard.fetch_add(1, Ordering::Relaxed);
    }

    fn generation(&self) -> u64 {
        self.shared.generation.load(Ordering::Relaxed)
    }
}
