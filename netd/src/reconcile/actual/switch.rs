//! The observed state of the switch.

use std::time::Duration;

use flatnet_ovs::openflow::{FlowHead, FragMode, Group};
use serde::Serialize;

/// The observed state of the switch, except flows and ports.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SwitchActual {
    /// Flows that are neither netd's nor learned by one of netd's: one of each table and cookie.
    #[serde(rename = "foreign")]
    pub unmanaged_flows: Vec<FlowHead>,
    /// The fragment mode; `None` if the switch does not answer.
    pub fragments: Option<FragMode>,
    /// Its groups; `None` if the switch does not answer.
    #[serde(skip)]
    pub groups: Option<Vec<Group>>,
    /// Managed ports whose OpenFlow flags stop them from receiving or sending (`ovs-ofctl
    /// mod-port`).
    pub restricted: Vec<String>,
    /// Set while `flow-restore-wait` is.
    pub restore: Option<RestoreWait>,
    /// Whether its datapath has conntrack zones; `None` until that is known.
    pub zones: Option<bool>,
}

/// `other_config:flow-restore-wait` is set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RestoreWait {
    /// How long it has been set while the switch answered.
    pub since: Duration,
    /// Running scripts that restart Open vSwitch, such as `ovs-ctl`.
    pub scripts: Vec<String>,
}
