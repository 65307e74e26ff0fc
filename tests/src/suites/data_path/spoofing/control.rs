//! Protocols of routers and switches, which no container speaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;
use flatnet_types::control::{Message, NO_ETHERTYPE, PROTOCOLS};

use super::{BURST, COUNTED, TIMES};
use crate::LabGuard;
use crate::suites::kit::container::Container;
use crate::suites::kit::frame::{Ethernet, Frame, Udp};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{SETTLE, drops_by_reason, eventually, pair};

const TCP: u8 = 6;
const GRE: u8 = 47;
const ICMPV6: u8 = 58;
/// Groups where each may speak (RFC 6762 §3), to which messages without a group of their own go too.
const MDNS: (Ipv4Addr, Ipv6Addr) = (
    Ipv4Addr::new(224, 0, 0, 251),
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xfb),
);
/// As long as the header of anything that a datapath reads.
const HEAD: [u8; 20] = [0; 20];

/// Who speaks with whom.
#[derive(Clone, Copy)]
struct Speakers<'c> {
    from: &'c Container,
    to: &'c Container,
}

impl Speakers<'_> {
    fn eth(&self, to: MacAddr) -> Ethernet {
        Ethernet {
            from: self.from.mac,
            to,
        }
    }

    /// To the other one, or to a group.
    fn ends4(&self, to: Option<Ipv4Addr>) -> (Ethernet, (Ipv4Addr, Ipv4Addr)) {
        let to_mac = to.map_or(self.to.mac, group_mac4);
        (self.eth(to_mac), (self.from.v4, to.unwrap_or(self.to.v4)))
    }

    fn ends6(&self, to: Option<Ipv6Addr>) -> (Ethernet, (Ipv6Addr, Ipv6Addr)) {
        let to_mac = to.map_or(self.to.mac, group_mac6);
        // What goes to a group of the link is said with a link-local address (RFC 4291 §2.5.6).
        let from = to.map_or(self.from.v6, |_| self.from.link_local());
        (self.eth(to_mac), (from, to.unwrap_or(self.to.v6)))
    }

    /// Every message of the table, to the other one and to a group, over both families.
    fn messages(&self) -> Vec<Frame> {
        let mut frames = Vec::new();
        for protocol in PROTOCOLS {
            for message in protocol.messages {
                self.message(protocol.name, *message, &mut frames);
            }
            for group in protocol.groups {
                let name = format!("{}: UDP to {group}", protocol.name);
                frames.push(match group {
                    IpAddr::V4(ip) => self.udp4(&name, (7, 7), Some(*ip)),
                    IpAddr::V6(ip) => self.udp6(&name, (7, 7), Some(*ip)),
                });
            }
        }
        frames
    }

    fn message(&self, whose: &str, message: Message, frames: &mut Vec<Frame>) {
        let name = format!("{whose}: {message:?}");
        let (groups4, groups6) = ([None, Some(MDNS.0)], [None, Some(MDNS.1)]);
        match message {
            Message::Ether(kind) => {
                // A length instead of a type, and the header of 802.2 for spanning trees.
                let kind = if kind == NO_ETHERTYPE { 0x2e } else { kind };
                let payload = [&[0x42, 0x42, 3][..], &HEAD].concat();
                let eth = self.eth(MacAddr::BROADCAST);
                frames.push(eth.frame(&name, kind, &payload));
            }
            Message::Ip(number) => {
                frames.extend(groups4.map(|to| self.ip4(&name, number, to)));
                frames.extend(groups6.map(|to| self.ip6(&name, number, to, &HEAD)));
            }
            Message::Ip4(number) => {
                frames.extend(groups4.map(|to| self.ip4(&name, number, to)));
            }
            Message::Udp(port) => {
                // As the protocols have it, and to a group from whichever port.
                let any = (49_152, port);
                frames.extend(groups4.map(|to| self.udp4(&name, (port, port), to)));
                frames.extend(groups6.map(|to| self.udp6(&name, (port, port), to)));
                let name = format!("{name} from another port");
                frames.push(self.udp4(&name, any, Some(MDNS.0)));
                frames.push(self.udp6(&name, any, Some(MDNS.1)));
            }
            Message::Icmp6(kind) => {
                let head = [&[kind, 0, 0, 0][..], &HEAD].concat();
                frames.extend(groups6.map(|to| self.ip6(&name, ICMPV6, to, &head)));
            }
        }
    }

    fn ip4(&self, name: &str, number: u8, to: Option<Ipv4Addr>) -> Frame {
        let (eth, ends) = self.ends4(to);
        eth.ip4(&format!("{name} to {}", ends.1), number, ends, &HEAD)
    }

    fn ip6(&self, name: &str, number: u8, to: Option<Ipv6Addr>, head: &[u8]) -> Frame {
        let (eth, ends) = self.ends6(to);
        eth.ip6(&format!("{name} to {}", ends.1), number, ends, head)
    }

    fn udp4(&self, name: &str, ports: (u16, u16), to: Option<Ipv4Addr>) -> Frame {
        let (eth, (from, to)) = self.ends4(to);
        eth.udp4(&format!("{name} to {to}"), Udp { from, to, ports })
    }

    fn udp6(&self, name: &str, ports: (u16, u16), to: Option<Ipv6Addr>) -> Frame {
        let (eth, (from, to)) = self.ends6(to);
        eth.udp6(&format!("{name} to {to}"), Udp { from, to, ports })
    }

    /// What looks like them and is a user's.
    fn honest(&self) -> Vec<Frame> {
        let (eth4, ends4) = self.ends4(None);
        // Ports 179, and a header of five words with SYN.
        let bgp = [
            0xc0, 0, 0, 179, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 2, 1, 0, 0, 0, 0, 0,
        ];
        vec![
            eth4.ip4("BGP", TCP, ends4, &bgp),
            eth4.ip4("GRE", GRE, ends4, &[0, 0, 8, 0, 0x45]),
            self.udp4("BFD", (49_152, 3784), None),
            self.udp6("BFD", (49_152, 3784), None),
            self.udp4("from RIP's port", (520, 49_152), None),
            self.udp6("from HSRP's port", (2029, 49_152), None),
            // A client's port, by chance or by a NAT.
            self.udp4("an answer to HSRP's port", (443, 1985), None),
            self.udp6("an answer to WCCP's port", (53, 2048), None),
        ]
    }
}

