//! A service's address is rewritten on the host of who asks, as kube-proxy does it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::suites::kit::container::Container;
use crate::suites::kit::forwarding::Forwarding;
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::{eventually, output, pair};
use crate::{LabGuard, Node};

/// In the lab's service prefixes, one of each family.
const SERVICE: [&str; 2] = ["10.96.0.10", "fd10:96::10"];
const SERVICE_PORT: u16 = 80;
const PORT: u16 = 8080;
const NO_ANSWER: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(10);

/// A rule that leads a service to a container, for the time of a check.
struct Rule<'n> {
    node: &'n Node,
    service: IpAddr,
    to: SocketAddr,
}

impl<'n> Rule<'n> {
    fn add(node: &'n Node, service: IpAddr, to: SocketAddr) -> Result<Self> {
        let rule = Self { node, service, to };
        rule.change("-A")?;
        Ok(rule)
    }

    fn change(&self, verb: &str) -> Result<()> {
        let program = match self.service {
            IpAddr::V4(_) => "iptables",
            IpAddr::V6(_) => "ip6tables",
        };
        let args = format!(
            "-w -t nat {verb} PREROUTING -d {} -p tcp --dport {SERVICE_PORT} -j DNAT \
             --to-destination {}",
            self.service, self.to
        );
        output(self.node.command(program).args(args.split_whitespace())).map(|_| ())
    }
}

impl Drop for Rule<'_> {
    fn drop(&mut self) {
        // A lab that is taken down takes it along.
        let _ = self.change("-D");
    }
}

pub(super) fn answers_pass_the_host(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, _] = pair(lab, "vpc")?;
    let _forwarding = Forwarding::on(&idc1)?;
    let client = Container::attach(lab, &idc1, "web", "dp-svc-client")?;
    let places = [
        (&idc1, "web", "of the same node and VLAN"),
        (&idc1, "db", "of the same node, in another VLAN"),
        (&idc2, "web", "of another node, in the same VLAN"),
        (&vpc1, "cloud", "of another site"),
    ];
    for (number, (node, network, place)) in places.into_iter().enumerate() {
        let backend = Container::attach(lab, node, network, &format!("dp-svc-{number}"))?;
        let greeter = Greeter::start(backend.netns(), PORT)?;
        for (service, (own, to)) in SERVICE.iter().zip(client.ips().iter().zip(backend.ips())) {
            let service: IpAddr = service.parse()?;
            let to = SocketAddr::new(to, PORT);
            let _rule = Rule::add(&idc1, service, to)?;
            let at = SocketAddr::new(service, SERVICE_PORT);
            // Who talks to the container directly is none of the host's business, before the
            // bridge learned a way back and after it.
            for (what, at) in [("directly", to), ("by the service", at), ("directly", to)] {
                let (seen, _) = eventually(PATIENCE, || ask(client.netns(), at, NO_ANSWER))
                    .with_context(|| format!("a container {place}, {what}, {at}"))?;
                ensure!(seen == *own, "{place}, {what}: {own} is seen as {seen}");
            }
        }
        drop(greeter);
    }
    Ok(())
}
