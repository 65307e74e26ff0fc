//! netd of a node that takes its plan from the cluster, as the service account of its manifest.
//!
//! ```text
//!   kubectl ─▶ [API server] ─▶ ipamd ─▶ NodeNetwork of each node, NodePeers of each vSwitch
//!                  ▲                         │
//!                  └── status ◀── netd of vpc1, by a token that is bound to the node
//! ```

mod drain;
mod gated;
mod in_service;
mod kubernetes_node;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use flatnet_plan_source::COPY;
use serde_json::{Value, json};

use super::cluster::{Cluster, NAMESPACE};
use super::ipamd::{self, Ipamd};
use crate::suites::kit::{eventually, say};
use crate::suites::rig::Changed;
use crate::{LabGuard, Node, netd};

pub(super) use in_service::gate as in_service_gate;
pub(super) use kubernetes_node::own_only as own_kubernetes_node_only;

/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/netd-plan.yaml");
/// The service account of the manifest.
const ACCOUNT: &str = "netd";
/// The node whose netd it is, and another one.
const NODE: &str = "vpc1";
const OTHER: &str = "vpc2";
/// Within so long a change of the plan's objects is in a node's: a second of quiet, a write, a busy machine.
const FOLLOWED: Duration = Duration::from_secs(20);
/// Within so long netd notices that the API server is there again.
const BACK: Duration = Duration::from_secs(40);
/// Service prefixes of the lab's plan, and one more.
const MORE_SERVICES: &str =
    r#"{"spec":{"servicePrefixes":["10.96.0.0/16","fd10:96::/112","10.97.0.0/16"]}}"#;
const SERVICES: &str = r#"{"spec":{"servicePrefixes":["10.96.0.0/16","fd10:96::/112"]}}"#;

/// A cluster with the manifests, and the way to it for the node's netd.
struct Scene<'l> {
    lab: &'l LabGuard,
    cluster: Arc<Cluster>,
    node: Node,
    kubeconfig: PathBuf,
}

impl<'l> Scene<'l> {
    fn new(lab: &'l LabGuard) -> Result<Self> {
        Self::of(lab, NODE)
    }

