//! What a container must not be in a VLAN of its trunk.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail, ensure};
use flatnet_plan::model::{Network, Trunk};
use flatnet_types::{MacAddr, VlanId};
use serde_json::json;

use super::super::macs::OtherPlan;
use super::super::spoofing::{COUNTED, gateways};
use super::ITS_OWN;
use crate::LabGuard;
use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::frame::{
    ADVERTISEMENT, ADVERTISEMENT_OF_ROUTER, ALL_NODES, ALL_NODES_MAC, Arp, Ethernet, Frame, Nd,
    REDIRECT, Udp, tagged,
};
use crate::suites::kit::{SETTLE, drops_by_reason, eventually, pair};

const VLAN: u16 = 200;
/// As [`ITS_OWN`].
const ITS_OWN6: Ipv6Addr = Ipv6Addr::new(0xfd10, 0x200, 0, 0, 0, 0, 0, 0x4d07);
/// An address of the VLAN that nobody has and that is not declared.
const UNDECLARED: Ipv4Addr = Ipv4Addr::new(10, 200, 0, 200);

struct Cast<'c> {
    forger: &'c Container,
    victim: &'c Container,
    gateway: (Ipv4Addr, Ipv6Addr),
}

impl Cast<'_> {
    fn to(&self, to: MacAddr) -> Ethernet {
        Ethernet {
            from: self.forger.mac,
            to,
        }
    }

    fn udp4(&self, name: &str, from: Ipv4Addr, ports: (u16, u16)) -> Frame {
        let to = self.victim.v4;
        self.to(self.victim.mac).udp4(name, Udp { from, to, ports })
    }

    fn udp6(&self, name: &str, from: Ipv6Addr, ports: (u16, u16)) -> Frame {
        let to = self.victim.v6;
        self.to(self.victim.mac).udp6(name, Udp { from, to, ports })
    }

    fn arp(&self, name: &str, spa: Ipv4Addr) -> Frame {
        let arp = Arp {
            op: 1,
            sha: self.forger.mac,
            spa,
            tha: MacAddr::ZERO,
            tpa: spa,
        };
        self.to(MacAddr::BROADCAST).arp(name, arp)
    }

    fn nd(&self, name: &str, kind: u8, from: Ipv6Addr, target: Ipv6Addr) -> Frame {
        let nd = Nd {
            kind,
            from,
            to: ALL_NODES,
            target,
            mac: Some(self.forger.mac),
        };
        self.to(ALL_NODES_MAC).nd(name, &nd)
    }

    /// What it may be, with declared addresses.
    fn honest(&self) -> Vec<Frame> {
        let own = self.forger.link_local();
        vec![
            self.udp4("UDP", ITS_OWN, (7, 7)),
            self.udp6("UDP of IPv6", ITS_OWN6, (7, 7)),
            self.udp6("UDP from its link-local address", own, (7, 7)),
            self.arp("gratuitous ARP", ITS_OWN),
        ]
    }

    /// Whom it imitates by address, which `any` permits.
    fn addresses(&self) -> Vec<Frame> {
        let (v4, v6) = self.gateway;
        vec![
            self.udp4("IPv4 as the gateway", v4, (7, 7)),
            self.udp4(
                "IPv4 with an address that is not declared",
                UNDECLARED,
                (7, 7),
            ),
            self.udp6("IPv6 as the gateway", v6, (7, 7)),
            self.udp4(
                "IPv4 with its address of another VLAN",
                self.forger.v4,
                (7, 7),
            ),
            self.arp("ARP as the gateway", v4),
            self.arp("ARP with an address that is not declared", UNDECLARED),
        ]
    }

    /// What no container may be. With the reason by which each is counted.
    fn roles(&self) -> Vec<(&'static str, Frame)> {
        let (v4, v6) = self.gateway;
        let own = self.forger.link_local();
        let other = Ethernet {
            from: self.victim.mac,
            to: MacAddr::BROADCAST,
        };
        let from = self.victim.v4;
        let as_victim = Udp {
            from,
            to: Ipv4Addr::BROADCAST,
            ports: (7, 7),
        };
        let nested = tagged(self.udp4("a tag in a tag", ITS_OWN, (7, 7)), 100);
        let ends = (ITS_OWN, self.victim.v4);
        let vrrp = self.to(self.victim.mac).ip4("VRRP", 112, ends, &[0; 8]);
        let ra = self.nd("RA", ADVERTISEMENT_OF_ROUTER, own, own);
        vec![
            ("spoofed_address", other.udp4("the victim's MAC", as_victim)),
            ("router_advertisement", ra.clone()),
            ("unparsed", ra.of_length(0)),
            ("redirect", self.nd("redirect", REDIRECT, own, own)),
            ("dhcp_server", self.udp4("DHCP offer", ITS_OWN, (67, 68))),
            (
                "dhcp_server",
                self.udp6("DHCPv6 advertise", own, (547, 546)),
            ),
            ("control_protocol", vrrp),
            ("control_protocol", self.udp4("RIP", ITS_OWN, (520, 520))),
            ("vlan_tag", nested),
            (
                "spoofed_address",
                self.udp4("IPv4 as the gateway", v4, (7, 7)),
            ),
            (
                "forged_nd",
                self.nd("NA for the gateway", ADVERTISEMENT, own, v6),
            ),
            (
                "forged_nd",
                self.nd("NA for the victim", ADVERTISEMENT, own, self.victim.v6),
            ),
        ]
    }
}

