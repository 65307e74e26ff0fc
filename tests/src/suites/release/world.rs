//! Two clusters with real nodes, the hub, and platformd.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::load::Place;
use super::shop;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::cloud::rig::Running;
use crate::suites::cluster::config::{PROXY_USER, kubelet_user};
use crate::suites::cluster::install::{MANIFEST as NETD, RIGHTS, loopback};
use crate::suites::cluster::node::Node;
use crate::suites::cluster::parts::Parts;
use crate::suites::cluster::world::{
    LAB_DATAPATH, REGISTERED, SERVER, SERVICES, controllers, restore, scheduler,
};
use crate::suites::kit::{bound, eventually, say};
use crate::suites::kubernetes::cluster::{Access, Cluster};
use crate::suites::kubernetes::ipamd::{self, Ipamd};
use crate::suites::kubernetes::plan;
use crate::suites::platform::api::Api;
use crate::suites::platform::world::{DEFINITIONS, MANIFEST, MEMBER, SETS, locked, proxy};
use crate::supervise::Unit;
use crate::{Lab, LabGuard};

/// The clusters, which are their locations too, with the ports of their API servers and their nodes.
const MEMBERS: [(&str, u16, [&str; 2]); 2] = [
    ("idc", 6443, ["idc1", "idc2"]),
    ("cloud", 6446, ["vpc1", "vpc2"]),
];
/// The port of the hub's API server.
const HUB: u16 = 6447;
/// The instances of the application; `FLATNET_INSTANCES` says another number.
const INSTANCES: usize = 10;
/// Generous for a busy machine: what is measured is printed.
pub(super) const SOON: Duration = Duration::from_secs(180);
/// The application's pods, and no others.
const PODS: &str = "/api/v1/namespaces/shop/pods?labelSelector=platform.flatnet.io%2Fapp%3Dshop";
const PLATFORM: &str = "/apis/platform.flatnet.io/v1alpha1";

static WORLD: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// A member.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) cluster: Cluster,
    pub(super) nodes: Vec<Node>,
    pub(super) api: Api,
    _ipamd: Ipamd,
}

/// All of it. Fields are dropped in their order: the first cluster, which has the etcd, last.
pub(super) struct World {
    controller: Mutex<Option<Running>>,
    children: Mutex<Vec<Child>>,
    /// The lab's own netd of each node.
    stopped: Vec<Unit>,
    pub(super) digests: [String; 3],
    /// How many instances the application has.
    pub(super) instances: usize,
    pub(super) api: Api,
    pub(super) hub: Cluster,
    pub(super) members: Vec<Member>,
}

impl World {
    /// The one that runs, or a new one.
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

    fn raise(lab: &LabGuard, parts: &Parts) -> Result<Self> {
        let names = || {
            MEMBERS
                .iter()
                .flat_map(|(_, _, nodes)| nodes.iter().copied())
        };
        let users = names().map(|node| (kubelet_user(node), "system:nodes"));
        let own = [
            PROXY_USER,
            "system:kube-controller-manager",
            "system:kube-scheduler",
        ];
        let access = Access {
            address: SERVER,
            advertise: true,
            users: users.chain(own.map(|user| (user.to_owned(), ""))).collect(),
            services: SERVICES,
        };
        let first = Cluster::start(lab, access.clone())?;
        let (name, port, _) = MEMBERS[1];
        let second = first.beside(name, port, access)?;
        let hub = first.beside("hub", HUB, Access::local())?;
        for cluster in [&second, &hub] {
            cluster.launch_server()?;
        }
        for cluster in [&second, &hub] {
            cluster.ready()?;
        }
        let stop = |name: &str| Ok(lab.stop_unit(&format!("{name}/netd"))?.leave());
        let stopped = names().map(stop).collect::<Result<Vec<_>>>()?;
        let mut children = Vec::new();
        let mut members = Vec::new();
        let mut digests = None;
        for ((name, _, nodes), cluster) in MEMBERS.into_iter().zip([first, second]) {
            let member = member(lab, parts, (name, &nodes), cluster, &mut children)?;
            for node in &member.nodes {
                digests = Some(shop::import(node)?);
            }
            members.push(member);
        }
        for member in &members {
            member.ready()?;
        }
        let api = proxy(&hub, &mut children)?;
        let world = Self {
            controller: Mutex::new(None),
            children: Mutex::new(children),
            stopped,
            digests: digests.context("there are no nodes")?,
            instances: instances()?,
            api,
            hub,
            members,
        };
        world.install()?;
        world.start_controller()?;
        Ok(world)
    }

