//! A cluster that is hub and member, with a node that builds and one that serves, a registry, a repository.

use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan::model::{Destination, Transport};
use ipnetwork::IpNetwork;
use serde_json::json;

use super::desk::{Desk, PEOPLE, beside, people};
use super::repo::Repo;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::cloud::rig::Running;
use crate::suites::cluster::config::{PROXY_USER, kubelet_user};
use crate::suites::cluster::install::{MANIFEST as NETD, RIGHTS, loopback};
use crate::suites::cluster::node::Node;
use crate::suites::cluster::parts::Parts;
use crate::suites::cluster::world::{
    LAB_DATAPATH, SERVER, SERVICES, controllers, restore, scheduler,
};
use crate::suites::kit::called::Called;
use crate::suites::kit::{bound, eventually, output, say};
use crate::suites::kubernetes::cluster::{Access, Cluster};
use crate::suites::kubernetes::ipamd::{self, Ipamd};
use crate::suites::kubernetes::plan;
use crate::suites::platform::api::Api;
use crate::suites::platform::world::{DEFINITIONS, MANIFEST, MEMBER, SETS, locked, proxy};
use crate::supervise::Unit;
use crate::{Lab, LabGuard};

/// The node that builds, in a network with `egress`, and the one that serves.
const NODES: [&str; 2] = ["idc1", "vpc1"];
/// The network of the first.
const NETWORK: &str = "db";
/// Where registry, API and repository are, at [`SERVER`].
pub(super) const REGISTRY: u16 = 5000;
const API: u16 = 9441;
const GIT: u16 = 8088;
/// Generous for a busy machine: what is measured is printed.
pub(super) const SOON: Duration = Duration::from_secs(180);
const PLATFORM: &str = "/apis/platform.flatnet.io/v1alpha1";
/// More than the others have.
const MORE: [&str; 5] = [
    include_str!("../../../../deploy/platform/crds/builds.yaml"),
    include_str!("../../../../deploy/platform/crds/locationclaims.yaml"),
    include_str!("../../../../deploy/platform/server.yaml"),
    include_str!("../../../../deploy/platform/roles.yaml"),
    include_str!("../../../../deploy/platform/builds.yaml"),
];
/// The system calls that builders may make, as docs/platform/builds.md says to put on nodes.
const SECCOMP: &str = include_str!("../../../../deploy/platform/builder/seccomp.json");

static WORLD: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// All of it. Fields are dropped in their order.
pub(super) struct World {
    pub(super) controller: Mutex<Option<Running>>,
    server: Mutex<Option<Running>>,
    children: Mutex<Vec<Child>>,
    pub(super) repo: Repo,
    pub(super) nodes: Vec<Node>,
    stopped: Vec<Unit>,
    _ipamd: Ipamd,
    pub(super) api: Api,
    pub(super) cluster: Cluster,
}

