//! The changes: what is edited, and what those do who run switches, routers and services.

use std::net::IpAddr;
use std::num::NonZeroU32;

use anyhow::{Context, Result};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Accept, Host, MacMode, Network, Subnet, Switch};
use flatnet_types::Mtu;
use ipnetwork::IpNetwork;

use super::live::{Hand, Live, Way};
use super::verdict::Phase;
use crate::paths::EDGE;
use crate::suites::kit::output;
use crate::{Lab, LabGuard};

pub(super) fn neighbour_rate(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        network(plan, "web")?.neighbour_rate = NonZeroU32::new(300);
        Ok(())
    })
}

pub(super) fn mtu(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        network(plan, "web")?.mtu = Some(Mtu::new(1400)?);
        Ok(())
    })
}

/// The router has both addresses while containers hold the old one, as the step says.
const GATEWAY: &str = "10.100.0.2";

pub(super) fn gateway(lab: &LabGuard) -> Result<()> {
    let hands = router_hands("change a gateway", "10.100.0.2/16", "vlan100");
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        subnet(plan, GATEWAY)?.gateway = GATEWAY.parse()?;
        Ok(())
    })
}

const HOSTS_GATEWAY: &str = "10.10.0.2";

pub(super) fn hosts_gateway(lab: &LabGuard) -> Result<()> {
    let hands = router_hands("change the hosts' gateway", "10.10.0.2/24", "vlan10");
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        subnet(plan, HOSTS_GATEWAY)?.gateway = HOSTS_GATEWAY.parse()?;
        Ok(())
    })
}

/// The edge router gets the other address before anybody uses it, and loses it after nobody does.
fn router_hands(what: &'static str, address: &'static str, link: &'static str) -> [Hand; 2] {
    let change = move |verb: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let edge = lab.member(EDGE)?;
            let args = ["address", verb, address, "dev", link];
            output(edge.command("ip").args(args)).map(drop)
        }
    };
    [
        Hand::new(Way::There, Phase::Carry, what, change("add")),
        Hand::last(Way::Back, change("del")),
    ]
}

pub(super) fn mac_mode(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        network(plan, "web")?.mac = MacMode::Pod;
        Ok(())
    })
}

/// In no prefix of the lab's plan.
const SERVICES: &str = "10.97.0.0/16";
const SERVICE: &str = "10.97.0.10";

pub(super) fn service_prefix(lab: &LabGuard) -> Result<()> {
    let mut live = Live::begin(lab)?;
    live.world.serve("idc1", SERVICE.parse()?)?;
    live.there_and_back(&[], |plan| {
        plan.spec.service_prefixes.push(SERVICES.parse()?);
        Ok(())
    })
}

pub(super) fn accept(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        let line = plan.spec.links.first_mut().context("a line")?;
        let list = |texts: &[&str]| -> Result<Vec<IpNetwork>> {
            texts.iter().map(|t| Ok(t.parse()?)).collect()
        };
        // All but the VLAN of network web.
        line.accept = Some(Accept {
            from_idc: list(&[
                "10.10.0.0/24",
                "fd10:10::/64",
                "10.200.0.0/16",
                "fd10:200::/64",
            ])?,
            from_vpc: list(&["172.16.0.0/12", "fd20::/16"])?,
        });
        Ok(())
    })
}

/// Those who run the line take it down last of all, and put it up before anything leads over it.
pub(super) fn line(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        plan.spec.links.clear();
        Ok(())
    })
}

pub(super) fn range(lab: &LabGuard) -> Result<()> {
    Live::begin(lab)?.there_and_back(&[], |plan| {
        let host = host(plan, "vpc2")?;
        let mut v4 = host.ranges.iter_mut().filter(|r| r.prefix.is_ipv4());
        v4.next().context("a range")?.prefix = "172.30.32.0/19".parse()?;
        Ok(())
    })
}

pub(super) fn trunk(lab: &LabGuard) -> Result<()> {
    const WHAT: [&str; 2] = [
        "take VLANs off the uplink's trunk",
        "add VLANs to the uplink's trunk",
    ];
    let change = |vlans: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let trunks = format!("trunks={vlans}");
            let switch = lab.member("tor2")?;
            output(switch.vsctl().args(["set", "port", "idc2", &trunks])).map(drop)
        }
    };
    let hands = [
        Hand::new(Way::There, Phase::Clear, WHAT[0], change("10,100")),
        Hand::new(Way::Back, Phase::Carry, WHAT[1], change("10,100,200")),
    ];
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        let host = host(plan, "idc2")?;
        host.ranges.retain(|r| r.network.as_str() != "db");
        host.uplink.trunk = Some(vec![10.try_into()?, 100.try_into()?]);
        Ok(())
    })
}

