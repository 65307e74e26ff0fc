//! The three sides: two containers on one node and two on two nodes, for each.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

use super::pods::Pod;
use crate::load::Way;
use crate::paths::NODE_BRIDGE;
use crate::runtime::{Cni, Conflist};
use crate::{Datapath, Lab, Member, Node, Stopped, run};

/// The network of the lab's plan that all are in: mode `vlan`, and the plan has `servicePrefixes`.
const NETWORK: &str = "web";
/// Where Debian's `containernetworking-plugins` has them.
const PLUGINS: &str = "/usr/lib/cni";
/// The bridge that Debian's plugin makes.
const LINUX_BRIDGE: &str = "cni0";

/// Where the two containers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Place {
    /// On one node.
    OneHost,
    /// On two nodes, each behind a switch of its own.
    TwoHosts,
}

/// One side. What it changed of its nodes is undone when it is dropped: containers first, netd last.
pub(super) struct Side<'l> {
    pub(super) name: &'static str,
    one_host: [Pod; 2],
    two_hosts: [Pod; 2],
    _uplinks: Vec<Borrowed>,
    _stopped: Vec<Stopped<'l>>,
}

impl<'l> Side<'l> {
    /// Flatnet as it is.
    pub(super) fn flatnet(lab: &'l Lab, nodes: [&str; 2]) -> Result<Self> {
        let nodes = [lab.node(nodes[0])?, lab.node(nodes[1])?];
        Self::attached("flatnet", &nodes, |node| {
            let conflists = node.conflists();
            let found = conflists.iter().find(|(name, _)| name.as_str() == NETWORK);
            let (_, file) = found.with_context(|| format!("{} has no {NETWORK}", node.name))?;
            let cni = Cni::new(Conflist::read(file)?, &[&lab.layout().bin_dir()]);
            Ok(cni.on_node(&node.netns_path()))
        })
    }

    /// The same bridges with the same ports and one flow: what a frame does is the switch's own
    /// learning of MACs.
    pub(super) fn normal(lab: &'l Lab, names: [&str; 2]) -> Result<Self> {
        let mut side = Self::flatnet(lab, names)?;
        side.name = "normal";
        for name in names {
            side._stopped.push(lab.stop_unit(&format!("{name}/netd"))?);
            let node = lab.node(name)?;
            for words in [&["del-flows"][..], &["add-flow"]] {
                let mut command = node.ofctl();
                command.args(words).arg(NODE_BRIDGE);
                if words == ["add-flow"] {
                    command.arg("actions=NORMAL");
                }
                run::output(&mut command)?;
            }
        }
        Ok(side)
    }

    /// Debian's plugin, with the node's uplink in its bridge. The switch's port is an access port,
    /// so that nobody has to handle tags on the node.
    pub(super) fn bridge(lab: &'l Lab, names: [&str; 2]) -> Result<Self> {
        let nodes = [lab.node(names[0])?, lab.node(names[1])?];
        let (mut stopped, mut uplinks) = (Vec::new(), Vec::new());
        for node in &nodes {
            stopped.push(lab.stop_unit(&format!("{}/netd", node.name))?);
            uplinks.push(Borrowed::take(lab, node)?);
        }
        let dirs = uplinks.iter().map(|u: &Borrowed| u.data.clone());
        let dirs: Vec<PathBuf> = dirs.collect();
        let mut side = Self::attached("bridge", &nodes, |node| {
            let at = usize::from(node.name != nodes[0].name);
            let list = Conflist::parse(conflist(node, &dirs[at])?.to_string().as_bytes())?;
            Ok(Cni::new(list, &[Path::new(PLUGINS)]).on_node(&node.netns_path()))
        })?;
        for uplink in &uplinks {
            uplink.join()?;
        }
        if lab.datapath() == Datapath::User {
            for pod in &side.two_hosts {
                pod.fill_checksums()?;
            }
        }
        (side._uplinks, side._stopped) = (uplinks, stopped);
        Ok(side)
    }

