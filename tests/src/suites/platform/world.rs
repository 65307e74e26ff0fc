//! A hub and two members, their controllers, and platformd.

use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::api::Api;
use super::instances::{Instances, PORT, Serving};
use super::kubelet::{Kubelet, NAMESPACE, in_service};
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually, say};
use crate::suites::kubernetes::cluster::{Access, Cluster};
use crate::{Lab, LabGuard};

/// The application's instances.
pub(super) const REPLICAS: usize = 4;
/// Generous for a busy machine: what is measured is printed.
pub(in crate::suites) const SOON: Duration = Duration::from_secs(60);
/// The members: names, which are their locations too, and ports of their API servers.
const MEMBERS: [(&str, u16); 2] = [("one", 6444), ("two", 6445)];
const APPS: &str = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/apps";
const RELEASES: &str = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/releases";
const CLUSTERS: &str = "/apis/platform.flatnet.io/v1alpha1/clusters";
/// The kinds that are used here.
pub(in crate::suites) const DEFINITIONS: [&str; 4] = [
    include_str!("../../../../deploy/platform/crds/apps.yaml"),
    include_str!("../../../../deploy/platform/crds/releases.yaml"),
    include_str!("../../../../deploy/platform/crds/clusters.yaml"),
    include_str!("../../../../deploy/platform/crds/templates.yaml"),
];

/// The controller's rights on the hub.
pub(in crate::suites) const MANIFEST: &str =
    include_str!("../../../../deploy/platform/controller.yaml");
/// What a member needs: the platform's account and rights, and the policy of epochs.
pub(in crate::suites) const MEMBER: &str = include_str!("../../../../deploy/platform/member.yaml");
/// The network's kinds that gates read.
const NETWORK: &str = include_str!("../../../../deploy/crds/nodenetworks.yaml");
pub(in crate::suites) const SETS: &str = include_str!("../../../../deploy/crds/addresssets.yaml");
/// Where metrics are, once somebody keeps them.
pub(super) const METRICS: &str = "127.0.0.1:8428";

static WORLD: Mutex<Option<Arc<World>>> = Mutex::new(None);

/// A member, and what is played in it.
pub(super) struct Member {
    pub(super) name: &'static str,
    pub(super) cluster: Cluster,
    pub(super) api: Api,
    _kubelet: Kubelet,
}

impl Member {
    /// The kubeconfig of the platform's account there, with its credentials in it, as the platform wants it.
    ///
    /// # Errors
    /// kubectl's.
    pub(super) fn kubeconfig(&self) -> Result<String> {
        let view = ["config", "view", "--raw", "--flatten"];
        let mut view = self.cluster.kubectl_command("platform", &view);
        Ok(crate::run::output(&mut view)?)
    }

    /// What the documents say to apply in a member, and the kinds of the network.
    fn install(&self) -> Result<()> {
        let apply = ["apply", "--server-side", "-f", "-"];
        let all = [MEMBER, NETWORK, SETS].join("\n---\n");
        output_with(&mut self.cluster.kubectl_command("admin", &apply), &all)?;
        let token = ["-n", "flatnet-platform", "create", "token", "platform"];
        let token = self.cluster.kubectl(&token)?;
        self.cluster.kubeconfig("platform", token.trim()).map(drop)
    }
}

/// All of it. Fields are dropped in their order: the hub's etcd last.
pub(in crate::suites) struct World {
    _serving: Serving,
    pub(super) controller: Mutex<Option<Running>>,
    children: Mutex<Vec<Child>>,
    pub(super) members: Vec<Member>,
    pub(in crate::suites) api: Api,
    pub(in crate::suites) hub: Cluster,
    platformd: PathBuf,
}

impl World {
    /// The one that runs, or a new one.
    ///
    /// # Errors
    /// If it does not come up.
    pub(in crate::suites) fn get(lab: &LabGuard) -> Result<Arc<Self>> {
        let mut slot = locked(&WORLD);
        if let Some(world) = &*slot {
            return Ok(Arc::clone(world));
        }
        let world = Arc::new(Self::raise(lab)?);
        *slot = Some(Arc::clone(&world));
        Ok(world)
    }

