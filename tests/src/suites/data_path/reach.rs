//! Who reaches whom, and in which size.

use std::net::IpAddr;

use anyhow::{Context, Result, bail, ensure};
use flatnet_plan::node::first_address;
use serde_json::json;

use crate::suites::kit::container::{Container, IFNAME, Wish};
use crate::suites::kit::pair;
use crate::{Lab, LabGuard};

/// Containers on every kind of place: two of a VLAN on a node, the other VLAN, the other node,
/// and two nodes of the cloud.
struct Everywhere {
    web: Container,
    all: Vec<Container>,
}

impl Everywhere {
    fn attach(lab: &Lab) -> Result<Self> {
        let [idc1, idc2] = pair(lab, "idc")?;
        let [vpc1, vpc2] = pair(lab, "vpc")?;
        let places = [
            (&idc1, "web", "dp-web1b"),
            (&idc1, "db", "dp-db1"),
            (&idc2, "web", "dp-web2"),
            (&idc2, "db", "dp-db2"),
            (&vpc1, "cloud", "dp-cloud1"),
            (&vpc1, "cloud", "dp-cloud1b"),
            (&vpc2, "cloud", "dp-cloud2"),
        ];
        let all = places
            .into_iter()
            .map(|(node, network, id)| Container::attach(lab, node, network, id))
            .collect::<Result<_>>()?;
        Ok(Self {
            web: Container::attach(lab, &idc1, "web", "dp-web1")?,
            all,
        })
    }

    fn others(&self, than: &Container) -> Vec<IpAddr> {
        let others = self
            .all
            .iter()
            .chain([&self.web])
            .filter(|c| c.v4 != than.v4);
        others.flat_map(Container::ips).collect()
    }
}

/// The hosts' addresses, the routers', and those of the hosts that are gateways.
fn infrastructure(lab: &Lab) -> Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for node in lab.nodes()? {
        addresses.extend(node.spec.host_addresses.iter().map(|a| a.ip()));
        addresses.extend(
            node.spec
                .networks
                .iter()
                .flat_map(|n| &n.ranges)
                .map(|r| r.gateway),
        );
    }
    addresses.sort_unstable();
    addresses.dedup();
    Ok(addresses)
}

pub(super) fn everywhere(lab: &LabGuard) -> Result<()> {
    let places = Everywhere::attach(lab)?;
    let infrastructure = infrastructure(lab)?;
    let askers = [&places.web, &places.all[1], &places.all[4], &places.all[6]];
    for from in askers {
        for to in places
            .others(from)
            .into_iter()
            .chain(infrastructure.iter().copied())
        {
            from.reaches(to)?;
        }
    }
    for container in places.all.iter().chain([&places.web]) {
        container
            .check()
            .with_context(|| container.id().to_owned())?;
    }
    Ok(())
}

pub(super) fn link_local(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let a = Container::attach(lab, &idc1, "web", "dp-ll-a")?;
    let near = Container::attach(lab, &idc1, "web", "dp-ll-b")?;
    let far = Container::attach(lab, &idc2, "web", "dp-ll-c")?;
    let other_vlan = Container::attach(lab, &idc1, "db", "dp-ll-d")?;
    for container in [&a, &near, &far, &other_vlan] {
        container.settle()?;
    }
    a.reaches(near.link_local().into())?;
    a.reaches(far.link_local().into())?;
    far.reaches(a.link_local().into())?;
    ensure!(
        a.reaches(other_vlan.link_local().into()).is_err(),
        "a link-local address of another VLAN answers"
    );
    Ok(())
}

pub(super) fn full_size(lab: &LabGuard) -> Result<()> {
    let places = Everywhere::attach(lab)?;
    for container in places.all.iter().chain([&places.web]) {
        let planned = lab.plan().spec.mtu.get();
        ensure!(
            mtu(container)? == planned,
            "{}: the MTU is not the plan's {planned}",
            container.id()
        );
    }
    let infrastructure = infrastructure(lab)?;
    for from in [&places.web, &places.all[4]] {
        for to in places
            .others(from)
            .into_iter()
            .chain(infrastructure.iter().copied())
        {
            from.reaches_with(to, &["-M", "do", "-s", &payload(1500, to).to_string()])?;
        }
    }
    Ok(())
}

/// Echoes of more octets than two frames hold, and of as many more as make the last fragment tiny.
pub(super) fn in_pieces(lab: &LabGuard) -> Result<()> {
    let places = Everywhere::attach(lab)?;
    let infrastructure = infrastructure(lab)?;
    for from in [&places.web, &places.all[4]] {
        for to in places
            .others(from)
            .into_iter()
            .chain(infrastructure.iter().copied())
        {
            for octets in ["4000", "1477"] {
                from.reaches_with(to, &["-s", octets])?;
            }
        }
    }
    Ok(())
}

pub(super) fn smaller_mtu(lab: &LabGuard) -> Result<()> {
    let [idc1, _] = pair(lab, "idc")?;
    let wish = Wish::conf("mtu", json!(1400)).of_version("1.1.0");
    let small = Container::attach_as(lab, &idc1, "web", "dp-mtu", &wish)?;
    ensure!(mtu(&small)? == 1400, "the MTU inside is {}", mtu(&small)?);
    let said = small
        .added
        .result
        .container_interface(IFNAME)
        .map(|i| i.mtu);
    ensure!(said == Some(1400), "the result says {said:?}");
    for range in &idc1.spec.networks[0].ranges {
        let gateway = range.gateway;
        let fits = payload(1400, gateway);
        small.reaches_with(gateway, &["-M", "do", "-s", &fits.to_string()])?;
        let more = small.reaches_with(gateway, &["-M", "do", "-s", &(fits + 1).to_string()]);
        ensure!(more.is_err(), "{gateway}: 1401 bytes pass an MTU of 1400");
        // First addresses of ranges are containers' or gateways', never a reason to fragment.
        ensure!(
            first_address(range.prefix) != gateway,
            "the plan's gateway is in a range"
        );
    }
    small.check()?;
    drop(small);
    match Container::attach_as(lab, &idc1, "web", "dp-mtu", &Wish::conf("mtu", json!(9000))) {
        Ok(_) => bail!("an MTU of 9000 is granted where the plan has 1500"),
        Err(e) => ensure!(format!("{e:#}").contains("9000"), "{e:#}"),
    }
    Ok(())
}

/// What an echo request carries in a packet of that size (RFC 791, RFC 8200, RFC 792).
fn payload(packet: u32, to: IpAddr) -> u32 {
    packet - if to.is_ipv4() { 20 + 8 } else { 40 + 8 }
}

fn mtu(container: &Container) -> Result<u32> {
    let text = container.run("ip", &["-j", "link", "show", "dev", IFNAME])?;
    let links: serde_json::Value = serde_json::from_str(&text)?;
    let mtu = links[0]["mtu"].as_u64().context("ip says no MTU")?;
    Ok(u32::try_from(mtu)?)
}
