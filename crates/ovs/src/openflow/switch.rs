//! The handle of a standing connection to a switch.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::batch::Batch;
use super::error::OpenFlowError;
use super::flow::{FlowCount, FlowStats};
use super::group::Group;
use super::matches::Match;
use super::meter::{Meter, MeterStats};
use super::port::{self, PortDesc, PortEvent, PortSelector};
use super::protocol::Setup;
use super::requests::{Multipart, Parts, Request};
use super::settings::Settings;
use super::shared::{Command, Shared, SwitchState};
use super::task::Bridge;
use super::wire::{DecodeError, Reader};
use crate::link;
use crate::timing::Timing;

/// Requests that wait for the task to send them. An attachment is one request, and the
/// switch manages some 400 a second: more than this many waiting are seconds of delay, and
/// a caller that is refused can tell so at once.
const QUEUE: usize = 1024;

/// Changes of ports that a slow listener may be behind by; one that falls further behind
/// learns so, and reads [`Switch::ports`].
const EVENTS: usize = 1024;

/// What a switch connection connects to, and how.
#[derive(Debug, Clone)]
pub struct SwitchConfig {
    /// The bridge's management socket, `<rundir>/<bridge>.mgmt`.
    pub socket: PathBuf,
    /// How long what may take.
    pub timing: Timing,
    /// The longest answer, such as a dump of all flows, in bytes.
    pub answer_bytes: usize,
    /// What the switch is set to whenever the connection comes about.
    pub settings: Settings,
    /// Of flows with this cookie, in the bits of the second number that are set, changes are
    /// not told ([`Switch::flow_changes`]). No bit set: of all flows they are.
    pub unwatched: (u64, u64),
}

impl SwitchConfig {
    /// The usual times, and answers of up to 256 MiB: a million flows.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            timing: Timing::default(),
            answer_bytes: 256 << 20,
            settings: Settings::default(),
            unwatched: (0, 0),
        }
    }
}

/// A standing connection to a bridge: a cheap handle on the task that owns the socket. The
/// task ends when the last handle is dropped.
///
/// Guarantees: requests reach the switch in the order of the calls, each once or not at all;
/// those made together go out in one write. While there is no connection they fail at once.
#[derive(Debug, Clone)]
pub struct Switch {
    queue: mpsc::Sender<Command>,
    shared: Arc<Shared>,
}

/// Which flows of a dump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowFilter {
    /// Only of this table.
    pub table: Option<u8>,
    /// Only with this cookie in the bits of `cookie_mask`.
    pub cookie: u64,
    /// The bits of the cookie that count; 0 for any cookie.
    pub cookie_mask: u64,
}

impl FlowFilter {
    /// The request's body (OpenFlow 1.4.1 §7.3.5.2).
    fn encode(&self) -> Vec<u8> {
        // Table, no output port and no group, cookie; then a match of everything.
        let mut body = vec![self.table.unwrap_or(0xff), 0, 0, 0];
        body.extend_from_slice(&port::ANY.to_be_bytes());
        body.extend_from_slice(&port::ANY.to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&self.cookie.to_be_bytes());
        body.extend_from_slice(&self.cookie_mask.to_be_bytes());
        Match::new().encode(&mut body);
        body
    }
}

/// The answer to a batch, when its barrier comes back. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "what the switch refused is learnt here only"]
pub struct Pending(Waiting);

#[derive(Debug)]
enum Waiting {
    Sent(oneshot::Receiver<Result<Parts, OpenFlowError>>),
    Failed(Option<OpenFlowError>),
}

impl Waiting {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Parts, OpenFlowError>> {
        match self {
            Self::Sent(receiver) => Pin::new(receiver)
                .poll(cx)
                .map(|answer| answer.unwrap_or(Err(OpenFlowError::Closed))),
            Self::Failed(error) => Poll::Ready(Err(error.take().unwrap_or(OpenFlowError::Closed))),
        }
    }
}

impl Future for Pending {
    type Output = Result<(), OpenFlowError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.poll(cx).map_ok(|_| ())
    }
}

impl Switch {
    /// Starts the connection's task, which connects and stays connected.
    ///
    /// # Panics
    /// Outside of a tokio runtime, as `tokio::spawn` does.
    pub fn start(config: SwitchConfig) -> Self {
        let (queue, commands) = mpsc::channel(QUEUE);
        let shared = Arc::new(Shared {
            ports: RwLock::default(),
            ports_version: watch::Sender::new(0),
            events: broadcast::Sender::new(EVENTS),
            flows_version: watch::Sender::new(0),
            monitored: AtomicBool::new(false),
            state: watch::Sender::new(SwitchState::Disconnected {
                failures: 0,
                cause: None,
            }),
            generation: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        });
        let endpoint = Bridge {
            setup: Setup {
                setup_timeout: config.timing.setup_timeout,
                probe_interval: config.timing.probe_interval,
                silence_limit: config.timing.silence_limit,
                request_timeout: config.timing.request_timeout,
                answer_bytes: config.answer_bytes,
                settings: config.settings,
                unwatched: config.unwatched,
            },
            shared: Arc::clone(&shared),
        };
        tokio::spawn(link::run(endpoint, config.socket, config.timing, commands));
        Self { queue, shared }
    }

