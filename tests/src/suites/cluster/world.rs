//! The cluster that the checks share: an API server that nodes reach, controllers, scheduler, three nodes,
//! and no netd on them but the one that Kubernetes starts.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::config::{PROXY_USER, kubelet_user};
use super::node::{Attached, Node};
use super::parts::Parts;
use crate::suites::kit::{READY, eventually, output, say};
use crate::suites::kubernetes::cluster::{Access, Cluster, token_of};
use crate::suites::kubernetes::ipamd::{self, Ipamd};
use crate::suites::kubernetes::plan;
use crate::supervise::Unit;
use crate::{Lab, LabGuard};

/// The nodes: two in the data centre, in mode `vlan`, and one in the VPC, in mode `routed`.
pub(super) const NODES: [&str; 3] = ["idc1", "idc2", "vpc1"];
/// Where the API server listens: the VPC router's end of the leased line, which every node reaches.
pub(in crate::suites) const SERVER: std::net::Ipv4Addr = std::net::Ipv4Addr::new(10, 255, 0, 2);
/// Within the plan's service prefixes.
pub(in crate::suites) const SERVICES: &str = "10.96.0.0/16,fd10:96::/112";
/// How long a kubelet takes to register its node, on a busy machine.
pub(in crate::suites) const REGISTERED: Duration = Duration::from_secs(60);
/// How long `kubectl` waits for what it was told to wait for.
const WAIT: &str = "--timeout=120s";

/// What replaces the manifests' settings in this lab, which has no kernel module.
pub(in crate::suites) const LAB_DATAPATH: (&str, &str) = ("datapath: system", "datapath: netdev");

/// What `node.sh` sets in the namespace of the lab's node, where it was 0. Where netd of the lab wants
/// another value, it sets that again.
const SETTINGS: [&str; 2] = [
    "/proc/sys/net/ipv4/ip_forward",
    "/proc/sys/net/ipv6/conf/all/forwarding",
];

/// The one that runs, for all the checks of this process.
static WORLD: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// The cluster.
pub(super) struct World {
    /// The API server.
    pub(super) cluster: Cluster,
    /// The nodes, in the order of [`NODES`].
    pub(super) nodes: Vec<Node>,
    controllers: Mutex<Vec<Child>>,
    /// ipamd, once it is installed. It dies with this process.
    ipamd: Mutex<Option<Ipamd>>,
    /// The lab's own netd of each node.
    stopped: Vec<Unit>,
}

/// A pod as the API server knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pod {
    /// Its name.
    pub(super) name: String,
    /// The node that it runs on.
    pub(super) node: String,
    /// Its first address.
    pub(super) address: IpAddr,
}

impl World {
    /// The one that runs, or a new one, whose nodes are not ready: nothing of Flatnet is on them.
    ///
    /// # Errors
    /// [`crate::suites::Skip`] where nodes cannot be had; if they do not come up.
    pub(super) fn get(lab: &LabGuard) -> Result<Arc<Self>> {
        let mut slot = locked(&WORLD);
        if let Some(world) = &*slot {
            return Ok(Arc::clone(world));
        }
        let parts = Parts::find()?;
        let world = Arc::new(Self::raise(lab, &parts)?);
        *slot = Some(Arc::clone(&world));
        Ok(world)
    }

