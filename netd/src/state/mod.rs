//! What netd knows of its node, in one place: the spec, the bridge's own ports, whether a repair is
//! needed, what is left to clean up, and the node and the store that all of it is about.
//!
//! ```text
//!   attach ────┐
//!   reconcile ─┤ borrow
//!   ranges ────┼────────▶ [NodeState]  spec, the bridge's ports, problems, whether a repair is needed,
//!   view ──────┤                │      what is left to clean up, a lock for each attachment
//!   watch, … ──┘                └────▶ node (kernel and switch), ipam (the store)
//! ```
//!
//! Each of them borrows the state, and none reaches it through another.

mod add_log;
mod counting;
mod locks;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use flatnet_ipam::Ipam;
use flatnet_plan::NodeSpec;
use flatnet_types::{AttachmentKey, Datagrams, Timestamp};
use ipnetwork::IpNetwork;
use tokio::sync::{Notify, watch};

pub(crate) use self::add_log::{AddLog, LogPosition};
use self::counting::Counting;
pub use self::locks::KeyGuard;
use self::locks::KeyLocks;
use crate::clock::Clock;
use crate::flows::{self, Counted, NodePorts};
use crate::problems::Board;

/// How long [`NodeState::wait_for_ports`] waits. A switch that restarts is back within a second or
/// two.
const PORTS_TIMEOUT: Duration = Duration::from_secs(5);

/// The node is not ready: Open vSwitch is away or the node is not set up yet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("netd is not ready: {reason}")]
pub struct NotReady {
    /// What is missing, and the command that shows more.
    pub reason: String,
}

/// The state of a node. Cheap to clone: clones share it.
pub struct NodeState<N> {
    inner: Arc<Inner<N>>,
}

impl<N> Clone for NodeState<N> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

struct Inner<N> {
    node: N,
    ipam: Ipam,
    clock: Clock,
    spec: RwLock<Arc<NodeSpec>>,
    ports: watch::Sender<Option<NodePorts>>,
    locks: KeyLocks,
    pending_cleanup: Mutex<BTreeMap<AttachmentKey, u64>>,
    /// All addresses that this process has wanted on the host's port.
    assigned_addresses: Mutex<BTreeSet<IpNetwork>>,
    repair_requested: Arc<Notify>,
    board: Board,
    add_log: AddLog,
    counting: Counting,
}

