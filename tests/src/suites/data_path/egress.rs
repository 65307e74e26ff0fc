//! Containers of a network with a list of destinations (`egress`).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan::model::{Destination, Network, Transport};
use flatnet_types::MacAddr;
use ipnetwork::IpNetwork;

use super::macs::OtherPlan;
use super::spoofing::{COUNTED, gateways};
use crate::suites::kit::container::Container;
use crate::suites::kit::frame::{ADVERTISEMENT, Arp, Ethernet, Frame, Nd, SOLICITATION, Udp};
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::udp::{Caller, Echo};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{HOST_PORT, drops_by_reason, eventually, pair, wire_mac};
use crate::{LabGuard, Node};

/// Where the mirror serves by TCP and by UDP.
const TCP: u16 = 8080;
const DNS: u16 = 53;
const ELSEWHERE: u16 = 8081;
const REASON: &str = "egress";
/// How long an answer may take, and netd a plan.
const PATIENCE: Duration = Duration::from_secs(20);
const ANSWER: Duration = Duration::from_secs(2);
/// Addresses of no machine of the lab: services, and clouds' metadata.
const SERVICE: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(10, 96, 0, 1),
    Ipv6Addr::new(0xfd10, 0x96, 0, 0, 0, 0, 0, 1),
);
const METADATA: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
);

/// In mode `vlan`.
pub(super) fn in_a_vlan(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, _] = pair(lab, "vpc")?;
    let others = [(&idc1, "web"), (&idc2, "db"), (&vpc1, "cloud")];
    tried(lab, &idc1, "db", (&idc2, "web"), &others)
}

/// In mode `routed`.
pub(super) fn routed(lab: &LabGuard) -> Result<()> {
    let [idc1, _] = pair(lab, "idc")?;
    let [vpc1, vpc2] = pair(lab, "vpc")?;
    tried(lab, &vpc1, "cloud", (&idc1, "web"), &[(&vpc2, "cloud")])
}

/// A network is limited to one machine at `mirror`, on one node. All others that are tried: a
/// container of the same node and network, those at `others`, and the node's host, gateway, services
/// and metadata.
fn tried(
    lab: &LabGuard,
    node: &Node,
    network: &str,
    mirror: (&Node, &str),
    others: &[(&Node, &str)],
) -> Result<()> {
    let mirror = Container::attach(lab, mirror.0, mirror.1, "dp-eg-mirror")?;
    let places = [(node, network)].into_iter().chain(others.iter().copied());
    let mut containers = Vec::new();
    for (n, (node, network)) in places.enumerate() {
        let id = format!("dp-eg-{n}");
        containers.push(Container::attach(lab, node, network, &id)?);
    }
    // It lives when its network gets the list.
    let build = Container::attach(lab, node, network, "dp-eg-build")?;
    build.reaches(containers[0].v4.into())?;
    let plan = OtherPlan::start(lab, &[node], network, |n| limit(n, &mirror, TCP))?;
    let late = Container::attach(lab, node, network, "dp-eg-late")?;

    let servers = (
        Greeter::start(mirror.netns(), TCP)?,
        Greeter::start(mirror.netns(), ELSEWHERE)?,
        Echo::start(mirror.netns(), DNS)?,
    );
    for from in [&build, &late] {
        from.settle()?;
        reaches(from, &mirror, TCP).with_context(|| from.id().to_owned())?;
        for ip in mirror.ips() {
            let caller = Caller::new(from.netns(), SocketAddr::new(ip, DNS))?;
            eventually(PATIENCE, || caller.call(64, ANSWER))?;
        }
    }
    let gateway = gateways(node, network)?;
    let cast = Cast {
        from: &build,
        mirror: &mirror,
        containers: &containers,
        gateway,
        first_hop: match node.spec.uplink_vlans().is_empty() {
            true => wire_mac(node)?,
            // It is known: the mirror was reached by it.
            false => neighbour(&build, gateway.0)?,
        },
    };
    cast.refused(lab)?;

    // The list changes while it lives.
    plan.change(|n| limit(n, &mirror, ELSEWHERE))?;
    reaches(&build, &mirror, ELSEWHERE).context("after the list has changed")?;
    let gone = cast.to(&mirror, "to a port that is no longer allowed", TCP, 6);
    eventually(PATIENCE, || cast.counted(lab, &gone))?;
    drop(servers);
    plan.end()?;
    for ip in containers[0].ips() {
        build.reaches(ip).context("without a list")?;
    }
    Ok(())
}

