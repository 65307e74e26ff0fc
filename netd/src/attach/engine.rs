//! The engine: carries plans out, one call for an attachment at a time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use flatnet_ipam::Ipam;
use flatnet_plan::NodeSpec;
use flatnet_types::api::{StatusReply, StatusRequest};
use flatnet_types::{AttachmentKey, NetworkName, Timestamp};
use tokio::sync::{Notify, OwnedMutexGuard, watch};

use super::error::AttachError;
use super::plan::{self, AttachPlan, Holding};
use crate::flows::NodePorts;
use crate::world::World;

/// Tells the time; passed in, so that tests own it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Attaches and detaches containers. Cheap to clone.
pub struct Engine<W: World> {
    pub(super) inner: Arc<Inner<W>>,
}

impl<W: World> Clone for Engine<W> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

pub(super) struct Inner<W> {
    pub(super) world: W,
    pub(super) ipam: Ipam,
    pub(super) clock: Clock,
    spec: RwLock<Arc<NodeSpec>>,
    ports: watch::Sender<Option<NodePorts>>,
    locks: KeyLocks,
    /// What an ADD could not undo: the reconciler goes on.
    pub(super) doomed: Mutex<BTreeMap<AttachmentKey, u64>>,
    /// Something is to be mended: the reconciler is to look now.
    dirty: Arc<Notify>,
}

impl<W: World> Engine<W> {
    /// An engine that is not ready until [`Engine::set_ports`] says where the bridge's own
    /// ports are.
    pub fn new(world: W, ipam: Ipam, spec: NodeSpec, clock: Clock) -> Self {
        Self {
            inner: Arc::new(Inner {
                world,
                ipam,
                clock,
                spec: RwLock::new(Arc::new(spec)),
                ports: watch::Sender::new(None),
                locks: KeyLocks::default(),
                doomed: Mutex::default(),
                dirty: Arc::default(),
            }),
        }
    }

    /// The world it acts on.
    pub fn world(&self) -> &W {
        &self.inner.world
    }

    /// The store.
    pub fn ipam(&self) -> &Ipam {
        &self.inner.ipam
    }

    /// Rings when something is to be mended.
    pub fn dirty(&self) -> Arc<Notify> {
        Arc::clone(&self.inner.dirty)
    }

    /// Wants a reconcile now: something could not be taken away, or what attachments share (the
    /// flows of a VLAN that some send tagged) has changed.
    pub(super) fn mend_soon(&self) {
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
        self.mend_soon();
    }

    /// Says where the bridge's own ports are: from now on ADD is served. `None`: not any more.
    pub fn set_ports(&self, ports: Option<NodePorts>) {
        self.inner.ports.send_if_modified(|known| {
            let changed = *known != ports;
            *known = ports;
            changed
        });
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
                why:
                    "the bridge is not set up yet; `curl --unix-socket … http://netd/v1/node` says \
                  what is missing"
                        .to_owned(),
            })
    }

    /// The plan of an attachment that is held.
    ///
    /// # Errors
    /// [`AttachError`] where the record cannot be read or the node is not ready.
    pub fn plan_of(&self, holding: &Holding) -> Result<AttachPlan, AttachError> {
        plan::plan(&self.spec(), &self.ports()?, holding)
    }

    /// STATUS: could an ADD succeed now?
    ///
    /// # Errors
    /// [`AttachError::Unserved`] with what an ADD would answer.
    pub fn status(&self, request: &StatusRequest) -> Result<StatusReply, AttachError> {
        self.could_add(&request.network)
            .map_err(|why| AttachError::Unserved(Box::new(why)))?;
        Ok(StatusReply {})
    }

    fn could_add(&self, network: &NetworkName) -> Result<(), AttachError> {
        plan::network(&self.spec(), network)?;
        self.ports()?;
        self.inner.ipam.check_free(network, self.now())?;
        Ok(())
    }

    /// One call for an attachment at a time. A repair takes it too.
    pub async fn lock(&self, key: &AttachmentKey) -> KeyGuard<'_> {
        self.inner.locks.lock(key).await
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
