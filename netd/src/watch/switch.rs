//! Watches the bridge's OpenFlow connection: flows that others changed, ports that were restricted,
//! the connection itself.

use flatnet_ovs::openflow::{PortEvent, SwitchState};
use tokio::sync::broadcast::error::RecvError;

use crate::daemon_node::DaemonNode;
use crate::state::NodeState;

pub(super) async fn run(state: NodeState<DaemonNode>) {
    let switch = state.node().switch();
    let mut connection = switch.state();
    let mut flows = switch.flow_changes();
    let mut ports = switch.port_events();
    let repair_requested = state.repair_requested();
    let mut up = false;
    loop {
        let wake = tokio::select! {
            changed = connection.changed() => match changed {
                Err(_) => return,
                Ok(()) => match *connection.borrow_and_update() {
                    // A new connection may mean that the switch has restarted.
                    SwitchState::Connected { .. } => {
                        up = true;
                        true
                    }
                    SwitchState::Disconnected { .. } => std::mem::take(&mut up),
                    SwitchState::Connecting => false,
                },
            },
            changed = flows.changed() => match changed {
                Err(_) => return,
                Ok(()) => true,
            },
            event = ports.recv() => match event {
                Ok(PortEvent::Added(port) | PortEvent::Modified(port)) => port.restricted,
                // The database reports deleted ports.
                Ok(PortEvent::Deleted(_) | PortEvent::Resync) => false,
                Err(RecvError::Lagged(_)) => true,
                Err(RecvError::Closed) => return,
            },
        };
        if wake {
            repair_requested.notify_one();
        }
    }
}
