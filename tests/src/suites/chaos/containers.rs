//! Containers as a runtime has them: a namespace, and the calls for it.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf, RuntimeError};
use crate::{LabGuard, Node};

const IFNAME: &str = "eth0";

/// A network of a node, ready to be called for.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) node: Node,
    pub(super) network: String,
    pub(super) cni: Cni,
}

/// A container; its namespace goes with it.
#[derive(Debug)]
pub(super) struct Container {
    pub(super) netns: ContainerNs,
    pub(super) conf: RuntimeConf,
}

/// A container that is attached.
#[derive(Debug)]
pub(super) struct Living {
    pub(super) spot: Spot,
    pub(super) container: Container,
    pub(super) added: Added,
}

/// Every network of these nodes.
pub(super) fn spots(lab: &LabGuard, nodes: &[&str]) -> Result<Vec<Spot>> {
    let mut spots = Vec::new();
    for name in nodes {
        let node = lab.node(name)?;
        for (network, conflist) in node.conflists() {
            let list = Conflist::read(&conflist).with_context(|| conflist.display().to_string())?;
            // GC came with 1.1.0.
            let list = list.with_version("1.1.0");
            spots.push(Spot {
                cni: Cni::new(list, &[&lab.layout().bin_dir()]).on_node(&node.netns_path()),
                node: node.clone(),
                network: network.to_string(),
            });
        }
    }
    Ok(spots)
}

/// Ends every attachment of these networks, as a runtime that knows of none does.
pub(super) fn forget_all(spots: &[Spot]) -> Result<()> {
    spots.iter().try_for_each(|spot| collect(spot, &[]))
}

/// GC of one network.
pub(super) fn collect(spot: &Spot, living: &[&Living]) -> Result<()> {
    let here = living.iter().filter(|l| l.is_of(spot));
    let valid: Vec<(String, String)> = here
        .map(|l| (l.id().to_owned(), IFNAME.to_owned()))
        .collect();
    let errors = match spot.cni.gc(&valid) {
        Ok(()) => return Ok(()),
        Err(errors) => errors,
    };
    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
    anyhow::bail!(
        "GC of {} on {}: {}",
        spot.network,
        spot.node.name,
        errors.join("; ")
    )
}

impl Container {
    pub(super) fn create(id: &str) -> Result<Self> {
        let netns = ContainerNs::create(id)?;
        let conf = RuntimeConf::new(id, netns.path(), IFNAME)
            .arg("IgnoreUnknown", "1")
            .arg("K8S_POD_NAMESPACE", "chaos")
            .arg("K8S_POD_NAME", id);
        Ok(Self { netns, conf })
    }

    pub(super) fn id(&self) -> &str {
        &self.conf.container_id
    }

    /// What `ip addr` shows on its interface, without link-local addresses.
    pub(super) fn addresses(&self) -> Result<BTreeSet<IpAddr>> {
        let output = self
            .netns
            .run(Command::new("ip").args(["-j", "addr", "show"]))?;
        let links: Value = serde_json::from_slice(&output.stdout).context("ip -j addr")?;
        let of_it = links
            .as_array()
            .into_iter()
            .flatten()
            .filter(|l| l["ifname"] == IFNAME);
        let addresses = of_it.flat_map(|l| l["addr_info"].as_array().into_iter().flatten());
        let global = addresses.filter(|a| a["scope"] == "global");
        Ok(global
            .filter_map(|a| a["local"].as_str()?.parse().ok())
            .collect())
    }

    /// Pings until there is an answer, a few times.
    pub(super) fn reaches(&self, to: IpAddr) -> Result<()> {
        let to = to.to_string();
        let mut ping = Command::new("ping");
        // A first packet may wait for the resolution of a neighbour on a busy machine.
        ping.args(["-n", "-q", "-c", "1", "-w", "10", &to]);
        let output = self.netns.run(&mut ping)?;
        ensure!(output.status.success(), "{} does not reach {to}", self.id());
        Ok(())
    }
}

impl Living {
    pub(super) fn id(&self) -> &str {
        self.container.id()
    }

    pub(super) fn is_of(&self, spot: &Spot) -> bool {
        self.spot.network == spot.network && self.spot.node.name == spot.node.name
    }

    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        self.added.result.addresses()
    }

    pub(super) fn check(&self) -> Result<(), RuntimeError> {
        self.spot
            .cni
            .check(&self.container.conf, &self.added.raw)
            .map(drop)
    }

    pub(super) fn del(&self) -> Result<(), RuntimeError> {
        self.spot
            .cni
            .del(&self.container.conf, Some(&self.added.raw))
            .map(drop)
    }
}

/// Attaches a container that is to live through it all.
pub(super) fn anchor(spot: &Spot, what: &str) -> Result<Living> {
    let id = format!("chaos-{what}-{}-{}", spot.node.name, spot.network);
    let container = Container::create(&id)?;
    let added = spot
        .cni
        .add(&container.conf)
        .with_context(|| format!("ADD of {id}"))?;
    Ok(Living {
        spot: spot.clone(),
        container,
        added,
    })
}

/// The size of a file in bytes.
pub(super) fn size(path: &Path) -> Result<u64> {
    Ok(std::fs::metadata(path)
        .with_context(|| path.display().to_string())?
        .len())
}
