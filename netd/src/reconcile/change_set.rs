//! What the reconciler is to do.

use serde::Serialize;

use super::op::Op;
use crate::flows::NodePorts;
use crate::problems::Problem;

/// The ops that are possible now, and what blocks the rest. Serialized by `GET /v1/plan`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ChangeSet {
    /// The ops, in the order of application.
    pub ops: Vec<Op>,
    /// What netd cannot repair by itself. While the bridge or the uplink has a problem, ADD is not
    /// served.
    pub problems: Vec<Problem>,
    /// The numbers of the bridge's own ports; `None` if the node is not ready.
    pub ports: Option<NodePorts>,
    /// What netd waits for the switch to do, with no ops of its own left; the node is not ready
    /// until then.
    #[serde(rename = "waits", skip_serializing_if = "Option::is_none")]
    pub waiting_for: Option<&'static str>,
}
