//! Which pods netd says are in service, and of which it may say so.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{ACCOUNT, FOLLOWED, Ipamd, NAMESPACE, NODE, OTHER, Scene};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};
use crate::suites::rig::Rig;

const GATE: &str = "flatnet.io/in-service";
const SPACE: &str = "gate";
const OWN: &str = "gate-own";
const FOREIGN: &str = "gate-foreign";

pub(in crate::suites::kubernetes) fn gate(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let cluster = &scene.cluster;
    cluster.kubectl(&["create", "namespace", SPACE])?;
    // Without a controller manager nobody else makes it.
    cluster.kubectl(&["-n", SPACE, "create", "serviceaccount", "default"])?;
    for (name, node) in [(OWN, NODE), (FOREIGN, OTHER)] {
        make(&scene, name, node)?;
    }
    refused(&scene)?;
    let rig = Rig::new(lab, NODE, "cloud")?;
    let container = rig.attach("kube-gate")?;
    let address = container.attached.address()?;
    let ipamd = Ipamd::start(lab, cluster)?;
    let netd = scene.netd()?;
    eventually(FOLLOWED, || shows(&scene, "False", "ContainersNotReady"))?;
    let ready = json!({"status": {"podIPs": [{"ip": address}], "podIP": address,
        "conditions": [{"type": "ContainersReady", "status": "True"}]}});
    status(&scene, "admin", OWN, &ready)?;
    let (_, took) = eventually(FOLLOWED, || shows(&scene, "True", "InService"))?;
    say(&format!(
        "in service {took:.1?} after its containers were ready"
    ));
    let label = |value: &str| {
        let label = format!("flatnet.io/serve={value}");
        cluster.kubectl(&["-n", SPACE, "label", "--overwrite", "pod", OWN, &label])
    };
    label("false")?;
    let (_, took) = eventually(FOLLOWED, || shows(&scene, "False", "NotWished"))?;
    say(&format!("out of service {took:.1?} after the wish went"));
    let version = || -> Result<Value> { Ok(pod(&scene)?["metadata"]["resourceVersion"].clone()) };
    let before = version()?;
    let killed = lab.kill_netd(NODE)?;
    ensure!(killed.wait_gone(FOLLOWED), "netd does not die");
    lab.wait_ready(NODE, FOLLOWED)?;
    ensure!(version()? == before, "a restart wrote the pod");
    cluster.kubectl(&["-n", SPACE, "delete", "pod", OWN, FOREIGN, "--force"])?;
    ipamd.end()?;
    netd.back()
}

/// A pod that is bound to a node, as the scheduler does.
fn make(scene: &Scene<'_>, name: &str, node: &str) -> Result<()> {
    let pod = json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": name, "namespace": SPACE, "labels": {"flatnet.io/serve": "true"}},
        "spec": {
            "nodeName": node, "readinessGates": [{"conditionType": GATE}],
            "automountServiceAccountToken": false,
            "containers": [{"name": "c", "image": "none"}],
        },
    });
    let path = scene.cluster.dir.join("gate.json");
    std::fs::write(&path, pod.to_string())?;
    let path = path.display().to_string();
    scene.cluster.kubectl(&["apply", "-f", &path]).map(drop)
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
        (FOREIGN, own(GATE), "netd of node vpc1 may not write pod"),
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

fn pod(scene: &Scene<'_>) -> Result<Value> {
    let get = ["-n", SPACE, "get", "pod", OWN, "-o", "json"];
    Ok(serde_json::from_str(&scene.cluster.kubectl(&get)?)?)
}

fn shows(scene: &Scene<'_>, status: &str, reason: &str) -> Result<()> {
    let pod = pod(scene)?;
    let all = pod["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|c| c["type"] == GATE);
    let found = found.context("it has no condition of netd")?;
    let as_wanted = found["status"] == *status && found["reason"] == *reason;
    ensure!(as_wanted, "it says {found}");
    Ok(())
}