    /// The same of another node.
    fn of(lab: &'l LabGuard, node: &str) -> Result<Self> {
        let cluster = ipamd::cluster(lab)?;
        let manifest = cluster.dir.join("netd.yaml");
        std::fs::write(&manifest, MANIFEST)?;
        cluster.kubectl(&["apply", "-f", &manifest.display().to_string()])?;
        for name in [node, OTHER] {
            let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}});
            let path = cluster.dir.join("node.json");
            std::fs::write(&path, node.to_string())?;
            cluster.kubectl(&["apply", "-f", &path.display().to_string()])?;
        }
        let kubeconfig = cluster.remote(ACCOUNT, &Self::token(&cluster, node)?)?;
        Ok(Self {
            node: lab.node(node)?,
            lab,
            cluster,
            kubeconfig,
        })
    }

    /// A token as a kubelet asks for it: bound to the node.
    fn token(cluster: &Cluster, node: &str) -> Result<String> {
        let bound = ["--bound-object-kind", "Node", "--bound-object-name", node];
        let create = ["-n", NAMESPACE, "create", "token", ACCOUNT];
        let token = cluster.kubectl(&[&create[..], &bound].concat())?;
        Ok(token.trim().to_owned())
    }

    /// The node's netd with its plan from the cluster. It may not be ready yet.
    fn netd(&self) -> Result<Changed<'l>> {
        let kubeconfig = self.kubeconfig.display().to_string();
        Changed::from_cluster(self.lab, &self.node.name, &kubeconfig)
    }

    /// What netd says of itself.
    fn view(&self) -> Result<Value> {
        let (status, body) = netd::get(&self.node.paths.netd_sock(), "/v1/node")?;
        ensure!(status == 200, "{status}: {body}");
        Ok(serde_json::from_str(&body)?)
    }

    /// The same, where the objects as they are, are in force.
    fn accepted(&self) -> Result<Value> {
        let view = self.view()?;
        let refused = &view["plan"]["refused"];
        ensure!(refused.is_null(), "refused: {refused}");
        Ok(view)
    }

    /// That netd runs by those service prefixes.
    fn serves_prefix(&self, prefix: &str, wanted: bool) -> Result<()> {
        let view = self.accepted()?;
        let all = view["spec"]["service_prefixes"].to_string();
        ensure!(all.contains(prefix) == wanted, "it runs by {all}");
        Ok(())
    }

    fn object(&self, kind: &str, name: &str) -> Result<Value> {
        let text = self.cluster.kubectl(&["get", kind, name, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    }

    fn patch(&self, kind: &str, name: &str, patch: &str) -> Result<()> {
        let args = ["patch", kind, name, "--type=merge", "-p", patch];
        self.cluster.kubectl(&args).map(drop)
    }

    /// What the API server says to the node's netd that writes a status.
    fn write_status(&self, user: &str, node: &str) -> Result<(bool, String)> {
        let patch = r#"{"status":{"problemCount":7}}"#;
        let args = [
            "patch",
            "nodenetworks",
            node,
            "--subresource=status",
            "--type=merge",
            "-p",
            patch,
        ];
        let tried = self.cluster.kubectl_command(user, &args).output()?;
        let said = String::from_utf8_lossy(&tried.stderr).into_owned();
        Ok((tried.status.success(), said))
    }
}

pub(super) fn waits_and_follows(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let cluster = &scene.cluster;
    cluster.kubectl(&["delete", "nodenetworks,nodepeers,serviceaddresses", "--all"])?;
    let netd = scene.netd()?;
    let socket = scene.node.paths.netd_sock();
    eventually(FOLLOWED, || {
        let (status, body) = netd::get(&socket, "/readyz")?;
        ensure!(
            status == 503 && body.contains("has no NodeNetwork/vpc1"),
            "{status}: {body}"
        );
        ensure!(netd::get(&socket, "/livez")?.0 == 200, "it is not alive");
        Ok(())
    })?;
    let ipamd = Ipamd::start(lab, cluster)?;
    let (_, took) = eventually(FOLLOWED, || scene.accepted())?;
    say(&format!("netd runs {took:.1?} after ipamd"));
    let usual = lab.node(NODE)?.spec;
    let view = scene.view()?;
    let (spec, wanted) = (&view["spec"], serde_json::to_value(&usual)?);
    ensure!(
        *spec == wanted,
        "of the objects: {spec}\nof the plan: {wanted}"
    );
    lab.wait_ready(NODE, FOLLOWED)?;
    // What netd says of itself is in the object's status.
    let (status, _) = eventually(FOLLOWED, || {
        let object = scene.object("nodenetworks", NODE)?;
        let status = object["status"].clone();
        ensure!(
            status["accepted"]["revision"] == view["plan"]["version"],
            "{status}"
        );
        ensure!(
            status["observedGeneration"] == object["metadata"]["generation"],
            "{status}"
        );
        let is = |kind: &str| {
            let all = status["conditions"].as_array().into_iter().flatten();
            all.clone()
                .any(|c| c["type"] == kind && c["status"] == "True")
        };
        ensure!(is("Ready") && is("Accepted"), "{status}");
        Ok(status)
    })?;
    let range = &status["ranges"][0];
    ensure!(range["prefix"] == "172.30.16.0/20", "{status}");
    let capacity = range["addresses"]["capacity"].as_u64();
    ensure!(capacity.is_some_and(|n| n > 4000), "{status}");
    let row = cluster.kubectl(&["get", "fnnode", NODE])?;
    ensure!(row.contains("True") && row.contains("vpc"), "{row}");

    // A change of the plan that concerns every node is a change of each object.
    scene.patch("networkplans", "lab", MORE_SERVICES)?;
    let (_, took) = eventually(FOLLOWED, || scene.serves_prefix("10.97.0.0/16", true))?;
    say(&format!("netd goes by a changed plan after {took:.1?}"));
    scene.patch("networkplans", "lab", SERVICES)?;
    eventually(FOLLOWED, || scene.serves_prefix("10.97.0.0/16", false))?;

    // A host that joins is one of the vSwitch's list, and no change of its neighbours' objects.
    let generation = |scene: &Scene<'_>| {
        let object = scene.object("nodenetworks", NODE)?;
        Ok::<_, anyhow::Error>(object["metadata"]["generation"].clone())
    };
    let before = generation(&scene)?;
    let joining = cluster.dir.join("joining.json");
    std::fs::write(&joining, joining_host().to_string())?;
    let joining = joining.display().to_string();
    cluster.kubectl(&["apply", "-f", &joining])?;
    let peer = |wanted: bool| {
        let peers = scene.accepted()?["spec"]["peers"].to_string();
        ensure!(
            peers.contains("172.30.48.0/24") == wanted,
            "its peers are {peers}"
        );
        Ok(())
    };
    let joined = eventually(FOLLOWED, || peer(true));
    let same = generation(&scene)? == before;
    cluster.kubectl(&["delete", "-f", &joining])?;
    let (_, took) = joined?;
    say(&format!("a peer that joins is routed to after {took:.1?}"));
    ensure!(
        same,
        "the object of a node was written that nothing changed for"
    );
    eventually(FOLLOWED, || peer(false))?;
    eventually(FOLLOWED, || {
        let left = cluster.kubectl(&["get", "nodenetworks", "-o", "name"])?;
        ensure!(
            !left.contains("vpc3"),
            "the object of a host that left is there: {left}"
        );
        Ok(())
    })?;
    ipamd.end()?;
    netd.back()
}