    fn request(&self, request: Request) -> Waiting {
        let (reply, receiver) = oneshot::channel();
        match self.queue.try_send((request, reply)) {
            Ok(()) => Waiting::Sent(receiver),
            Err(mpsc::error::TrySendError::Full(_)) => {
                Waiting::Failed(Some(OpenFlowError::QueueFull))
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                Waiting::Failed(Some(OpenFlowError::Closed))
            }
        }
    }

    /// Queues a batch and a barrier now, to be sent in one write, and gives the future of
    /// the barrier's answer. Messages that the switch does not refuse are done.
    pub fn send(&self, batch: Batch) -> Pending {
        self.send_as(batch, false)
    }

    /// The same in a bundle (OpenFlow 1.4.1 §6.8): all messages are done at once, or none.
    /// The switch takes flow changes and packets this way, but no meters. It costs a second
    /// exchange, and later requests wait for it.
    pub fn send_atomic(&self, batch: Batch) -> Pending {
        self.send_as(batch, true)
    }

    fn send_as(&self, batch: Batch, atomic: bool) -> Pending {
        Pending(self.request(Request::Batch { batch, atomic }))
    }

    /// Waits until the switch has done all that was sent before.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn barrier(&self) -> Result<(), OpenFlowError> {
        self.send(Batch::new()).await
    }

    async fn multipart(&self, kind: Multipart, body: Vec<u8>) -> Result<Parts, OpenFlowError> {
        let mut waiting = self.request(Request::Multipart { kind, body });
        std::future::poll_fn(|cx| waiting.poll(cx)).await
    }

    /// The flows, with their counters, after all that was sent before.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn flows(&self, filter: FlowFilter) -> Result<Vec<FlowStats>, OpenFlowError> {
        read_all(
            &self.multipart(Multipart::Flow, filter.encode()).await?,
            FlowStats::decode,
        )
    }

    /// How many flows there are. It costs the switch a walk over its flows, and a few bytes.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn count(&self, filter: FlowFilter) -> Result<FlowCount, OpenFlowError> {
        let parts = self
            .multipart(Multipart::Aggregate, filter.encode())
            .await?;
        let counts = read_all(&parts, FlowCount::decode)?;
        counts
            .into_iter()
            .next()
            .ok_or(OpenFlowError::BadReply(DecodeError::Short))
    }

    /// Grows whenever flows were added, changed or deleted by somebody else than this handle:
    /// by `ovs-ofctl`, by a restart of the switch, by a time-out. Flows that
    /// [`SwitchConfig::unwatched`] names do not count.
    ///
    /// Assumption: [`Switch::tells_of_flows`]; else it stays as it is.
    pub fn flow_changes(&self) -> watch::Receiver<u64> {
        self.shared.flows_version.subscribe()
    }

    /// Whether the switch took the flow monitor (OpenFlow 1.4.1 §7.3.5.19; Open vSwitch 2.16
    /// and later), as of the last connection.
    pub fn tells_of_flows(&self) -> bool {
        self.shared.monitored.load(Ordering::Relaxed)
    }

    /// The switch's settings, which no database keeps: a restart of the switch forgets them.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn settings(&self) -> Result<Settings, OpenFlowError> {
        let mut waiting = self.request(Request::Config);
        let parts = std::future::poll_fn(|cx| waiting.poll(cx)).await?;
        let body = parts.first().ok_or(DecodeError::Short);
        body.and_then(|body| Settings::decode(&mut Reader::new(body)))
            .map_err(OpenFlowError::BadReply)
    }

    /// The meters that have the form of ours: one band, which drops.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn meters(&self) -> Result<Vec<Meter>, OpenFlowError> {
        let parts = self.multipart(Multipart::MeterConfig, all_meters()).await?;
        Ok(read_all(&parts, Meter::decode)?
            .into_iter()
            .flatten()
            .collect())
    }

    /// The groups. The switch tells nobody when one is changed; that it is deleted shows by its
    /// flows, which go with it.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn groups(&self) -> Result<Vec<Group>, OpenFlowError> {
        let parts = self.multipart(Multipart::GroupDesc, Vec::new()).await?;
        read_all(&parts, Group::decode)
    }

    /// The meters' counters.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn meter_stats(&self) -> Result<Vec<MeterStats>, OpenFlowError> {
        let parts = self.multipart(Multipart::Meter, all_meters()).await?;
        read_all(&parts, MeterStats::decode)
    }

    /// The counters of one meter; `None`: there is none of that number. The datapath counts them itself: unlike those
    /// of flows, they are as of now.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn meter(&self, id: u32) -> Result<Option<MeterStats>, OpenFlowError> {
        let mut body = id.to_be_bytes().to_vec();
        body.extend_from_slice(&[0; 4]);
        match self.multipart(Multipart::Meter, body).await {
            Ok(parts) => Ok(read_all(&parts, MeterStats::decode)?.into_iter().next()),
            Err(OpenFlowError::Rejected { failures })
                if failures.iter().all(|f| f.error.is_unknown_meter()) =>
            {
                Ok(None)
            }
            Err(e) => Err(e),
        }
    }

    /// The ports at present, by number; none while there is no connection.
    pub fn ports(&self) -> Vec<PortDesc> {
        self.with_ports(|ports| ports.values().cloned().collect())
    }

    /// Whether a port has this number; `false` while there is no connection.
    pub fn has_port(&self, number: u32) -> bool {
        self.with_ports(|ports| ports.contains_key(&number))
    }

    /// The number of the port of this name; `None` if there is none, or no connection.
    pub fn port_number(&self, name: &str) -> Option<u32> {
        self.with_ports(|ports| ports.values().find(|p| p.name == name).map(|p| p.number))
    }

    /// Lets a port receive and send again, after somebody forbade it
    /// ([`PortDesc::restricted`]); `false` where there is no such port.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn open_port(&self, name: &str) -> Result<bool, OpenFlowError> {
        let named = |ports: &BTreeMap<u32, PortDesc>| {
            let mut found = ports.values().filter(|p| p.name == name);
            found.next().cloned()
        };
        let Some(port) = self.with_ports(named) else {
            return Ok(false);
        };
        let mut batch = Batch::new();
        batch.open_port(&port);
        self.send(batch).await?;
        // Before OpenFlow 1.5 the switch does not tell of a change to who asked for it.
        let mut ports = self
            .shared
            .ports
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = ports.get_mut(&port.number) {
            open.restricted = false;
        }
        Ok(true)
    }

    fn with_ports<T>(&self, f: impl FnOnce(&BTreeMap<u32, PortDesc>) -> T) -> T {
        f(&self
            .shared
            .ports
            .read()
            .unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes of ports from now on.
    pub fn port_events(&self) -> broadcast::Receiver<PortEvent> {
        self.shared.events.subscribe()
    }

    /// Waits until there is such a port. Cancel safety: dropping it loses nothing.
    ///
    /// # Errors
    /// [`OpenFlowError::TimedOut`], or [`OpenFlowError::Closed`].
    pub async fn wait_port(
        &self,
        which: &PortSelector,
        timeout: Duration,
    ) -> Result<PortDesc, OpenFlowError> {
        let mut version = self.shared.ports_version.subscribe();
        let found = async {
            loop {
                version.mark_unchanged();
                let found = self.with_ports(|ports| match which {
                    PortSelector::Number(number) => ports.get(number).cloned(),
                    PortSelector::Name(_) => ports.values().find(|p| which.selects(p)).cloned(),
                });
                if let Some(port) = found {
                    return Ok(port);
                }
                let changed = version.changed().await;
                changed.map_err(|_| OpenFlowError::Closed)?;
            }
        };
        tokio::time::timeout(timeout, found)
            .await
            .unwrap_or(Err(OpenFlowError::TimedOut { after: timeout }))
    }

    /// How the connection is.
    pub fn state(&self) -> watch::Receiver<SwitchState> {
        self.shared.state.subscribe()
    }

    /// Waits until the connection is usable; gives its generation.
    ///
    /// # Errors
    /// [`OpenFlowError::TimedOut`], or [`OpenFlowError::Closed`].
    pub async fn connected(&self, timeout: Duration) -> Result<u64, OpenFlowError> {
        let mut state = self.state();
        let connected = async {
            loop {
                if let SwitchState::Connected { generation, .. } = *state.borrow_and_update() {
                    return Ok(generation);
                }
                let changed = state.changed().await;
                changed.map_err(|_| OpenFlowError::Closed)?;
            }
        };
        tokio::time::timeout(timeout, connected)
            .await
            .unwrap_or(Err(OpenFlowError::TimedOut { after: timeout }))
    }

    /// Grows whenever the switch sends anything: one that hangs does not, one that is slow with an
    /// answer has others to give first.
    pub fn heard(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed)
    }

    /// How many times the connection came about again after the first time.
    pub fn reconnects(&self) -> u64 {
        self.shared
            .generation
            .load(Ordering::Relaxed)
            .saturating_sub(1)
    }
}

/// OFPM_ALL, padded.
fn all_meters() -> Vec<u8> {
    vec![0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]
}

/// Reads the items of all parts. A part holds whole items (OpenFlow 1.4.1 §7.3.5).
fn read_all<T>(
    parts: &[Bytes],
    read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, OpenFlowError> {
    let mut all = Vec::new();
    for part in parts {
        let mut r = Reader::new(part);
        while !r.is_empty() {
            all.push(read(&mut r).map_err(OpenFlowError::BadReply)?);
        }
    }
    Ok(all)
}
