//! Protocols of routers that a network allows.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};
use flatnet_plan::model::{Allow, MacMode, Network};
use flatnet_types::MacAddr;

use super::macs::OtherPlan;
use crate::LabGuard;
use crate::suites::kit::container::Container;
use crate::suites::kit::frame::{
    ADVERTISEMENT, ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Nd, SOLICITATION, Udp,
    solicited_node,
};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{SETTLE, pair};

const VRRP: u8 = 112;
/// The group of VRRP's speakers (RFC 9568 §5.1.1.2).
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_MAC: MacAddr = MacAddr([1, 0, 0x5e, 0, 0, 18]);
/// Virtual router 10, in both families (RFC 9568 §7.3).
const MAC4: MacAddr = MacAddr([0, 0, 0x5e, 0, 1, 10]);
const MAC6: MacAddr = MacAddr([0, 0, 0x5e, 0, 2, 10]);
const IP4: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 250);
const IP6: Ipv6Addr = Ipv6Addr::new(0xfd10, 0x100, 0, 0, 0, 0, 0, 0xfa);
/// An address that is not allowed, with the MAC that is.
const OTHER: Ipv4Addr = Ipv4Addr::new(10, 100, 0, 251);

fn allow(network: &mut Network) {
    let vrrp = |mac, address| Allow {
        protocol: "vrrp".to_owned(),
        mac: Some(mac),
        addresses: vec![address],
    };
    network.mac = MacMode::Pod;
    network.allow = vec![vrrp(MAC4, IP4.into()), vrrp(MAC6, IP6.into())];
}

/// From a MAC to a MAC.
fn between(from: MacAddr, to: MacAddr) -> Ethernet {
    Ethernet { from, to }
}

fn udp<A>(from: A, to: A) -> Udp<A> {
    let ports = (7, 7);
    Udp { from, to, ports }
}

/// What a master says: of itself, and where the virtual addresses are now.
fn said_by(master: &Container) -> Vec<Frame> {
    let arp = Arp {
        op: 1,
        sha: MAC4,
        spa: IP4,
        tha: MacAddr::ZERO,
        tpa: IP4,
    };
    let nd = Nd {
        kind: ADVERTISEMENT,
        from: IP6,
        to: ALL_NODES,
        target: IP6,
        mac: Some(MAC6),
    };
    // Version 3, type 1, router 10, priority 100, one address, an interval of 1 s.
    let head = [0x31, 10, 100, 1, 0, 100, 0, 0];
    let ends = (master.v4, GROUP);
    let advertisement = |from, name| between(from, GROUP_MAC).ip4(name, VRRP, ends, &head);
    vec![
        advertisement(MAC4, "an advertisement from the virtual MAC"),
        advertisement(master.mac, "an advertisement from its own MAC"),
        between(MAC4, MacAddr::BROADCAST).arp("a gratuitous ARP for the virtual address", arp),
        between(MAC6, ALL_NODES_MAC).nd("an NA for the virtual address", &nd),
    ]
}

/// What asks for the virtual addresses, and packets for them.
fn asked_by(client: &Container) -> Vec<Frame> {
    let (group, group_mac) = solicited_node(IP6);
    let arp = Arp {
        op: 1,
        sha: client.mac,
        spa: client.v4,
        tha: MacAddr::ZERO,
        tpa: IP4,
    };
    let nd = Nd {
        kind: SOLICITATION,
        from: client.v6,
        to: group,
        target: IP6,
        mac: Some(client.mac),
    };
    let to = |to| between(client.mac, to);
    vec![
        to(MacAddr::BROADCAST).arp("an ARP request for the virtual address", arp),
        to(group_mac).nd("an NS for the virtual address", &nd),
        to(MAC4).udp4("UDP for the virtual address", udp(client.v4, IP4)),
        to(MAC6).udp6("UDP of IPv6 for the virtual address", udp(client.v6, IP6)),
    ]
}

/// What the holder answers.
fn answered(holder: &Container, client: &Container) -> Vec<Frame> {
    let arp = Arp {
        op: 2,
        sha: MAC4,
        spa: IP4,
        tha: client.mac,
        tpa: client.v4,
    };
    let nd = Nd {
        kind: ADVERTISEMENT,
        from: IP6,
        to: client.v6,
        target: IP6,
        mac: Some(MAC6),
    };
    let with = |from| between(from, client.mac);
    let (four, six) = (udp(IP4, client.v4), udp(IP6, client.v6));
    vec![
        with(MAC4).arp("the ARP reply", arp),
        with(MAC6).nd("the NA", &nd),
        with(MAC4).udp4("UDP from the virtual address", four),
        with(MAC6).udp6("UDP of IPv6 from the virtual address", six),
        with(holder.mac).udp4("UDP from the virtual address and its own MAC", four),
    ]
}