fn in_vlan(frames: Vec<Frame>) -> Vec<Frame> {
    frames.into_iter().map(|f| tagged(f, VLAN)).collect()
}

pub(in super::super) fn stays_itself(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let wish = Wish::conf("vlanTrunk", json!([VLAN]));
    let trunk = Container::attach_as(lab, &idc1, "web", "dp-trunk", &wish)?;
    let near = Container::attach(lab, &idc1, "db", "dp-trunk-near")?;
    let far = Container::attach(lab, &idc2, "db", "dp-trunk-far")?;
    let gateway = gateways(&idc1, "db")?;
    for container in [&trunk, &near, &far] {
        container.settle()?;
    }
    for victim in [&near, &far] {
        let cast = Cast {
            forger: &trunk,
            victim,
            gateway,
        };
        cast.tries(lab)
            .with_context(|| format!("against {}", victim.id()))?;
        for ip in [gateway.0.into(), gateway.1.into()] {
            victim.reaches(ip)?;
        }
    }

    // Without a declaration there is none, and the way out is said.
    let asked = Wish::conf("vlanTrunk", json!([100]));
    match Container::attach_as(lab, &idc1, "db", "dp-trunk-un", &asked) {
        Ok(_) => bail!("network db declares no trunk, and VLAN 100 is granted"),
        Err(e) => {
            let text = format!("{e:#}");
            let way_out = "trunk: [{vlan: 100, addresses: [PREFIX";
            ensure!(text.contains(way_out), "{text}");
        }
    }

    // `any` is any address, and no other role.
    let cast = Cast {
        forger: &trunk,
        victim: &near,
        gateway,
    };
    let plan = OtherPlan::start(lab, &[&idc1], "web", any)?;
    let addresses = in_vlan(cast.addresses());
    let mut roles: Vec<Frame> = cast.roles().into_iter().map(|(_, f)| f).collect();
    roles.retain(|f| !f.name.contains("gateway") && !f.name.contains("NA for"));
    let roles = in_vlan(roles);
    let hears = near.capture()?;
    let socket = trunk.sender()?;
    for frame in addresses.iter().chain(&roles) {
        socket.send(frame)?;
    }
    std::thread::sleep(SETTLE);
    let seen = hears.finish()?;
    seen.has_none(&roles)?;
    // What is for one container reaches it; ARP of a container goes to the uplink.
    for frame in addresses.iter().filter(|f| f.name.starts_with("IP")) {
        seen.has(frame)?;
    }
    plan.end()
}

fn any(network: &mut Network) {
    network.trunk = VlanId::new(u32::from(VLAN))
        .map(|vlan| Trunk {
            vlan,
            addresses: Vec::new(),
            any: true,
        })
        .into_iter()
        .collect();
}

/// The kernel's datapath reads the type behind a length that says that there is none; whether it has
/// seen the whole message before decides under which of the two the short one is counted.
fn class(reason: &str) -> &str {
    match reason {
        "unparsed" => "router_advertisement",
        other => other,
    }
}

impl Cast<'_> {
    fn tries(&self, lab: &LabGuard) -> Result<()> {
        let node = &self.forger.node;
        let honest = in_vlan(self.honest());
        let mut forged = in_vlan(self.addresses());
        let mut wanted = std::collections::BTreeMap::<&str, u64>::new();
        *wanted.entry("spoofed_address").or_default() += u64::try_from(forged.len())?;
        for (reason, frame) in self.roles() {
            *wanted.entry(class(reason)).or_default() += 1;
            forged.push(tagged(frame, VLAN));
        }
        let hears = self.victim.capture()?;
        let wire = crate::suites::kit::wire::Capture::of(node, node.spec.uplink.as_str())?;
        let socket = self.forger.sender()?;
        lab.settle_switches(&[&node.name])?;
        let before = drops_by_reason(node)?;
        for frame in forged.iter().chain(&honest) {
            socket.send(frame)?;
        }
        let counted = eventually(COUNTED, || {
            let now = drops_by_reason(node)?;
            for (reason, count) in &wanted {
                let of_class = |r: &&String| class(r) == *reason;
                let grown: u64 = now
                    .keys()
                    .filter(of_class)
                    .map(|r| now[r] - before[r])
                    .sum();
                ensure!(
                    grown == *count,
                    "{count} frames are {reason}, and it grew by {grown}"
                );
            }
            Ok(())
        });
        std::thread::sleep(SETTLE);
        let (seen, left) = (hears.finish()?, wire.finish()?);
        seen.has_none(&forged)?;
        left.has_none(&forged)?;
        for frame in honest.iter().filter(|f| f.name.starts_with("UDP")) {
            seen.has(frame)?;
        }
        left.has(honest.last().context("ARP")?)?;
        counted?;
        Ok(())
    }
}