    fn attached(
        name: &'static str,
        nodes: &[Node; 2],
        cni: impl Fn(&Node) -> Result<Cni>,
    ) -> Result<Self> {
        let pod = |node: &Node, what: &str| {
            let id = format!("dp-{}-{what}", node.name);
            Pod::attach(cni(node)?, &id).with_context(|| format!("{name}, on {}", node.name))
        };
        let [first, second] = nodes;
        Ok(Self {
            name,
            one_host: [pod(first, "near-a")?, pod(first, "near-b")?],
            two_hosts: [pod(first, "far-a")?, pod(second, "far-b")?],
            _uplinks: Vec::new(),
            _stopped: Vec::new(),
        })
    }

    /// The way between its containers.
    pub(super) fn way(&self, place: Place) -> Way<'_> {
        let [from, to] = match place {
            Place::OneHost => &self.one_host,
            Place::TwoHosts => &self.two_hosts,
        };
        Way {
            from: from.netns(),
            to: to.netns(),
            at: to.at,
        }
    }
}

/// The plugin's configuration: addresses of the range that the plan gives to the node.
fn conflist(node: &Node, data: &Path) -> Result<Value> {
    let network = node
        .spec
        .networks
        .iter()
        .find(|n| n.name.as_str() == NETWORK);
    let network = network.with_context(|| format!("{} has no {NETWORK}", node.name))?;
    let ranges = network.ranges.iter();
    let range = ranges
        .filter_map(|r| match r.prefix {
            IpNetwork::V4(prefix) => Some((prefix, r.subnet)),
            IpNetwork::V6(_) => None,
        })
        .next();
    let (range, subnet) = range.context("no range of IPv4")?;
    let start = Ipv4Addr::from(u32::from(range.network()) + 16);
    Ok(json!({
        "cniVersion": "1.0.0", "name": "peer",
        "plugins": [{
            "type": "bridge", "bridge": LINUX_BRIDGE, "isGateway": false, "ipMasq": false,
            "ipam": {
                "type": "host-local", "dataDir": data,
                "ranges": [[{
                    "subnet": subnet, "rangeStart": IpAddr::from(start),
                    "rangeEnd": IpAddr::from(range.broadcast()),
                }]],
            },
        }],
    }))
}

/// A node's uplink that was taken out of its Open vSwitch, and the switch's port for it; netd, once it
/// is back, takes the uplink into its bridge again.
struct Borrowed {
    node: Member,
    uplink: String,
    switch: Member,
    port: String,
    data: PathBuf,
}

impl Borrowed {
    fn take(lab: &Lab, node: &Node) -> Result<Self> {
        let uplink = node.spec.uplink.as_str().to_owned();
        let far = lab.far_end(&node.name, &uplink)?;
        let (switch, port) = far.with_context(|| format!("{}: no cable", node.name))?;
        let vlan = node
            .spec
            .networks
            .iter()
            .find(|n| n.name.as_str() == NETWORK);
        let vlan = vlan
            .and_then(|n| n.vlan)
            .context("the network has no VLAN")?;
        let name = format!("flatnet-bench-{}-{}", node.name, std::process::id());
        let data = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&data).with_context(|| data.display().to_string())?;
        run::output(node.vsctl().args(["del-port", NODE_BRIDGE, &uplink]))?;
        let borrowed = Self {
            node: node.member.clone(),
            uplink,
            switch,
            port,
            data,
        };
        let tag = format!("tag={vlan}");
        borrowed.set_port(&["vlan_mode=access", &tag])?;
        Ok(borrowed)
    }

    fn set_port(&self, columns: &[&str]) -> Result<()> {
        let mut command = self.switch.vsctl();
        command.args(["set", "port", &self.port]).args(columns);
        run::output(&mut command)?;
        Ok(())
    }

    /// Puts the uplink into the bridge that the first ADD made.
    fn join(&self) -> Result<()> {
        self.ip(&["link", "set", &self.uplink, "master", LINUX_BRIDGE, "up"])
    }

    fn ip(&self, words: &[&str]) -> Result<()> {
        run::output(self.node.command("ip").args(words))?;
        Ok(())
    }

    fn give_back(&self) -> Result<()> {
        self.ip(&["link", "set", &self.uplink, "nomaster"])?;
        self.ip(&["link", "delete", LINUX_BRIDGE])?;
        self.set_port(&["vlan_mode=trunk", "tag=[]"])
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        // A lab that is taken down takes it along; another run finds what is left.
        let _ = self.give_back();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}