    fn raise(lab: &Lab, parts: &Parts) -> Result<Self> {
        let users = NODES.map(|node| (kubelet_user(node), "system:nodes"));
        let own = [
            PROXY_USER,
            "system:kube-controller-manager",
            "system:kube-scheduler",
        ];
        let own = own.map(|user| (user.to_owned(), ""));
        let access = Access {
            address: SERVER,
            advertise: true,
            users: users.into_iter().chain(own).collect(),
            services: SERVICES,
        };
        let cluster = Cluster::start(lab, access)?;
        let controllers = vec![controllers(&cluster)?, scheduler(&cluster)?];
        let (mut nodes, mut stopped) = (Vec::new(), Vec::new());
        for name in NODES {
            // The bridge stays, and the host's address on it: packets go on without netd.
            stopped.push(lab.stop_unit(&format!("{name}/netd"))?.leave());
            let spec = lab.node(name)?.spec;
            let address = spec.host_addresses.first().context("it has no address")?;
            let address = address.ip().to_string();
            nodes.push(Node::start(lab, &cluster, parts, (name, &address))?);
        }
        let world = Self {
            cluster,
            nodes,
            controllers: Mutex::new(controllers),
            ipamd: Mutex::new(None),
            stopped,
        };
        let (_, took) = eventually(REGISTERED, || {
            let there = world.kubectl(&["get", "nodes", "-o", "name"])?;
            let count = there.lines().count();
            ensure!(count == NODES.len(), "{count} nodes have registered");
            Ok(())
        })
        .with_context(|| world.logs("kubelet"))?;
        say(&format!(
            "{} kubelets have registered after {took:.1?}",
            NODES.len()
        ));
        Ok(world)
    }

    /// Installs the kinds, the lab's plan and ipamd, by its manifest's rights.
    ///
    /// # Errors
    /// What one of them says.
    pub(super) fn install_plan(&self, lab: &LabGuard) -> Result<()> {
        plan::install(lab, &self.cluster)?;
        ipamd::rights(&self.cluster)?;
        *locked(&self.ipamd) = Some(Ipamd::start(lab, &self.cluster)?);
        Ok(())
    }

    /// Ends ipamd.
    ///
    /// # Errors
    /// If it does not run.
    pub(super) fn end_ipamd(&self) -> Result<()> {
        let ipamd = locked(&self.ipamd).take();
        ipamd.context("there is no ipamd")?.end()
    }

    /// What kubectl prints, for the administrator.
    ///
    /// # Errors
    /// What it says.
    pub(super) fn kubectl(&self, args: &[&str]) -> Result<String> {
        self.cluster.kubectl(args)
    }

    /// The same as JSON.
    ///
    /// # Errors
    /// What kubectl says.
    pub(super) fn json(&self, args: &[&str]) -> Result<Value> {
        let args = [args, &["-o", "json"]].concat();
        Ok(serde_json::from_str(&self.kubectl(&args)?)?)
    }

    /// Waits as `kubectl wait` and `kubectl rollout status` do.
    ///
    /// # Errors
    /// If it is not so in time, with what there is.
    pub(super) fn wait(&self, args: &[&str]) -> Result<()> {
        let done = self.kubectl(&[args, &[WAIT]].concat()).map(drop);
        done.with_context(|| {
            let seen = self.kubectl(&["get", "pods,nodes", "-A", "-o", "wide"]);
            let events = self.kubectl(&["get", "events", "-A", "--field-selector=type=Warning"]);
            let events = events.unwrap_or_default();
            let last: Vec<&str> = events.lines().rev().take(8).collect();
            format!("{}\n{}", seen.unwrap_or_default(), last.join("\n"))
        })
    }

    /// Applies a text.
    ///
    /// # Errors
    /// What kubectl says.
    pub(super) fn apply(&self, name: &str, manifest: &str) -> Result<()> {
        let file = self.cluster.dir.join(name);
        std::fs::write(&file, manifest.replace(LAB_DATAPATH.0, LAB_DATAPATH.1))?;
        self.kubectl(&["apply", "-f", &file.display().to_string()])
            .map(drop)
    }

