//! VLANs stay apart.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;

use super::spoofing::COUNTED;
use crate::suites::kit::container::Container;
use crate::suites::kit::frame::{
    ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Udp, tagged, vlan_of,
};
use crate::suites::kit::wire::{Capture, Sender};
use crate::suites::kit::{HOST_PORT, SETTLE, drops_by_reason, eventually, output, pair, wire_mac};
use crate::{Lab, LabGuard, Node};

/// A container in VLAN 100, one on each node in VLAN 200, and one on each node in its own.
struct Places {
    sender: Container,
    same: Vec<Container>,
    other: Vec<Container>,
    nodes: [Node; 2],
}

impl Places {
    fn attach(lab: &Lab) -> Result<Self> {
        let nodes = pair(lab, "idc")?;
        let [idc1, idc2] = &nodes;
        Ok(Self {
            sender: Container::attach(lab, idc1, "web", "dp-iso-a")?,
            same: vec![
                Container::attach(lab, idc1, "web", "dp-iso-b")?,
                Container::attach(lab, idc2, "web", "dp-iso-c")?,
            ],
            other: vec![
                Container::attach(lab, idc1, "db", "dp-iso-d")?,
                Container::attach(lab, idc2, "db", "dp-iso-e")?,
            ],
            nodes,
        })
    }

    /// Captures wherever VLAN 200 or a host could receive.
    fn watch_the_other_vlan(&self, lab: &Lab) -> Result<Vec<Capture>> {
        let mut captures: Vec<Capture> = self
            .other
            .iter()
            .map(Container::capture)
            .collect::<Result<_>>()?;
        for node in &self.nodes {
            captures.push(Capture::of(node, HOST_PORT)?);
        }
        let edge = lab.member("edge")?;
        captures.push(Capture::of(&edge, "vlan200")?);
        captures.push(Capture::of(&edge, "vlan10")?);
        Ok(captures)
    }
}

pub(super) fn other_vlan(lab: &LabGuard) -> Result<()> {
    let places = Places::attach(lab)?;
    let own = &places.sender;
    let mut forged = Vec::new();
    for to in &places.other {
        for mac in [to.mac, wire_mac(&to.node)?, MacAddr::BROADCAST] {
            let eth = Ethernet {
                from: own.mac,
                to: mac,
            };
            let at = |what: &str| format!("{what} for {} at {mac}", to.id());
            let ports = (7, 7);
            forged.push(eth.udp4(
                &at("UDP/IPv4"),
                Udp {
                    from: own.v4,
                    to: to.v4,
                    ports,
                },
            ));
            forged.push(eth.udp6(
                &at("UDP/IPv6"),
                Udp {
                    from: own.v6,
                    to: to.v6,
                    ports,
                },
            ));
            let arp = Arp {
                op: 1,
                sha: own.mac,
                spa: own.v4,
                tha: MacAddr::ZERO,
                tpa: to.v4,
            };
            forged.push(eth.arp(&at("an ARP request"), arp));
        }
    }
    let eth = Ethernet {
        from: own.mac,
        to: ALL_NODES_MAC,
    };
    let everyone = Udp {
        from: own.v6,
        to: ALL_NODES,
        ports: (7, 7),
    };
    forged.push(eth.udp6("UDP to all nodes", everyone));

    let captures = places.watch_the_other_vlan(lab)?;
    let control = places
        .same
        .iter()
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;
    let socket = own.sender()?;
    for frame in &forged {
        socket.send(frame)?;
    }
    // What is allowed arrives: the captures and the sender work.
    let mut allowed = Vec::new();
    for to in &places.same {
        let mac = if to.node.name == own.node.name {
            to.mac
        } else {
            wire_mac(&to.node)?
        };
        let eth = Ethernet {
            from: own.mac,
            to: mac,
        };
        let frame = eth.udp4(
            "UDP of the VLAN",
            Udp {
                from: own.v4,
                to: to.v4,
                ports: (7, 7),
            },
        );
        socket.send(&frame)?;
        allowed.push(frame);
    }
    std::thread::sleep(SETTLE);
    for (capture, frame) in control.into_iter().zip(&allowed) {
        capture.finish()?.has(frame)?;
    }
    captures
        .into_iter()
        .try_for_each(|c| c.finish()?.has_none(&forged))
}

pub(super) fn by_the_router(lab: &LabGuard) -> Result<()> {
    let places = Places::attach(lab)?;
    let edge = lab.member("edge")?;
    let passing = Capture::of(&edge, "vlan100")?;
    let captures = places
        .other
        .iter()
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;
    for to in &places.other {
        for address in to.ips() {
            places.sender.reaches(address)?;
        }
    }
    std::thread::sleep(SETTLE);
    let own = &places.sender;
    for (capture, to) in captures.into_iter().zip(&places.other) {
        let seen = capture.finish()?;
        let echo4 = [&own.v4.octets()[..], &to.v4.octets()[..]].concat();
        let echo6 = [&own.v6.octets()[..], &to.v6.octets()[..]].concat();
        // Sources and destinations stand at 26 in IPv4 and at 22 in IPv6; TTL 63 and hop limit
        // 63: one router was on the way.
        let arrived = |frame: &&Vec<u8>| match frame.get(12..14) {
            Some([0x08, 0x00]) => frame.get(26..34) == Some(&echo4[..]) && frame[22] == 63,
            Some([0x86, 0xdd]) => frame.get(22..54) == Some(&echo6[..]) && frame[21] == 63,
            _ => false,
        };
        let count = seen.frames.iter().filter(arrived).count();
        ensure!(
            count == 6,
            "{}: {count} of 6 requests came by the router",
            seen.place
        );
    }
    ensure!(
        passing.finish()?.frames.len() >= 12,
        "the router did not see them"
    );
    Ok(())
}

