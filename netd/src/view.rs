//! What netd shows of itself.

use std::future::Future;
use std::pin::Pin;

use flatnet_ipam::{RangeUsage, Record, RecordState};
use flatnet_plan::NodeSpec;
use serde::Serialize;

use crate::attach::Engine;
use crate::attach::plan::{Detail, PORT_BASE, host_ifname};
use crate::reconcile::{Actual, NodeWorld, Plan, Report};

/// Refreshes the metrics that are read and not counted.
pub trait Scrape: Send + Sync {
    /// Reads them.
    fn refresh(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
}

/// One attachment.
#[derive(Debug, Serialize)]
pub struct AttachmentView {
    /// The CNI network.
    pub network: String,
    /// The plan's network.
    pub plan_network: String,
    /// The container.
    pub container_id: String,
    /// Its interface.
    pub ifname: String,
    /// Its addresses with prefix lengths.
    pub addresses: Vec<String>,
    /// `reserved` while an ADD makes it, then `committed`.
    pub state: &'static str,
    /// Counts up for every attachment of this node.
    pub generation: u64,
    /// The host's end of its link.
    pub host_ifname: String,
    /// Its OpenFlow number.
    pub ofport: u32,
    /// When it was made, in milliseconds since 1970.
    pub created_at: u64,
    /// What netd keeps of it beside that.
    #[serde(flatten)]
    pub detail: Option<Detail>,
}

impl AttachmentView {
    /// A record as it is shown.
    pub fn of(record: &Record) -> Self {
        Self {
            network: record.key.network.to_string(),
            plan_network: record.network.to_string(),
            container_id: record.key.container_id.to_string(),
            ifname: record.key.ifname.to_string(),
            addresses: record
                .addresses
                .iter()
                .map(|a| a.address.to_string())
                .collect(),
            state: match record.state {
                RecordState::Reserved => "reserved",
                RecordState::Committed => "committed",
            },
            generation: record.generation,
            host_ifname: host_ifname(record.generation).to_string(),
            ofport: PORT_BASE + u32::from(record.slot),
            created_at: record.created_at.as_millis(),
            detail: serde_json::from_value(record.detail.clone()).ok(),
        }
    }
}

/// The node.
#[derive(Debug, Serialize)]
pub struct NodeView {
    /// Whether ADD is served.
    pub ready: bool,
    /// Its part of the plan.
    pub spec: std::sync::Arc<NodeSpec>,
    /// How full each network's ranges are.
    pub usage: Vec<NetworkUsage>,
    /// What the last reconcile did.
    pub last_reconcile: Report,
}

/// How full a network's ranges are.
#[derive(Debug, Serialize)]
pub struct NetworkUsage {
    /// The plan's network.
    pub network: String,
    /// Its ranges.
    pub ranges: Vec<RangeUsage>,
}

impl NodeView {
    /// The node as it is shown.
    pub fn of<W: NodeWorld>(engine: &Engine<W>, last: &Report) -> Self {
        let spec = engine.spec();
        let now = engine.now();
        let usage = spec
            .networks
            .iter()
            .map(|n| NetworkUsage {
                network: n.name.to_string(),
                ranges: engine.ipam().usage(&n.name, now).unwrap_or_default(),
            })
            .collect();
        Self {
            ready: engine.ports().is_ok(),
            spec,
            usage,
            last_reconcile: last.clone(),
        }
    }
}

/// A dry run.
#[derive(Debug, Serialize)]
pub struct PlanView {
    /// What would be done, as a person reads it.
    pub would: Vec<String>,
    /// The same for programs, with what stands in the way.
    pub plan: Plan,
    /// What was observed.
    pub actual: Actual,
}

impl PlanView {
    /// A plan as it is shown.
    pub fn of(plan: &Plan, actual: Actual) -> Self {
        Self {
            would: plan.ops.iter().map(ToString::to_string).collect(),
            plan: plan.clone(),
            actual,
        }
    }
}
