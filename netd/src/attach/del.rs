//! DEL and GC.

use std::collections::BTreeSet;

use flatnet_ipam::Record;
use flatnet_types::AttachmentKey;
use flatnet_types::api::{DelReply, GcAttachment, GcReply, GcRequest};
use tracing::{info, warn};

use super::cleanup::tear_down;
use super::engine::Engine;
use super::error::AttachError;
use super::plan::Attachment;
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
        let _held = self.state.lock(key).await;
        let Some(record) = self.state.ipam().get(key).filter(|r| applies(r)) else {
            return Ok(DelReply { existed: false });
        };
        tear_down(&self.state, &record).await?;
        info!(generation = record.generation, "detached");
        Ok(DelReply { existed: true })
    }

    /// Whether the attachment's interface is still in its namespace and a process runs there.
    async fn has_process(&self, key: &AttachmentKey) -> bool {
        let attachment = self
            .state
            .ipam()
            .get(key)
            .map(|record| Attachment::from_record(&record));
        let Some(Ok(attachment)) = attachment else {
            return false;
        };
        let node = self.state.node();
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
            .state
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
