//! The containers of the demo: attached as a runtime attaches them, detached in the end.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::cluster::{Endpoint, Kind};
use super::report::Attachment;
use crate::Lab;
use crate::interrupt::Interrupt;
use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf};

const IFNAME: &str = "eth0";

/// One attached container.
#[derive(Debug)]
pub(super) struct Container {
    /// Before the namespace, so that an error's clean-up deletes while there is one.
    call: Call,
    pub(super) netns: ContainerNs,
    pub(super) attachment: Attachment,
    pub(super) endpoint: Endpoint,
    pub(super) took: Duration,
}

/// What it takes to call ADD and DEL.
#[derive(Debug)]
struct Call {
    cni: Cni,
    conf: RuntimeConf,
    added: Option<Added>,
}

impl Drop for Call {
    /// Whatever was added, or tried to, is deleted: DEL of nothing succeeds.
    fn drop(&mut self) {
        if self.added.is_some() {
            let _ = self.del();
        }
    }
}

impl Call {
    /// Nothing is left for the guard to delete.
    fn keep(mut self) {
        drop(self.added.take());
    }

    fn del(&mut self) -> Result<Duration> {
        let added = self.added.take();
        let raw = added.as_ref().map(|a| &a.raw);
        Ok(self.cni.del(&self.conf, raw)?)
    }
}

/// A network on a node, as its CNI configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) node: String,
    pub(super) site: String,
    pub(super) network: String,
    conflist: std::path::PathBuf,
    netns: std::path::PathBuf,
}

/// Every network of every node, in the plan's order.
///
/// # Errors
/// If the lab does not know one of its own nodes.
pub(super) fn spots(lab: &Lab) -> Result<Vec<Spot>> {
    let mut spots = Vec::new();
    for node in lab.nodes()? {
        let host = lab.plan().host(&node.spec.node);
        let site = host.map(|h| h.site.clone()).unwrap_or_default();
        for (network, conflist) in node.conflists() {
            spots.push(Spot {
                node: node.name.clone(),
                site: site.clone(),
                network: network.to_string(),
                conflist,
                netns: node.netns_path(),
            });
        }
    }
    Ok(spots)
}

/// A letter for the n-th container of a spot, then two, as columns of a table have them.
fn letters(n: usize) -> String {
    let letter = char::from(b'a' + u8::try_from(n % 26).unwrap_or(0));
    match n / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", letters(more - 1)),
    }
}

/// Attaches the n-th container of a spot.
///
/// # Errors
/// If the namespace cannot be made, or ADD fails.
pub(super) fn attach(spot: &Spot, n: usize, bin: &Path) -> Result<Container> {
    let letter = letters(n);
    let name = format!("{}/{}/{letter}", spot.node, spot.network);
    let id = format!("demo-{}-{}-{letter}", spot.node, spot.network);
    let netns = ContainerNs::create(&id)?;
    let loopback = netns.run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
    anyhow::ensure!(loopback.status.success(), "{name}: lo does not come up");
    let list =
        Conflist::read(&spot.conflist).with_context(|| spot.conflist.display().to_string())?;
    let mut call = Call {
        cni: Cni::new(list, &[bin]).on_node(&spot.netns),
        conf: RuntimeConf::new(&id, netns.path(), IFNAME)
            .arg("IgnoreUnknown", "1")
            .arg("K8S_POD_NAMESPACE", "demo")
            .arg("K8S_POD_NAME", &id.replace("demo-", "")),
        added: None,
    };
    // A demo that was killed may have left an attachment of that name.
    call.del()
        .with_context(|| format!("DEL before ADD of {name}"))?;
    let added = call.cni.add(&call.conf);
    let added = match added {
        Ok(added) => added,
        Err(error) => {
            // As runtimes do: an ADD that failed is followed by a DEL.
            let _ = call.del();
            return Err(error).with_context(|| format!("ADD of {name}"));
        }
    };
    let inside = added.result.container_interface(IFNAME);
    let attachment = Attachment {
        node: spot.node.clone(),
        network: spot.network.clone(),
        addresses: added.result.ips.iter().map(|ip| ip.address).collect(),
        mac: inside.map(|i| i.mac.clone()).unwrap_or_default(),
    };
    let endpoint = Endpoint {
        name,
        kind: Kind::Container,
        site: spot.site.clone(),
        node: Some(spot.node.clone()),
        addresses: added.result.addresses(),
    };
    let took = added.took;
    call.added = Some(added);
    Ok(Container {
        netns,
        attachment,
        endpoint,
        took,
        call,
    })
}

/// Attaches so many containers at every spot.
///
/// # Errors
/// The first failure; what was attached until then is detached.
pub(super) fn attach_all(
    spots: &[Spot],
    each: usize,
    bin: &Path,
    interrupt: &Interrupt,
    mut done: impl FnMut(&Container),
) -> Result<Vec<Container>> {
    let mut containers = Vec::new();
    for spot in spots {
        for n in 0..each {
            interrupt.check()?;
            let container = attach(spot, n, bin)?;
            done(&container);
            containers.push(container);
        }
    }
    Ok(containers)
}

/// Detaches; goes on after a failure and tells all.
pub(super) fn detach_all(containers: Vec<Container>) -> Vec<String> {
    let detach = |mut container: Container| {
        let deleted = container.call.del();
        let failed = |e| format!("DEL of {}: {e:#}", container.endpoint.name);
        deleted.map_err(failed).err()
    };
    containers.into_iter().filter_map(detach).collect()
}

/// Leaves containers attached for whoever looks at them next.
pub(super) fn keep_all(containers: Vec<Container>) {
    for Container { netns, call, .. } in containers {
        netns.keep();
        call.keep();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_are_lettered_without_end() {
        let shown: Vec<String> = [0, 1, 25, 26, 27, 52].map(letters).to_vec();
        assert_eq!(shown, ["a", "b", "z", "aa", "ab", "ba"]);
    }
}
