//! What the physical switches learn.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan::model::{MacMode, Network};
use flatnet_types::MacAddr;

use crate::suites::kit::container::Container;
use crate::suites::kit::frame::untagged;
use crate::suites::kit::wire::Capture;
use crate::suites::kit::{eventually, output, pair, wire_mac};
use crate::{Lab, LabGuard, Node, files};

/// Containers on one node.
const MANY: usize = 20;
/// How long a netd may take to be ready again.
const READY: Duration = Duration::from_secs(15);

/// The MACs that a switch has learned of a node, by VLAN.
fn learned(lab: &Lab, node: &Node) -> Result<BTreeMap<u16, BTreeSet<MacAddr>>> {
    let host = lab.plan().host(&node.spec.node);
    let switch = host
        .and_then(|h| h.uplink.switch.clone())
        .context("the node has a switch")?;
    let table = lab.mac_table(&switch)?;
    let own = wire_mac(node)?.to_string();
    let port = table.iter().find(|e| e.mac == own).map(|e| e.port.clone());
    let port = port.with_context(|| format!("{switch} has not learned {own}: {table:?}"))?;
    let mut macs: BTreeMap<u16, BTreeSet<MacAddr>> = BTreeMap::new();
    for entry in table.iter().filter(|e| e.port == port) {
        macs.entry(entry.vlan)
            .or_default()
            .insert(entry.mac.parse()?);
    }
    Ok(macs)
}

/// Empties the tables, and has every container speak with its gateways and with the others.
fn speak(lab: &Lab, containers: &[&Container]) -> Result<()> {
    // A switch that still handles frames by the flows of before would teach the next one.
    let nodes: BTreeSet<&str> = containers.iter().map(|c| c.node.name.as_str()).collect();
    lab.settle_switches(&nodes.into_iter().collect::<Vec<_>>())?;
    lab.flush_mac_tables()?;
    for container in containers {
        for network in &container.node.spec.networks {
            for range in &network.ranges {
                container.reaches(range.gateway)?;
            }
        }
        for address in containers.iter().flat_map(|c| c.ips()) {
            container.reaches(address)?;
        }
    }
    Ok(())
}

pub(super) fn one_for_a_host(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let far = Container::attach(lab, &idc2, "web", "dp-mac-far")?;
    let mut containers = Vec::new();
    for n in 0..MANY {
        let network = if n % 2 == 0 { "web" } else { "db" };
        containers.push(Container::attach(
            lab,
            &idc1,
            network,
            &format!("dp-mac-{n}"),
        )?);
    }
    lab.flush_mac_tables()?;
    for container in &containers {
        for address in far.ips() {
            container.reaches(address)?;
        }
    }
    // The host speaks too: its own VLAN has the same MAC.
    let gateway = idc1
        .spec
        .host_gateways
        .first()
        .context("idc1 has a gateway")?;
    crate::suites::kit::container::ping(&mut idc1.command("ping"), &gateway.to_string())?;
    let macs = learned(lab, &idc1)?;
    let own = wire_mac(&idc1)?;
    let expected: BTreeMap<u16, BTreeSet<MacAddr>> = [10, 100, 200]
        .into_iter()
        .map(|vlan| (vlan, [own].into()))
        .collect();
    ensure!(
        macs == expected,
        "with {MANY} containers the switch has learned {macs:?}"
    );
    for switch in lab.switches() {
        for entry in lab.mac_table(&switch.name)? {
            let hidden = containers.iter().find(|c| c.mac.to_string() == entry.mac);
            ensure!(hidden.is_none(), "{} has learned {entry:?}", switch.name);
        }
    }
    Ok(())
}

/// netd of some nodes, with another plan until this is dropped.
pub(super) struct OtherPlan<'l> {
    lab: &'l Lab,
    nodes: Vec<String>,
    network: String,
    file: PathBuf,
}

impl<'l> OtherPlan<'l> {
    fn of_pods(lab: &'l Lab, nodes: &[&Node], network: &str) -> Result<Self> {
        Self::start(lab, nodes, network, |known| known.mac = MacMode::Pod)
    }

    /// With one network changed.
    pub(super) fn start(
        lab: &'l Lab,
        nodes: &[&Node],
        network: &str,
        change: impl Fn(&mut Network),
    ) -> Result<Self> {
        let file = lab.layout().root().join("plan-of-the-check.yaml");
        let nodes = nodes.iter().map(|n| n.name.clone()).collect();
        let other = Self {
            lab,
            nodes,
            network: network.to_owned(),
            file: file.clone(),
        };
        other.change(change)?;
        for node in &other.nodes {
            lab.set_netd_plan(node, &file)?;
        }
        other.wait_ready()?;
        Ok(other)
    }

