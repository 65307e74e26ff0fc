//! The containers of a check, where they are, who pings whom, and what they have got.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan::NetworkPlan;

use super::verdict::{Diff, End};
use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::{eventually, output};
use crate::{LabGuard, Node};

/// How long a container may take to be reached; the machine may be busy.
pub(super) const REACHED: Duration = Duration::from_secs(30);
/// Where containers are, and who pings whom by their places in this list: within a VLAN and across,
/// on a node and between nodes, over the leased line and between zones.
pub(super) const PLACES: [(&str, &str); 6] = [
    ("idc1", "web"),
    ("idc2", "web"),
    ("idc1", "db"),
    ("idc2", "db"),
    ("vpc1", "cloud"),
    ("vpc2", "cloud"),
];
const PAIRS: [(usize, usize); 6] = [(0, 1), (0, 2), (2, 3), (1, 4), (4, 5), (2, 5)];
/// Who pings a host, and which.
const TO_HOST: (usize, &str) = (4, "idc1");
/// Pings from a container to an address.
pub(super) struct Flow {
    /// The same whichever addresses the containers have.
    pub(super) name: String,
    /// The places of the containers that have to live for it, of the one that pings first.
    pub(super) places: Vec<usize>,
    /// Who pings, and who answers.
    pub(super) ends: [End; 2],
}

/// What a container has got that a change of the plan may change: its MTU and its gateways.
pub(super) type Holds = BTreeSet<String>;

/// The containers, and the hosts and services that they ping.
pub(super) struct World<'l> {
    pub(super) lab: &'l LabGuard,
    /// One for each of [`PLACES`]; none where the plan has no place for it, and while it is away.
    pub(super) containers: Vec<Option<Container>>,
    /// Addresses of services, on hosts.
    services: Vec<(Node, IpAddr)>,
}

impl Drop for World<'_> {
    fn drop(&mut self) {
        for (node, address) in &self.services {
            let address = address.to_string();
            let args = ["address", "del", &address, "dev", "lo"];
            // A lab that is taken down takes it along.
            let _ = output(node.command("ip").args(args));
        }
    }
}

impl<'l> World<'l> {
    /// Attaches nothing yet.
    pub(super) fn new(lab: &'l LabGuard) -> Self {
        Self {
            lab,
            containers: PLACES.iter().map(|_| None).collect(),
            services: Vec::new(),
        }
    }

    /// Puts a service on a host, which the first container of that host pings.
    pub(super) fn serve(&mut self, host: &str, address: IpAddr) -> Result<()> {
        let node = self.lab.node(host)?;
        let text = address.to_string();
        let args = ["address", "add", &text, "dev", "lo"];
        output(node.command("ip").args(args))?;
        self.services.push((node, address));
        Ok(())
    }

    /// Attaches a container to its place.
    fn make(&self, at: usize) -> Result<Container> {
        let (host, network) = PLACES[at];
        let node = self.lab.node(host)?;
        let id = format!("live-{host}-{network}");
        Container::attach(self.lab, &node, network, &id)
    }

    /// Attaches those that a plan has a place for.
    pub(super) fn attach(&mut self, plan: &NetworkPlan) -> Result<()> {
        for (at, (host, network)) in PLACES.into_iter().enumerate() {
            let spec = flatnet_plan::node::derive(plan, &host.parse()?)?;
            let has = spec.networks.iter().any(|n| n.name.as_str() == network);
            if self.containers[at].is_none() && has {
                self.containers[at] = Some(eventually(REACHED, || self.make(at))?.0);
            }
        }
        Ok(())
    }

    /// Detaches a container, or nothing where there is none.
    pub(super) fn detach(&mut self, at: usize) -> Result<()> {
        let there = self.containers[at].take();
        there.map_or(Ok(()), Container::detach)
    }

    /// The ends that a container is, one for each of its addresses.
    pub(super) fn ends_of(&self, at: usize) -> Result<Vec<End>> {
        let there = self.containers[at].iter();
        there
            .flat_map(Container::ips)
            .map(|ip| self.end(at, ip))
            .collect()
    }

    fn end(&self, at: usize, address: IpAddr) -> Result<End> {
        let (host, network) = PLACES[at];
        Ok(End {
            network: Some(network.to_owned()),
            ..self.host_end(host, address)?
        })
    }