/// A host of the vSwitch of [`NODE`], with a range.
fn joining_host() -> Value {
    let (api, plan) = ("flatnet.io/v1alpha1", "vpc3");
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {"apiVersion": api, "kind": "Host", "metadata": {"name": plan}, "spec": {
            "site": "vpc", "cluster": "lab", "vSwitch": "zone-a",
            "addresses": ["172.20.1.13/24"], "uplink": {"interface": "eth0"}, "instanceId": "i-vpc3",
        }},
        {"apiVersion": api, "kind": "HostRange", "metadata": {"name": "vpc3.cloud"}, "spec": {
            "host": plan, "network": "cloud", "prefix": "172.30.48.0/24",
        }},
    ]})
}

pub(super) fn server_away(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let ipamd = Ipamd::start(lab, &scene.cluster)?;
    let netd = scene.netd()?;
    let (before, _) = eventually(FOLLOWED, || scene.accepted())?;
    scene.cluster.kill_server()?;
    let away = || {
        let view = scene.view()?;
        let why = view["plan"]["refused"].as_str().unwrap_or_default();
        ensure!(why.contains("no answer from"), "it says `{why}`");
        let problems = view["problems"].to_string();
        ensure!(problems.contains("plan-unreachable"), "{problems}");
        ensure!(
            view["spec"] == before["spec"],
            "it runs by {}",
            view["spec"]
        );
        ensure!(
            view["plan"]["version"] == before["plan"]["version"],
            "another plan"
        );
        ensure!(view["ready"] == true, "it is not ready: {problems}");
        Ok(())
    };
    let (_, took) = eventually(BACK, away)?;
    say(&format!(
        "that the API server is away is told after {took:.1?}"
    ));
    let killed = lab.kill_netd(NODE)?;
    ensure!(killed.wait_gone(FOLLOWED), "netd does not die");
    let took = lab.wait_ready(NODE, FOLLOWED)?;
    say(&format!(
        "without the API server, netd is ready {took:.1?} after a kill"
    ));
    eventually(FOLLOWED, away)?;

    scene.cluster.start_server()?;
    let (_, took) = eventually(BACK, || scene.accepted())?;
    say(&format!(
        "followed again {took:.1?} after the API server was ready"
    ));
    scene.patch("networkplans", "lab", MORE_SERVICES)?;
    let changed = eventually(BACK, || scene.serves_prefix("10.97.0.0/16", true));
    scene.patch("networkplans", "lab", SERVICES)?;
    changed?;
    eventually(BACK, || scene.serves_prefix("10.97.0.0/16", false))?;
    ipamd.end()?;
    netd.back()
}

pub(super) fn own_status_only(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let ipamd = Ipamd::start(lab, &scene.cluster)?;
    eventually(FOLLOWED, || scene.object("nodenetworks", OTHER))?;
    // A policy is in force a moment after it was made.
    eventually(FOLLOWED, || {
        let (done, said) = scene.write_status(ACCOUNT, OTHER)?;
        let wanted = "netd of node vpc1 may not write the status of NodeNetwork vpc2";
        ensure!(!done && said.contains(wanted), "done: {done}: {said}");
        Ok(())
    })?;
    let (done, said) = scene.write_status(ACCOUNT, NODE)?;
    ensure!(done, "its own status is refused: {said}");
    // A token that is bound to no node is none of a netd.
    let unbound = scene.cluster.token(ACCOUNT)?;
    scene.cluster.kubeconfig("unbound", &unbound)?;
    let (done, said) = scene.write_status("unbound", NODE)?;
    ensure!(
        !done && said.contains("bound to no node"),
        "done: {done}: {said}"
    );
    // What is declared, and what the plan is made of, is not netd's.
    for (kind, name) in [
        ("nodenetworks", NODE),
        ("nodepeers", "vpc.zone-a"),
        ("hosts", NODE),
    ] {
        let kind = format!("{kind}.flatnet.io");
        let args = [
            "patch",
            &kind,
            name,
            "--type=merge",
            "-p",
            r#"{"metadata":{"labels":{"a":"b"}}}"#,
        ];
        let tried = scene.cluster.kubectl_command(ACCOUNT, &args).output()?;
        let said = String::from_utf8_lossy(&tried.stderr);
        ensure!(said.contains("orbidden"), "{kind}: {said}");
    }
    ipamd.end()
}

