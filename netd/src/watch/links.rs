//! Watches the links of the node's namespace: the uplink and the host's port.

use flatnet_kernel::LinkEvent;

use crate::attach::Engine;
use crate::daemon_node::DaemonNode;
use crate::reconcile::HOST_PORT;

pub(super) async fn run(engine: Engine<DaemonNode>) {
    let mut links = engine.node().kernel().watch();
    let repair_requested = engine.repair_requested();
    let uplink = engine.spec().uplink.clone();
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
