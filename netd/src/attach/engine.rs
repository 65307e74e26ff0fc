//! The engine: carries plans out, one call for an attachment at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::Duration;

use flatnet_cni::spool::Spool;
use flatnet_ipam::Ipam;
use flatnet_ovs::openflow::PacketOut;
use flatnet_plan::NodeSpec;
use flatnet_types::api::{StatusReply, StatusRequest};
use flatnet_types::{AttachmentKey, NetworkName, Timestamp};
use tokio::sync::{Notify, OwnedMutexGuard, watch};
use tracing::warn;

use super::add_log::AddLog;
use super::error::AttachError;
use super::plan::{self, Attachment, AttachmentSpec};
use crate::flows::{self, NodePorts};
use crate::node_ops::NodeOps;
use crate::problems::Board;

/// Tells the time; passed in, so that tests own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

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
    /// What an ADD could not undo: the reconciler goes on.
    pub(super) pending_cleanup: Mutex<BTreeMap<AttachmentKey, u64>>,
    /// Something is to be mended: the reconciler is to look now.
    dirty: Arc<Notify>,
    board: Board,
    /// Where the plugin leaves DELs while netd is away.
    pub(super) spool: OnceLock<Spool>,
    add_log: AddLog,
}

impl<N: NodeOps> Engine<N> {
    /// An engine that is not ready until [`Engine::set_ports`] says where the bridge's own
    /// ports are.
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
                dirty: Arc::default(),
                add_log: AddLog::default(),
            }),
        }
    }

    /// The world it acts on.
    pub fn node(&self) -> &N {
        &self.inner.node
    }

    /// The store of reservations.
    pub fn ipam(&self) -> &Ipam {
        &self.inner.ipam
    }

    /// Says where the plugin leaves DELs while netd is away: an ADD that meets an attachment of
    /// its key looks there first. Said once; later calls change nothing.
    pub fn set_spool(&self, spool: Spool) {
        let _ = self.inner.spool.set(spool);
    }

    /// What is wrong on this node.
    pub fn board(&self) -> &Board {
        &self.inner.board
    }

    /// Rings when something is to be mended.
    pub fn dirty(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.dirty)
    }

    /// Wants a reconcile now: something could not be taken away, or what attachments share (the
    /// flows of a VLAN that some send tagged) has changed.
    pub(super) fn request_repair(&self) {
        self.inner.dirty.notify_one();
    }

    /// What time it is.
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

    /// Changes the node's part of the plan: attachments that are made from now on go by it,
    /// and the node is reconciled. Of two changes at once neither is lost.
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

    /// What tells the neighbours where the host's addresses and every container's are now; nothing
    /// while there is no bridge that would carry it.
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

    /// Says where the bridge's own ports are: from now on ADD is served. `None`: not any more.
    pub fn set_ports(&self, ports: Option<NodePorts>) {
        self.inner.ports.send_if_modified(|known| {
            let changed = *known != ports;
            *known = ports;
            changed
        });
    }

    /// Which attachments were made since a look at the node.
    pub(crate) fn add_log(&self) -> &AddLog {
        &self.inner.add_log
    }

    /// The bridge's own ports, where they are known.
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

    /// Waits a while until they are known: while the switch starts anew nobody knows them, and a
    /// runtime that is refused tries again only after seconds. Whether they are, [`Engine::ports`]
    /// tells.
    pub(super) async fn wait_for_ports(&self) {
        let mut known = self.inner.ports.subscribe();
        let there = known.wait_for(Option::is_some);
        let _ = tokio::time::timeout(PORTS_TIMEOUT, there).await;
    }

    /// Whether the node is ready: ADD is served, and no problem says that packets do not pass.
    ///
    /// # Errors
    /// [`AttachError::NotReady`] with what is wrong.
    pub fn ready(&self) -> Result<(), AttachError> {
        if let Some(reason) = self.board().blocks_ready() {
            return Err(AttachError::NotReady { reason });
        }
        self.ports().map(drop)
    }

    /// The plan of an attachment that is held.
    ///
    /// # Errors
    /// [`AttachError`] where the record cannot be read or the node is not ready.
    pub fn spec_of(&self, attachment: &Attachment) -> Result<AttachmentSpec, AttachError> {
        plan::plan(&self.spec(), &self.ports()?, attachment)
    }

    /// STATUS: could an ADD succeed now?
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

    /// One call for an attachment at a time. A repair takes it too.
    pub async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        self.inner.locks.lock(key).await
    }

    /// The same without waiting; `None` while somebody works on the attachment.
    pub fn try_lock(&self, key: &AttachmentKey) -> Option<KeyGuard<'_>> {
        self.inner.locks.try_lock(key)
    }
}

/// A lock for each attachment that is being worked on, and none for the others.
#[derive(Default)]
pub(super) struct KeyLocks(Mutex<HashMap<AttachmentKey, Arc<tokio::sync::Mutex<()>>>>);

/// Holds an attachment; drop it to let the next call in.
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
        // Two are the map's own and none: nobody else holds or waits for it.
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