/// The registry by its name in images.
pub(super) fn registry() -> String {
    format!("{SERVER}:{REGISTRY}")
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
        let users = NODES.map(|node| (kubelet_user(node), "system:nodes"));
        let own = [
            PROXY_USER,
            "system:kube-controller-manager",
            "system:kube-scheduler",
        ];
        let access = Access {
            address: SERVER,
            advertise: true,
            users: users
                .into_iter()
                .chain(own.map(|user| (user.to_owned(), "")))
                .collect(),
            services: SERVICES,
        };
        let cluster = Cluster::start(lab, access)?;
        let mut children = vec![controllers(&cluster)?, scheduler(&cluster)?];
        let api = proxy(&cluster, &mut children)?;
        let stop = |name: &str| Ok(lab.stop_unit(&format!("{name}/netd"))?.leave());
        let stopped = NODES.into_iter().map(stop).collect::<Result<Vec<_>>>()?;
        let mut nodes = Vec::new();
        for name in NODES {
            let spec = lab.node(name)?.spec;
            let address = spec.host_addresses.first().context("it has no address")?;
            let address = address.ip().to_string();
            let node = Node::start(lab, &cluster, parts, (name, &address))?;
            loopback(&node)?;
            nodes.push(node);
        }
        plan::install(lab, &cluster)?;
        limited(lab, &cluster)?;
        ipamd::rights(&cluster)?;
        let ipamd = Ipamd::start(lab, &cluster)?;
        let apply = ["apply", "--server-side", "-f", "-"];
        let manifests = DEFINITIONS.iter().chain(&MORE[..2]);
        let all = manifests.copied().collect::<Vec<_>>().join("\n---\n");
        output_with(&mut cluster.kubectl_command("admin", &apply), &all)?;
        let rest = [RIGHTS, NETD, MEMBER, SETS, MANIFEST];
        let rest: Vec<&str> = rest.into_iter().chain(MORE[2..].iter().copied()).collect();
        let rest = rest.join("\n---\n").replace(LAB_DATAPATH.0, LAB_DATAPATH.1);
        output_with(&mut cluster.kubectl_command("admin", &apply), &rest)?;
        let world = Self {
            controller: Mutex::new(None),
            server: Mutex::new(None),
            children: Mutex::new(children),
            repo: Repo::make(&cluster.dir.join("repo"))?,
            nodes,
            stopped,
            _ipamd: ipamd,
            api,
            cluster,
        };
        world.services(parts)?;
        world.install()?;
        world.start_controller(&[])?;
        world.ready()?;
        Ok(world)
    }

    /// `flatctl …` of somebody, with that on standard input.
    pub(super) fn call_with(&self, who: &str, args: &[&str], input: &str) -> Result<Called> {
        let dir = self.cluster.dir.clone();
        Desk { dir }.call_with(who, args, input)
    }

    pub(super) fn call(&self, who: &str, args: &[&str]) -> Result<Called> {
        self.call_with(who, args, "")
    }

    /// platformd serve, the registry that takes its tokens, and the repository.
    fn services(&self, parts: &Parts) -> Result<()> {
        for kind in ["apps", "builds", "releases", "clusters", "templates"] {
            eventually(SOON, || self.api.get(&format!("{PLATFORM}/{kind}")))?;
        }
        self.api
            .post("/api/v1/namespaces", &json!({"metadata": {"name": "shop"}}))?;
        people(&self.cluster)?;
        for account in ["server", "controller", "platform"] {
            let token = ["-n", "flatnet-platform", "create", "token", account];
            let token = self.cluster.kubectl(&token)?;
            self.cluster.kubeconfig(account, token.trim())?;
        }
        let dir = &self.cluster.dir;
        let netns = netns_path(&namespace(VPC_ROUTER));
        let mut serve = bound(&netns, &beside("platformd")?)?;
        serve.args(["serve", "--insecure-plain", "--registry", &registry()]);
        // Its tokens are for pods too. A password goes to this machine alone: flatctl sends none in the clear elsewhere.
        serve.args(["--listen", &format!("0.0.0.0:{API}"), "--kubeconfig"]);
        serve.arg(dir.join("server.conf"));
        serve.arg("--audit-dir").arg(dir.join("audit"));
        *locked(&self.server) = Some(Running::start(&mut serve, &dir.join("server.log"))?);
        let at = format!("http://127.0.0.1:{API}");
        for (name, password) in PEOPLE {
            let login = ["login", &at, "--name", name];
            eventually(SOON, || self.call_with(name, &login, password)?.well())?;
        }
        let certificate = [
            "-n",
            "flatnet-platform",
            "get",
            "secret",
            "registry-key",
            "-o",
            r#"go-template={{index .data "tls.crt" | base64decode}}"#,
        ];
        let (certificate, _) = eventually(SOON, || self.cluster.kubectl(&certificate))?;
        std::fs::write(dir.join("registry.crt"), certificate)?;
        let config = json!({
            "version": "0.1", "log": {"level": "info"},
            "storage": {"filesystem": {"rootdirectory": dir.join("images")}},
            "http": {"addr": registry(), "draintimeout": "10s"},
            "auth": {"token": {
                "realm": format!("http://{SERVER}:{API}/registry/token"), "service": registry(), "issuer": "flatnet-platform",
                "rootcertbundle": dir.join("registry.crt"),
            }},
        });
        // JSON is YAML.
        std::fs::write(dir.join("registry.yml"), config.to_string())?;
        let mut registry = bound(&netns, &parts.programs.join("usr/bin/docker-registry"))?;
        registry.arg("serve").arg(dir.join("registry.yml"));
        let log = std::fs::File::create(dir.join("registry.log"))?;
        registry.stdout(log.try_clone()?).stderr(log);
        let mut git = bound(&netns, &parts.programs.join("bin/busybox"))?;
        git.args(["httpd", "-f", "-p", &format!("{SERVER}:{GIT}"), "-h"]);
        git.arg(dir.join("repo/served"));
        git.stdout(Stdio::null()).stderr(Stdio::null());
        locked(&self.children).extend([registry.spawn()?, git.spawn()?]);
        Ok(())
    }

    /// The nodes' files, the cluster's object, the application.
    fn install(&self) -> Result<()> {
        let hosts = format!(
            "server = \"http://{0}\"\n[host.\"http://{0}\"]\n",
            registry()
        );
        for node in &self.nodes {
            let dir = node.path(&format!("/opt/node/certs.d/{}", registry()));
            std::fs::create_dir_all(&dir)?;
            std::fs::write(dir.join("hosts.toml"), &hosts)?;
        }
        let builder = self.nodes.first().context("there is no node")?;
        let profiles = builder.path("/var/lib/kubelet/seccomp/flatnet");
        std::fs::create_dir_all(&profiles)?;
        std::fs::write(profiles.join("builder.json"), SECCOMP)?;
        let image = std::env::current_exe()?.with_file_name("node/builder/builder.tar");
        let image = std::fs::File::open(&image).with_context(|| {
            format!(
                "there is no {}; `cargo xtask test` makes it",
                image.display()
            )
        })?;
        let mut import = builder.command("ctr");
        import.args(["-n", "k8s.io", "images", "import", "-"]);
        output(import.stdin(Stdio::from(image)))?;
        let view = ["config", "view", "--raw", "--flatten"];
        let kubeconfig = crate::run::output(&mut self.cluster.kubectl_command("platform", &view))?;
        let file = self.cluster.dir.join("platform.flat");
        std::fs::write(&file, kubeconfig)?;
        let add = [
            "cluster",
            "add",
            "idc",
            "--location",
            "idc",
            "--group",
            "mixed:pool=mixed",
            "--kubeconfig",
            &file.display().to_string(),
        ];
        self.call("ops", &add)?.well().map(drop)
    }

    /// Starts the controller, or another one after it was killed.
    pub(super) fn start_controller(&self, more: &[&str]) -> Result<()> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &beside("platformd")?)?;
        let registry = format!("http://{}", registry());
        command.args(["controller", "--lease", "5", "--builds-in", "idc"]);
        command.args(["--registry", &registry, "--builds-network", NETWORK]);
        command.args(["--builds-nodes", "pool=builds", "--kubeconfig"]);
        command
            .arg(self.cluster.dir.join("controller.conf"))
            .args(more);
        let running = Running::start(&mut command, &self.cluster.dir.join("platformd.log"))?;
        *locked(&self.controller) = Some(running);
        Ok(())
    }

    /// Ends the controller, and starts one with other settings.
    pub(super) fn with_limits(&self, more: &[&str]) -> Result<()> {
        if let Some(running) = locked(&self.controller).take() {
            running.end()?;
        }
        self.start_controller(more)
    }

    fn ready(&self) -> Result<()> {
        for (node, pool) in NODES.into_iter().zip(["builds", "mixed"]) {
            let pool = format!("pool={pool}");
            eventually(SOON, || {
                self.cluster
                    .kubectl(&["label", "--overwrite", "node", node, &pool])
            })?;
            for object in [format!("node/{node}"), format!("nodenetwork/{node}")] {
                let wait = ["wait", "--for=condition=Ready", "--timeout=120s", &object];
                let waited = eventually(SOON, || self.cluster.kubectl(&wait));
                waited.with_context(|| self.log())?;
            }
        }
        say("two nodes are Ready: one builds, one serves");
        Ok(())
    }

    /// What is known of what went wrong.
    pub(super) fn log(&self) -> String {
        let mut out = String::new();
        for file in ["platformd.log", "server.log", "registry.log"] {
            let text = std::fs::read_to_string(self.cluster.dir.join(file)).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = lines[lines.len().saturating_sub(8)..].join("\n");
            out += &format!("{file}:\n{last}\n");
        }
        for args in [
            &["get", "pods,nodes", "-A", "-o", "wide"][..],
            &["get", "builds,jobs", "-A"],
            &["-n", "flatnet-builds", "describe", "pods"],
        ] {
            out += &self.cluster.kubectl(args).unwrap_or_default();
        }
        out
    }
}

