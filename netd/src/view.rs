//! What netd shows of itself, in the words of [`flatnet_types::api::view`].

pub mod trace;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use flatnet_ipam::{RangeUsage, Record, RecordState};
use flatnet_plan::NodeSpec;
use flatnet_types::api::view::{
    AttachmentState, AttachmentView, NetworkUsage, NodeView, PlanView, RangeView, ReconcileView,
};

use crate::attach::Engine;
use crate::attach::plan::{asked_number, host_ifname};
use crate::reconcile::{Actual, NodeWorld, Plan};

/// Refreshes the metrics that are read and not counted.
pub trait Scrape: Send + Sync {
    /// Reads them.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// A record as it is shown, with the number that the switch says its port has; without one, with
/// the number that it asks for.
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
        ofport: number.unwrap_or_else(|| asked_number(record.generation)),
        created_at: record.created_at,
        detail: serde_json::from_value(record.detail.clone()).ok(),
    }
}

/// The node as it is shown.
pub fn node<W: NodeWorld>(engine: &Engine<W>, last: &ReconcileView) -> NodeView<Arc<NodeSpec>> {
    let spec = engine.spec();
    let now = engine.now();
    let usage = spec.networks.iter().map(|n| NetworkUsage {
        network: n.name.clone(),
        ranges: engine
            .ipam()
            .usage(&n.name, now)
            .unwrap_or_default()
            .iter()
            .map(range)
            .collect(),
    });
    NodeView {
        ready: engine.ready().is_ok(),
        usage: usage.collect(),
        spec,
        last_reconcile: last.clone(),
        problems: engine.board().view(),
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

/// A dry run as it is shown.
pub fn plan(plan: &Plan, actual: Actual) -> PlanView<Plan, Actual> {
    PlanView {
        would: plan.ops.iter().map(ToString::to_string).collect(),
        plan: plan.clone(),
        actual,
    }
}