/// Allows the mirror's TCP port and its DNS.
fn limit(network: &mut Network, mirror: &Container, port: u16) {
    let allow = |ip: IpAddr, protocol, port: u16| Destination {
        to: IpNetwork::from(ip),
        protocol: Some(protocol),
        ports: port.try_into().into_iter().collect(),
    };
    let each = mirror.ips().into_iter().flat_map(|ip| {
        let tcp = allow(ip, Transport::Tcp, port);
        [tcp, allow(ip, Transport::Udp, DNS)]
    });
    network.trunk.clear();
    network.egress = Some(each.collect());
}

/// The MAC that a container knows of a neighbour.
fn neighbour(of: &Container, ip: Ipv4Addr) -> Result<MacAddr> {
    let known = of.run("ip", &["-j", "neigh", "show", &ip.to_string()])?;
    let known: serde_json::Value = serde_json::from_str(&known)?;
    let mac = known[0]["lladdr"].as_str();
    let mac = mac.with_context(|| format!("{ip} is no known neighbour: {known}"))?;
    Ok(mac.parse()?)
}

/// By TCP, in both families.
fn reaches(from: &Container, mirror: &Container, port: u16) -> Result<()> {
    for (own, ip) in from.ips().into_iter().zip(mirror.ips()) {
        let at = SocketAddr::new(ip, port);
        let (seen, _) = eventually(PATIENCE, || ask(from.netns(), at, ANSWER))?;
        ensure!(seen == own, "{own} is seen as {seen} by {at}");
    }
    Ok(())
}

/// Who sends, and to whom.
struct Cast<'c> {
    from: &'c Container,
    mirror: &'c Container,
    /// The first one is of the same node and network.
    containers: &'c [Container],
    gateway: (Ipv4Addr, Ipv6Addr),
    /// The MAC of frames to other networks.
    first_hop: MacAddr,
}

