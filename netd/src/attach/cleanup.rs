//! Removing what an attachment is made of, and trying again where that failed.

use std::sync::Arc;

use flatnet_ipam::Record;
use flatnet_types::marks::zone_of;
use tracing::{info, warn};

use super::error::AttachError;
use super::plan::{host_ifindex, host_ifname};
use crate::flows::{self, Limit};
use crate::node_ops::NodeOps;
use crate::state::NodeState;

/// Deletes the flows, link, port and reservation of a record. The caller holds the lock of its
/// key.
pub(super) async fn tear_down<N: NodeOps>(
    state: &NodeState<N>,
    record: &Record,
) -> Result<(), AttachError> {
    let node = state.node();
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
        state.request_repair();
    }
    let late = state.clone();
    tokio::spawn(async move {
        if let Err(e) = flows.await {
            warn!(error = %e, "the flows stay until the next reconcile");
            late.request_repair();
        }
    });
    state
        .ipam()
        .release(&record.key, record.generation, state.now())?
        .durable()
        .await?;
    if record.detail.get("trunk").is_some() {
        state.request_repair();
    }
    Ok(())
}

/// Tries again to remove what could not be removed. Returns a line for each that still fails.
pub(crate) async fn finish_cleanup<N: NodeOps>(state: &NodeState<N>) -> Vec<String> {
    let mut failed = Vec::new();
    for (key, generation) in state.take_pending_cleanup() {
        let _held = state.lock(&key).await;
        let Some(record) = state
            .ipam()
            .get(&key)
            .filter(|r| r.generation == generation)
        else {
            continue;
        };
        if let Err(e) = tear_down(state, &record).await {
            failed.push(format!("undo {key}: {e}"));
            state.defer_cleanup(&key, generation);
        }
    }
    failed
}

/// Removes the attachments of dead records: reservations that were never committed, and
/// attachments of an earlier boot. Called once, before anything is served.
pub(crate) async fn recover<N: NodeOps>(state: &NodeState<N>, dead: &[Arc<Record>]) {
    for record in dead {
        let _held = state.lock(&record.key).await;
        match tear_down(state, record).await {
            Ok(()) => info!(key = %record.key, generation = record.generation, "recovered"),
            Err(e) => {
                warn!(key = %record.key, error = %e, "not recovered yet");
                state.defer_cleanup(&record.key, record.generation);
            }
        }
    }
}
