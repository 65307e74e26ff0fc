//! A world whose steps fail on order.

use std::future::Future;
use std::net::IpAddr;
use std::ops::Deref;

use flatnet_ovs::openflow::{Flow, Meter, PacketOut};
use flatnet_types::{IfName, MacAddr, NetnsPath};
use ipnetwork::IpNetwork;

use super::order::{Action, Orders};
use crate::reconcile::{Actual, NodeWorld, Op};
use crate::world::{ContainerActual, ContainerPlan, LinkPlan, Pending, PortRow, World, WorldError};

/// A world with orders. What is not an effect goes to the world itself.
#[derive(Clone)]
pub struct Faulty<W> {
    inner: W,
    orders: Orders,
}

impl<W> Deref for Faulty<W> {
    type Target = W;
    fn deref(&self) -> &W {
        &self.inner
    }
}

fn injected(step: &'static str) -> WorldError {
    WorldError::Injected { step }
}

/// Does a step as it is ordered. A future does nothing until it is awaited, so what is
/// dropped here was never done.
async fn done<T>(
    step: &'static str,
    action: Action,
    run: impl Future<Output = Result<T, WorldError>>,
) -> Result<T, WorldError> {
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

impl<W: World> Faulty<W> {
    /// A world and its orders.
    pub fn new(inner: W, orders: Orders) -> Self {
        Self { inner, orders }
    }

    async fn around<T>(
        &self,
        step: &'static str,
        run: impl Future<Output = Result<T, WorldError>>,
    ) -> Result<T, WorldError> {
        done(step, self.orders.take(step), run).await
    }

    /// An effect that is begun by the call itself, in the order of calls.
    fn begun(&self, step: &'static str, begin: impl FnOnce(&W) -> Pending) -> Pending {
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

impl<W: World> World for Faulty<W> {
    type Netns = W::Netns;

    fn open_netns(&self, path: &NetnsPath) -> Result<W::Netns, WorldError> {
        self.inner.open_netns(path)
    }

    fn send_flows(&self, meters: &[Meter], flows: &[Flow]) -> Pending {
        self.begun("send_flows", |world| world.send_flows(meters, flows))
    }

    fn delete_flows(&self, cookie: u64, meters: &[u32]) -> Pending {
        self.begun("delete_flows", |world| world.delete_flows(cookie, meters))
    }

    async fn create_link(&self, netns: &W::Netns, link: &LinkPlan) -> Result<(), WorldError> {
        self.around("create_link", self.inner.create_link(netns, link))
            .await
    }

    async fn configure(
        &self,
        netns: &W::Netns,
        link: &LinkPlan,
        container: &ContainerPlan,
    ) -> Result<Vec<IpNetwork>, WorldError> {
        self.around("configure", self.inner.configure(netns, link, container))
            .await
    }

    async fn add_port(&self, row: &PortRow, zone: Option<u16>) -> Result<u32, WorldError> {
        self.around("add_port", self.inner.add_port(row, zone))
            .await
    }

    fn port_number(&self, name: &str) -> Option<u32> {
        self.inner.port_number(name)
    }

    async fn delete_port(&self, name: &str, zone: Option<u16>) -> Result<(), WorldError> {
        self.around("delete_port", self.inner.delete_port(name, zone))
            .await
    }

    async fn delete_link(&self, name: &IfName, ifindex: u32) -> Result<(), WorldError> {
        self.around("delete_link", self.inner.delete_link(name, ifindex))
            .await
    }

    fn announce(&self, packets: Vec<PacketOut>) {
        self.inner.announce(packets);
    }

    async fn observe_container(
        &self,
        netns: &W::Netns,
        ifname: &IfName,
    ) -> Result<Option<ContainerActual>, WorldError> {
        self.around(
            "observe_container",
            self.inner.observe_container(netns, ifname),
        )
        .await
    }

    async fn link_up(&self, name: &IfName, ifindex: u32) -> Result<Option<bool>, WorldError> {
        self.around("link_up", self.inner.link_up(name, ifindex))
            .await
    }

    async fn is_inhabited(&self, netns: &W::Netns) -> bool {
        self.inner.is_inhabited(netns).await
    }

    async fn bearers(&self, mac: MacAddr) -> Result<Vec<IpAddr>, WorldError> {
        self.around("bearers", self.inner.bearers(mac)).await
    }

    fn observe_port(&self, name: &str) -> Option<PortRow> {
        self.inner.observe_port(name)
    }

    async fn observe_flows(&self, cookie: u64) -> Result<Vec<Flow>, WorldError> {
        self.around("observe_flows", self.inner.observe_flows(cookie))
            .await
    }
}

impl<W: NodeWorld> NodeWorld for Faulty<W> {
    async fn observe(&self, sysctls: &[String]) -> Result<Actual, WorldError> {
        self.around("observe", self.inner.observe(sysctls)).await
    }

    async fn apply(&self, op: &Op) -> Result<(), WorldError> {
        self.around("apply", self.inner.apply(op)).await
    }
    async fn change_flows(&self, ops: &[&Op]) -> Result<(), WorldError> {
        self.around("change_flows", self.inner.change_flows(ops))
            .await
    }
}
