//! Who is where now: announcements of containers, and of their gateway.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flatnet_types::MacAddr;

use crate::LabGuard;
use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::frame::{
    ADVERTISEMENT, ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Nd, untagged, vlan_of,
};
use crate::suites::kit::wire::{Capture, Sender};
use crate::suites::kit::{SETTLE, eventually, mac_of, pair, wire_mac};

pub(super) fn of_a_container(lab: &LabGuard) -> Result<()> {
    let [idc1, _] = pair(lab, "idc")?;
    let wire = wire_mac(&idc1)?;
    let uplink = idc1.spec.uplink.as_str();
    let capture = Capture::of(&idc1, uplink)?;
    let container = Container::attach(lab, &idc1, "web", "dp-garp")?;
    std::thread::sleep(SETTLE);
    let seen = capture.finish()?;
    let eth = Ethernet {
        from: wire,
        to: MacAddr::BROADCAST,
    };
    let (ip, mac) = (container.v4, MacAddr::ZERO);
    let arp = eth.arp(
        "ARP",
        Arp {
            op: 1,
            sha: wire,
            spa: ip,
            tha: mac,
            tpa: ip,
        },
    );
    let eth = Ethernet {
        from: wire,
        to: ALL_NODES_MAC,
    };
    let nd = Nd {
        kind: ADVERTISEMENT,
        from: container.v6,
        to: ALL_NODES,
        target: container.v6,
        mac: Some(wire),
    };
    let nd = eth.nd("NA", &nd);
    for (expected, length) in [(arp, 42), (nd, 86)] {
        let found = seen
            .frames
            .iter()
            .find(|f| untagged(f).get(..length) == expected.bytes.get(..length));
        let found = found.with_context(|| {
            format!(
                "no {} for {} among {:02x?}",
                expected.name,
                container.id(),
                seen.frames
            )
        })?;
        ensure!(
            vlan_of(found) == Some(100),
            "{} is in VLAN {:?}",
            expected.name,
            vlan_of(found)
        );
    }
    Ok(())
}

pub(super) fn of_the_gateway(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let containers = [
        Container::attach(lab, &idc1, "web", "dp-gw-a")?,
        Container::attach(lab, &idc1, "web", "dp-gw-b")?,
        Container::attach(lab, &idc2, "web", "dp-gw-c")?,
    ];
    let other = Container::attach(lab, &idc1, "db", "dp-gw-d")?;
    let edge = lab.member("edge")?;
    let router = Router {
        socket: Sender::open(&edge.netns_path(), "vlan100")?,
        v4: gateway(&containers[0], false)?,
        v6: gateway(&containers[0], true)?,
    };
    let old = mac_of(&edge, "vlan100")?;
    let new = MacAddr([2, 0, 0, 0, 1, 0x99]);
    for container in &containers {
        container.reaches(router.v4.into())?;
        container.reaches(router.v6.into())?;
    }
    let captures = containers
        .iter()
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;
    let unconcerned = other.capture()?;
    let frames = router.says(new)?;
    let told = containers.iter().try_for_each(|c| knows(c, &router, new));
    // The containers go on using the real one, whatever was found.
    router.says(old)?;
    told?;
    containers.iter().try_for_each(|c| knows(c, &router, old))?;
    std::thread::sleep(SETTLE);
    for capture in captures {
        let seen = capture.finish()?;
        for frame in &frames {
            let arrived = seen.has(frame)?;
            ensure!(
                vlan_of(arrived).is_none(),
                "{} hears a tagged {}",
                seen.place,
                frame.name
            );
            let times = seen.with(frame.mark).count();
            ensure!(
                times == 1,
                "{} hears {} {times} times",
                seen.place,
                frame.name
            );
        }
    }
    unconcerned.finish()?.has_none(&frames)?;
    for container in &containers {
        container.reaches(router.v4.into())?;
        container.reaches(router.v6.into())?;
    }
    Ok(())
}

struct Router {
    socket: Sender,
    v4: std::net::Ipv4Addr,
    v6: std::net::Ipv6Addr,
}

impl Router {
    /// Says where the gateway is, as routers do after a fail-over (RFC 5227 §3, RFC 4861
    /// §7.2.6; RFC 9568 §8.1.2 and §8.2.2).
    fn says(&self, mac: MacAddr) -> Result<Vec<Frame>> {
        let (ip, everyone) = (self.v4, MacAddr::BROADCAST);
        let arp = Arp {
            op: 1,
            sha: mac,
            spa: ip,
            tha: MacAddr::ZERO,
            tpa: ip,
        };
        let eth = Ethernet {
            from: mac,
            to: everyone,
        };
        let nd = Nd {
            kind: ADVERTISEMENT,
            from: self.v6,
            to: ALL_NODES,
            target: self.v6,
            mac: Some(mac),
        };
        let frames = vec![
            eth.arp("a gratuitous ARP request", arp),
            eth.arp(
                "a gratuitous ARP reply",
                Arp {
                    op: 2,
                    tha: everyone,
                    ..arp
                },
            ),
            Ethernet {
                from: mac,
                to: ALL_NODES_MAC,
            }
            .nd("an unsolicited advertisement", &nd),
        ];
        frames.iter().try_for_each(|f| self.socket.send(f))?;
        Ok(frames)
    }
}

fn gateway<A: TryFromIp>(container: &Container, v6: bool) -> Result<A> {
    let ranges = container.node.spec.networks[0].ranges.iter();
    let found = ranges.map(|r| r.gateway).find(|g| g.is_ipv6() == v6);
    found
        .and_then(A::try_from_ip)
        .context("the network has a gateway in each family")
}

/// An address of one family.
trait TryFromIp: Sized {
    fn try_from_ip(ip: std::net::IpAddr) -> Option<Self>;
}

impl TryFromIp for std::net::Ipv4Addr {
    fn try_from_ip(ip: std::net::IpAddr) -> Option<Self> {
        match ip {
            std::net::IpAddr::V4(ip) => Some(ip),
            std::net::IpAddr::V6(_) => None,
        }
    }
}

impl TryFromIp for std::net::Ipv6Addr {
    fn try_from_ip(ip: std::net::IpAddr) -> Option<Self> {
        match ip {
            std::net::IpAddr::V6(ip) => Some(ip),
            std::net::IpAddr::V4(_) => None,
        }
    }
}

/// That a container's kernel has this MAC for its gateway.
fn knows(container: &Container, router: &Router, mac: MacAddr) -> Result<()> {
    for gateway in [router.v4.to_string(), router.v6.to_string()] {
        let look = || {
            let text = container.run("ip", &["neigh", "show", &gateway, "dev", IFNAME])?;
            if !text.contains(&mac.to_string()) {
                bail!(
                    "{} takes {gateway} to be at {}",
                    container.id(),
                    text.trim()
                );
            }
            Ok(())
        };
        eventually(Duration::from_secs(2), look)?;
    }
    Ok(())
}