    /// What the documents say to apply on the hub, and the objects of an application.
    fn install(&self) -> Result<()> {
        let apply = ["apply", "--server-side", "-f", "-"];
        let kinds = DEFINITIONS.join("\n---\n");
        output_with(&mut self.hub.kubectl_command("admin", &apply), &kinds)?;
        for kind in ["apps", "releases", "clusters", "templates"] {
            eventually(SOON, || self.api.get(&format!("{PLATFORM}/{kind}")))?;
        }
        output_with(&mut self.hub.kubectl_command("admin", &apply), MANIFEST)?;
        let token = ["-n", "flatnet-platform", "create", "token", "controller"];
        let token = self.hub.kubectl(&token)?;
        self.hub.kubeconfig("controller", token.trim())?;
        let namespace = json!({"metadata": {"name": "shop"}});
        self.api.post("/api/v1/namespaces", &namespace)?;
        for member in &self.members {
            let secret = json!({"metadata": {"name": member.name}, "stringData": {"kubeconfig": member.kubeconfig()?}});
            self.api
                .post("/api/v1/namespaces/flatnet-platform/secrets", &secret)?;
            let cluster = json!({
                "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Cluster",
                "metadata": {"name": member.name},
                "spec": {
                    "endpoint": format!("https://{SERVER}:{}", member.cluster.port), "location": member.name,
                    "credentials": {"namespace": "flatnet-platform", "name": member.name},
                    "groups": [{"name": "mixed", "nodeSelector": {}}],
                },
            });
            self.api.post(&format!("{PLATFORM}/clusters"), &cluster)?;
        }
        self.api
            .post(&format!("{PLATFORM}/templates"), &shop::template())?;
        let apps = format!("{PLATFORM}/namespaces/shop/apps");
        self.api.post(&apps, &shop::app(self.instances)).map(drop)
    }