    /// A node by its name.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn node(&self, name: &str) -> Result<&Node> {
        let found = self.nodes.iter().find(|n| n.name == name);
        found.with_context(|| format!("there is no node {name}"))
    }

    /// The pods of an application, once all have an address.
    ///
    /// # Errors
    /// If one has none.
    pub(super) fn pods(&self, app: &str) -> Result<Vec<Pod>> {
        let list = self.json(&["get", "pods", "-l", &format!("app={app}")])?;
        let items = list["items"].as_array().context("no list")?;
        let pod = |item: &Value| {
            let text = |value: &Value| value.as_str().map(str::to_owned);
            Ok(Pod {
                name: text(&item["metadata"]["name"]).context("no name")?,
                node: text(&item["spec"]["nodeName"]).context("it is on no node")?,
                address: text(&item["status"]["podIP"])
                    .context("it has no address")?
                    .parse()?,
            })
        };
        items.iter().map(pod).collect()
    }

    /// What netd of each node has attached.
    ///
    /// # Errors
    /// If one does not answer.
    pub(super) fn attached(&self) -> Result<BTreeMap<String, Vec<Attached>>> {
        let nodes = self.nodes.iter();
        nodes
            .map(|node| Ok((node.name.clone(), node.attached()?)))
            .collect()
    }

    /// The network namespace of a pod.
    ///
    /// # Errors
    /// If netd of its node does not know it.
    pub(super) fn netns(&self, pod: &Pod) -> Result<PathBuf> {
        let node = self.node(&pod.node)?;
        let attached = node.attached()?;
        let own = |a: &&Attached| a.pod.as_ref().is_some_and(|p| p.name == pod.name);
        let found = attached.iter().find(own);
        node.netns_of(found.with_context(|| format!("netd does not know pod {}", pod.name))?)
    }

    /// The ends of the nodes' logs of a daemon.
    pub(super) fn logs(&self, daemon: &str) -> String {
        let of = |node: &Node| format!("{}: {}", node.name, node.log(daemon));
        self.nodes.iter().map(of).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in locked(&self.controllers).iter_mut() {
            // Both fail harmlessly on one that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Takes it down, with the lab's own netd back on the nodes; what was there is given to `look`.
///
/// # Errors
/// If netd does not come back; what `look` says.
pub(super) fn take_down(lab: &LabGuard, look: impl FnOnce(&[PathBuf]) -> Result<()>) -> Result<()> {
    let world = World::get(lab)?;
    let groups: Vec<PathBuf> = world.nodes.iter().flat_map(Node::groups).collect();
    locked(&WORLD).take();
    let mut last = Arc::into_inner(world).context("somebody else holds the cluster")?;
    let stopped = std::mem::take(&mut last.stopped);
    drop(last);
    look(&groups)?;
    restore(lab, &NODES, &stopped)
}

/// Gives nodes back to the lab: what Kubernetes' daemons left in their namespaces goes, and the lab's netd runs again.
///
/// # Errors
/// If netd does not come back.
pub(in crate::suites) fn restore(lab: &LabGuard, nodes: &[&str], stopped: &[Unit]) -> Result<()> {
    for name in nodes {
        let member = lab.member(name)?;
        output(member.command("nft").args(["flush", "ruleset"]))?;
        let back = || SETTINGS.map(|setting| std::fs::write(setting, "0"));
        for written in crate::netns::enter(&member.netns_path(), back)? {
            written?;
        }
    }
    for unit in stopped {
        lab.start_unit(unit);
    }
    for name in nodes {
        lab.wait_ready(name, READY)?;
    }
    Ok(())
}

pub(in crate::suites) fn controllers(cluster: &Cluster) -> Result<Child> {
    let kubeconfig = credentials(cluster, "system:kube-controller-manager")?;
    let file = |name: &str| cluster.dir.join(name).display().to_string();
    cluster.spawn(
        "controller-manager",
        &cluster.kube,
        &[
            "controller-manager",
            &format!("--kubeconfig={kubeconfig}"),
            &format!(
                "--service-account-private-key-file={}",
                file("accounts.key")
            ),
            &format!("--root-ca-file={}", file("ca.crt")),
            "--use-service-account-credentials=true",
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )
}

pub(in crate::suites) fn scheduler(cluster: &Cluster) -> Result<Child> {
    let kubeconfig = credentials(cluster, "system:kube-scheduler")?;
    cluster.spawn(
        "scheduler",
        &cluster.kube,
        &[
            "scheduler",
            &format!("--kubeconfig={kubeconfig}"),
            &format!("--authentication-kubeconfig={kubeconfig}"),
            &format!("--authorization-kubeconfig={kubeconfig}"),
            "--leader-elect=false",
            "--secure-port=0",
        ],
    )
}

fn credentials(cluster: &Cluster, user: &str) -> Result<String> {
    let name = user.replace(':', "-");
    let token = token_of(user);
    Ok(cluster.kubeconfig(&name, &token)?.display().to_string())
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