pub(super) fn put_back(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let cluster = &scene.cluster;
    let ipamd = Ipamd::start(lab, cluster)?;
    let (before, _) = eventually(FOLLOWED, || scene.object("nodenetworks", NODE))?;
    // A changed field, and one that somebody adds.
    let edit = r#"{"spec":{"mtu":1400,"apiServer":"10.0.0.1:6443"}}"#;
    scene.patch("nodenetworks", NODE, edit)?;
    let (_, took) = eventually(FOLLOWED, || {
        let now = scene.object("nodenetworks", NODE)?;
        ensure!(now["spec"] == before["spec"], "it is {}", now["spec"]);
        let generation = |o: &Value| o["metadata"]["generation"].as_i64();
        ensure!(
            generation(&now) > generation(&before),
            "nothing was written"
        );
        Ok(())
    })?;
    say(&format!("an edit by hand is put back after {took:.1?}"));
    cluster.kubectl(&["delete", "nodepeers", "vpc.zone-a"])?;
    eventually(FOLLOWED, || scene.object("nodepeers", "vpc.zone-a"))?;
    // One that somebody else made is left alone.
    let foreign = json!({"apiVersion": "flatnet.io/v1alpha1", "kind": "NodePeers",
        "metadata": {"name": "foreign"}, "spec": {"site": "vpc", "vSwitch": "nowhere"}});
    let path = cluster.dir.join("foreign.json");
    std::fs::write(&path, foreign.to_string())?;
    cluster.kubectl(&["apply", "-f", &path.display().to_string()])?;
    scene.patch("nodenetworks", NODE, edit)?;
    eventually(FOLLOWED, || {
        let now = scene.object("nodenetworks", NODE)?;
        ensure!(now["spec"] == before["spec"], "it is {}", now["spec"]);
        Ok(())
    })?;
    scene
        .object("nodepeers", "foreign")
        .context("somebody else's object is gone")?;
    cluster.kubectl(&["delete", "nodepeers", "foreign"])?;
    ipamd.end()
}

pub(super) fn goes_by_its_copy(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let ipamd = Ipamd::start(lab, &scene.cluster)?;
    let netd = scene.netd()?;
    let (before, _) = eventually(FOLLOWED, || scene.accepted())?;
    ipamd.end()?;
    // Without ipamd nobody puts it back: netd checks what it reads.
    let wrong = r#"{"spec":{"hosts":[]}}"#;
    scene.patch("nodenetworks", NODE, wrong)?;
    eventually(FOLLOWED, || {
        let view = scene.view()?;
        ensure!(!view["plan"]["refused"].is_null(), "it is not refused");
        ensure!(
            view["spec"] == before["spec"],
            "it runs by {}",
            view["spec"]
        );
        ensure!(
            view["problems"].to_string().contains("plan-invalid"),
            "no problem"
        );
        let object = scene.object("nodenetworks", NODE)?;
        let all = object["status"]["conditions"]
            .as_array()
            .context("conditions")?;
        let refused = all
            .iter()
            .any(|c| c["type"] == "Accepted" && c["status"] == "False");
        ensure!(refused, "the status says {all:?}");
        Ok(())
    })?;
    let kept = scene.node.paths.store().join(COPY);
    let text = std::fs::read_to_string(kept)?;
    let version = before["plan"]["version"].as_str().context("a version")?;
    ensure!(text.contains(version), "the copy is another plan's");
    let ipamd = Ipamd::start(lab, &scene.cluster)?;
    eventually(FOLLOWED, || scene.accepted())?;
    ipamd.end()?;
    netd.back()
}