    /// Starts platformd, or another one after it was killed.
    pub(super) fn start_controller(&self) -> Result<()> {
        let program = std::env::current_exe()?.with_file_name("platformd");
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &program)?;
        command.args(["controller", "--lease", "5", "--kubeconfig"]);
        command.arg(self.hub.dir.join("controller.conf"));
        if let Some(level) = std::env::var_os("RUST_LOG") {
            command.env("RUST_LOG", level);
        }
        let running = Running::start(&mut command, &self.hub.dir.join("platformd.log"))?;
        *locked(&self.controller) = Some(running);
        Ok(())
    }

    /// SIGKILL to platformd.
    pub(super) fn kill_controller(&self) -> Result<()> {
        let running = locked(&self.controller).take();
        running.context("platformd does not run")?.kill()
    }

    /// Makes a release of an image.
    pub(super) fn release(&self, name: &str, image: usize, kind: &str) -> Result<()> {
        let release = json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Release", "metadata": {"name": name},
            "spec": {"app": "shop", "digest": self.digests[image], "kind": kind},
        });
        let path = format!("{PLATFORM}/namespaces/shop/releases");
        self.api.post(&path, &release).map(drop)
    }

    /// A release's status.
    pub(super) fn status(&self, name: &str) -> Result<Value> {
        let path = format!("{PLATFORM}/namespaces/shop/releases/{name}");
        Ok(self.api.get(&path)?["status"].take())
    }

    /// Changes the application.
    pub(super) fn change(&self, spec: &Value) -> Result<()> {
        let path = format!("{PLATFORM}/namespaces/shop/apps/shop");
        self.api.merge(&path, &json!({"spec": spec})).map(drop)
    }

    /// The application's pods that are not being deleted, in both members.
    pub(super) fn pods(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for member in &self.members {
            all.extend(member.api.items(PODS)?);
        }
        all.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null());
        Ok(all)
    }

    /// The pods in service, by netd's own word, by name.
    pub(super) fn serving(&self, image: Option<usize>) -> Result<Vec<String>> {
        let pods = match image {
            Some(image) => self.pods_of(image)?,
            None => self.pods()?,
        };
        let name = |p: &Value| {
            p["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let serving = pods.iter().filter(|pod| serves(pod));
        let mut names: Vec<String> = serving.map(name).collect();
        names.sort();
        Ok(names)
    }

    /// The pods of an image.
    pub(super) fn pods_of(&self, image: usize) -> Result<Vec<Value>> {
        let of = |pod: &Value| {
            let name = pod["spec"]["containers"][0]["image"].as_str();
            name.is_some_and(|name| name.ends_with(&self.digests[image]))
        };
        let mut pods = self.pods()?;
        pods.retain(of);
        Ok(pods)
    }

    /// The places of users: the first node of each cluster.
    pub(super) fn places(&self, lab: &Lab) -> Result<Vec<Place>> {
        let place = |member: &Member| -> Result<Place> {
            let service = member.api.get("/api/v1/namespaces/shop/services/shop")?;
            let address = service["spec"]["clusterIP"].as_str().unwrap_or_default();
            let service: Ipv4Addr = address.parse().context("the Service's address")?;
            let node = member.nodes.first().context("it has no node")?;
            Ok(Place {
                name: format!("a user on {}", node.name),
                netns: lab.member(&node.name)?.netns_path(),
                service,
            })
        };
        self.members.iter().map(place).collect()
    }

    /// The end of platformd's log, and what is said of pods.
    pub(super) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.hub.dir.join("platformd.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let mut out = lines[lines.len().saturating_sub(15)..].join("\n");
        for member in &self.members {
            let pods = [
                "-n",
                "shop",
                "get",
                "pods",
                "-o",
                "wide",
                "-L",
                "flatnet.io/serve",
            ];
            let pods = member.cluster.kubectl(&pods);
            out += &format!("\n{}:\n{}", member.name, pods.unwrap_or_default());
        }
        out
    }
}

fn instances() -> Result<usize> {
    let Ok(number) = std::env::var("FLATNET_INSTANCES") else {
        return Ok(INSTANCES);
    };
    let number = number.parse().ok().filter(|n| *n > 1);
    number.context("FLATNET_INSTANCES is no number of two or more")
}

fn member(
    lab: &LabGuard,
    parts: &Parts,
    (name, nodes): (&'static str, &[&str]),
    cluster: Cluster,
    children: &mut Vec<Child>,
) -> Result<Member> {
    children.extend([controllers(&cluster)?, scheduler(&cluster)?]);
    let api = proxy(&cluster, children)?;
    let mut made = Vec::new();
    for node in nodes {
        let spec = lab.node(node)?.spec;
        let address = spec.host_addresses.first().context("it has no address")?;
        let address = address.ip().to_string();
        let node = Node::start(lab, &cluster, parts, (node, &address))?;
        loopback(&node)?;
        made.push(node);
    }
    // The same plan in both: each node takes what is its own.
    plan::install(lab, &cluster)?;
    ipamd::rights(&cluster)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let member = Member {
        name,
        cluster,
        nodes: made,
        api,
        _ipamd: ipamd,
    };
    let apply = ["apply", "--server-side", "-f", "-"];
    let manifests = [RIGHTS, NETD, MEMBER, SETS].join("\n---\n");
    let manifests = manifests.replace(LAB_DATAPATH.0, LAB_DATAPATH.1);
    output_with(
        &mut member.cluster.kubectl_command("admin", &apply),
        &manifests,
    )?;
    Ok(member)
}

impl Member {
    /// Waits until its nodes are Ready, by netd.
    fn ready(&self) -> Result<()> {
        let there = || {
            let nodes = self.cluster.kubectl(&["get", "nodes", "-o", "name"])?;
            ensure!(
                nodes.lines().count() == self.nodes.len(),
                "there are {nodes}"
            );
            Ok(())
        };
        eventually(REGISTERED, there).with_context(|| self.nodes[0].log("kubelet"))?;
        let mut took = Duration::ZERO;
        for node in &self.nodes {
            let begun = std::time::Instant::now();
            for object in [
                format!("node/{}", node.name),
                format!("nodenetwork/{}", node.name),
            ] {
                let wait = ["wait", "--for=condition=Ready", "--timeout=120s", &object];
                let waited = eventually(SOON, || self.cluster.kubectl(&wait));
                waited.with_context(|| node.log("kubelet"))?;
            }
            took += begun.elapsed();
        }
        say(&format!(
            "cluster {}: its nodes are Ready, waited {took:.1?}",
            self.name
        ));
        Ok(())
    }

    /// The kubeconfig of the platform's account there, with its credentials in it.
    fn kubeconfig(&self) -> Result<String> {
        let token = ["-n", "flatnet-platform", "create", "token", "platform"];
        let token = self.cluster.kubectl(&token)?;
        self.cluster.kubeconfig("platform", token.trim())?;
        let view = ["config", "view", "--raw", "--flatten"];
        let mut view = self.cluster.kubectl_command("platform", &view);
        Ok(crate::run::output(&mut view)?)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in locked(&self.children).iter_mut() {
            // Both fail harmlessly on one that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
        // The first has the etcd of all.
        while let Some(member) = self.members.pop() {
            drop(member);
        }
    }
}

/// Whether netd says that a pod is in service.
pub(super) fn serves(pod: &Value) -> bool {
    gate(pod)["status"] == "True"
}

/// netd's condition of a pod.
pub(super) fn gate(pod: &Value) -> &Value {
    let conditions = pod["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|c| c["type"] == "flatnet.io/in-service");
    found.unwrap_or(&Value::Null)
}

/// Takes everything down, and looks.
pub(super) fn nothing_left(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.change(&json!({"replicas": 0, "release": {"keepOld": {"count": 0, "for": "1s"}}}))?;
    eventually(SOON, || {
        let pods = world.pods()?.len();
        ensure!(pods == 0, "{pods} pods are left");
        Ok(())
    })
    .with_context(|| world.log())?;
    if let Some(controller) = locked(&world.controller).take() {
        controller.end()?;
    }
    let groups: Vec<PathBuf> = world
        .members
        .iter()
        .flat_map(|m| m.nodes.iter().flat_map(Node::groups))
        .collect();
    let kube = world.hub.kube.clone();
    locked(&WORLD).take();
    let mut last = Arc::into_inner(world).context("somebody else holds the clusters")?;
    let stopped = std::mem::take(&mut last.stopped);
    drop(last);
    for group in groups {
        ensure!(!group.exists(), "{} is left", group.display());
    }
    for (namespace, process) in crate::netns::processes_inside() {
        let exe = std::fs::read_link(format!("/proc/{}/exe", process.pid)).unwrap_or_default();
        ensure!(
            exe != kube,
            "{process:?} of Kubernetes is left in {namespace}"
        );
    }
    let names: Vec<&str> = MEMBERS
        .iter()
        .flat_map(|(_, _, nodes)| nodes.iter().copied())
        .collect();
    restore(lab, &names, &stopped)
}
