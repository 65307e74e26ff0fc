//! The handle of a standing connection to a switch.

use std::collections::BTreeMap;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use super::batch::Batch;
use super::error::OpenFlowError;
use super::flow::FlowStats;
use super::matches::Match;
use super::meter::{Meter, MeterStats};
use super::port::{self, PortDesc, PortEvent, PortSelector};
use super::protocol::{ProtocolError, Setup};
use super::requests::{Multipart, Parts, Request};
use super::task::Bridge;
use super::wire::{DecodeError, Reader};
use crate::link;
use crate::timing::Timing;

/// Requests that wait for the task to send them. An attachment is one request, and the
/// switch manages some 400 a second: more than this many waiting are seconds of delay, and
/// refusing is kinder.
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
}

impl SwitchConfig {
    /// The usual times, and answers of up to 256 MiB: a million flows.
    pub fn new(socket: impl Into<PathBuf>) -> Self {
        Self {
            socket: socket.into(),
            timing: Timing::default(),
            answer_bytes: 256 << 20,
        }
    }
}

/// Why a connection to a switch ended or did not come about.
pub type ConnError = link::ConnError<ProtocolError>;

/// How the connection is.
#[derive(Debug, Clone)]
pub enum SwitchState {
    /// There is none; another attempt follows.
    Disconnected {
        /// Attempts that failed since it was last usable.
        failures: u32,
        /// Why it ended or did not come about; `None` before the first attempt.
        cause: Option<Arc<ConnError>>,
    },
    /// It is made; version and ports are being exchanged.
    Connecting,
    /// It is usable. A new generation may be a switch that was restarted and has no flows:
    /// compare and install.
    Connected {
        /// How many times it was usable, this time included.
        generation: u64,
        /// The bridge's ID.
        datapath_id: u64,
    },
}

pub(crate) type Reply = oneshot::Sender<Result<Parts, OpenFlowError>>;

/// A request, and who wants its answer.
pub(crate) type Command = (Request, Reply);

/// What the task and the handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) ports: RwLock<BTreeMap<u32, PortDesc>>,
    pub(crate) ports_version: watch::Sender<u64>,
    pub(crate) events: broadcast::Sender<PortEvent>,
    pub(crate) state: watch::Sender<SwitchState>,
    pub(crate) generation: AtomicU64,
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
            state: watch::Sender::new(SwitchState::Disconnected {
                failures: 0,
                cause: None,
            }),
            generation: AtomicU64::new(0),
        });
        let endpoint = Bridge {
            setup: Setup {
                setup_timeout: config.timing.setup_timeout,
                probe_interval: config.timing.probe_interval,
                request_timeout: config.timing.request_timeout,
                answer_bytes: config.answer_bytes,
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
        // Table, no output port and no group, cookie; then a match of everything.
        let mut body = vec![filter.table.unwrap_or(0xff), 0, 0, 0];
        body.extend_from_slice(&port::ANY.to_be_bytes());
        body.extend_from_slice(&port::ANY.to_be_bytes());
        body.extend_from_slice(&[0; 4]);
        body.extend_from_slice(&filter.cookie.to_be_bytes());
        body.extend_from_slice(&filter.cookie_mask.to_be_bytes());
        Match::new().encode(&mut body);
        read_all(
            &self.multipart(Multipart::Flow, body).await?,
            FlowStats::decode,
        )
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

    /// The meters' counters.
    ///
    /// # Errors
    /// [`OpenFlowError`].
    pub async fn meter_stats(&self) -> Result<Vec<MeterStats>, OpenFlowError> {
        let parts = self.multipart(Multipart::Meter, all_meters()).await?;
        read_all(&parts, MeterStats::decode)
    }

    /// The ports at present, by number; none while there is no connection.
    pub fn ports(&self) -> Vec<PortDesc> {
        self.with_ports(|ports| ports.values().cloned().collect())
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
