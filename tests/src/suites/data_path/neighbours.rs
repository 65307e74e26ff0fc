//! Neighbour discovery without netd: solicitations reach the one that they are for, and each
//! side learns the MAC that it is to know.

use std::net::Ipv6Addr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;
use nix::sys::signal::Signal;
use serde_json::json;

use crate::suites::kit::container::{Container, IFNAME, Wish, ping};
use crate::suites::kit::frame::{
    ADVERTISEMENT, ALL_NODES, ALL_NODES_MAC, Ethernet, Nd, SOLICITATION, solicited_node, untagged,
};
use crate::suites::kit::wire::{Capture, Sender};
use crate::suites::kit::{HOST_PORT, eventually, output, pair, wire_mac};
use crate::{LabGuard, Member, ProcessId};

/// netd is stopped at least that long: longer than a kernel takes a neighbour for granted
/// (30 s times 0.5 to 1.5, RFC 4861 §6.3.2).
const STOPPED: Duration = Duration::from_secs(60);
/// Between two rounds with empty caches.
const PAUSE: Duration = Duration::from_secs(10);
/// How long a probe of the kernel, or a frame, may take.
const SOON: Duration = Duration::from_secs(5);
/// The edge router's interface in the VLAN of network `web`.
const ROUTER: &str = "vlan100";

/// Processes that stand still until this is dropped.
struct Stopped(Vec<ProcessId>);

impl Stopped {
    fn netds(lab: &LabGuard, nodes: &[&str]) -> Result<Self> {
        let mut stopped = Self(Vec::new());
        for node in nodes {
            let netd = lab.netd_pid(node)?;
            netd.signal(Signal::SIGSTOP)?;
            stopped.0.push(netd);
        }
        Ok(stopped)
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for process in &self.0 {
            let _ = process.signal(Signal::SIGCONT);
        }
    }
}

/// Who speaks with whom.
struct Cast {
    asks: Container,
    near: Container,
    far: Container,
    /// In another VLAN, with an address whose solicitations go to the same group as those for
    /// `asks`: only the target tells them apart.
    twin: Container,
    cloud: [Container; 2],
    edge: Member,
}

impl Cast {
    fn attach(lab: &LabGuard) -> Result<Self> {
        let [idc1, idc2] = pair(lab, "idc")?;
        let [vpc1, vpc2] = pair(lab, "vpc")?;
        let asks = Container::attach(lab, &idc1, "web", "dp-nb-a")?;
        let ranges = idc1
            .spec
            .networks
            .iter()
            .filter(|n| n.name.as_str() == "db");
        let range = ranges.flat_map(|n| &n.ranges).find_map(|r| match r.prefix {
            ipnetwork::IpNetwork::V6(p) => Some(p.network()),
            ipnetwork::IpNetwork::V4(_) => None,
        });
        let mut twin = range.context("db has an IPv6 range")?.octets();
        twin[13..].copy_from_slice(&asks.v6.octets()[13..]);
        let twin = Wish::capability("ips", json!([Ipv6Addr::from(twin)]));
        let cast = Self {
            near: Container::attach(lab, &idc1, "web", "dp-nb-b")?,
            twin: Container::attach_as(lab, &idc1, "db", "dp-nb-c", &twin)?,
            far: Container::attach(lab, &idc2, "web", "dp-nb-d")?,
            cloud: [
                Container::attach(lab, &vpc1, "cloud", "dp-nb-e")?,
                Container::attach(lab, &vpc2, "cloud", "dp-nb-f")?,
            ],
            edge: lab.member("edge")?,
            asks,
        };
        cast.containers()
            .into_iter()
            .try_for_each(Container::settle)?;
        ensure!(
            solicited_node(cast.asks.v6) == solicited_node(cast.twin.v6),
            "{} and {} are in different groups",
            cast.asks.v6,
            cast.twin.v6
        );
        Ok(cast)
    }

    fn containers(&self) -> [&Container; 6] {
        let [e, f] = &self.cloud;
        [&self.asks, &self.near, &self.twin, &self.far, e, f]
    }

    /// Empties every neighbour cache there is.
    fn forget(&self) -> Result<()> {
        for family in ["-4", "-6"] {
            for container in self.containers() {
                container.run("ip", &[family, "neigh", "flush", "dev", IFNAME])?;
                let mut host = container.node.command("ip");
                output(host.args([family, "neigh", "flush", "dev", HOST_PORT]))?;
            }
            let mut router = self.edge.command("ip");
            output(router.args([family, "neigh", "flush", "dev", ROUTER]))?;
        }
        Ok(())
    }

    /// Everybody asks for everybody.
    fn speak(&self) -> Result<()> {
        for from in self.containers() {
            for to in self.containers() {
                for ip in to.ips() {
                    from.reaches(ip)?;
                }
            }
            let own = from.node.spec.networks.iter().flat_map(|n| &n.ranges);
            let hosts = from.node.spec.host_addresses.iter().map(|a| a.ip());
            for ip in own.map(|r| r.gateway).chain(hosts) {
                from.reaches(ip)?;
            }
            for ip in from.ips() {
                ping(&mut from.node.command("ping"), &ip.to_string()).context("by its host")?;
            }
        }
        for to in [&self.near, &self.far] {
            self.asks.reaches(to.link_local().into())?;
        }
        for ip in self.asks.ips() {
            ping(&mut self.edge.command("ping"), &ip.to_string()).context("by the router")?;
        }
        Ok(())
    }

