//! The plans that the lab's own is changed to, each by the scene of the same name. Pure, so that what
//! they prove of the verdicts is known without a lab.

use std::net::IpAddr;
use std::num::NonZeroU32;

use anyhow::{Context, Result};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Accept, Host, MacMode, Network, Subnet, Switch};
use flatnet_types::Mtu;
use ipnetwork::IpNetwork;

/// What makes another plan of the lab's own.
pub(super) type Edit = fn(&mut NetworkPlan) -> Result<()>;

const GATEWAY: &str = "10.100.0.2";
const HOSTS_GATEWAY: &str = "10.10.0.2";
/// In no prefix of the lab's plan.
const SERVICES: &str = "10.97.0.0/16";

pub(super) fn neighbour_rate(plan: &mut NetworkPlan) -> Result<()> {
    network(plan, "web")?.neighbour_rate = NonZeroU32::new(300);
    Ok(())
}

pub(super) fn mtu(plan: &mut NetworkPlan) -> Result<()> {
    network(plan, "web")?.mtu = Some(Mtu::new(1400)?);
    Ok(())
}

pub(super) fn gateway(plan: &mut NetworkPlan) -> Result<()> {
    subnet(plan, GATEWAY)?.gateway = GATEWAY.parse()?;
    Ok(())
}

pub(super) fn hosts_gateway(plan: &mut NetworkPlan) -> Result<()> {
    subnet(plan, HOSTS_GATEWAY)?.gateway = HOSTS_GATEWAY.parse()?;
    Ok(())
}

pub(super) fn mac_mode(plan: &mut NetworkPlan) -> Result<()> {
    network(plan, "web")?.mac = MacMode::Pod;
    Ok(())
}

pub(super) fn service_prefix(plan: &mut NetworkPlan) -> Result<()> {
    plan.spec.service_prefixes.push(SERVICES.parse()?);
    Ok(())
}

pub(super) fn accept(plan: &mut NetworkPlan) -> Result<()> {
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
}

pub(super) fn line(plan: &mut NetworkPlan) -> Result<()> {
    plan.spec.links.clear();
    Ok(())
}

pub(super) fn range(plan: &mut NetworkPlan) -> Result<()> {
    let host = host(plan, "vpc2")?;
    let mut v4 = host.ranges.iter_mut().filter(|r| r.prefix.is_ipv4());
    v4.next().context("a range")?.prefix = "172.30.32.0/19".parse()?;
    Ok(())
}

pub(super) fn trunk(plan: &mut NetworkPlan) -> Result<()> {
    let host = host(plan, "idc2")?;
    host.ranges.retain(|r| r.network.as_str() != "db");
    host.uplink.trunk = Some(vec![10.try_into()?, 100.try_into()?]);
    Ok(())
}

pub(super) fn switch_trunk(plan: &mut NetworkPlan) -> Result<()> {
    let host = host(plan, "idc2")?;
    host.ranges.retain(|r| r.network.as_str() != "db");
    switch(plan, "tor2")?.trunk = Some(vec![10.try_into()?, 100.try_into()?]);
    Ok(())
}

pub(super) fn uplinks(plan: &mut NetworkPlan) -> Result<()> {
    switch(plan, "tor2")?.uplinks = vec!["tor1".to_owned()];
    Ok(())
}

pub(super) fn cables(plan: &mut NetworkPlan) -> Result<()> {
    host(plan, "idc2")?.uplink.switch = Some("tor1".to_owned());
    Ok(())
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