/// The network of builds reaches registry, tokens and repository, and nothing else.
fn limited(lab: &Lab, cluster: &Cluster) -> Result<()> {
    plan::apply_model(lab, cluster, |plan| {
        let networks = &mut plan.spec.networks;
        let network = networks.iter_mut().find(|n| n.name.as_str() == NETWORK);
        let network = network.context("the network")?;
        network.trunk.clear();
        network.egress = Some(vec![Destination {
            to: IpNetwork::from(std::net::IpAddr::V4(SERVER)),
            protocol: Some(Transport::Tcp),
            ports: [REGISTRY, API, GIT]
                .into_iter()
                .filter_map(|p| p.try_into().ok())
                .collect(),
        }]);
        Ok(())
    })
}

/// The repository's URL.
pub(super) fn repo_url() -> String {
    format!("http://{SERVER}:{GIT}/shop.git")
}

impl Drop for World {
    fn drop(&mut self) {
        for child in locked(&self.children).iter_mut() {
            // Both fail harmlessly on one that has ended.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Takes everything down, and looks.
pub(super) fn nothing_left(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    for running in [&world.controller, &world.server] {
        if let Some(running) = locked(running).take() {
            running.end()?;
        }
    }
    let groups: Vec<PathBuf> = world.nodes.iter().flat_map(Node::groups).collect();
    let kube = world.cluster.kube.clone();
    locked(&WORLD).take();
    let mut last = Arc::into_inner(world).context("somebody else holds the cluster")?;
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
    restore(lab, &NODES, &stopped)
}
