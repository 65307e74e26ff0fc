//! Watches the links of the node's namespace: the uplink and the host's port.

use flatnet_kernel::LinkEvent;

use crate::daemon_node::DaemonNode;
use crate::reconcile::HOST_PORT;
use crate::state::NodeState;

pub(super) async fn run(state: NodeState<DaemonNode>) {
    let mut links = state.node().kernel().watch();
    let repair_requested = state.repair_requested();
    let uplink = state.spec().uplink.clone();
    let is_relevant = |name: &str| name == HOST_PORT || name == uplink.as_str();
    while let Some(event) = links.next().await {
        let wake = match event {
            LinkEvent::Changed(link) => is_relevant(&link.name),
            LinkEvent::Deleted { name, .. } => is_relevant(&name),
            LinkEvent::Resync => true,
        };
        if wake {
            repair_requested.notify_one();
        }
    }
}
