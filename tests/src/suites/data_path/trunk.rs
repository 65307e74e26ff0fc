//! A container that may send some VLANs tagged.

use std::net::Ipv4Addr;

use anyhow::{Context, Result, bail, ensure};
use flatnet_types::MacAddr;
use serde_json::json;

use crate::LabGuard;
use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::frame::{Arp, Ethernet, Udp, tagged, vlan_of};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{SETTLE, pair, wire_mac};

mod forged;

pub(super) use forged::stays_itself;

/// An address of VLAN 200 that no range holds, and that the plan's network `web` declares.
const ITS_OWN: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 77);

pub(super) fn sends(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let wish = Wish::conf("vlanTrunk", json!([200]));
    let trunk = Container::attach_as(lab, &idc1, "web", "dp-trunk", &wish)?;
    let far = Container::attach(lab, &idc2, "db", "dp-trunk-far")?;
    let udp = Udp {
        from: ITS_OWN,
        to: far.v4,
        ports: (7, 7),
    };
    let eth = Ethernet {
        from: trunk.mac,
        to: wire_mac(&idc2)?,
    };
    let allowed = tagged(eth.udp4("UDP", udp), 200);
    let stranger = Ethernet {
        from: far.mac,
        ..eth
    };
    let forbidden = [
        tagged(eth.udp4("UDP", udp), 10),
        tagged(eth.udp4("UDP", udp), 100),
        tagged(eth.udp4("UDP", udp), 300),
        tagged(stranger.udp4("UDP from another MAC", udp), 200),
    ];
    let uplink = Capture::of(&idc1, idc1.spec.uplink.as_str())?;
    let receiver = far.capture()?;
    let socket = trunk.sender()?;
    trunk.settle()?;
    lab.settle_switches(&[&idc1.name])?;
    for frame in forbidden.iter().chain([&allowed]) {
        socket.send(frame)?;
    }
    std::thread::sleep(SETTLE);
    lab.settle_switches(&[&idc1.name, &idc2.name])?;
    let seen = uplink.finish()?;
    let left = seen.has(&allowed)?;
    ensure!(
        vlan_of(left) == Some(200),
        "it left in VLAN {:?}",
        vlan_of(left)
    );
    ensure!(
        left.get(6..12) == Some(&trunk.mac.0[..]),
        "it left with another MAC"
    );
    seen.has_none(&forbidden)?;
    let arrived = receiver.finish()?;
    let frame = arrived.has(&allowed)?;
    ensure!(vlan_of(frame).is_none(), "an access port received a tag");
    arrived.has_none(&forbidden)?;

    // Its own VLAN is as any container's.
    for range in &idc1.spec.networks[0].ranges {
        trunk.reaches(range.gateway)?;
    }
    trunk.check()?;
    drop(trunk);
    match Container::attach_as(
        lab,
        &idc1,
        "web",
        "dp-trunk",
        &Wish::conf("vlanTrunk", json!([300])),
    ) {
        Ok(_) => bail!("VLAN 300 is granted, which the uplink does not carry"),
        Err(e) => ensure!(format!("{e:#}").contains("300"), "{e:#}"),
    }
    Ok(())
}

pub(super) fn receives(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let wish = Wish::conf("vlanTrunk", json!([200]));
    let trunk = Container::attach_as(lab, &idc1, "web", "dp-trunk", &wish)?;
    let bystander = Container::attach(lab, &idc1, "web", "dp-trunk-by")?;
    let near = Container::attach(lab, &idc1, "db", "dp-trunk-near")?;
    let far = Container::attach(lab, &idc2, "db", "dp-trunk-far")?;
    for (from, wire) in [(&far, wire_mac(&idc2)?), (&near, near.mac)] {
        conversation(&trunk, from, wire, &bystander)
            .with_context(|| format!("with {} of {}", from.id(), from.node.name))?;
    }
    Ok(())
}

/// Somebody in VLAN 200 asks for the trunk container's address there, is answered by hand, and
/// sends a datagram.
fn conversation(
    trunk: &Container,
    from: &Container,
    wire: MacAddr,
    bystander: &Container,
) -> Result<()> {
    let hears = trunk.capture()?;
    let not_concerned = bystander.capture()?;
    let answered = from.capture()?;
    let (asking, answering) = (from.sender()?, trunk.sender()?);
    let eth = Ethernet {
        from: from.mac,
        to: MacAddr::BROADCAST,
    };
    let arp = Arp {
        op: 1,
        sha: from.mac,
        spa: from.v4,
        tha: MacAddr::ZERO,
        tpa: ITS_OWN,
    };
    let question = eth.arp("an ARP request", arp);
    asking.send(&question)?;
    std::thread::sleep(SETTLE);

    let back = Ethernet {
        from: trunk.mac,
        to: wire,
    };
    let arp = Arp {
        op: 2,
        sha: trunk.mac,
        spa: ITS_OWN,
        tha: wire,
        tpa: from.v4,
    };
    let answer = tagged(back.arp("the ARP reply", arp), 200);
    answering.send(&answer)?;
    let there = Ethernet {
        from: from.mac,
        to: trunk.mac,
    };
    let udp = Udp {
        from: from.v4,
        to: ITS_OWN,
        ports: (7, 7),
    };
    let datagram = there.udp4("a datagram", udp);
    asking.send(&datagram)?;
    let reply = Udp {
        from: ITS_OWN,
        to: from.v4,
        ports: (7, 7),
    };
    let reply = tagged(back.udp4("the datagram's reply", reply), 200);
    answering.send(&reply)?;
    std::thread::sleep(SETTLE);

    let heard = hears.finish()?;
    for frame in [&question, &datagram] {
        let arrived = heard.has(frame)?;
        ensure!(
            vlan_of(arrived) == Some(200),
            "{} came in VLAN {:?}",
            frame.name,
            vlan_of(arrived)
        );
    }
    let seen = answered.finish()?;
    for frame in [&answer, &reply] {
        ensure!(
            vlan_of(seen.has(frame)?).is_none(),
            "{} came with a tag",
            frame.name
        );
    }
    not_concerned
        .finish()?
        .has_none(&[question, answer, datagram, reply])
}