    /// The lab's own plan with the network changed otherwise, for a netd that runs: it takes over
    /// what is live.
    pub(super) fn change(&self, change: impl Fn(&mut Network)) -> Result<()> {
        let mut plan = self.lab.plan().clone();
        let all = plan.spec.networks.iter_mut();
        all.filter(|n| n.name.as_str() == self.network)
            .for_each(change);
        let text = flatnet_plan::to_yaml(&plan)?;
        flatnet_plan::load(&text).context("the check's own plan")?;
        files::write_if_changed(&self.file, text.as_bytes())?;
        Ok(())
    }

    fn wait_ready(&self) -> Result<()> {
        for node in &self.nodes {
            self.lab.wait_ready(node, READY)?;
        }
        Ok(())
    }

    pub(super) fn end(&self) -> Result<()> {
        for node in &self.nodes {
            self.lab.set_netd_args(node, &[])?;
        }
        self.wait_ready()
    }
}

impl Drop for OtherPlan<'_> {
    fn drop(&mut self) {
        // Where the check ended well, this changes nothing; the next `up` repairs the rest.
        let _ = self.end();
    }
}

fn gateways_of(container: &Container) -> impl Iterator<Item = IpAddr> {
    let ranges = &container.node.spec.networks[0].ranges;
    ranges.iter().map(|r| r.gateway)
}

/// That the wire has seen a container's address announced with a MAC, and that the router has it.
fn announced(lab: &Lab, wire: Capture, container: &Container, mac: MacAddr) -> Result<()> {
    let edge = lab.member("edge")?;
    let knows = || {
        for ip in container.ips() {
            let text = output(edge.command("ip").args(["neigh", "show", &ip.to_string()]))?;
            ensure!(
                text.contains(&mac.to_string()),
                "the router has {} where {ip} is at {mac}",
                text.trim()
            );
        }
        Ok(())
    };
    eventually(Duration::from_secs(3), knows)?;
    let seen = wire.finish()?;
    // An ARP request for one's own address, behind the tag: sender and target are the same.
    let own = container.v4.octets();
    let gratuitous = |frame: &&Vec<u8>| {
        let frame = untagged(frame);
        let arp = frame.get(12..14) == Some(&[8, 6][..]) && frame.get(6..12) == Some(&mac.0[..]);
        arp && frame.get(28..32) == Some(&own[..]) && frame.get(38..42) == Some(&own[..])
    };
    let count = seen.frames.iter().filter(gratuitous).count();
    ensure!(count > 0, "{} saw no announcement with {mac}", seen.place);
    Ok(())
}

pub(super) fn of_the_pods(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let before = Container::attach(lab, &idc1, "web", "dp-pod-a")?;
    let other_vlan = Container::attach(lab, &idc1, "db", "dp-pod-b")?;
    for gateway in gateways_of(&before) {
        before.reaches(gateway)?;
    }
    let wire = Capture::of(&idc1, idc1.spec.uplink.as_str())?;
    let plan = OtherPlan::of_pods(lab, &[&idc1, &idc2], "web")?;
    announced(lab, wire, &before, before.mac)?;
    let after = Container::attach(lab, &idc1, "web", "dp-pod-c")?;
    let far = Container::attach(lab, &idc2, "web", "dp-pod-d")?;
    let all = [&before, &other_vlan, &after, &far];
    let web = [before.mac, after.mac];
    // What the neighbours had in mind was the host's MAC, and it still leads there.
    speak(lab, &all)?;
    let macs = learned(lab, &idc1)?;
    let shown = macs.get(&100).cloned().unwrap_or_default();
    ensure!(
        web.iter().all(|mac| shown.contains(mac)),
        "of {web:?} the switch has learned {shown:?} in VLAN 100"
    );
    let own = wire_mac(&idc1)?;
    ensure!(
        macs.get(&200) == Some(&[own].into()),
        "VLAN 200 has no `mac: pod`, and the switch has learned {macs:?}"
    );
    for container in all {
        container.check()?;
    }

    // And back, with containers attached.
    let wire = Capture::of(&idc1, idc1.spec.uplink.as_str())?;
    plan.end()?;
    announced(lab, wire, &before, own)?;
    speak(lab, &all)?;
    let macs = learned(lab, &idc1)?;
    ensure!(
        macs.get(&100) == Some(&[own].into()),
        "back again, the switch has learned {macs:?}"
    );
    Ok(())
}
