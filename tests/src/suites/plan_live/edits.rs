//! The plans that the lab's own is changed to, each by the scene of the same name. Pure, so that what
//! they prove of the verdicts is known without a lab.

use std::net::IpAddr;
use std::num::NonZeroU32;

use anyhow::{Context, Result};
use flatnet_plan::NetworkPlan;
use flatnet_plan::model::{Accept, Host, MacMode, Migrate, Network, Site, Subnet, Switch};
use flatnet_types::Mtu;
use ipnetwork::IpNetwork;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

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

pub(super) fn egress(plan: &mut NetworkPlan) -> Result<()> {
    network(plan, "db")?.egress = Some(Vec::new());
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
    first_range(plan, "vpc2", "172.30.32.0/19")
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

/// All that comes without anybody's using it yet, at once.
pub(super) fn unused(plan: &mut NetworkPlan) -> Result<()> {
    let idc = site(plan, "idc")?;
    idc.switches.push(made(json!({"name": "tor3"}))?);
    idc.vlans.push(made(json!({
        "id": 300, "name": "spare", "role": "pod",
        "subnets": [{"prefix": "10.230.0.0/16", "gateway": "10.230.0.1"}],
    }))?);
    let hosts = idc.vlans.iter_mut().find(|v| v.id.get() == 10);
    let more = made(json!({"prefix": "10.11.0.0/24", "gateway": "10.11.0.1"}))?;
    hosts.context("VLAN 10")?.subnets.push(more);
    let vpc = site(plan, "vpc")?;
    for prefix in ["172.16.0.0/12", "fd20::/16"] {
        vpc.prefixes.push(prefix.parse()?);
    }
    vpc.v_switches.push(made(json!({
        "name": "zone-c",
        "subnets": [{"prefix": "172.20.3.0/24", "gateway": "172.20.3.253"}],
    }))?);
    let branch = made(json!({"name": "branch", "type": "VPC"}))?;
    plan.spec.sites.push(branch);
    plan.spec.networks.push(made(json!({
        "name": "spare", "site": "idc", "vlan": 300, "pools": [{"prefix": "10.230.0.0/16"}],
    }))?);
    let cloud = network(plan, "cloud")?;
    cloud.pools.push(made(json!({"prefix": "172.31.0.0/16"}))?);
    let pool = cloud.pools.first_mut().context("a pool")?;
    pool.exclude.push("172.30.240.0/20".parse()?);
    let mut trunk = network(plan, "web")?.trunk.iter_mut();
    let tagged = trunk.next().context("a tagged VLAN")?;
    tagged.addresses.push("10.200.1.0/26".parse()?);
    let range = json!({"network": "web", "prefix": "10.100.48.0/20"});
    plan.spec.hosts.push(third(&range)?);
    // What moves of uplinks go by, which nobody makes meanwhile.
    plan.spec.api_server = Some("10.10.0.1:6443".to_owned());
    host(plan, "vpc2")?.uplink.migrate = Migrate::Auto;
    Ok(())
}

/// Switches that carry more than the hosts send and are wired otherwise, and a line that carries less.
pub(super) fn switches(plan: &mut NetworkPlan) -> Result<()> {
    let larger = || Mtu::new(9000);
    host(plan, "idc1")?.uplink.mtu = Some(larger()?);
    let tor1 = switch(plan, "tor1")?;
    tor1.mtu = Some(larger()?);
    tor1.peers = vec!["tor2".to_owned()];
    let tor2 = switch(plan, "tor2")?;
    let port = json!({"name": "idc2", "trunk": [10, 100, 200], "mtu": 9000});
    tor2.ports.push(made(port)?);
    tor2.spanning_tree = true;
    let vlans = &mut site(plan, "idc")?.vlans;
    let db = vlans.iter_mut().find(|v| v.id.get() == 200);
    db.context("VLAN 200")?.mtu = Some(larger()?);
    let line = plan.spec.links.first_mut().context("a line")?;
    line.mtu = Some(Mtu::new(1400)?);
    Ok(())
}

/// A host that is not there yet.
fn third(range: &Value) -> Result<Host> {
    made(json!({
        "name": "idc3", "site": "idc", "addresses": ["10.10.0.13/24"],
        "uplink": {"interface": "eth0", "switch": "tor1"},
        "ranges": [range],
    }))
}

fn first_range(plan: &mut NetworkPlan, name: &str, prefix: &str) -> Result<()> {
    let mut v4 = host(plan, name)?.ranges.iter_mut();
    let range = v4.find(|r| r.prefix.is_ipv4());
    range.context("a range")?.prefix = prefix.parse()?;
    Ok(())
}

/// What a document has of a thing.
fn made<T: DeserializeOwned>(value: Value) -> Result<T> {
    Ok(serde_json::from_value(value)?)
}

fn site<'p>(plan: &'p mut NetworkPlan, name: &str) -> Result<&'p mut Site> {
    let found = plan.spec.sites.iter_mut().find(|s| s.name == name);
    found.with_context(|| format!("a site {name}"))
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
