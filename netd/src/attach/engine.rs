//! The engine: executes ADD, DEL, CHECK, GC and STATUS, one call at a time for each attachment.

use flatnet_ovs::openflow::PacketOut;
use flatnet_spool::Spool;
use flatnet_types::NetworkName;
use flatnet_types::api::{StatusReply, StatusRequest};
use tracing::warn;

use super::error::AttachError;
use super::plan::{self, Attachment, AttachmentSpec};
use crate::flows;
use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// Attaches and detaches containers. Cheap to clone.
pub struct Engine<N: NodeOps> {
    pub(super) state: NodeState<N>,
    /// Where the plugin leaves DELs while netd is away.
    pub(super) spool: Option<Spool>,
}

impl<N: NodeOps> Clone for Engine<N> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            spool: self.spool.clone(),
        }
    }
}

impl<N: NodeOps> Engine<N> {
    /// An engine for a node.
    pub fn new(state: NodeState<N>) -> Self {
        Self { state, spool: None }
    }

    /// The same with the spool in which the plugin leaves DELs while netd is away: an ADD that finds
    /// an attachment of its key looks there first.
    #[must_use]
    pub fn with_spool(self, spool: Spool) -> Self {
        let spool = Some(spool);
        Self { spool, ..self }
    }

    /// The state of the node that it acts on.
    pub fn state(&self) -> &NodeState<N> {
        &self.state
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
        plan::network(&self.state.spec(), network)?;
        self.state.ready()?;
        self.state.ipam().check_free(network, self.state.now())?;
        Ok(())
    }
}

/// What an attachment is made of.
///
/// # Errors
/// [`AttachError`] where the record cannot be read or the node is not ready.
pub(crate) fn spec_of<N>(
    state: &NodeState<N>,
    attachment: &Attachment,
) -> Result<AttachmentSpec, AttachError> {
    plan::plan(&state.spec(), &state.ports()?, attachment)
}

/// The announcements of the host's addresses and of every container's. Empty while the bridge's
/// ports are not known.
pub(crate) fn announcements<N>(state: &NodeState<N>) -> Vec<PacketOut> {
    let Ok(ports) = state.ports() else {
        return Vec::new();
    };
    let mut packets = flows::host_announcements(&state.spec(), &ports);
    for record in state.ipam().list() {
        let target = Attachment::from_record(&record).and_then(|h| spec_of(state, &h));
        match target {
            Ok(target) => packets.extend(target.announcements),
            Err(e) => warn!(error = %e, "not announced"),
        }
    }
    packets
}
