//! A container that says that it is somebody else.

mod control;
mod frames;

pub(super) use control::stays_inside;

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, ensure};

use crate::suites::kit::container::{Container, IFNAME};
use crate::suites::kit::frame::{Ethernet, Udp};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{HOST_PORT, SETTLE, drops, eventually, pair};
use crate::{LabGuard, Node};
use frames::Cast;

/// How often each frame is sent.
const TIMES: usize = 2;
/// Frames of which each is a flow of its own: what the queue of a userspace switch's port holds while
/// it thinks about the first of them.
const BURST: usize = 40;
/// How long until the switch has counted what it dropped; half a second is usual.
pub(super) const COUNTED: std::time::Duration = std::time::Duration::from_secs(10);

pub(super) fn gateways(node: &Node, network: &str) -> Result<(Ipv4Addr, Ipv6Addr)> {
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
    for burst in frames.chunks(BURST) {
        for frame in burst.iter().flat_map(|f| std::iter::repeat_n(f, TIMES)) {
            socket.send(frame)?;
        }
        lab.settle_switches(&[&here.name])?;
    }
    socket.send(&honest)?;
    let sent = u64::try_from(frames.len() * TIMES)?;
    // The switch counts in rounds; all is counted at last, and no more than that.
    let counted = eventually(COUNTED, || {
        let counted = drops(&here)? - before;
        ensure!(
            counted >= sent,
            "{sent} forged frames were sent, and the metric grew by {counted}"
        );
        Ok(())
    });
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
    counted?;
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