/// What the permission does not cover.
fn refused(master: &Container, victim: &Container) -> Vec<Frame> {
    let arp = Arp {
        op: 1,
        sha: MAC4,
        spa: OTHER,
        tha: MacAddr::ZERO,
        tpa: OTHER,
    };
    let strange = MacAddr([0, 0, 0x5e, 0, 1, 11]);
    let ends = (master.v4, victim.v4);
    let with = |from| between(from, victim.mac);
    let from = |ip| udp(ip, victim.v4);
    vec![
        with(MAC4).udp4("another address at the virtual MAC", from(OTHER)),
        with(MAC4).arp("ARP for another address", arp),
        with(MAC4).udp4("its own address at the virtual MAC", from(master.v4)),
        with(strange).ip4("an advertisement from another MAC", VRRP, ends, &[0; 8]),
        with(master.mac).ip4("OSPF", 89, ends, &[0; 24]),
    ]
}

fn send(from: &Container, frames: &[Frame]) -> Result<()> {
    let socket = from.sender()?;
    frames.iter().try_for_each(|frame| socket.send(frame))?;
    std::thread::sleep(SETTLE);
    Ok(())
}

fn has_all(capture: Capture, frames: &[Frame]) -> Result<()> {
    let seen = capture.finish()?;
    frames.iter().try_for_each(|f| seen.has(f).map(drop))
}

pub(super) fn vrrp(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let near = Container::attach(lab, &idc1, "web", "dp-vrrp-near")?;
    let first = Container::attach(lab, &idc1, "web", "dp-vrrp-a")?;
    let second = Container::attach(lab, &idc2, "web", "dp-vrrp-b")?;
    for container in [&near, &first, &second] {
        container.settle()?;
    }
    // Without the permission nothing of it leaves.
    let captures = [near.capture()?, second.capture()?];
    let wire = Capture::of(&idc1, idc1.spec.uplink.as_str())?;
    let mut frames = said_by(&first);
    frames.extend(answered(&first, &near));
    send(&first, &frames)?;
    for capture in captures.into_iter().chain([wire]) {
        capture.finish()?.has_none(&frames)?;
    }

    let plan = OtherPlan::start(lab, &[&idc1, &idc2], "web", allow)?;
    held_by(&first, &near, &second).context("the first holder")?;
    held_by(&second, &near, &first).context("the second holder, of another node")?;
    held_by(&first, &near, &second).context("the first one again")?;

    let captures = [near.capture()?, second.capture()?];
    let frames = refused(&first, &near);
    send(&first, &frames)?;
    for capture in captures {
        capture.finish()?.has_none(&frames)?;
    }
    plan.end()?;
    // And the permission ends with the plan.
    let capture = near.capture()?;
    let frames = said_by(&first);
    send(&first, &frames)?;
    capture.finish()?.has_none(&frames)
}

/// One becomes the holder, with `near` on the node of one of the two.
fn held_by(holder: &Container, near: &Container, other: &Container) -> Result<()> {
    let said = said_by(holder);
    let captures = [near.capture()?, other.capture()?];
    let wire = Capture::of(&holder.node, holder.node.spec.uplink.as_str())?;
    send(holder, &said)?;
    for capture in captures {
        has_all(capture, &said)?;
    }
    let seen = wire.finish()?;
    let left = seen.has(&said[0])?;
    ensure!(
        left.get(6..12) == Some(&MAC4.0[..]),
        "the advertisement left with another MAC than the virtual one"
    );
    for (client, bystander) in [(near, other), (other, near)] {
        let asked = asked_by(client);
        let (hears, not_concerned) = (holder.capture()?, bystander.capture()?);
        send(client, &asked)?;
        has_all(hears, &asked).with_context(|| format!("asked by {}", client.id()))?;
        not_concerned.finish()?.has_none(&asked)?;

        let answers = answered(holder, client);
        let hears = client.capture()?;
        send(holder, &answers)?;
        has_all(hears, &answers).with_context(|| format!("answers to {}", client.id()))?;
    }
    Ok(())
}
