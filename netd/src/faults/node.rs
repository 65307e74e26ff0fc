//! A node with injected faults.

use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;

use flatnet_ovs::openflow::{Flow, Meter, PacketOut};
use flatnet_types::{IfName, MacAddr, NetnsPath};
use ipnetwork::IpNetwork;
use tokio::sync::oneshot;

use super::queue::{FaultAction, FaultQueue};
use crate::node_ops::{
    ContainerActual, InterfaceSpec, LinkSpec, NodeOps, NodeOpsError, Pending, PortRow,
};
use crate::reconcile::{Actual, Op, ReconcileOps};

/// A node whose effects fail as the fault queue says. Other calls go to the wrapped node.
#[derive(Clone)]
pub struct FaultyNode<N> {
    inner: N,
    queue: FaultQueue,
}

impl<N> Deref for FaultyNode<N> {
    type Target = N;
    fn deref(&self) -> &N {
        &self.inner
    }
}

fn injected(step: &'static str) -> NodeOpsError {
    NodeOpsError::Injected { step }
}

/// Runs a step with the fault. A future does nothing until it is awaited, so a step that is dropped
/// here was never executed.
async fn run_step<T>(
    step: &'static str,
    action: FaultAction,
    run: impl Future<Output = Result<T, NodeOpsError>>,
) -> Result<T, NodeOpsError> {
    match action {
        FaultAction::Pass => run.await,
        FaultAction::FailBefore => Err(injected(step)),
        FaultAction::FailAfter => {
            run.await?;
            Err(injected(step))
        }
        FaultAction::Kill => super::kill_self(),
        FaultAction::KillAfter => {
            // The process ends here: the result is not used.
            let _ = run.await;
            super::kill_self()
        }
        FaultAction::Hang(how_long) => {
            tokio::time::sleep(how_long).await;
            run.await
        }
    }
}

impl<N: NodeOps> FaultyNode<N> {
    /// Wraps a node.
    pub fn new(inner: N, queue: FaultQueue) -> Self {
        Self { inner, queue }
    }

    async fn with_fault<T>(
        &self,
        step: &'static str,
        run: impl Future<Output = Result<T, NodeOpsError>>,
    ) -> Result<T, NodeOpsError> {
        run_step(step, self.queue.take(step), run).await
    }

    /// An effect that the call itself begins, so that the order of calls is kept.
    fn begin_with_fault(&self, step: &'static str, begin: impl FnOnce(&N) -> Pending) -> Pending {
        match self.queue.take(step) {
            FaultAction::Kill => super::kill_self(),
            FaultAction::FailBefore => Box::pin(async move { Err(injected(step)) }),
            action @ (FaultAction::FailAfter
            | FaultAction::KillAfter
            | FaultAction::Pass
            | FaultAction::Hang(_)) => {
                let pending = begin(&self.inner);
                Box::pin(run_step(step, action, pending))
            }
        }
    }
}

impl<N: NodeOps> NodeOps for FaultyNode<N> {
    type Netns = N::Netns;

    fn open_netns(&self, path: &NetnsPath) -> Result<N::Netns, NodeOpsError> {
        self.inner.open_netns(path)
    }

    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending {
        self.begin_with_fault("send_flows", |node| node.send_flows(meters, flows))
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        self.begin_with_fault("delete_flows", |node| node.delete_flows(cookie, meters))
    }

    async fn create_link(&self, netns: &N::Netns, link: &LinkSpec) -> Result<(), NodeOpsError> {
        self.with_fault("create_link", self.inner.create_link(netns, link))
            .await
    }

    async fn configure(
        &self,
        netns: &N::Netns,
        link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> Result<Vec<IpNetwork>, NodeOpsError> {
        self.with_fault("configure", self.inner.configure(netns, link, container))
            .await
    }

    async fn add_port(
        &self,
        row: &PortRow,
        zone: Option<u16>,
        stored: oneshot::Sender<()>,
    ) -> Result<u32, NodeOpsError> {
        self.with_fault("add_port", self.inner.add_port(row, zone, stored))
            .await
    }

    fn has_port_number(&self, number: u32) -> bool {
        self.inner.has_port_number(number)
    }

    fn port_number(&self, name: &str) -> Option<u32> {
        self.inner.port_number(name)
    }

    async fn delete_port(&self, name: &str, zone: Option<u16>) -> Result<(), NodeOpsError> {
        self.with_fault("delete_port", self.inner.delete_port(name, zone))
            .await
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), NodeOpsError> {
        self.with_fault("delete_link", self.inner.delete_link(name, ifindex))
            .await
    }

    fn announce(&self, packets: Vec<PacketOut>) {
        self.inner.announce(packets);
    }

    async fn observe_container(
        &self,
        netns: &N::Netns,
        ifname: &IfName,
    ) -> Result<Option<ContainerActual>, NodeOpsError> {
        self.with_fault(
            "observe_container",
            self.inner.observe_container(netns, ifname),
        )
        .await
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, NodeOpsError> {
        self.with_fault("link_up", self.inner.link_up(name, ifindex))
            .await
    }

    async fn has_process(&self, netns: &N::Netns) -> bool {
        self.inner.has_process(netns).await
    }

    async fn neighbours_with_mac(&self, mac: MacAddr) -> Result<Vec<IpAddr>, NodeOpsError> {
        self.with_fault("bearers", self.inner.neighbours_with_mac(mac))
            .await
    }

    fn observe_port(&self, name: &str) -> Option<PortRow> {
        self.inner.observe_port(name)
    }

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, NodeOpsError> {
        self.with_fault("observe_flows", self.inner.observe_flows(cookie))
            .await
    }
}

impl<N: ReconcileOps> ReconcileOps for FaultyNode<N> {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, NodeOpsError> {
        self.with_fault("observe", self.inner.observe(sysctls))
            .await
    }

    async fn apply(&self, op: &Op) -> Result<(), NodeOpsError> {
        self.with_fault("apply", self.inner.apply(op)).await
    }
    async fn change_flows(&self, ops: &[&Op]) -> Result<(), NodeOpsError> {
        self.with_fault("change_flows", self.inner.change_flows(ops))
            .await
    }
}