    /// On its own node a container is known by its MAC, elsewhere by its host's.
    fn learned(&self) -> Result<()> {
        let wire = wire_mac(&self.asks.node)?;
        let inside = |c: &Container, ip: Ipv6Addr| {
            c.run(
                "ip",
                &["-6", "neigh", "show", &ip.to_string(), "dev", IFNAME],
            )
        };
        let of = |member: &Member, dev: &str, ip: Ipv6Addr| {
            let mut ip_neigh = member.command("ip");
            output(ip_neigh.args(["-6", "neigh", "show", &ip.to_string(), "dev", dev]))
        };
        let asks = self.asks.v6;
        for (who, text, mac) in [
            ("near", inside(&self.near, asks)?, self.asks.mac),
            ("far", inside(&self.far, asks)?, wire),
            ("the router", of(&self.edge, ROUTER, asks)?, wire),
            (
                "the host",
                of(&self.asks.node, HOST_PORT, asks)?,
                self.asks.mac,
            ),
            (
                "the host",
                of(&self.twin.node, HOST_PORT, self.twin.v6)?,
                self.twin.mac,
            ),
        ] {
            ensure!(
                text.contains(&mac.to_string()),
                "{who} takes {asks} to be at {}, and not at {mac}",
                text.trim()
            );
        }
        Ok(())
    }

    /// A neighbour is asked whether it is still there, with its MAC (RFC 4861 §7.3).
    fn probes(&self) -> Result<()> {
        let asks = self.asks.v6.to_string();
        let host = || self.asks.node.command("ip");
        let wire = wire_mac(&self.asks.node)?;
        let probe = |command: &mut std::process::Command, dev: &str, mac: MacAddr| {
            let mac = mac.to_string();
            let what = ["-6", "neigh", "replace", &asks, "lladdr", &mac];
            output(command.args(what).args(["dev", dev, "nud", "probe"]))
        };
        probe(&mut self.near.command("ip"), IFNAME, self.asks.mac)?;
        probe(&mut self.far.command("ip"), IFNAME, wire)?;
        probe(&mut host(), HOST_PORT, self.asks.mac)?;
        probe(&mut self.edge.command("ip"), ROUTER, wire)?;
        for (who, dev, command) in [
            ("near", IFNAME, &mut self.near.command("ip")),
            ("far", IFNAME, &mut self.far.command("ip")),
            ("the host", HOST_PORT, &mut host()),
            ("the router", ROUTER, &mut self.edge.command("ip")),
        ] {
            command.args(["-6", "neigh", "show", &asks, "dev", dev]);
            eventually(SOON, || {
                let text = output(command)?;
                ensure!(text.contains("REACHABLE"), "{who} probes in vain: {text}");
                Ok(())
            })?;
        }
        Ok(())
    }

    /// Who looks for a duplicate of a container's address is told of it (RFC 4862 §5.4.3), on
    /// the wire with the host's MAC and on the node with the container's own.
    fn duplicates(&self) -> Result<()> {
        let node = &self.asks.node;
        for (member, dev, mac) in [
            (&self.edge, ROUTER, wire_mac(node)?),
            (&**node, HOST_PORT, self.asks.mac),
        ] {
            let (group, group_mac) = solicited_node(self.asks.v6);
            let question = Ethernet {
                from: MacAddr([2, 0, 0, 0, 0, 0x44]),
                to: group_mac,
            };
            let question = question.nd(
                "a look for a duplicate",
                &Nd {
                    kind: SOLICITATION,
                    from: Ipv6Addr::UNSPECIFIED,
                    to: group,
                    target: self.asks.v6,
                    mac: None,
                },
            );
            let answer = Ethernet {
                from: mac,
                to: ALL_NODES_MAC,
            };
            let answer = answer.nd(
                "the answer",
                &Nd {
                    kind: ADVERTISEMENT,
                    from: self.asks.v6,
                    to: ALL_NODES,
                    target: self.asks.v6,
                    mac: Some(mac),
                },
            );
            let capture = Capture::received(&member.name, &member.netns_path(), dev)?;
            Sender::open(&member.netns_path(), dev)?.send(&question)?;
            std::thread::sleep(crate::suites::kit::SETTLE);
            let seen = capture.finish()?;
            ensure!(
                seen.frames
                    .iter()
                    .any(|f| untagged(f).get(..86) == answer.bytes.get(..86)),
                "{}: nobody said at {mac} that {} is taken: {:02x?}",
                seen.place,
                self.asks.v6,
                seen.frames
            );
        }
        Ok(())
    }
}

pub(super) fn without_netd(lab: &LabGuard) -> Result<()> {
    let cast = Cast::attach(lab)?;
    let nodes: Vec<&str> = ["idc1", "idc2", "vpc1", "vpc2"].into();
    lab.settle_switches(&nodes)?;
    let stopped = Stopped::netds(lab, &nodes)?;
    let begun = Instant::now();
    loop {
        cast.forget()?;
        cast.speak()?;
        cast.learned()?;
        cast.probes()?;
        cast.duplicates()?;
        if begun.elapsed() > STOPPED {
            break;
        }
        std::thread::sleep(PAUSE);
    }
    drop(stopped);
    for node in nodes {
        lab.wait_ready(node, Duration::from_secs(15))?;
    }
    Ok(())
}
