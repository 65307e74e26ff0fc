//! The engine: executes ADD, DEL, CHECK, GC and STATUS, one call at a time for each attachment.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use flatnet_ipam::Ipam;
use flatnet_ovs::openflow::PacketOut;
use flatnet_plan::NodeSpec;
use flatnet_spool::Spool;
use flatnet_types::api::{StatusReply, StatusRequest};
use flatnet_types::{AttachmentKey, NetworkName, Timestamp};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tracing::warn;

use super::add_log::AddLog;
use super::error::AttachError;
use super::plan::{self, Attachment, AttachmentSpec};
use crate::clock::Clock;
use crate::flows::{self, NodePorts};
use crate::node_ops::NodeOps;
use crate::problems::Board;

/// How long an ADD waits for the bridge's own ports. A switch that restarts is back within a
/// second or two.
const PORTS_TIMEOUT: Duration = Duration::from_secs(5);

/// Attaches and detaches containers. Cheap to clone.
pub struct Engine<N: NodeOps> {
    pub(super) inner: Arc<Inner<N>>,
}

impl<N: NodeOps> Clone for Engine<N> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

pub(super) struct Inner<N> {
    pub(super) node: N,
    pub(super) ipam: Ipam,
    pub(super) clock: Clock,
    spec: RwLock<Arc<NodeSpec>>,
    ports: watch::Sender<Option<NodePorts>>,
    locks: KeyLocks,
    /// Attachments whose removal failed, with their generations. The reconciler tries again.
    pub(super) pending_cleanup: Mutex<BTreeMap<AttachmentKey, u64>>,
    /// Notified when the node may differ from what it should be: the reconciler then runs at once.
    repair_requested: Arc<Notify>,
    board: Board,
    /// Where the plugin leaves DELs while netd is away.
    pub(super) spool: OnceLock<Spool>,
    add_log: AddLog,
}

impl<N: NodeOps> Engine<N> {
    /// Makes an engine. It is not ready until [`Engine::set_ports`] has set the bridge's own ports.
    pub fn new(node: N, ipam: Ipam, spec: NodeSpec, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                board: Board::new(Arc::clone(&clock)),
                spool: OnceLock::new(),
                node,
                ipam,
                clock,
                spec: RwLock::new(Arc::new(spec)),
                ports: watch::Sender::new(None),
                locks: KeyLocks::default(),
                pending_cleanup: Mutex::default(),
                repair_requested: Arc::default(),
                add_log: AddLog::default(),
            }),
        }
    }

    /// The node it acts on.
    pub fn node(&self) -> &N {
        &self.inner.node
    }

    /// The store of reservations.
    pub fn ipam(&self) -> &Ipam {
        &self.inner.ipam
    }

    /// Sets the spool in which the plugin leaves DELs while netd is away: an ADD that finds an
    /// attachment of its key looks there first. Later calls have no effect.
    pub fn set_spool(&self, spool: Spool) {
        let _ = self.inner.spool.set(spool);
    }

    /// The board of this node's problems.
    pub fn board(&self) -> &Board {
        &self.inner.board
    }

    /// Notified when a reconcile is needed at once.
    pub fn repair_requested(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.repair_requested)
    }

    /// Requests a reconcile at once: something could not be removed, or what attachments share (the
    /// flows of a trunk VLAN) has changed.
    pub(super) fn request_repair(&self) {
        self.inner.repair_requested.notify_one();
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

    /// The announcements of the host's addresses and of every container's. Empty while the bridge's
    /// ports are not known.
    pub(crate) fn announcements(&self) -> Vec<PacketOut> {
        let Ok(ports) = self.ports() else {
            return Vec::new();
        };
        let mut packets = flows::host_announcements(&self.spec(), &ports);
        for record in self.ipam().list() {
            let target = Attachment::from_record(&record).and_then(|h| self.spec_of(&h));
            match target {
                Ok(target) => packets.extend(target.announcements),
                Err(e) => warn!(error = %e, "not announced"),
            }
        }
        packets
    }

    /// Sets the numbers of the bridge's own ports. ADD is served while they are `Some`.
    pub fn set_ports(&self, ports: Option<NodePorts>) {
        self.inner.ports.send_if_modified(|known| {
            let changed = *known != ports;
            *known = ports;
            changed
        });
    }

    /// Which ADDs have ended since an observation of the node began.
    pub(crate) fn add_log(&self) -> &AddLog {
        &self.inner.add_log
    }

    /// The numbers of the bridge's own ports.
    ///
    /// # Errors
    /// [`AttachError::NotReady`] until the node is set up.
    pub fn ports(&self) -> Result<NodePorts, AttachError> {
        self.inner
            .ports
            .borrow()
            .clone()
            .ok_or_else(|| AttachError::NotReady {
                reason:
                    "the bridge is not set up yet; `curl --unix-socket … http://netd/v1/node` says \
                  what is missing"
                        .to_owned(),
            })
    }

    /// Waits at most [`PORTS_TIMEOUT`] until the ports are known: they are not while the switch
    /// restarts, and a runtime whose ADD is refused tries again only after seconds.
    pub(super) async fn wait_for_ports(&self) {
        let mut known = self.inner.ports.subscribe();
        let there = known.wait_for(Option::is_some);
        let _ = tokio::time::timeout(PORTS_TIMEOUT, there).await;
    }

    /// Whether the node is ready: the ports are known, and no problem on the board blocks
    /// readiness.
    ///
    /// # Errors
    /// [`AttachError::NotReady`] with what is wrong.
    pub fn ready(&self) -> Result<(), AttachError> {
        if let Some(reason) = self.board().blocks_ready() {
            return Err(AttachError::NotReady { reason });
        }
        self.ports().map(drop)
    }

    /// What an attachment is made of.
    ///
    /// # Errors
    /// [`AttachError`] where the record cannot be read or the node is not ready.
    pub fn spec_of(&self, attachment: &Attachment) -> Result<AttachmentSpec, AttachError> {
        plan::plan(&self.spec(), &self.ports()?, attachment)
    }

    /// STATUS: whether an ADD could succeed now.
    ///
    /// # Errors
    /// [`AttachError::Unavailable`] with what an ADD would answer.
    pub fn status(&self, request: &StatusRequest) -> Result<StatusReply, AttachError> {
        self.could_add(&request.network)
            .map_err(|reason| AttachError::Unavailable(Box::new(reason)))?;
        Ok(StatusReply {})
    }

    fn could_add(&self, network: &NetworkName) -> Result<(), AttachError> {
        plan::network(&self.spec(), network)?;
        self.ready()?;
        self.inner.ipam.check_free(network, self.now())?;
        Ok(())
    }

    /// Locks an attachment: only one call or repair works on it at a time.
    pub async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        self.inner.locks.lock(key).await
    }

    /// Locks an attachment without waiting; `None` if it is locked.
    pub fn try_lock(&self, key: &AttachmentKey) -> Option<KeyGuard<'_>> {
        self.inner.locks.try_lock(key)
    }
}