    fn raise(lab: &Lab) -> Result<Self> {
        let platformd = std::env::current_exe()?.with_file_name("platformd");
        ensure!(
            platformd.is_file(),
            "there is no {}: `cargo xtask build` makes it",
            platformd.display()
        );
        let hub = Cluster::start(lab, Access::local())?;
        let clusters =
            MEMBERS.map(|(name, port)| Ok((name, hub.beside(name, port, Access::local())?)));
        let clusters = clusters.into_iter().collect::<Result<Vec<_>>>()?;
        for (_, cluster) in &clusters {
            cluster.launch_server()?;
        }
        for (_, cluster) in &clusters {
            cluster.ready()?;
        }
        let instances = Arc::new(Instances::default());
        let serving = instances.serve(&netns_path(&namespace(VPC_ROUTER)))?;
        let mut children = Vec::new();
        let api = proxy(&hub, &mut children)?;
        let mut members = Vec::new();
        for (name, cluster) in clusters {
            let api = proxy(&cluster, &mut children)?;
            children.push(controllers(&cluster)?);
            let nodes = nodes(&api, name)?;
            let kubelet = Kubelet::play(api.clone(), nodes, Arc::clone(&instances));
            members.push(Member {
                name,
                cluster,
                api,
                _kubelet: kubelet,
            });
        }
        let world = Self {
            _serving: serving,
            controller: Mutex::new(None),
            children: Mutex::new(children),
            members,
            api,
            hub,
            platformd,
        };
        world.install()?;
        world.start_controller()?;
        Ok(world)
    }

