//! What the handle reads of links, addresses, routes, neighbours and filters.

use std::net::IpAddr;

use flatnet_types::IfName;

use super::Kernel;
use crate::error::ObserveError;
use crate::netfilter::{self, ForwardChain, ForwardFilters};
use crate::netns::Netns;
use crate::view::{
    Address, ContainerView, Link, Neighbour, NeighbourCount, Route, RouteLookup, Rule,
};
use crate::{lookup, observe};

impl Kernel {
    /// All links of home.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn links(&self) -> Result<Vec<Link>, ObserveError> {
        self.run("listing links", observe::links).await
    }

    /// The link `name` of home, or `None`.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn link(&self, name: &IfName) -> Result<Option<Link>, ObserveError> {
        let name = name.clone();
        self.run("reading a link", move |worker| observe::link(worker, &name))
            .await
    }

    /// All addresses of home.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn addresses(&self) -> Result<Vec<Address>, ObserveError> {
        self.run("listing addresses", observe::addresses).await
    }

    /// All routes of home: of all tables, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn routes(&self) -> Result<Vec<Route>, ObserveError> {
        self.run("listing routes", observe::routes).await
    }

    /// How many entries home's neighbour tables have.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn neighbour_count(&self) -> Result<NeighbourCount, ObserveError> {
        self.run("counting neighbours", observe::neighbours).await
    }

    /// Where home sends a packet to `dst`: one of its own, or, with `from`, one from `src` that
    /// came in by that link.
    ///
    /// # Errors
    /// [`ObserveError`]. A packet that the kernel would drop is no error but a result.
    pub async fn route_to(
        &self,
        dst: IpAddr,
        src: Option<IpAddr>,
        from: Option<&IfName>,
    ) -> Result<RouteLookup, ObserveError> {
        let from = from.cloned();
        self.run("looking up a route", move |worker| {
            lookup::route(worker, dst, src, from.as_ref())
        })
        .await
    }

    /// The neighbours of home, or of a container.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn neighbours(&self, netns: Option<&Netns>) -> Result<Vec<Neighbour>, ObserveError> {
        let netns = netns.cloned();
        self.run("listing neighbours", move |worker| match &netns {
            Some(netns) => lookup::neighbours_in(worker, netns),
            None => lookup::neighbours(worker),
        })
        .await
    }

    /// The interface `ifname` of a container, or `None` if there is none.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn observe_container(
        &self,
        netns: &Netns,
        ifname: &IfName,
    ) -> Result<Option<ContainerView>, ObserveError> {
        let (netns, ifname) = (netns.clone(), ifname.clone());
        self.run("reading a container's interface", move |worker| {
            observe::container(worker, &netns, &ifname)
        })
        .await
    }

    /// The rules of home by which the kernel chooses a routing table, IPv4 and IPv6.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn rules(&self) -> Result<Vec<Rule>, ObserveError> {
        self.run("listing rules", observe::rules).await
    }

    /// What filters forwarded packets, as far as it costs little to know: it is asked for each
    /// second.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn forward_filters(&self) -> Result<ForwardFilters, ObserveError> {
        self.run("reading netfilter", netfilter::filters).await
    }

    /// The base chains of home's nftables that hook into forwarding, with what their rules say.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn nftables_forward(&self) -> Result<Vec<ForwardChain>, ObserveError> {
        self.run("listing nftables' forward chains", netfilter::forward)
            .await
    }
}
