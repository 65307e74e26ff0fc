//! DEL and GC.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError};

use flatnet_ipam::Record;
use flatnet_types::AttachmentKey;
use flatnet_types::api::{DelReply, GcAttachment, GcReply, GcRequest};
use flatnet_types::marks::zone_of;
use tracing::{info, warn};

use super::engine::Engine;
use super::error::AttachError;
use super::plan::{Attachment, host_ifindex, host_ifname};
use crate::flows::{self, Limit};
use crate::node_ops::{ContainerActual, NodeOps};

impl<N: NodeOps> Engine<N> {
    /// Detaches a container. Succeeds where nothing is left to detach.
    ///
    /// When it returns, the link is deleted and the release of the address is on disk. The deletion
    /// of the flows and the port has been sent to the switch, which may still list them for a
    /// moment.
    ///
    /// # Errors
    /// [`AttachError::Incomplete`] where the link may still be there: the address is kept, and
    /// the call may be repeated.
    pub async fn del(&self, key: &AttachmentKey) -> Result<DelReply, AttachError> {
        self.del_if(key, |_| true).await
    }

    /// Like [`Engine::del`], but only if `applies` accepts the record: another attachment of the
    /// same key may have been made since the caller decided. One that it does not accept counts as
    /// absent.
    ///
    /// # Errors
    /// As [`Engine::del`].
    pub async fn del_if(
        &self,
        key: &AttachmentKey,
        applies: impl FnOnce(&Record) -> bool,
    ) -> Result<DelReply, AttachError> {
        let _held = self.lock(key).await;
        let Some(record) = self.ipam().get(key).filter(|r| applies(r)) else {
            return Ok(DelReply { existed: false });
        };
        self.tear_down(&record).await?;
        info!(generation = record.generation, "detached");
        Ok(DelReply { existed: true })
    }

    /// Deletes the flows, link, port and reservation of a record. The caller holds the lock of its
    /// key.
    pub(crate) async fn tear_down(&self, record: &Record) -> Result<(), AttachError> {
        let node = self.node();
        let (name, ifindex) = (host_ifname(record.generation), host_ifindex(record.slot));
        let meters = Limit::meters_of(record.slot);
        // Flows first, and not awaited: the connection keeps the order of requests, so the flows of
        // the next port with this number, which are sent later, are not deleted.
        let flows = node.delete_flows(flows::cookie(record.generation), &meters);
        let (unlinked, unported) = tokio::join!(
            node.delete_link(&name, ifindex),
            node.delete_port(name.as_str(), zone_of(record.slot))
        );
        if let Err(e) = unlinked {
            return Err(AttachError::Incomplete(vec![format!("link {name}: {e}")]));
        }
        if let Err(e) = unported {
            // A port without a link carries nothing; the reconciler removes it.
            warn!(error = %e, port = %name, "the port stays until the next reconcile");
            self.request_repair();
        }
        let engine = self.clone();
        tokio::spawn(async move {
            if let Err(e) = flows.await {
                warn!(error = %e, "the flows stay until the next reconcile");
                engine.request_repair();
            }
        });
        self.ipam()
            .release(&record.key, record.generation, self.now())?
            .durable()
            .await?;
        if record.detail.get("trunk").is_some() {
            self.request_repair();
        }
        Ok(())
    }

    /// Records an attachment whose removal failed; the reconciler tries again.
    pub(super) fn defer_cleanup(&self, key: &AttachmentKey, generation: u64) {
        let mut pending_cleanup = self
            .inner
            .pending_cleanup
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        pending_cleanup.insert(key.clone(), generation);
        self.request_repair();
    }

    /// Tries again to remove what could not be removed. Returns a line for each that still fails.
    pub(crate) async fn finish_cleanup(&self) -> Vec<String> {
        let pending_cleanup = {
            let mut pending_cleanup = self
                .inner
                .pending_cleanup
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *pending_cleanup)
        };
        let mut failed = Vec::new();
        for (key, generation) in pending_cleanup {
            let _held = self.lock(&key).await;
            let Some(record) = self.ipam().get(&key).filter(|r| r.generation == generation) else {
                continue;
            };
            if let Err(e) = self.tear_down(&record).await {
                failed.push(format!("undo {key}: {e}"));
                self.defer_cleanup(&key, generation);
            }
        }
        failed
    }

    /// Removes the attachments of dead records: reservations that were never committed, and
    /// attachments of an earlier boot. Called once, before anything is served.
    pub(crate) async fn recover(&self, dead: &[Arc<Record>]) {
        for record in dead {
            let _held = self.lock(&record.key).await;
            match self.tear_down(record).await {
                Ok(()) => info!(key = %record.key, generation = record.generation, "recovered"),
                Err(e) => {
                    warn!(key = %record.key, error = %e, "not recovered yet");
                    self.defer_cleanup(&record.key, record.generation);
                }
            }
        }
    }

    /// Whether the attachment's interface is still in its namespace and a process runs there.
    async fn has_process(&self, key: &AttachmentKey) -> bool {
        let attachment = self
            .ipam()
            .get(key)
            .map(|record| Attachment::from_record(&record));
        let Some(Ok(attachment)) = attachment else {
            return false;
        };
        let node = self.node();
        // A path under /proc may lead to another process's namespace by now; the interface's MAC
        // shows whether it is the same one.
        let Ok(netns) = node.open_netns(&attachment.detail.netns) else {
            return false;
        };
        let found = node.observe_container(&netns, &key.ifname).await;
        let is_same = |c: &ContainerActual| c.mac == Some(attachment.detail.mac);
        match found {
            Ok(found) => found.as_ref().is_some_and(is_same) && node.has_process(&netns).await,
            Err(_) => false,
        }
    }

    /// Releases every attachment of a network that the runtime does not list. Goes on after
    /// an error and reports all.
    ///
    /// An attachment in whose namespace a process runs is kept: it belongs to another runtime whose
    /// configuration uses the same network name, and which this runtime does not know of.
    ///
    /// # Errors
    /// [`AttachError::Incomplete`] with a line for each that could not be removed.
    pub async fn gc(&self, request: &GcRequest) -> Result<GcReply, AttachError> {
        let valid: BTreeSet<&GcAttachment> = request.valid.iter().collect();
        let dead = self
            .ipam()
            .list()
            .into_iter()
            .map(|r| r.key.clone())
            .filter(|key| {
                let attachment = GcAttachment {
                    container_id: key.container_id.clone(),
                    ifname: key.ifname.clone(),
                };
                key.network == request.network && !valid.contains(&attachment)
            });
        let mut reply = GcReply::default();
        let mut failed = Vec::new();
        for key in dead {
            if self.has_process(&key).await {
                warn!(%key, "not listed by a runtime's GC, and kept: a process lives in its \
                      namespace; do two runtimes use one network name?");
                reply.kept.push(key);
                continue;
            }
            match self.del(&key).await {
                Ok(_) => reply.released.push(key),
                Err(e) => failed.push(format!("{key}: {e}")),
            }
        }
        if failed.is_empty() {
            Ok(reply)
        } else {
            Err(AttachError::Incomplete(failed))
        }
    }
}
