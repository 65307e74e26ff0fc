//! Builds the API's views, of [`flatnet_types::api::view`].

pub mod trace;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use flatnet_ipam::{RangeUsage, Record, RecordState};
use flatnet_plan::NodeSpec;
use flatnet_types::api::view::{
    AttachmentState, AttachmentView, NetworkUsage, NodeView, PlanView, RangeView, ReconcileView,
};

use crate::attach::plan::{host_ifname, requested_port_number};
use crate::reconcile::{Actual, ChangeSet, ReconcileOps};
use crate::state::NodeState;

/// Reads the metrics that are not counted as they occur.
pub trait Scrape: Send + Sync {
    /// Reads and sets them.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// The view of a record. `number`: the port number that the switch reports; `None` shows the
/// requested one.
pub fn attachment(record: &Record, number: Option<u32>) -> AttachmentView {
    AttachmentView {
        network: record.key.network.clone(),
        plan_network: record.network.clone(),
        container_id: record.key.container_id.clone(),
        ifname: record.key.ifname.clone(),
        addresses: record.addresses.iter().map(|a| a.address).collect(),
        state: match record.state {
            RecordState::Reserved => AttachmentState::Reserved,
            RecordState::Committed => AttachmentState::Committed,
        },
        generation: record.generation,
        host_ifname: host_ifname(record.generation),
        ofport: number.unwrap_or_else(|| requested_port_number(record.generation)),
        created_at: record.created_at,
        detail: serde_json::from_value(record.detail.clone()).ok(),
    }
}

/// The view of the node.
pub fn node<N: ReconcileOps>(
    state: &NodeState<N>,
    last: &ReconcileView,
) -> NodeView<Arc<NodeSpec>> {
    let spec = state.spec();
    let now = state.now();
    let usage = spec.networks.iter().map(|n| NetworkUsage {
        network: n.name.clone(),
        ranges: state
            .ipam()
            .usage(&n.name, now)
            .unwrap_or_default()
            .iter()
            .map(range)
            .collect(),
    });
    NodeView {
        ready: state.ready().is_ok(),
        usage: usage.collect(),
        spec,
        last_reconcile: last.clone(),
        problems: state.board().view(),
        datapath: None,
        plan: None,
    }
}

fn range(usage: &RangeUsage) -> RangeView {
    RangeView {
        range: usage.range.to_string(),
        capacity: usage.capacity,
        used: usage.used,
        quarantined: usage.quarantined,
        free: usage.free,
    }
}

/// The view of a dry run.
pub fn plan(plan: &ChangeSet, actual: Actual) -> PlanView<ChangeSet, Actual> {
    PlanView {
        would: plan.ops.iter().map(ToString::to_string).collect(),
        plan: plan.clone(),
        actual,
    }
}
