//! The host as a neighbour of its containers, and as their gateway.

use std::net::IpAddr;

use anyhow::{Context, Result, ensure};
use flatnet_types::MacAddr;

use crate::suites::kit::container::{Container, ping};
use crate::suites::kit::frame::{Arp, Ethernet};
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{SETTLE, output, pair};
use crate::{LabGuard, Node};

fn host_reaches(node: &Node, to: IpAddr) -> Result<()> {
    ping(&mut node.command("ping"), &to.to_string())
        .with_context(|| format!("{} to {to}", node.name))
}

pub(super) fn own_containers(lab: &LabGuard) -> Result<()> {
    let [idc1, _] = pair(lab, "idc")?;
    let containers = [
        Container::attach(lab, &idc1, "web", "dp-host-a")?,
        Container::attach(lab, &idc1, "db", "dp-host-b")?,
    ];
    // Their announcements are on the wire, and are to be.
    std::thread::sleep(SETTLE);
    let uplink = Capture::of(&idc1, idc1.spec.uplink.as_str())?;
    for container in &containers {
        for ip in container.ips() {
            host_reaches(&idc1, ip)?;
        }
        for host in &idc1.spec.host_addresses {
            container.reaches(host.ip())?;
        }
    }
    std::thread::sleep(SETTLE);
    let seen = uplink.finish()?;
    // The gateway, to which the container's kernel sends what is for the host, is asked for
    // outside; the packets themselves are not to be seen there.
    for container in &containers {
        for host in &idc1.spec.host_addresses {
            let ends: [Vec<u8>; 2] = [octets(host.ip()), octets(in_family(container, host.ip()))];
            let between = |frame: &&Vec<u8>| {
                ends.iter()
                    .all(|end| frame.windows(end.len()).any(|w| w == &end[..]))
            };
            let leaked = seen.frames.iter().find(between);
            ensure!(leaked.is_none(), "{}: {leaked:02x?}", seen.place);
        }
    }
    Ok(())
}

fn in_family(container: &Container, of: IpAddr) -> IpAddr {
    if of.is_ipv4() {
        container.v4.into()
    } else {
        container.v6.into()
    }
}

fn octets(ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    }
}

pub(super) fn other_nodes(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let [vpc1, vpc2] = pair(lab, "vpc")?;
    let containers = [
        Container::attach(lab, &idc2, "web", "dp-host-c")?,
        Container::attach(lab, &idc2, "db", "dp-host-d")?,
        Container::attach(lab, &vpc2, "cloud", "dp-host-e")?,
    ];
    for container in &containers {
        for host in [&idc1, &vpc1] {
            for ip in container.ips() {
                host_reaches(host, ip)?;
            }
            for address in &host.spec.host_addresses {
                container.reaches(address.ip())?;
            }
        }
    }
    Ok(())
}

pub(super) fn routed(lab: &LabGuard) -> Result<()> {
    let [vpc1, vpc2] = pair(lab, "vpc")?;
    let a = Container::attach(lab, &vpc1, "cloud", "dp-rt-a")?;
    let b = Container::attach(lab, &vpc1, "cloud", "dp-rt-b")?;
    let far = Container::attach(lab, &vpc2, "cloud", "dp-rt-c")?;
    for key in ["ipv4/ip_forward", "ipv6/conf/all/forwarding"] {
        let value = output(vpc1.command("cat").arg(format!("/proc/sys/net/{key}")))?;
        ensure!(value.trim() == "1", "{key} is {}", value.trim());
    }
    let ranges = &vpc1.spec.networks[0].ranges;
    // `reaches` fails on a doubled answer too.
    for range in ranges {
        a.reaches(range.gateway)?;
    }
    for to in b.ips().into_iter().chain(far.ips()) {
        a.reaches(to)?;
    }

    // One answer to one question: the bridge's, and not the host's end of the link as well.
    let gateway = ranges.iter().find_map(|r| match r.gateway {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    let host = vpc1.spec.host_addresses.iter().find_map(|n| match n.ip() {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    let gateway = gateway.context("vpc1 has an IPv4 gateway")?;
    let host = host.context("vpc1 has an IPv4 address")?;
    let eth = Ethernet {
        from: a.mac,
        to: MacAddr::BROADCAST,
    };
    let socket = a.sender()?;
    for (who, tpa, expected) in [
        ("the gateway", gateway, 1),
        ("b", b.v4, 1),
        ("the host's NIC", host, 0),
    ] {
        let capture = a.capture()?;
        let arp = Arp {
            op: 1,
            sha: a.mac,
            spa: a.v4,
            tha: MacAddr::ZERO,
            tpa,
        };
        socket.send(&eth.arp("an ARP request", arp))?;
        std::thread::sleep(SETTLE);
        let seen = capture.finish()?;
        let answers = seen.frames.iter().filter(|f| {
            f.get(12..14) == Some(&[0x08, 0x06])
                && f.get(20..22) == Some(&[0, 2])
                && f.get(28..32) == Some(&tpa.octets())
        });
        let answers = answers.count();
        ensure!(
            answers == expected,
            "{answers} answers to an ARP request for {who}"
        );
    }

    // What a container sends by the gateway arrives once.
    let udp = crate::suites::kit::frame::Udp {
        from: a.v4,
        to: far.v4,
        ports: (7, 7),
    };
    let gateway_mac = crate::suites::kit::wire_mac(&vpc1)?;
    let frame = Ethernet {
        from: a.mac,
        to: gateway_mac,
    }
    .udp4("UDP by the gateway", udp);
    let capture = far.capture()?;
    socket.send(&frame)?;
    std::thread::sleep(SETTLE);
    let seen = capture.finish()?;
    let times = seen.with(frame.mark).count();
    ensure!(times == 1, "{} arrived {times} times", frame.name);
    Ok(())
}
