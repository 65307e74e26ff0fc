//! Which pods netd says are in service, of which it may say so, and when one is drained.
//!
//! Kubelet and the controller of EndpointSlices are played: the suite has only an API server.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::gated::{GATE, OWN, PORT, PROBED, QUIET_TEXT, SPACE, addresses, apply, pod, shows};
use super::{ACCOUNT, FOLLOWED, Ipamd, NAMESPACE, OTHER, Scene, drain};
use crate::LabGuard;
use crate::suites::kit::forwarding::forwarding;
use crate::suites::kit::{eventually, say};
use crate::suites::rig::Rig;

const FOREIGN: &str = "gate-foreign";
/// A node in mode `vlan`, which delivers by all of its tables, and its network.
const NODE: &str = "idc1";
const NETWORK: &str = "web";
/// Another node of that network.
const NEIGHBOUR: &str = "idc2";

pub(in crate::suites::kubernetes) fn gate(lab: &LabGuard) -> Result<()> {
    let scene = Scene::of(lab, NODE)?;
    let cluster = &scene.cluster;
    cluster.kubectl(&["create", "namespace", SPACE])?;
    // Without a controller manager nobody else makes it.
    cluster.kubectl(&["-n", SPACE, "create", "serviceaccount", "default"])?;
    for (name, node) in [(OWN, NODE), (FOREIGN, OTHER)] {
        make(&scene, name, node)?;
    }
    refused(&scene)?;
    let rig = Rig::new(lab, NODE, NETWORK)?;
    let web = rig.attach("kube-gate")?;
    // Services are translated on the node, and forwarded.
    let _forwarding = forwarding(&rig.node)?;
    let near = rig.attach("kube-gate-near")?;
    let far = Rig::new(lab, NEIGHBOUR, NETWORK)?.attach("kube-gate-far")?;
    let ipamd = Ipamd::start(lab, cluster)?;
    let netd = scene.netd()?;
    eventually(FOLLOWED, || shows(&scene, "False", "ContainersNotReady"))?;
    let ips = addresses(&web)?;
    let of_status: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    let ready = json!({"status": {"podIPs": of_status, "podIP": ips[0],
        "conditions": [{"type": "ContainersReady", "status": "True"}]}});
    status(&scene, "admin", OWN, &ready)?;
    let (_, took) = eventually(FOLLOWED, || shows(&scene, "True", "InService"))?;
    say(&format!(
        "in service {took:.1?} after its containers were ready"
    ));
    drain::late_connections(&scene, &rig, &web, [&near, &far])?;

    let version = || -> Result<Value> { Ok(pod(&scene)?["metadata"]["resourceVersion"].clone()) };
    let before = version()?;
    let killed = lab.kill_netd(NODE)?;
    ensure!(killed.wait_gone(FOLLOWED), "netd does not die");
    lab.wait_ready(NODE, FOLLOWED)?;
    ensure!(version()? == before, "a restart wrote the pod");
    drain::comes_back_and_is_deleted(&scene, &rig, &web)?;
    cluster.kubectl(&["-n", SPACE, "delete", "pod", OWN, FOREIGN, "--force"])?;
    ipamd.end()?;
    netd.back()
}

/// A pod that is bound to a node, as the scheduler does.
fn make(scene: &Scene<'_>, name: &str, node: &str) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE, "labels": {"flatnet.io/serve": "true"},
            "annotations": {"flatnet.io/quiet": QUIET_TEXT}},
        "spec": {
            "nodeName": node, "readinessGates": [{"conditionType": GATE}],
            "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none", "readinessProbe":
                {"tcpSocket": {"port": PORT}, "periodSeconds": PROBED.as_secs()}}],
        },
    });
    apply(scene, &pod)
}

fn status(scene: &Scene<'_>, user: &str, name: &str, patch: &Value) -> Result<()> {
    let (patch, of) = (patch.to_string(), "--subresource=status");
    let args = [
        "-n",
        SPACE,
        "patch",
        "pod",
        name,
        of,
        "--type=strategic",
        "-p",
        &patch,
    ];
    let tried = scene.cluster.kubectl_command(user, &args).output()?;
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    ensure!(tried.status.success(), "{said}");
    Ok(())
}

/// netd's rights end at its node's pods and its own condition.
fn refused(scene: &Scene<'_>) -> Result<()> {
    // kubectl reads what it patches: the right to that is given for the tries.
    let reads = "suite-reads-pods";
    let account = format!("--serviceaccount={NAMESPACE}:{ACCOUNT}");
    let role = format!("--clusterrole={reads}");
    let resources = "--resource=pods,pods/status";
    let kubectl = |args: &[&str]| scene.cluster.kubectl(args).map(drop);
    kubectl(&["create", "clusterrole", reads, "--verb=get", resources])?;
    kubectl(&["create", "clusterrolebinding", reads, &role, &account])?;
    let own = |type_: &str| json!({"status": {"conditions": [{"type": type_, "status": "False"}]}});
    for (name, patch, wanted) in [
        (FOREIGN, own(GATE), "netd of node idc1 may not write pod"),
        (OWN, own("Ready"), "the condition flatnet.io/in-service"),
        (
            OWN,
            json!({"status": {"podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}]}}),
            "the condition flatnet.io/in-service",
        ),
        (
            OWN,
            json!({"status": {"message": "mine"}}),
            "the condition flatnet.io/in-service",
        ),
        (
            OWN,
            json!({"metadata": {"labels": {"flatnet.io/serve": "false"}}}),
            "no label",
        ),
    ] {
        // A policy is in force a moment after it was made.
        eventually(FOLLOWED, || {
            let said = match status(scene, ACCOUNT, name, &patch) {
                Ok(()) => "done".to_owned(),
                Err(error) => error.to_string(),
            };
            ensure!(said.contains(wanted), "{name} {patch}: {said}");
            Ok(())
        })?;
    }
    status(scene, ACCOUNT, OWN, &own(GATE)).context("its own condition")?;
    kubectl(&["delete", "clusterrolebinding,clusterrole", reads])
}