pub(super) fn tags_are_dropped(lab: &LabGuard) -> Result<()> {
    let places = Places::attach(lab)?;
    let own = &places.sender;
    let mut forged = Vec::new();
    for vlan in [10, 100, 200, 300] {
        for to in places.same.iter().chain(&places.other) {
            let eth = Ethernet {
                from: own.mac,
                to: MacAddr::BROADCAST,
            };
            let udp = Udp {
                from: own.v4,
                to: to.v4,
                ports: (7, 7),
            };
            let frame = tagged(eth.udp4(&format!("UDP for {}", to.id()), udp), vlan);
            // 0 is a priority tag (IEEE 802.1Q §6.9), and no way around the one inside of it.
            forged.extend([0, 100].map(|outer| tagged(frame.clone(), outer)));
            forged.push(frame);
        }
    }
    let mut captures = places.watch_the_other_vlan(lab)?;
    for container in &places.same {
        captures.push(container.capture()?);
    }
    let [idc1, _] = &places.nodes;
    captures.push(Capture::of(idc1, idc1.spec.uplink.as_str())?);
    let socket = own.sender()?;
    lab.settle_switches(&[&idc1.name])?;
    let before = drops_by_reason(idc1)?;
    for frame in &forged {
        socket.send(frame)?;
    }
    let sent = u64::try_from(forged.len())?;
    let counted = eventually(COUNTED, || {
        let counted = drops_by_reason(idc1)?["vlan_tag"] - before["vlan_tag"];
        ensure!(
            counted == sent,
            "{sent} frames with tags were sent, and vlan_tag grew by {counted}"
        );
        Ok(())
    });
    std::thread::sleep(SETTLE);
    captures
        .into_iter()
        .try_for_each(|c| c.finish()?.has_none(&forged))?;
    counted?;
    Ok(())
}

/// With a priority of 5 and VLAN ID 0, as some stacks send whatever has a priority.
pub(super) fn priority_tags_pass(lab: &LabGuard) -> Result<()> {
    let places = Places::attach(lab)?;
    let own = &places.sender;
    let socket = own.sender()?;
    let captures = places
        .same
        .iter()
        .map(Container::capture)
        .collect::<Result<Vec<_>>>()?;
    let mut sent = Vec::new();
    for to in &places.same {
        let mac = match to.node.name == own.node.name {
            true => to.mac,
            false => wire_mac(&to.node)?,
        };
        let eth = Ethernet {
            from: own.mac,
            to: mac,
        };
        let udp = Udp {
            from: own.v4,
            to: to.v4,
            ports: (7, 7),
        };
        sent.push(tagged(eth.udp4("UDP with a priority", udp), 5 << 13));
        let udp = Udp {
            from: own.v6,
            to: to.v6,
            ports: (7, 7),
        };
        sent.push(tagged(
            eth.udp6("UDP of IPv6 with a priority", udp),
            5 << 13,
        ));
    }
    for frame in &sent {
        socket.send(frame)?;
    }
    std::thread::sleep(SETTLE);
    for (capture, frames) in captures.into_iter().zip(sent.chunks(2)) {
        let seen = capture.finish()?;
        for frame in frames {
            let came = seen.has(frame)?;
            ensure!(vlan_of(came).is_none(), "{} came with a tag", frame.name);
        }
    }
    Ok(())
}

pub(super) fn uplinks_carry_the_plan(lab: &LabGuard) -> Result<()> {
    let places = Places::attach(lab)?;
    let [idc1, _] = &places.nodes;
    let host = lab
        .plan()
        .host(&idc1.spec.node)
        .context("idc1 is in the plan")?;
    let switch = host.uplink.switch.clone().context("idc1 has a switch")?;
    let switch = lab.member(&switch)?;
    let uplink = idc1.spec.uplink.as_str();
    let planned: BTreeSet<u16> = [10, 100, 200].into();
    for (member, port) in [(&switch, idc1.name.as_str()), (&idc1.member, uplink)] {
        let trunks = output(member.vsctl().args(["get", "port", port, "trunks"]))?;
        let trunks: Result<BTreeSet<u16>, _> = trunks
            .trim()
            .trim_matches(['[', ']'])
            .split(", ")
            .map(str::parse)
            .collect();
        ensure!(
            trunks == Ok(planned.clone()),
            "port {port} of {} carries {trunks:?}",
            member.name
        );
    }

    // What the switch should never send is dropped at the node all the same.
    let to = &places.sender;
    let router = MacAddr([2, 0, 0, 0, 9, 9]);
    let eth = Ethernet {
        from: router,
        to: MacAddr::BROADCAST,
    };
    let udp = Udp {
        from: [10, 100, 0, 99].into(),
        to: to.v4,
        ports: (7, 7),
    };
    let plain = eth.udp4("UDP without a tag", udp);
    let wrong = tagged(eth.udp4("UDP", udp), 300);
    let other = tagged(eth.udp4("UDP for a container of VLAN 100", udp), 200);
    let right = tagged(eth.udp4("UDP", udp), 100);
    let mut captures = places.watch_the_other_vlan(lab)?;
    for container in &places.same {
        captures.push(container.capture()?);
    }
    let receiver = to.capture()?;
    let outside = Sender::open(&switch.netns_path(), &idc1.name)?;
    let forged: [Frame; 3] = [plain, wrong, other];
    for frame in forged.iter().chain([&right]) {
        outside.send(frame)?;
    }
    std::thread::sleep(SETTLE);
    let seen = receiver.finish()?;
    let arrived = seen.has(&right)?;
    ensure!(vlan_of(arrived).is_none(), "a container receives a tag");
    seen.has_none(&forged)?;
    captures
        .into_iter()
        .try_for_each(|c| c.finish()?.has_none(&forged))
}
