//! A container that says that it is somebody else.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;

use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::frame::{
    ADVERTISEMENT, ADVERTISEMENT_OF_ROUTER, ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Nd,
    REDIRECT, SOLICITATION, Udp, solicited_node,
};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{HOST_PORT, SETTLE, drops, eventually, pair};
use crate::{LabGuard, Node};

const ETHERTYPE_LLDP: u16 = 0x88cc;
const ETHERTYPE_RARP: u16 = 0x8035;
/// How often each frame is sent.
const TIMES: u64 = 2;
/// How long until the switch has counted what it dropped; half a second is usual.
const COUNTED: std::time::Duration = std::time::Duration::from_secs(10);

/// The forger, whom it imitates, and who could be misled.
struct Cast<'c> {
    forger: &'c Container,
    victim: &'c Container,
    gateway: (Ipv4Addr, Ipv6Addr),
}

impl Cast<'_> {
    fn frames(&self) -> Vec<Frame> {
        let mut frames = self.addresses();
        frames.extend(self.arp());
        frames.extend(self.discovery());
        frames.extend(self.servers());
        frames
    }

    /// To a neighbour, from the forger's own MAC.
    fn eth(&self) -> Ethernet {
        Ethernet {
            from: self.forger.mac,
            to: self.victim.mac,
        }
    }

    fn broadcast(&self) -> Ethernet {
        Ethernet {
            from: self.forger.mac,
            to: MacAddr::BROADCAST,
        }
    }

    /// Wrong MACs and wrong IP addresses.
    fn addresses(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let ports = (7, 7);
        let strange = MacAddr([2, 0, 0, 0, 0, 0x66]);
        let honest4 = Udp {
            from: own.v4,
            to: to.v4,
            ports,
        };
        let honest6 = Udp {
            from: own.v6,
            to: to.v6,
            ports,
        };
        let mut frames = Vec::new();
        for (whose, mac) in [
            ("a strange", strange),
            ("the victim's", to.mac),
            ("the broadcast", MacAddr::BROADCAST),
        ] {
            let eth = Ethernet {
                from: mac,
                ..self.eth()
            };
            frames.push(eth.udp4(&format!("IPv4 from {whose} MAC"), honest4));
            frames.push(eth.udp6(&format!("IPv6 from {whose} MAC"), honest6));
        }
        for (whose, from) in [
            ("the victim", to.v4),
            ("the gateway", self.gateway.0),
            ("nobody", Ipv4Addr::UNSPECIFIED),
            ("elsewhere", Ipv4Addr::new(192, 0, 2, 1)),
        ] {
            let udp = Udp { from, ..honest4 };
            frames.push(self.eth().udp4(&format!("IPv4 as {whose}"), udp));
            frames.push(
                self.broadcast()
                    .udp4(&format!("IPv4 as {whose}, broadcast"), udp),
            );
        }
        for (whose, from) in [
            ("the victim", to.v6),
            ("the gateway", self.gateway.1),
            ("the victim's link-local address", to.link_local()),
            ("nobody", Ipv6Addr::UNSPECIFIED),
        ] {
            frames.push(
                self.eth()
                    .udp6(&format!("IPv6 as {whose}"), Udp { from, ..honest6 }),
            );
        }
        frames.push(self.broadcast().frame("LLDP", ETHERTYPE_LLDP, &[0; 40]));
        frames.push(self.broadcast().frame("RARP", ETHERTYPE_RARP, &[0; 28]));
        frames
    }

    fn arp(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let (gateway, _) = self.gateway;
        let eth = self.broadcast();
        let right = Arp {
            op: 1,
            sha: own.mac,
            spa: own.v4,
            tha: MacAddr::ZERO,
            tpa: to.v4,
        };
        let lied = Arp {
            op: 2,
            tha: to.mac,
            ..right
        };
        let strange = Ethernet {
            from: to.mac,
            ..eth
        };
        vec![
            eth.arp(
                "ARP request with a wrong sha",
                Arp {
                    sha: to.mac,
                    ..right
                },
            ),
            eth.arp(
                "ARP request with a wrong spa",
                Arp {
                    spa: gateway,
                    ..right
                },
            ),
            strange.arp("ARP request from another MAC", right),
            eth.arp(
                "ARP reply for the gateway",
                Arp {
                    spa: gateway,
                    ..lied
                },
            ),
            self.eth().arp(
                "ARP reply for the gateway, unicast",
                Arp {
                    spa: gateway,
                    ..lied
                },
            ),
            eth.arp(
                "ARP reply with a wrong sha",
                Arp {
                    sha: to.mac,
                    ..lied
                },
            ),
            eth.arp(
                "gratuitous ARP for the victim",
                Arp {
                    spa: to.v4,
                    tpa: to.v4,
                    ..right
                },
            ),
            eth.arp(
                "gratuitous ARP for the gateway",
                Arp {
                    op: 2,
                    spa: gateway,
                    tpa: gateway,
                    tha: MacAddr::BROADCAST,
                    ..right
                },
            ),
        ]
    }

    fn discovery(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let (_, gateway) = self.gateway;
        let all = Ethernet {
            from: own.mac,
            to: ALL_NODES_MAC,
        };
        let (group, group_mac) = solicited_node(to.v6);
        let asking = Ethernet {
            from: own.mac,
            to: group_mac,
        };
        let own_ll = own.link_local();
        let advertisement = Nd {
            kind: ADVERTISEMENT,
            from: own.v6,
            to: ALL_NODES,
            target: own.v6,
            mac: Some(own.mac),
        };
        let solicitation = Nd {
            kind: SOLICITATION,
            from: own.v6,
            to: group,
            target: to.v6,
            mac: Some(own.mac),
        };
        let router = Nd {
            kind: ADVERTISEMENT_OF_ROUTER,
            from: own_ll,
            to: ALL_NODES,
            target: own_ll,
            mac: Some(own.mac),
        };
        let redirect = Nd {
            kind: REDIRECT,
            from: own_ll,
            to: to.v6,
            target: own_ll,
            ..router
        };
        vec![
            all.nd(
                "NA for the gateway",
                &Nd {
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd(
                "NA for the victim",
                &Nd {
                    target: to.v6,
                    ..advertisement
                },
            ),
            all.nd(
                "NA from the gateway",
                &Nd {
                    from: gateway,
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd(
                "NA with a wrong MAC",
                &Nd {
                    mac: Some(to.mac),
                    ..advertisement
                },
            ),
            self.eth().nd(
                "NA to the victim for the gateway",
                &Nd {
                    to: to.v6,
                    target: gateway,
                    ..advertisement
                },
            ),
            all.nd_behind_options(
                "NA for the gateway behind options",
                &Nd {
                    target: gateway,
                    ..advertisement
                },
            ),
            asking.nd(
                "NS with a wrong MAC",
                &Nd {
                    mac: Some(to.mac),
                    ..solicitation
                },
            ),
            asking.nd(
                "NS from the gateway",
                &Nd {
                    from: gateway,
                    ..solicitation
                },
            ),
            all.nd("RA", &router),
            self.eth().nd(
                "RA to the victim",
                &Nd {
                    to: to.v6,
                    ..router
                },
            ),
            all.nd(
                "RA from the gateway",
                &Nd {
                    from: gateway,
                    ..router
                },
            ),
            all.nd_behind_options("RA behind options", &router),
            self.eth().nd_behind_options(
                "RA behind options to the victim",
                &Nd {
                    to: to.v6,
                    ..router
                },
            ),
            self.eth().nd("redirect", &redirect),
        ]
    }

    /// What a server of addresses says (RFC 2131 §4.1, RFC 8415 §7.2).
    fn servers(&self) -> Vec<Frame> {
        let (own, to) = (self.forger, self.victim);
        let offer = Udp {
            from: own.v4,
            to: Ipv4Addr::BROADCAST,
            ports: (67, 68),
        };
        let advertise = Udp {
            from: own.link_local(),
            to: to.link_local(),
            ports: (547, 546),
        };
        vec![
            self.broadcast().udp4("DHCP offer", offer),
            self.eth()
                .udp4("DHCP offer to the victim", Udp { to: to.v4, ..offer }),
            self.broadcast().udp4(
                "DHCP offer of the gateway",
                Udp {
                    from: self.gateway.0,
                    ..offer
                },
            ),
            self.eth().udp6("DHCPv6 advertise", advertise),
            self.eth().udp6(
                "DHCPv6 advertise from its address",
                Udp {
                    from: own.v6,
                    to: to.v6,
                    ..advertise
                },
            ),
        ]
    }
}

fn gateways(node: &Node, network: &str) -> Result<(Ipv4Addr, Ipv6Addr)> {
    let network = node
        .spec
        .networks
        .iter()
        .find(|n| n.name.as_str() == network);
    let network = network.context("the node has that network")?;
    let (mut v4, mut v6) = (None, None);
    for range in &network.ranges {
        match range.gateway {
            std::net::IpAddr::V4(ip) => v4 = Some(ip),
            std::net::IpAddr::V6(ip) => v6 = Some(ip),
        }
    }
    Ok((
        v4.context("an IPv4 gateway")?,
        v6.context("an IPv6 gateway")?,
    ))
}

pub(super) fn forged(lab: &LabGuard) -> Result<()> {
    for (site, network) in [("idc", "web"), ("vpc", "cloud")] {
        forged_at(lab, site, network).with_context(|| format!("site {site}"))?;
    }
    Ok(())
}

fn forged_at(lab: &LabGuard, site: &str, network: &str) -> Result<()> {
    let [here, there] = pair(lab, site)?;
    let forger = Container::attach(lab, &here, network, "dp-forger")?;
    let victim = Container::attach(lab, &here, network, "dp-victim")?;
    let far = Container::attach(lab, &there, network, "dp-far")?;
    let near = Cast {
        forger: &forger,
        victim: &victim,
        gateway: gateways(&here, network)?,
    };
    let mut frames = near.frames();
    frames.extend(
        Cast {
            victim: &far,
            ..near
        }
        .frames(),
    );

    let mut captures = vec![victim.capture()?, far.capture()?];
    for node in [&here, &there] {
        captures.push(Capture::of(node, HOST_PORT)?);
        captures.push(Capture::of(node, node.spec.uplink.as_str())?);
    }
    let eth = Ethernet {
        from: forger.mac,
        to: victim.mac,
    };
    let honest = Udp {
        from: forger.v4,
        to: victim.v4,
        ports: (7, 7),
    };
    let honest = eth.udp4("an honest datagram", honest);
    let socket = forger.sender()?;
    for container in [&forger, &victim, &far] {
        container.settle()?;
    }
    lab.settle_switches(&[&here.name])?;
    let before = drops(&here)?;
    for frame in &frames {
        for _ in 0..TIMES {
            socket.send(frame)?;
        }
    }
    socket.send(&honest)?;
    let sent = u64::try_from(frames.len())? * TIMES;
    // The switch counts in rounds; all is counted at last, and no more than that.
    eventually(COUNTED, || {
        let counted = drops(&here)? - before;
        ensure!(
            counted >= sent,
            "{sent} forged frames were sent, and the metric grew by {counted}"
        );
        Ok(())
    })?;
    std::thread::sleep(SETTLE);
    lab.settle_switches(&[&here.name])?;
    let after = drops(&here)?;
    for (n, capture) in captures.into_iter().enumerate() {
        let seen = capture.finish()?;
        seen.has_none(&frames)?;
        if n == 0 {
            seen.has(&honest)?;
        }
    }
    ensure!(
        after - before == sent,
        "{sent} forged frames were sent, and the metric grew by {}",
        after - before
    );
    // Neither has believed anything: the way to the gateway is as it was.
    for to in [std::net::IpAddr::V4(near.gateway.0), near.gateway.1.into()] {
        victim.reaches(to)?;
        far.reaches(to)?;
    }
    Ok(())
}

pub(super) fn honest(lab: &LabGuard) -> Result<()> {
    for (site, network) in [("idc", "web"), ("vpc", "cloud")] {
        let [here, _] = pair(lab, site)?;
        lab.settle_switches(&[&here.name])?;
        let before = drops(&here)?;
        let a = Container::attach(lab, &here, network, "dp-honest-a")?;
        let b = Container::attach(lab, &here, network, "dp-honest-b")?;
        // Duplicate address detection, listener reports and router solicitations come again
        // with every start of the interface; the addresses are the container's to set anew.
        let heard = a.capture_sent()?;
        for address in ["fd00:dead::1/64", "fd00:dead::2/64"] {
            a.run("ip", &["address", "add", address, "dev", IFNAME])?;
            a.run("ip", &["address", "del", address, "dev", IFNAME])?;
        }
        a.run("ip", &["link", "set", "dev", IFNAME, "down"])?;
        a.run("ip", &["link", "set", "dev", IFNAME, "up"])?;
        for to in b.ips() {
            b.reaches(to)?;
        }
        a.settle()?;
        b.settle()?;
        b.reaches(a.link_local().into())?;
        std::thread::sleep(std::time::Duration::from_secs(2));
        let said = heard.finish()?;
        let kinds: std::collections::BTreeSet<u8> =
            said.frames.iter().filter_map(|f| icmpv6(f)).collect();
        // MLDv2 reports, and a solicitation: of a router, or for a duplicate.
        ensure!(
            kinds.contains(&143),
            "{}: no listener report among {kinds:?}",
            said.place
        );
        ensure!(
            kinds.contains(&133) || kinds.contains(&135),
            "no solicitation among {kinds:?}"
        );
        lab.settle_switches(&[&here.name])?;
        let after = drops(&here)?;
        ensure!(
            after == before,
            "{} honest frames were counted as forged",
            after - before
        );
    }
    Ok(())
}

/// The type of an ICMPv6 message, also behind a hop-by-hop header, as listener reports are.
fn icmpv6(frame: &[u8]) -> Option<u8> {
    let packet = frame
        .strip_prefix(frame.get(..12)?)?
        .strip_prefix(&[0x86, 0xdd])?;
    match packet.get(6)? {
        58 => packet.get(40).copied(),
        0 if packet.get(40) == Some(&58) => packet.get(48).copied(),
        _ => None,
    }
}