/// A lock for each attachment that is being worked on; entries without a user are removed.
#[derive(Default)]
pub(super) struct KeyLocks(Mutex<HashMap<AttachmentKey, Arc<tokio::sync::Mutex<()>>>>);

/// The lock of an attachment, released when it is dropped.
pub struct KeyGuard<'l> {
    locks: &'l KeyLocks,
    key: AttachmentKey,
    held: Option<OwnedMutexGuard<()>>,
}

impl KeyLocks {
    async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        let lock = {
            let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(map.entry(key.clone()).or_default())
        };
        KeyGuard {
            locks: self,
            key: key.clone(),
            held: Some(lock.lock_owned().await),
        }
    }

    fn try_lock(&self, key: &AttachmentKey) -> Option<KeyGuard<'_>> {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = Arc::clone(map.entry(key.clone()).or_default());
        Some(KeyGuard {
            locks: self,
            key: key.clone(),
            held: Some(lock.try_lock_owned().ok()?),
        })
    }
}

impl Drop for KeyGuard<'_> {
    fn drop(&mut self) {
        let mut map = self.locks.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // A count of 1 is the map's own reference: nobody holds the lock or waits for it.
        if map
            .get(&self.key)
            .is_some_and(|l| Arc::strong_count(l) == 1)
        {
            map.remove(&self.key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_lock_that_nobody_holds_leaves_nothing_behind() {
        let locks = KeyLocks::default();
        let key = AttachmentKey {
            network: "web".parse().expect("name"),
            container_id: "c1".parse().expect("name"),
            ifname: "eth0".parse().expect("name"),
        };
        let first = locks.lock(&key).await;
        let second = locks.lock(&key);
        tokio::pin!(second);
        assert!(futures_util::poll!(&mut second).is_pending());
        drop(first);
        drop(second.await);
        assert!(locks.0.lock().expect("lock").is_empty());
    }
}