    /// The kinds, the namespaces, the members with their credentials, a template.
    fn install(&self) -> Result<()> {
        let all = DEFINITIONS.join("\n---\n");
        let apply = ["apply", "--server-side", "-f", "-"];
        output_with(&mut self.hub.kubectl_command("admin", &apply), &all)?;
        eventually(SOON, || {
            self.api.get(APPS)?;
            self.api.get(RELEASES)?;
            self.api.get(CLUSTERS)?;
            self.api.get("/apis/platform.flatnet.io/v1alpha1/templates")
        })?;
        output_with(&mut self.hub.kubectl_command("admin", &apply), MANIFEST)?;
        let token = ["-n", "flatnet-platform", "create", "token", "controller"];
        let token = self.hub.kubectl(&token)?;
        self.hub.kubeconfig("controller", token.trim())?;
        let namespace = json!({"metadata": {"name": NAMESPACE}});
        self.api.post("/api/v1/namespaces", &namespace)?;
        for member in &self.members {
            member.install()?;
            let kubeconfig = member.kubeconfig()?;
            let secret = json!({"metadata": {"name": member.name}, "stringData": {"kubeconfig": kubeconfig}});
            self.api
                .post("/api/v1/namespaces/flatnet-platform/secrets", &secret)?;
            let cluster = json!({
                "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Cluster",
                "metadata": {"name": member.name},
                "spec": {
                    "endpoint": "https://127.0.0.1", "location": member.name,
                    "credentials": {"namespace": "flatnet-platform", "name": member.name},
                    "groups": [{"name": "mixed", "nodeSelector": {"pool": "mixed"}}],
                },
            });
            self.api.post(CLUSTERS, &cluster)?;
        }
        let template = json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Template",
            "metadata": {"name": "plain-v1"},
            "spec": {"name": "plain", "version": 1, "podTemplate": {"spec": {"containers": [
                {"name": "app", "image": "registry.example/shop/web@{{ .digest }}", "ports": [{"containerPort": PORT}]}]}}},
        });
        self.api
            .post("/apis/platform.flatnet.io/v1alpha1/templates", &template)?;
        let app = json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "App", "metadata": {"name": "web"},
            "spec": {
                "repo": "https://git.example/shop/web", "team": "shop", "replicas": REPLICAS,
                "template": {"name": "plain", "version": 1},
                "placement": {"locations": [{"name": "one"}, {"name": "two"}]},
                "discovery": [{"servicePort": PORT}],
                "release": {
                    "steps": [{"instances": 1, "bake": "1s"}],
                    "keepOld": {"count": "100%", "for": "1s"},
                },
            },
        });
        self.api.post(APPS, &app).map(drop)
    }

    /// Starts platformd, or another one after it was killed.
    pub(super) fn start_controller(&self) -> Result<()> {
        let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), &self.platformd)?;
        command.args(["controller", "--lease", "5", "--kubeconfig"]);
        command.arg(self.hub.dir.join("controller.conf"));
        command
            .arg("--metrics-url")
            .arg(format!("http://{METRICS}/"));
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

    /// Makes a release; `digit` is its digest.
    pub(in crate::suites) fn release(&self, name: &str, digit: u8, kind: &str) -> Result<()> {
        let digest = format!("sha256:{}", digit.to_string().repeat(64));
        let release = json!({
            "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Release", "metadata": {"name": name},
            "spec": {"app": "web", "digest": digest, "kind": kind},
        });
        self.api.post(RELEASES, &release).map(drop)
    }

    /// A release's status.
    pub(in crate::suites) fn status(&self, name: &str) -> Result<Value> {
        Ok(self.api.get(&format!("{RELEASES}/{name}"))?["status"].take())
    }

    /// Waits until a release is in a phase.
    pub(in crate::suites) fn reaches(&self, name: &str, phase: &str) -> Result<Duration> {
        let reached = eventually(SOON, || {
            let status = self.status(name)?;
            ensure!(status["phase"] == phase, "{name} is {status}");
            Ok(())
        });
        reached.map(|((), took)| took).with_context(|| self.log())
    }

    /// For how long old instances are kept.
    pub(super) fn keep_old(&self, span: &str) -> Result<()> {
        let patch = json!({"spec": {"release": {"keepOld": {"count": "100%", "for": span}}}});
        self.api.merge(&format!("{APPS}/web"), &patch).map(drop)
    }

    /// What is said of a member.
    pub(super) fn told(&self, member: &str) -> Result<Value> {
        Ok(self.api.get(&format!("{CLUSTERS}/{member}"))?["status"].take())
    }

    /// The application's pods in both members; those of one that does not answer are an error.
    pub(in crate::suites) fn pods(&self) -> Result<Vec<Value>> {
        let mut all = Vec::new();
        for member in &self.members {
            all.extend(member.api.items("/api/v1/namespaces/shop/pods")?);
        }
        Ok(all)
    }

    /// Pods in service, by name.
    pub(in crate::suites) fn serving(&self) -> Result<Vec<String>> {
        let serving = |p: &&Value| {
            in_service(p) == Some(true) && p["metadata"]["deletionTimestamp"].is_null()
        };
        let name = |p: &Value| {
            p["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut names: Vec<String> = self.pods()?.iter().filter(serving).map(name).collect();
        names.sort();
        Ok(names)
    }

    /// The end of platformd's log.
    pub(in crate::suites) fn log(&self) -> String {
        let text = std::fs::read_to_string(self.hub.dir.join("platformd.log")).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(25)..].join("\n")
    }
}

/// Looks at the instances in service for as long as a scene takes.
pub(super) struct Watcher {
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<(usize, usize)>>,
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It has the world, which nobody else may have when it is taken down.
            let _ = thread.join();
        }
    }
}

