//! A node whose netd fails on order, and one container to try it on.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::process::{ProcessId, poll};
use crate::runtime::{Added, Cni, Conflist, ContainerNs, RuntimeConf, RuntimeError};
use crate::traces::{self, Attachment, Traces, attachments, some};
use crate::{LabGuard, Node};

/// How long netd may take to be back, or to have repaired what an error left. It takes a
/// fraction of a second; machines are busy.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);
const NODE: &str = "idc1";
const IFNAME: &str = "eth0";

/// A node under test. Its netd is the usual one again when this is dropped.
pub(super) struct Bench<'l> {
    lab: &'l LabGuard,
    pub(super) node: Node,
    orders: PathBuf,
    cni: Cni,
    netd: ProcessId,
}

/// A container that is about to be attached.
pub(super) struct Container {
    pub(super) netns: ContainerNs,
    pub(super) conf: RuntimeConf,
}

impl<'l> Bench<'l> {
    pub(super) fn set_up(lab: &'l LabGuard) -> Result<Self> {
        let node = lab.node(NODE)?;
        let orders = node.paths.dir().join("faults");
        fs::write(&orders, "").context("the file of orders")?;
        lab.set_netd_faults(NODE, Some(&orders))?;
        let (_, conflist) = node.conflists().into_iter().next().context("a network")?;
        // GC came with 1.1.0.
        let list = Conflist::read(&conflist)?.with_version("1.1.0");
        let cni = Cni::new(list, &[&lab.layout().bin_dir()]).on_node(&node.netns_path());
        let mut bench = Self {
            lab,
            node,
            orders,
            cni,
            netd: ProcessId { pid: 0, started: 0 },
        };
        bench.ready()?;
        // What an earlier run left, if it was killed.
        bench
            .cni
            .gc(&[])
            .map_err(|e| anyhow::anyhow!("GC: {e:?}"))?;
        traces::nothing_left(&bench.node, PATIENCE)?;
        Ok(bench)
    }

    /// Waits until netd serves.
    fn ready(&mut self) -> Result<()> {
        self.lab.wait_ready(NODE, PATIENCE)?;
        self.netd = self.lab.netd_pid(NODE)?;
        Ok(())
    }

    /// Gives orders, of which none may be open.
    pub(super) fn order(&self, orders: &str) -> Result<()> {
        ensure!(
            self.open_orders().is_empty(),
            "open orders: {}",
            self.open_orders()
        );
        let fresh = self.orders.with_extension("new");
        fs::write(&fresh, format!("{orders}\n"))?;
        fs::rename(&fresh, &self.orders).context("the file of orders")
    }

    fn open_orders(&self) -> String {
        fs::read_to_string(&self.orders)
            .unwrap_or_default()
            .trim()
            .to_owned()
    }

    /// Waits until every order was obeyed: an order that was not is a test of nothing.
    pub(super) fn wait_until_triggered(&self) -> Result<()> {
        if poll(PATIENCE, || self.open_orders().is_empty().then_some(())).is_some() {
            return Ok(());
        }
        let open = self.open_orders();
        fs::write(&self.orders, "")?;
        bail!("the order was never obeyed: {open}")
    }

    /// Waits until netd was killed and is back.
    pub(super) fn died(&mut self) -> Result<()> {
        ensure!(self.netd.wait_gone(PATIENCE), "netd did not die");
        self.ready()
    }

    pub(super) fn container(&self, id: &str) -> Result<Container> {
        let netns = ContainerNs::create(id)?;
        let rate = 100_000_000;
        let limits = json!({"ingressRate": rate, "ingressBurst": rate,
                            "egressRate": rate, "egressBurst": rate});
        let conf = RuntimeConf::new(id, netns.path(), IFNAME)
            .arg("IgnoreUnknown", "1")
            .arg("K8S_POD_NAME", id)
            .capability("bandwidth", limits);
        Ok(Container { netns, conf })
    }

    pub(super) fn add(&self, container: &Container) -> Result<Added, RuntimeError> {
        self.cni.add(&container.conf)
    }

    pub(super) fn del(&self, container: &Container) -> Result<(), RuntimeError> {
        self.cni.del(&container.conf, None).map(drop)
    }

    /// DEL as runtimes repeat it: as long as the answer is "try again later".
    pub(super) fn del_in_the_end(&self, container: &Container) -> Result<(), RuntimeError> {
        let answered = poll(PATIENCE, || match self.del(container) {
            Err(e) if e.code() == Some(11) => None,
            other => Some(other),
        });
        answered.unwrap_or_else(|| self.del(container))
    }

    /// Whether netd has committed the container. What was only reserved it takes away at its start,
    /// be it a moment after it is ready.
    pub(super) fn has_committed(&self, container: &Container) -> Result<bool> {
        let held = attachments(&self.node)?;
        let of_it = |a: &&Attachment| a.container_id == container.conf.container_id;
        Ok(held.iter().filter(of_it).any(|a| a.state == "committed"))
    }

    /// Nothing is left of anything, in the node and in the container; gives how long that
    /// took.
    pub(super) fn clean(&self, container: &Container) -> Result<Duration> {
        let took = traces::nothing_left(&self.node, PATIENCE)?;
        let inside = container.interfaces()?;
        ensure!(
            inside.is_empty(),
            "the container still has {}",
            inside.join(", ")
        );
        Ok(took)
    }

    /// ADD, CHECK and DEL as if nothing had been.
    pub(super) fn works(&self, container: &Container) -> Result<()> {
        let added = self.add(container).context("the next ADD")?;
        let traces = Traces::take(&self.node)?;
        ensure!(
            traces.strays().is_empty(),
            "after the next ADD: {}",
            some(&traces.strays())
        );
        // Two for its bandwidth, and one for ARP and neighbour discovery.
        ensure!(
            traces.meters.len() == 3,
            "after the next ADD: meters {:?}",
            traces.meters
        );
        self.cni
            .check(&container.conf, &added.raw)
            .context("CHECK")?;
        self.cni
            .del(&container.conf, Some(&added.raw))
            .context("DEL")?;
        self.clean(container)
            .context("after the last DEL")
            .map(drop)
    }
}

impl Container {
    /// The names of its interfaces but for loopback.
    fn interfaces(&self) -> Result<Vec<String>> {
        let output = self
            .netns
            .run(Command::new("ip").args(["-j", "link", "show"]))?;
        let links: Value = serde_json::from_slice(&output.stdout).context("ip -j link")?;
        let names = links.as_array().into_iter().flatten();
        let names = names.filter_map(|l| l["ifname"].as_str());
        Ok(names.filter(|n| *n != "lo").map(str::to_owned).collect())
    }
}

impl Drop for Bench<'_> {
    fn drop(&mut self) {
        // A check that fails has said why; `up` puts right what is not put right here.
        let _ = fs::write(&self.orders, "");
        let _ = self.lab.set_netd_faults(NODE, None);
        let _ = self.lab.wait_ready(NODE, PATIENCE);
        let _ = self.cni.gc(&[]);
    }
}