/// A group's MAC (RFC 1112 §6.4).
fn group_mac4(group: Ipv4Addr) -> MacAddr {
    let [_, a, b, c] = group.octets();
    MacAddr([1, 0, 0x5e, a & 0x7f, b, c])
}

/// A group's MAC (RFC 2464 §7).
fn group_mac6(group: Ipv6Addr) -> MacAddr {
    let [.., a, b, c, d] = group.octets();
    MacAddr([0x33, 0x33, a, b, c, d])
}

pub(in super::super) fn stays_inside(lab: &LabGuard) -> Result<()> {
    for (site, network) in [("idc", "web"), ("vpc", "cloud")] {
        stays_inside_at(lab, site, network).with_context(|| format!("site {site}"))?;
    }
    Ok(())
}

fn stays_inside_at(lab: &LabGuard, site: &str, network: &str) -> Result<()> {
    let [here, there] = pair(lab, site)?;
    let router = Container::attach(lab, &here, network, "dp-router")?;
    let near = Container::attach(lab, &here, network, "dp-near")?;
    let far = Container::attach(lab, &there, network, "dp-far")?;
    let speakers = [&near, &far].map(|to| Speakers { from: &router, to });
    let frames: Vec<Frame> = speakers.iter().flat_map(Speakers::messages).collect();
    let honest = speakers.map(|s| s.honest());
    let mdns = [
        speakers[0].udp4("mDNS", (5353, 5353), Some(MDNS.0)),
        speakers[0].udp6("mDNS", (5353, 5353), Some(MDNS.1)),
    ];

    for container in [&router, &near, &far] {
        container.settle()?;
    }
    // The router has to know them, and each its neighbours.
    for to in [&near, &far] {
        for ip in to.ips() {
            router.reaches(ip)?;
        }
    }
    let [near_hears, far_hears] = [near.capture()?, far.capture()?];
    let wire = Capture::of(&here, here.spec.uplink.as_str())?;
    let others = [
        Capture::of(&here, crate::suites::kit::HOST_PORT)?,
        Capture::of(&there, there.spec.uplink.as_str())?,
    ];
    let socket = router.sender()?;
    lab.settle_switches(&[&here.name])?;
    let before = drops_by_reason(&here)?;
    for burst in frames.chunks(BURST) {
        for frame in burst.iter().flat_map(|f| std::iter::repeat_n(f, TIMES)) {
            socket.send(frame)?;
        }
        lab.settle_switches(&[&here.name])?;
    }
    let sent = u64::try_from(frames.len() * TIMES)?;
    let grown = || -> Result<(u64, u64)> {
        let now = drops_by_reason(&here)?;
        let grown = |reason: &str| now.get(reason).unwrap_or(&0) - before.get(reason).unwrap_or(&0);
        let all: u64 = now.values().sum::<u64>() - before.values().sum::<u64>();
        Ok((grown("control_protocol"), all))
    };
    let counted = eventually(COUNTED, || {
        let counted = grown()?;
        ensure!(
            counted.0 >= sent,
            "{sent} frames were sent, and control_protocol grew by {}",
            counted.0
        );
        Ok(())
    });
    for frame in honest.iter().flatten().chain(&mdns) {
        socket.send(frame)?;
    }
    std::thread::sleep(SETTLE);
    lab.settle_switches(&[&here.name])?;

    for (hears, honest) in [near_hears, far_hears].into_iter().zip(&honest) {
        let seen = hears.finish()?;
        seen.has_none(&frames)?;
        for frame in honest {
            seen.has(frame)?;
        }
    }
    let seen = wire.finish()?;
    seen.has_none(&frames)?;
    for frame in mdns.iter().filter(|_| site == "idc") {
        seen.has(frame)?;
    }
    for capture in others {
        capture.finish()?.has_none(&frames)?;
    }
    counted?;
    let (control, all) = grown()?;
    ensure!(
        (control, all) == (sent, sent),
        "{sent} frames were sent; control_protocol grew by {control}, all reasons by {all}"
    );
    Ok(())
}