impl<N> NodeState<N> {
    /// The state of a node that is not ready until [`NodeState::set_ports`] has set the bridge's own
    /// ports.
    pub fn new(node: N, ipam: Ipam, spec: NodeSpec, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                board: Board::new(Arc::clone(&clock)),
                node,
                ipam,
                clock,
                spec: RwLock::new(Arc::new(spec)),
                ports: watch::Sender::new(None),
                locks: KeyLocks::default(),
                pending_cleanup: Mutex::default(),
                assigned_addresses: Mutex::default(),
                repair_requested: Arc::default(),
                add_log: AddLog::default(),
                counting: Counting::default(),
            }),
        }
    }

    /// The node's kernel and switch.
    pub fn node(&self) -> &N {
        &self.inner.node
    }

    /// The store of reservations.
    pub fn ipam(&self) -> &Ipam {
        &self.inner.ipam
    }

    /// The board of this node's problems.
    pub fn board(&self) -> &Board {
        &self.inner.board
    }

    /// The current wall-clock time.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// The node's part of the plan.
    pub fn spec(&self) -> Arc<NodeSpec> {
        Arc::clone(
            &self
                .inner
                .spec
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Changes the node's part of the plan under a lock, and requests a reconcile. Attachments that
    /// are made from now on follow it.
    pub fn update_spec(&self, change: impl FnOnce(&mut NodeSpec)) {
        let mut spec = self
            .inner
            .spec
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        change(Arc::make_mut(&mut spec));
        drop(spec);
        self.request_repair();
    }

    /// Requests a reconcile at once: the node may differ from what it should be.
    pub fn request_repair(&self) {
        self.inner.repair_requested.notify_one();
    }

    /// Notified when a reconcile is needed at once.
    pub fn repair_requested(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.repair_requested)
    }

    /// Sets the numbers of the bridge's own ports. ADD is served while they are `Some`.
    pub fn set_ports(&self, ports: Option<NodePorts>) {
        self.inner.ports.send_if_modified(|known| {
            let changed = *known != ports;
            *known = ports;
            changed
        });
    }

    /// The numbers of the bridge's own ports.
    ///
    /// # Errors
    /// [`NotReady`] until the node is set up.
    pub fn ports(&self) -> Result<NodePorts, NotReady> {
        self.inner.ports.borrow().clone().ok_or_else(|| NotReady {
            reason:
                "the bridge is not set up yet; `curl --unix-socket … http://netd/v1/node` says \
                     what is missing"
                    .to_owned(),
        })
    }

    /// Waits a few seconds until the ports are known: they are not while the switch restarts, and a
    /// runtime whose ADD is refused tries again only after seconds.
    pub(crate) async fn wait_for_ports(&self) {
        let mut known = self.inner.ports.subscribe();
        let there = known.wait_for(Option::is_some);
        let _ = tokio::time::timeout(PORTS_TIMEOUT, there).await;
    }

    /// Whether the node is ready: the ports are known, and no problem on the board blocks
    /// readiness.
    ///
    /// # Errors
    /// [`NotReady`] with what is wrong.
    pub fn ready(&self) -> Result<(), NotReady> {
        if let Some(reason) = self.board().blocks_ready() {
            return Err(NotReady { reason });
        }
        self.ports().map(drop)
    }

    /// Which ADDs have ended since an observation of the node began.
    pub(crate) fn add_log(&self) -> &AddLog {
        &self.inner.add_log
    }

    /// What is counted of what containers receive, by the generation of the attachment.
    pub(crate) fn counted(&self) -> BTreeMap<u64, Counted> {
        self.inner.counting.list()
    }

    /// Counts what comes to exactly these attachments, and the datagrams to these ports of each; requests a reconcile
    /// where that is another thing than before. At most [`flows::COUNTED_MAX`] are counted.
    pub(crate) fn count(&self, wanted: &BTreeMap<u64, BTreeSet<(Datagrams, u16)>>) {
        let node = flows::host_ips(&self.spec());
        if self.inner.counting.set(wanted, &node) {
            self.request_repair();
        }
    }

    /// Locks an attachment: only one call or repair works on it at a time.
    pub async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        self.inner.locks.lock(key).await
    }

    /// Locks an attachment without waiting; `None` if it is locked.
    pub fn try_lock(&self, key: &AttachmentKey) -> Option<KeyGuard<'_>> {
        self.inner.locks.try_lock(key)
    }

    fn pending_cleanup(&self) -> MutexGuard<'_, BTreeMap<AttachmentKey, u64>> {
        self.inner
            .pending_cleanup
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Records an attachment, by its generation, whose removal failed; the next reconcile tries
    /// again.
    pub(crate) fn defer_cleanup(&self, key: &AttachmentKey, generation: u64) {
        self.pending_cleanup().insert(key.clone(), generation);
        self.request_repair();
    }

    /// Takes the attachments whose removal is to be tried again, with their generations.
    pub(crate) fn take_pending_cleanup(&self) -> BTreeMap<AttachmentKey, u64> {
        std::mem::take(&mut *self.pending_cleanup())
    }

    /// The addresses that this process has wanted on the host's port before and does not want now;
    /// `wanted` are remembered.
    pub(crate) fn former_addresses(&self, wanted: BTreeSet<IpNetwork>) -> BTreeSet<IpNetwork> {
        let mut assigned = self
            .inner
            .assigned_addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let former = assigned.difference(&wanted).copied().collect();
        assigned.extend(wanted);
        former
    }
}
