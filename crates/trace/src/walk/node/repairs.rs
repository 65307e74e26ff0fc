//! What repairs a node, and names that parts and ways share.

use flatnet_types::api::trace::Pending;

use crate::hop::Repair;
use crate::observed::Node;

/// What makes a netd repair its node now.
pub(super) fn reconcile(node: &Node) -> Repair {
    let mut command = "flatctl node reconcile".to_owned();
    if let Some(socket) = &node.socket {
        command.push_str(&format!(" --netd {socket}"));
    }
    Repair::here(command)
}

/// What netd would do by itself, sooner or later.
pub(super) fn by_netd(node: &Node, pending: &Pending) -> (String, Option<Repair>) {
    let why = format!("netd would change it: {}", pending.what);
    let note = "netd does it by itself within a second; if it does not last, something undoes it";
    (why, Some(reconcile(node).noting(note)))
}

/// A port with its VLAN.
pub(super) fn tagged(port: &str, vlan: Option<u16>) -> String {
    vlan.map_or_else(|| port.to_owned(), |v| format!("{port}, VLAN {v}"))
}