impl Cast<'_> {
    /// UDP, or the beginning of a segment of TCP, to both addresses of a container.
    fn to(&self, to: &Container, what: &str, port: u16, protocol: u8) -> Vec<Frame> {
        let mac = match to.id() == self.containers[0].id() {
            true => to.mac,
            false => self.first_hop,
        };
        self.packets(
            &format!("{what} ({})", to.id()),
            mac,
            (to.v4, to.v6),
            (port, protocol),
        )
    }

    fn packets(
        &self,
        name: &str,
        mac: MacAddr,
        to: (Ipv4Addr, Ipv6Addr),
        (port, protocol): (u16, u8),
    ) -> Vec<Frame> {
        let eth = Ethernet {
            from: self.from.mac,
            to: mac,
        };
        let ends4 = (self.from.v4, to.0);
        let ends6 = (self.from.v6, to.1);
        match protocol {
            17 => {
                let ports = (40_000, port);
                let udp4 = Udp {
                    from: ends4.0,
                    to: ends4.1,
                    ports,
                };
                let udp6 = Udp {
                    from: ends6.0,
                    to: ends6.1,
                    ports,
                };
                vec![eth.udp4(name, udp4), eth.udp6(name, udp6)]
            }
            _ => {
                // Ports, numbers, the header's length, SYN, a window.
                let mut head = vec![0x9c, 0x40];
                head.extend(port.to_be_bytes());
                head.extend([0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 0x40, 0, 0, 0, 0, 0]);
                vec![
                    eth.ip4(name, protocol, ends4, &head),
                    eth.ip6(name, protocol, ends6, &head),
                ]
            }
        }
    }

    /// What is to leave nowhere.
    fn forbidden(&self) -> Result<Vec<Frame>> {
        let mut all = Vec::new();
        for container in self.containers {
            all.extend(self.to(container, "UDP", DNS, 17));
            all.extend(self.to(container, "TCP", TCP, 6));
        }
        let mut v4 = self.from.node.spec.host_addresses.iter().map(IpNetwork::ip);
        let host4 = v4.clone().find_map(|ip| match ip {
            IpAddr::V4(ip) => Some(ip),
            IpAddr::V6(_) => None,
        });
        let host6 = v4.find_map(|ip| match ip {
            IpAddr::V6(ip) => Some(ip),
            IpAddr::V4(_) => None,
        });
        let host = host4.zip(host6).context("the host has both families")?;
        for (name, to) in [
            ("the host", host),
            ("the gateway", self.gateway),
            ("a service", SERVICE),
            ("metadata", METADATA),
        ] {
            all.extend(self.packets(&format!("TCP to {name}"), self.first_hop, to, (443, 6)));
            all.extend(self.packets(&format!("UDP to {name}"), self.first_hop, to, (DNS, 17)));
        }
        // To the mirror: another port, another protocol, in pieces, to all of a VLAN.
        all.extend(self.to(self.mirror, "another port", ELSEWHERE, 6));
        all.extend(self.to(self.mirror, "the other protocol", TCP, 17));
        all.extend(self.to(self.mirror, "SCTP", TCP, 132));
        let [v4, v6] = <[Frame; 2]>::try_from(self.to(self.mirror, "in pieces", DNS, 17))
            .map_err(|_| anyhow::anyhow!("a frame of each family"))?;
        let mut later = v4.clone();
        later.mark_anew();
        all.extend([
            v4.first_fragment4(),
            later.later_fragment4(),
            v6.first_fragment6(),
        ]);
        let mirror = (self.mirror.v4, self.mirror.v6);
        let to_all = MacAddr::BROADCAST;
        all.extend(self.packets("to all", to_all, mirror, (DNS, 17)));
        all.extend(self.neighbours());
        Ok(all)
    }

    /// Neighbours that are no destinations are neither asked for nor answered.
    fn neighbours(&self) -> Vec<Frame> {
        let (from, near) = (self.from, &self.containers[0]);
        let to = |to| Ethernet { from: from.mac, to };
        let arp = |op, tpa| Arp {
            op,
            sha: from.mac,
            spa: from.v4,
            tha: MacAddr::ZERO,
            tpa,
        };
        let nd = |kind, target| Nd {
            kind,
            from: from.v6,
            to: near.v6,
            target,
            mac: Some(from.mac),
        };
        vec![
            to(MacAddr::BROADCAST).arp("ARP for a neighbour", arp(1, near.v4)),
            to(near.mac).arp("an answer of ARP to a neighbour", arp(2, near.v4)),
            to(near.mac).nd("a solicitation of a neighbour", &nd(SOLICITATION, near.v6)),
            to(near.mac).nd(
                "an advertisement to a neighbour",
                &nd(ADVERTISEMENT, from.v6),
            ),
        ]
    }

    /// Sends frames, and waits until each is counted as the list's.
    fn counted(&self, lab: &LabGuard, frames: &[Frame]) -> Result<()> {
        let node = &self.from.node;
        lab.settle_switches(&[&node.name])?;
        let before = drops_by_reason(node)?;
        let socket = self.from.sender()?;
        for frame in frames {
            socket.send(frame)?;
        }
        let wanted = u64::try_from(frames.len())?;
        lab.settle_switches(&[&node.name])?;
        let grown = || -> Result<u64> { Ok(drops_by_reason(node)?[REASON] - before[REASON]) };
        eventually(COUNTED, || {
            let grown = grown()?;
            ensure!(
                grown == wanted,
                "{wanted} frames went elsewhere, and {REASON} grew by {grown}"
            );
            Ok(())
        })?;
        let others = drops_by_reason(node)?;
        let others = others
            .iter()
            .filter(|(r, n)| *r != REASON && before[*r] != **n);
        let others: Vec<_> = others.collect();
        ensure!(
            others.is_empty(),
            "other reasons grew: {others:?}, from {before:?}"
        );
        Ok(())
    }

    fn refused(&self, lab: &LabGuard) -> Result<()> {
        let node = &self.from.node;
        let mut captures = vec![
            Capture::of(node, HOST_PORT)?,
            Capture::of(node, node.spec.uplink.as_str())?,
        ];
        let on_node = self.containers.iter().filter(|c| c.node.name == node.name);
        for container in on_node {
            captures.push(container.capture()?);
        }
        let forbidden = self.forbidden()?;
        self.counted(lab, &forbidden)?;
        // What is sent last is allowed, and seen where it goes: so is all that was before.
        let allowed = self.to(self.mirror, "DNS", DNS, 17);
        let arrives = self.mirror.capture()?;
        let socket = self.from.sender()?;
        for frame in &allowed {
            socket.send(frame)?;
        }
        lab.settle_switches(&[&node.name])?;
        std::thread::sleep(crate::suites::kit::SETTLE);
        let arrived = arrives.finish()?;
        arrived.has_none(&forbidden)?;
        for frame in &allowed {
            arrived.has(frame)?;
        }
        for capture in captures {
            capture.finish()?.has_none(&forbidden)?;
        }
        Ok(())
    }
}