impl Watcher {
    pub(super) fn start(world: &Arc<World>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, world) = (Arc::clone(&stop), Arc::clone(world));
        let thread = std::thread::spawn(move || {
            let (mut least, mut looks) = (usize::MAX, 0);
            while !stopped.load(Ordering::Relaxed) {
                // A member whose server is away cannot be looked at.
                if let Ok(serving) = world.serving() {
                    least = least.min(serving.len());
                    looks += 1;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            (least, looks)
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }

    /// That there were never fewer than are wanted.
    pub(super) fn never_below(mut self, wanted: usize) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        let thread = self.thread.take().context("it was asked before")?;
        let watched = thread.join();
        let (least, looks) = watched.map_err(|_| anyhow::anyhow!("the watcher panicked"))?;
        ensure!(looks > 0, "nothing was looked at");
        ensure!(
            least >= wanted,
            "only {least} of {wanted} were in service once"
        );
        say(&format!(
            "{looks} looks, never fewer than {least} in service"
        ));
        Ok(())
    }
}

/// The administrator's way to a cluster by a socket.
pub(in crate::suites) fn proxy(cluster: &Cluster, children: &mut Vec<Child>) -> Result<Api> {
    let socket = cluster.dir.join("proxy.sock");
    let config = cluster.dir.join("admin.conf").display().to_string();
    let unix = format!("--unix-socket={}", socket.display());
    let args = ["kubectl", "--kubeconfig", &config, "proxy", &unix];
    children.push(cluster.spawn("proxy", &cluster.kube, &args)?);
    let api = Api { socket };
    eventually(SOON, || api.get("/version"))?;
    Ok(api)
}

/// Kubernetes' own controllers, as far as a member without kubelets needs them.
fn controllers(cluster: &Cluster) -> Result<Child> {
    let file = |name: &str| cluster.dir.join(name).display().to_string();
    let args = [
        "controller-manager".to_owned(),
        format!("--kubeconfig={}", file("admin.conf")),
        format!(
            "--service-account-private-key-file={}",
            file("accounts.key")
        ),
        "--controllers=replicaset-controller,serviceaccount-controller,namespace-controller"
            .to_owned(),
        "--leader-elect=false".to_owned(),
        "--secure-port=0".to_owned(),
    ];
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    cluster.spawn("controller-manager", &cluster.kube, &args)
}

/// Two nodes with room for twelve instances each, by their addresses.
fn nodes(api: &Api, member: &str) -> Result<Vec<String>> {
    let names: Vec<String> = (1..=2).map(|n| format!("{member}-{n}")).collect();
    for name in &names {
        let node = json!({"metadata": {"name": name, "labels": {"pool": "mixed"}}});
        api.post("/api/v1/nodes", &node)?;
        // The API server taints new nodes; no controller takes that away here.
        api.merge(
            &format!("/api/v1/nodes/{name}"),
            &json!({"spec": {"taints": null}}),
        )?;
        let has =
            json!({"cpu": "8", "memory": "16Gi", "pods": "110", "flatnet.io/addresses-pods": "12"});
        let status = json!({"status": {
            "capacity": has, "allocatable": has,
            "conditions": [{"type": "Ready", "status": "True", "reason": "Played"}]}});
        api.patch(&format!("/api/v1/nodes/{name}/status"), &status)?;
    }
    Ok(names)
}

/// Takes everything down, and looks.
pub(in crate::suites) fn nothing_left(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    if let Some(controller) = locked(&world.controller).take() {
        controller.end()?;
    }
    let lease = "/apis/coordination.k8s.io/v1/namespaces/flatnet-platform/leases/controller";
    let lease = world.api.get(lease)?;
    let holder = &lease["spec"]["holderIdentity"];
    ensure!(
        holder == "" || holder.is_null(),
        "the Lease was not given back: {holder}"
    );
    for mut child in std::mem::take(&mut *locked(&world.children)) {
        // Both fail harmlessly on one that has ended.
        let _ = child.kill();
        let _ = child.wait();
    }
    let dir = world.hub.dir.clone();
    let programs = [world.hub.kube.clone(), world.platformd.clone()];
    locked(&WORLD).take();
    let world = Arc::into_inner(world).context("somebody else holds the world")?;
    drop(world);
    ensure!(!dir.exists(), "{} is left", dir.display());
    for pid in crate::process::all_pids() {
        let exe = std::fs::read_link(format!("/proc/{pid}/exe"));
        let left = exe.is_ok_and(|exe| programs.contains(&exe));
        ensure!(!left, "process {pid} is left");
    }
    Ok(())
}

pub(in crate::suites) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
