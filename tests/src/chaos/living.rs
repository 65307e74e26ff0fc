//! Containers that live while nodes are broken: where they are attached, and who speaks with whom.

use anyhow::{Context, Result, ensure};
use flatnet_types::NetworkName;

use super::site;
use super::traffic::Peer;
use crate::breakage::Site;
use crate::interrupt::Interrupt;
use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf};
use crate::{LabGuard, Node};

const IFNAME: &str = "eth0";
/// A stream for so many containers.
const PER_STREAM: usize = 5;

/// A living container; detached when dropped.
pub(super) struct Living {
    name: String,
    cni: Cni,
    conf: RuntimeConf,
    added: Added,
    netns: ContainerNs,
}

impl Drop for Living {
    fn drop(&mut self) {
        // The run has said what was wrong; the next one begins with a DEL.
        let _ = self.cni.del(&self.conf, Some(&self.added.raw));
    }
}

/// A network of a node.
pub(super) struct Spot<'n> {
    node: &'n Node,
    cni: Cni,
    /// Whose containers share a link: a network's, and in mode `routed` those of one node.
    pub(super) segment: (NetworkName, Option<&'n str>),
}

pub(super) fn spots<'n>(lab: &LabGuard, nodes: &'n [Node]) -> Result<Vec<Spot<'n>>> {
    let bin = lab.layout().bin_dir();
    let mut spots = Vec::new();
    for node in nodes {
        for (network, conflist) in node.conflists() {
            let of_node = (site(node) == Site::Vpc).then_some(node.name.as_str());
            spots.push(Spot {
                node,
                cni: Cni::new(Conflist::read(&conflist)?, &[&bin]).on_node(&node.netns_path()),
                segment: (network, of_node),
            });
        }
    }
    ensure!(!spots.is_empty(), "the lab has no networks");
    Ok(spots)
}

/// Containers on all networks of one node in turn; detached when dropped.
pub(crate) struct Crowd {
    _living: Vec<Living>,
}

impl Crowd {
    /// Attaches that many.
    ///
    /// # Errors
    /// If one cannot be attached.
    pub(crate) fn on(
        lab: &LabGuard,
        node: &Node,
        count: usize,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let spots = spots(lab, std::slice::from_ref(node))?;
        let turn = (0..count).map(|n| &spots[n % spots.len()]);
        let living = populate(&format!("crowd-{}", node.name), turn, interrupt)?;
        Ok(Self { _living: living })
    }
}

/// A container on each of these, named by the prefix and a number.
pub(super) fn populate<'s>(
    prefix: &str,
    spots: impl Iterator<Item = &'s Spot<'s>>,
    interrupt: &Interrupt,
) -> Result<Vec<Living>> {
    let mut living = Vec::new();
    for (n, Spot { node, cni, .. }) in spots.enumerate() {
        interrupt.check()?;
        let id = format!("{prefix}-{n}");
        let netns = ContainerNs::create(&id)?;
        let conf = RuntimeConf::new(&id, netns.path(), IFNAME);
        cni.del(&conf, None)
            .with_context(|| format!("DEL before ADD of {id}"))?;
        let added = cni
            .add(&conf)
            .with_context(|| format!("ADD of {id} on {}", node.name))?;
        living.push(Living {
            name: format!("{id} ({})", node.name),
            cni: cni.clone(),
            conf,
            added,
            netns,
        });
    }
    Ok(living)
}

pub(super) fn peers(living: &[Living]) -> Vec<Peer> {
    let mut peers = Vec::new();
    for (n, one) in (0..).zip(living) {
        for address in one.added.result.addresses() {
            peers.push(Peer {
                container: n,
                name: one.name.clone(),
                netns: one.netns.path().to_owned(),
                address,
            });
        }
    }
    peers
}

/// Each fifth container streams to the one after it in IPv4, which is on another node or network.
pub(super) fn pairs(peers: &[Peer]) -> Vec<(Peer, Peer)> {
    let v4: Vec<&Peer> = peers.iter().filter(|p| p.address.is_ipv4()).collect();
    let two = v4.windows(2).step_by(PER_STREAM);
    two.map(|pair| (pair[0].clone(), pair[1].clone())).collect()
}
