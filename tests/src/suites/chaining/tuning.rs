//! `tuning`: what it sets in the container stays, and flatnet's CHECK lives with it.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::chain::{Chained, IFNAME, list, plugin};
use crate::suites::rig::{Rig, Snapshot};
use crate::{LabGuard, netns};

const MTU: u64 = 1400;

/// The file of a sysctl, which is of the namespace of the thread that opens it.
fn file(key: &str) -> String {
    format!("/proc/sys/{}", key.replace('.', "/"))
}

fn link(container: &Chained) -> Result<Value> {
    let text = container.run("ip", &["-j", "-d", "link", "show", "dev", IFNAME])?;
    let links: Value = serde_json::from_str(&text)?;
    Ok(links[0].clone())
}

pub(super) fn sets(lab: &LabGuard) -> Result<()> {
    let node = lab.node("idc1")?;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let sysctl = json!({
        "net.core.somaxconn": "500",
        "net.ipv4.conf.eth0.arp_filter": "1",
        "net.ipv6.conf.eth0.router_solicitations": "0",
    });
    let tuning = json!({
        "type": "tuning", "sysctl": sysctl, "mtu": MTU, "promisc": true,
        "dataDir": node.paths.dir().join("tuning"),
    });
    let list = list(&node, "web", &[plugin(tuning)?])?;
    let mut container = Chained::attach(lab, &node, list, "ch-tuning", &[])?;

    for (key, value) in sysctl.as_object().into_iter().flatten() {
        let is = netns::enter(container.ns.path(), || std::fs::read_to_string(file(key)))??;
        ensure!(*value == is.trim(), "{key} is {}, not {value}", is.trim());
    }
    let is = link(&container)?;
    ensure!(is["mtu"] == MTU, "the MTU is {}", is["mtu"]);
    ensure!(
        is["promiscuity"].as_u64().is_some_and(|n| n > 0),
        "{IFNAME} is not promiscuous: {is}"
    );
    // tuning 1.1.1 hands the result on as it came: flatnet's, whole.
    let result = &container.added.result;
    ensure!(
        result.container_interface(IFNAME).is_some() && container.ips().len() == 2,
        "the result lost something: {}",
        container.added.raw
    );
    container.check().context("CHECK of the chain")?;
    for gateway in ["10.100.0.1", "fd10:100::1"] {
        container.run("ping", &["-n", "-c", "2", "-i", "0.2", "-W", "5", gateway])?;
    }
    // CHECK of the chain has tuning look as well: it finds what somebody changed.
    let key = "net.ipv4.conf.eth0.arp_filter";
    netns::enter(container.ns.path(), || std::fs::write(file(key), "0"))??;
    let found = container.check();
    ensure!(found.is_err(), "tuning's CHECK found nothing");
    container.check_flatnet(lab).context("CHECK of flatnet")?;
    container.detach()?;
    rig.same_as(&before)
}

/// Port security knows the MAC that netd gave: a chain that sets another cuts the container
/// off, and CHECK is what says so.
pub(super) fn mac(lab: &LabGuard) -> Result<()> {
    const MAC: &str = "02:12:34:56:78:10";
    let node = lab.node("idc1")?;
    let tuning = json!({
        "type": "tuning", "mac": MAC, "dataDir": node.paths.dir().join("tuning"),
    });
    let by_tuning = list(&node, "web", &[plugin(tuning)?])?;
    let mut container = Chained::attach(lab, &node, by_tuning, "ch-mac-tuning", &[])?;
    let is = link(&container)?;
    ensure!(is["address"] == MAC, "tuning set {}", is["address"]);
    let reached = container.run("ping", &["-n", "-c", "1", "-W", "1", "10.100.0.1"]);
    ensure!(reached.is_err(), "a MAC that nobody gave gets through");
    match container.check_flatnet(lab) {
        Ok(()) => anyhow::bail!("CHECK does not see that the MAC is another"),
        Err(e) => ensure!(
            e.code() == Some(101) && e.to_string().contains(MAC),
            "CHECK says {e}"
        ),
    }
    container.detach()?;

    let by_capability = list(&node, "web", &[plugin(json!({"type": "tuning"}))?])?;
    let wish = [("mac", json!(MAC))];
    let mut container = Chained::attach(lab, &node, by_capability, "ch-mac-wish", &wish)?;
    let is = link(&container)?;
    ensure!(is["address"] == MAC, "netd gave {}", is["address"]);
    container.run(
        "ping",
        &["-n", "-c", "2", "-i", "0.2", "-W", "5", "10.100.0.1"],
    )?;
    container.check().context("CHECK of the chain")?;
    container.detach()
}
