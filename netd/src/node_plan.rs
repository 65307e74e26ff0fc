//! What a node needs of a plan, and the state of the source that it comes from.

use anyhow::Context;
use flatnet_plan::{NetworkPlan, NodeSpec, node};
use flatnet_plan_source::{State, UnusablePlan};
use flatnet_types::NodeName;
use tokio::sync::watch as watched;

use crate::allocator::networks;

/// The state of the plan's source: what it accepted last, and what it refuses.
pub type PlanReceiver = watched::Receiver<State<NodePlan>>;

/// What this node needs of a plan.
#[derive(Debug)]
pub struct NodePlan {
    /// The node's part, with the ranges and peers that the plan declares.
    pub spec: NodeSpec,
    /// The whole plan, where ranges come from ipamd and are joined to it; else `None`.
    pub(crate) whole: Option<NetworkPlan>,
}

impl NodePlan {
    /// Derives a node's part of a plan, and checks that netd could start with it.
    ///
    /// # Errors
    /// The node is not in the plan, or one of its ranges has no address for containers.
    pub fn of(plan: NetworkPlan, node: &NodeName, ipamd: bool) -> Result<Self, UnusablePlan> {
        let spec = node::derive(&plan, node)?;
        if !ipamd {
            networks(&spec.networks)?;
        }
        // A plan of thousands of hosts is only kept in memory where it is needed.
        let whole = ipamd.then_some(plan);
        Ok(Self { spec, whole })
    }

    /// The whole plan.
    ///
    /// # Errors
    /// Only the node's part was kept, because the plan declares its ranges.
    pub(crate) fn whole(&self) -> anyhow::Result<&NetworkPlan> {
        let whole = self.whole.as_ref();
        whole.context("only this node's part of the plan was taken")
    }
}
