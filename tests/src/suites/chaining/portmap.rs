//! `portmap`: a port of the host leads to a container.
//!
//! The plugin rewrites the destination on the host, so the answers have to pass the host
//! again. They do where the host itself asks, where the plugin masquerades (callers of the
//! container's own subnet), where the host is the containers' gateway, and in mode `vlan`,
//! because the bridge learns the way back of what the host forwards.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::chain::{Chained, list, on_node, plugin};
use crate::suites::kit::forwarding::forwarding;
use crate::suites::kit::tcp::{Greeter, ask};
use crate::suites::kit::{eventually, nat};
use crate::suites::rig::{PATIENCE, Rig, Snapshot};
use crate::{LabGuard, Node};

const HOST_PORT: u16 = 18_080;
const CONTAINER_PORT: u16 = 80;
/// For a connection that is to fail: two retries of the kernel are behind it.
const NO_ANSWER: Duration = Duration::from_secs(4);

fn wish() -> (&'static str, Value) {
    let mapping = json!({
        "hostPort": HOST_PORT, "containerPort": CONTAINER_PORT, "protocol": "tcp",
    });
    ("portMappings", json!([mapping]))
}

fn mapped(lab: &LabGuard, node: &Node, network: &str, id: &str) -> Result<(Chained, Greeter)> {
    let portmap = plugin(json!({"type": "portmap", "capabilities": {"portMappings": true}}))?;
    let list = list(node, network, &[portmap])?;
    let container = Chained::attach(lab, node, list, id, &[wish()])?;
    let greeter = Greeter::start(container.ns.path(), CONTAINER_PORT)?;
    Ok((container, greeter))
}

/// The rules of the mapping; the chains that all mappings share stay.
pub(super) fn rules(node: &Node) -> Result<Vec<String>> {
    let mut rules = Vec::new();
    for program in ["iptables-save", "ip6tables-save"] {
        let text = on_node(node, program, &["-t", "nat"])?;
        let own = |l: &&str| l.contains(&HOST_PORT.to_string()) || l.contains("CNI-DN-");
        rules.extend(text.lines().filter(own).map(|l| format!("{program}: {l}")));
    }
    Ok(rules)
}

/// The node's address of a family.
fn host_address(node: &Node, v6: bool) -> Result<IpAddr> {
    let mut all = node.spec.host_addresses.iter().map(|a| a.ip());
    let found = all.find(|ip| ip.is_ipv6() == v6);
    found.with_context(|| format!("{} has no such address", node.name))
}

/// That a namespace reaches the container by the host's port, and how it is seen there.
fn reaches(who: &str, from: &Path, host: IpAddr, seen_as: Option<IpAddr>) -> Result<()> {
    let at = SocketAddr::new(host, HOST_PORT);
    let (peer, _) = eventually(PATIENCE / 2, || ask(from, at, NO_ANSWER))
        .with_context(|| format!("{who} to {at}"))?;
    ensure!(
        seen_as.is_none_or(|ip| ip == peer),
        "{who} is seen as {peer}, not {seen_as:?}"
    );
    Ok(())
}

pub(super) fn maps(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    let node = lab.node("idc1")?;
    let rig = Rig::new(lab, "idc1", "web")?;
    let before = Snapshot::take(&rig)?;
    let _forwarding = forwarding(&node)?;
    let (mut container, greeter) = mapped(lab, &node, "web", "ch-pm-web")?;
    ensure!(!rules(&node)?.is_empty(), "portmap made no rules");
    container.check_flatnet(lab).context("CHECK of flatnet")?;

    let (v4, v6) = (host_address(&node, false)?, host_address(&node, true)?);
    let host = node.netns_path();
    reaches("the host", &host, v4, Some(v4))?;
    reaches("the host", &host, v6, Some(v6))?;
    reaches("the host", &host, Ipv4Addr::LOCALHOST.into(), Some(v4))
        .context("by its loopback address")?;
    // Callers of the container's own subnet are masqueraded: they are seen as the host.
    let near = rig.attach("ch-pm-near")?;
    let far = Rig::new(lab, "idc2", "web")?.attach("ch-pm-far")?;
    for (who, caller) in [
        ("a container of the host", near.ns.path()),
        ("a container of another node", far.ns.path()),
        ("the container itself", container.ns.path()),
    ] {
        reaches(who, caller, v4, Some(v4))?;
    }
    drop((near, far));

    container.detach()?;
    drop(greeter);
    let left = rules(&node)?;
    ensure!(left.is_empty(), "after the DEL there is {left:?}");
    ensure!(
        ask(&host, SocketAddr::new(v4, HOST_PORT), NO_ANSWER).is_err(),
        "the port still leads somewhere"
    );
    rig.same_as(&before)
}

pub(super) fn maps_for_others(lab: &LabGuard) -> Result<()> {
    nat::needed(lab)?;
    // Mode `routed`: answers pass the host, which is the gateway.
    let (vpc1, vpc2) = (lab.node("vpc1")?, lab.node("vpc2")?);
    let (mut container, greeter) = mapped(lab, &vpc1, "cloud", "ch-pm-cloud")?;
    for v6 in [false, true] {
        let (host, caller) = (host_address(&vpc1, v6)?, host_address(&vpc2, v6)?);
        reaches("vpc2", &vpc2.netns_path(), host, Some(caller))?;
    }
    container.detach()?;
    drop(greeter);
    let left = rules(&vpc1)?;
    ensure!(left.is_empty(), "after the DEL there is {left:?}");

    // Mode `vlan`.
    let (idc1, idc2) = (lab.node("idc1")?, lab.node("idc2")?);
    let _forwarding = forwarding(&idc1)?;
    let (mut container, greeter) = mapped(lab, &idc1, "web", "ch-pm-vlan")?;
    for other in [&idc2, &vpc1] {
        let (host, caller) = (host_address(&idc1, false)?, host_address(other, false)?);
        reaches(&other.name, &other.netns_path(), host, Some(caller))?;
    }
    container.check_flatnet(lab).context("CHECK of flatnet")?;
    container.detach()?;
    drop(greeter);
    let left = rules(&idc1)?;
    ensure!(left.is_empty(), "after the DEL there is {left:?}");
    Ok(())
}