    fn host_end(&self, host: &str, address: IpAddr) -> Result<End> {
        let name = host.parse()?;
        let site = self.lab.plan().host(&name).context("a host of the plan")?;
        Ok(End {
            site: site.site.clone(),
            host: host.to_owned(),
            network: None,
            address,
        })
    }

    /// Who can ping whom by a plan.
    pub(super) fn flows(&self, plan: &NetworkPlan) -> Result<Vec<Flow>> {
        let mut flows = Vec::new();
        for (from, to) in PAIRS {
            for far in self.ends_of(to)? {
                flows.extend(self.flow(from, (Some(to), PLACES[to].0), far)?);
            }
        }
        let (from, host) = TO_HOST;
        for address in &self.lab.node(host)?.spec.host_addresses {
            let far = self.host_end(host, address.ip())?;
            flows.extend(self.flow(from, (None, host), far)?);
        }
        for (node, address) in &self.services {
            let mut prefixes = plan.spec.service_prefixes.iter();
            if prefixes.any(|p| p.contains(*address)) {
                let mut places = PLACES.iter();
                let from = places.position(|(host, _)| *host == node.name);
                let from = from.context("a container of the host")?;
                let far = self.host_end(&node.name, *address)?;
                flows.extend(self.flow(from, (None, "its service"), far)?);
            }
        }
        Ok(flows)
    }

    /// From a container, if it is there, to an address at another place, or none.
    fn flow(&self, from: usize, to: (Option<usize>, &str), far: End) -> Result<Option<Flow>> {
        let v4 = far.address.is_ipv4();
        let near = self.ends_of(from)?;
        let near = near.into_iter().find(|e| e.address.is_ipv4() == v4);
        let (host, network) = PLACES[from];
        let (place, what) = to;
        let whose = place.map_or("", |at| PLACES[at].1);
        Ok(near.map(|near| Flow {
            name: format!(
                "{network} of {host} to {what} {whose} by IPv{}",
                if v4 { 4 } else { 6 }
            ),
            places: [from].into_iter().chain(place).collect(),
            ends: [near, far],
        }))
    }

    /// Who pings.
    pub(super) fn source(&self, flow: &Flow) -> Result<&Container> {
        let from = flow.places.first().and_then(|at| self.containers.get(*at));
        from.and_then(Option::as_ref).context("who pings is away")
    }

    /// Whether pings of a flow are answered.
    pub(super) fn probe(&self, flow: &Flow) -> Result<()> {
        self.source(flow)?.reaches(flow.ends[1].address)
    }

    /// What each container has got.
    pub(super) fn held(&self) -> Result<Vec<Option<Holds>>> {
        let each = self.containers.iter();
        each.map(|c| c.as_ref().map(holds).transpose()).collect()
    }

    /// Containers keep what they have got; those that the diff wants made again get something else
    /// then, and no others do.
    pub(super) fn remake(&mut self, diff: &Diff, held: &[Option<Holds>]) -> Result<()> {
        for (at, before) in held.iter().enumerate() {
            let (Some(container), Some(before)) = (&self.containers[at], before) else {
                continue;
            };
            let id = container.id().to_owned();
            let now = holds(container)?;
            ensure!(now == *before, "{id} had {before:?}, and has {now:?}");
            let remade = self.ends_of(at)?.iter().any(|end| diff.remakes(end));
            self.detach(at)?;
            let fresh = self.make(at)?;
            let now = holds(&fresh)?;
            self.containers[at] = Some(fresh);
            let words = if remade { "has to be" } else { "need not be" };
            ensure!(
                (now != *before) == remade,
                "{id} {words} made again, had {before:?}, and has {now:?} then"
            );
        }
        Ok(())
    }
}

fn holds(container: &Container) -> Result<Holds> {
    let ask = |args: &[&str]| -> Result<serde_json::Value> {
        let all = [&["-j"], args].concat();
        Ok(serde_json::from_str(&container.run("ip", &all)?)?)
    };
    let links = ask(&["link", "show", "dev", IFNAME])?;
    let mut holds = Holds::from([format!("MTU {}", links[0]["mtu"])]);
    for family in ["-4", "-6"] {
        let routes = ask(&[family, "route", "show", "default"])?;
        let routes = routes.as_array().into_iter().flatten();
        holds.extend(routes.map(|r| format!("via {}", r["gateway"])));
    }
    Ok(holds)
}