/// The switch's own list, as people have it who run the switch.
pub(super) fn switch_trunk(lab: &LabGuard) -> Result<()> {
    const WHAT: [&str; 2] = ["take VLANs off a trunk", "add VLANs to a trunk"];
    let change = |vlans: &'static str| {
        move |lab: &Lab| -> Result<()> {
            let trunks = format!("trunks={vlans}");
            let switch = lab.member("tor2")?;
            output(switch.vsctl().args(["set", "port", "idc2", &trunks])).map(drop)
        }
    };
    let hands = [
        Hand::new(Way::There, Phase::Clear, WHAT[0], change("10,100")),
        Hand::new(Way::Back, Phase::Carry, WHAT[1], change("10,100,200")),
    ];
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        let host = host(plan, "idc2")?;
        host.ranges.retain(|r| r.network.as_str() != "db");
        switch(plan, "tor2")?.trunk = Some(vec![10.try_into()?, 100.try_into()?]);
        Ok(())
    })
}

/// The lab's second switch hangs on the first, which its plan does not say.
pub(super) fn uplinks(lab: &LabGuard) -> Result<()> {
    const WHAT: &str = "take uplinks off a switch";
    let hands = [
        Hand::new(Way::Back, Phase::Clear, WHAT, port("tor2", "tor1", "down")),
        Hand::ends(Way::Back, port("tor2", "tor1", "up")),
    ];
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        switch(plan, "tor2")?.uplinks = vec!["tor1".to_owned()];
        Ok(())
    })
}

/// The cable is out while it goes from one port to the other.
pub(super) fn cables(lab: &LabGuard) -> Result<()> {
    const WHAT: &str = "move cables";
    let hands = [
        Hand::new(Way::There, Phase::Give, WHAT, port("tor2", "idc2", "down")),
        Hand::ends(Way::There, port("tor2", "idc2", "up")),
        Hand::new(Way::Back, Phase::Give, WHAT, port("tor2", "idc2", "down")),
        Hand::ends(Way::Back, port("tor2", "idc2", "up")),
    ];
    Live::begin(lab)?.there_and_back(&hands, |plan| {
        host(plan, "idc2")?.uplink.switch = Some("tor1".to_owned());
        Ok(())
    })
}

/// Takes a switch's port down, or up again.
fn port(
    member: &'static str,
    port: &'static str,
    state: &'static str,
) -> impl Fn(&Lab) -> Result<()> {
    move |lab| {
        let switch = lab.member(member)?;
        let args = ["link", "set", "dev", port, state];
        output(switch.command("ip").args(args)).map(drop)
    }
}

fn switch<'p>(plan: &'p mut NetworkPlan, name: &str) -> Result<&'p mut Switch> {
    let mut switches = plan.spec.sites.iter_mut().flat_map(|s| &mut s.switches);
    let found = switches.find(|s| s.name == name);
    found.with_context(|| format!("a switch {name}"))
}

fn network<'p>(plan: &'p mut NetworkPlan, name: &str) -> Result<&'p mut Network> {
    let mut networks = plan.spec.networks.iter_mut();
    let found = networks.find(|n| n.name.as_str() == name);
    found.with_context(|| format!("a network {name}"))
}

fn host<'p>(plan: &'p mut NetworkPlan, name: &str) -> Result<&'p mut Host> {
    let mut hosts = plan.spec.hosts.iter_mut();
    let found = hosts.find(|h| h.name.as_str() == name);
    found.with_context(|| format!("a host {name}"))
}

/// The subnet of a VLAN that an address is in.
fn subnet<'p>(plan: &'p mut NetworkPlan, address: &str) -> Result<&'p mut Subnet> {
    let address: IpAddr = address.parse()?;
    let vlans = plan.spec.sites.iter_mut().flat_map(|s| &mut s.vlans);
    let mut subnets = vlans.flat_map(|v| &mut v.subnets);
    let found = subnets.find(|s| s.prefix.contains(address));
    found.with_context(|| format!("a subnet with {address}"))
}
