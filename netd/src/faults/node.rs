//! A world whose steps fail on order.

use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;

use flatnet_ovs::openflow::{Flow, Meter, PacketOut};
use flatnet_types::{IfName, MacAddr, NetnsPath};
use ipnetwork::IpNetwork;

use super::order::{Action, Orders};
use crate::node_ops::{
    ContainerActual, InterfaceSpec, LinkSpec, NodeOps, NodeOpsError, Pending, PortRow,
};
use crate::reconcile::{Actual, Op, ReconcileOps};

/// A world with orders. What is not an effect goes to the world itself.
#[derive(Clone)]
pub struct FaultyNode<N> {
    inner: N,
    orders: Orders,
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

/// Does a step as it is ordered. A future does nothing until it is awaited, so what is
/// dropped here was never done.
async fn done<T>(
    step: &'static str,
    action: Action,
    run: impl Future<Output = Result<T, NodeOpsError>>,
) -> Result<T, NodeOpsError> {
    match action {
        Action::Pass => run.await,
        Action::FailBefore => Err(injected(step)),
        Action::FailAfter => {
            run.await?;
            Err(injected(step))
        }
        Action::Kill => super::die(),
        Action::KillAfter => {
            // Nobody is left to hear whether it failed.
            let _ = run.await;
            super::die()
        }
        Action::Hang(how_long) => {
            tokio::time::sleep(how_long).await;
            run.await
        }
    }
}

impl<N: NodeOps> FaultyNode<N> {
    /// A world and its orders.
    pub fn new(inner: N, orders: Orders) -> Self {
        Self { inner, orders }
    }

    async fn around<T>(
        &self,
        step: &'static str,
        run: impl Future<Output = Result<T, NodeOpsError>>,
    ) -> Result<T, NodeOpsError> {
        done(step, self.orders.take(step), run).await
    }

    /// An effect that is begun by the call itself, in the order of calls.
    fn begun(&self, step: &'static str, begin: impl FnOnce(&N) -> Pending) -> Pending {
        match self.orders.take(step) {
            Action::Kill => super::die(),
            Action::FailBefore => Box::pin(async move { Err(injected(step)) }),
            action @ (Action::FailAfter | Action::KillAfter | Action::Pass | Action::Hang(_)) => {
                let pending = begin(&self.inner);
                Box::pin(done(step, action, pending))
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
        self.begun("send_flows", |node| node.send_flows(meters, flows))
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        self.begun("delete_flows", |node| node.delete_flows(cookie, meters))
    }

    async fn create_link(&self, netns: &N::Netns, link: &LinkSpec) -> Result<(), NodeOpsError> {
        self.around("create_link", self.inner.create_link(netns, link))
            .await
    }

    async fn configure(
        &self,
        netns: &N::Netns,
        link: &LinkSpec,
        container: &InterfaceSpec,
    ) -> Result<Vec<IpNetwork>, NodeOpsError> {
        self.around("configure", self.inner.configure(netns, link, container))
            .await
    }

    async fn add_port(&self, row: &PortRow, zone: Option<u16>) -> Result<u32, NodeOpsError> {
        self.around("add_port", self.inner.add_port(row, zone))
            .await
    }

    fn port_number(&self, name: &str) -> Option<u32> {
        self.inner.port_number(name)
    }

    async fn delete_port(&self, name: &str, zone: Option<u16>) -> Result<(), NodeOpsError> {
        self.around("delete_port", self.inner.delete_port(name, zone))
            .await
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), NodeOpsError> {
        self.around("delete_link", self.inner.delete_link(name, ifindex))
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
        self.around(
            "observe_container",
            self.inner.observe_container(netns, ifname),
        )
        .await
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, NodeOpsError> {
        self.around("link_up", self.inner.link_up(name, ifindex))
            .await
    }

    async fn has_process(&self, netns: &N::Netns) -> bool {
        self.inner.has_process(netns).await
    }

    async fn neighbours_with_mac(&self, mac: MacAddr) -> Result<Vec<IpAddr>, NodeOpsError> {
        self.around("bearers", self.inner.neighbours_with_mac(mac))
            .await
    }

    fn observe_port(&self, name: &str) -> Option<PortRow> {
        self.inner.observe_port(name)
    }

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, NodeOpsError> {
        self.around("observe_flows", self.inner.observe_flows(cookie))
            .await
    }
}

impl<N: ReconcileOps> ReconcileOps for FaultyNode<N> {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, NodeOpsError> {
        self.around("observe", self.inner.observe(sysctls)).await
    }

    async fn apply(&self, op: &Op) -> Result<(), NodeOpsError> {
        self.around("apply", self.inner.apply(op)).await
    }
    async fn change_flows(&self, ops: &[&Op]) -> Result<(), NodeOpsError> {
        self.around("change_flows", self.inner.change_flows(ops))
            .await
    }
}
