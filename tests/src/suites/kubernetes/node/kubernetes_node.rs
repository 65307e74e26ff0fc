//! What a node's netd may write of Nodes, and what it does.

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::{ACCOUNT, BACK, FOLLOWED, Ipamd, NAMESPACE, NODE, OTHER, Scene};
use crate::LabGuard;
use crate::suites::kit::eventually;

/// Tries of a node's netd at Nodes: the node, the subresource, the patch, and what the refusal says.
const TRIES: [(&str, &str, &str, &str); 9] = [
    (
        OTHER,
        "status",
        r#"{"status":{"conditions":[{"type":"NetworkUnavailable","status":"True"}]}}"#,
        "netd of node vpc1 may not write Node vpc2",
    ),
    (
        OTHER,
        "",
        r#"{"spec":{"taints":[]}}"#,
        "netd of node vpc1 may not write Node vpc2",
    ),
    (
        NODE,
        "status",
        r#"{"status":{"conditions":[{"type":"Ready","status":"True"}]}}"#,
        "the condition NetworkUnavailable",
    ),
    (
        NODE,
        "status",
        r#"{"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"}]}}"#,
        "the condition NetworkUnavailable",
    ),
    (
        NODE,
        "status",
        r#"{"status":{"capacity":{"cpu":"99"}}}"#,
        "the condition NetworkUnavailable",
    ),
    (
        NODE,
        "status",
        r#"{"metadata":{"labels":{"a":"b"}}}"#,
        "no label",
    ),
    (NODE, "", r#"{"metadata":{"labels":{"a":"b"}}}"#, "no label"),
    (
        NODE,
        "",
        r#"{"spec":{"unschedulable":true}}"#,
        "nothing that is declared",
    ),
    (
        NODE,
        "",
        r#"{"spec":{"taints":[{"key":"a","effect":"NoSchedule"}]}}"#,
        "nothing that is declared",
    ),
];

pub(in crate::suites::kubernetes) fn own_only(lab: &LabGuard) -> Result<()> {
    let scene = Scene::new(lab)?;
    let cluster = &scene.cluster;
    let patch =
        |user: &str, name: &str, subresource: &str, patch: &str| -> Result<(bool, String)> {
            let of = format!("--subresource={subresource}");
            let mut args = vec!["patch", "node", name, "--type=strategic", "-p", patch];
            if !subresource.is_empty() {
                args.push(&of);
            }
            let tried = cluster.kubectl_command(user, &args).output()?;
            let said = String::from_utf8_lossy(&tried.stderr).into_owned();
            Ok((tried.status.success(), said))
        };
    // kubectl reads what it patches, and netd does not: the right to that is given for the tries.
    let reads = "suite-reads-nodes";
    let account = format!("--serviceaccount={NAMESPACE}:{ACCOUNT}");
    cluster.kubectl(&[
        "create",
        "clusterrole",
        reads,
        "--verb=get",
        "--resource=nodes,nodes/status",
    ])?;
    let role = format!("--clusterrole={reads}");
    cluster.kubectl(&["create", "clusterrolebinding", reads, &role, &account])?;
    // A policy is in force a moment after it was made.
    for (name, subresource, change, wanted) in TRIES {
        eventually(FOLLOWED, || {
            let (done, said) = patch(ACCOUNT, name, subresource, change)?;
            ensure!(
                !done && said.contains(wanted),
                "{name} {subresource} {change}: done: {done}: {said}"
            );
            Ok(())
        })?;
    }
    let read = cluster
        .kubectl_command(ACCOUNT, &["get", "nodes"])
        .output()?;
    ensure!(!read.status.success(), "netd may list Nodes");
    // Its own condition, and the taint that it takes away: set by somebody else.
    let taints = r#"{"spec":{"taints":[{"key":"flatnet.io/not-ready","effect":"NoSchedule"},{"key":"mine","effect":"NoSchedule"}]}}"#;
    let (done, said) = patch(ACCOUNT, NODE, "", taints)?;
    ensure!(!done, "netd may set a taint: {said}");
    let (done, said) = patch("admin", NODE, "", taints)?;
    ensure!(done, "{said}");
    cluster.kubectl(&["delete", "clusterrolebinding,clusterrole", reads])?;
    events(&scene)?;
    let netd = scene.netd()?;
    let ipamd = Ipamd::start(lab, cluster)?;
    let node = || -> Result<Value> {
        let text = cluster.kubectl(&["get", "node", NODE, "-o", "json"])?;
        Ok(serde_json::from_str(&text)?)
    };
    let shows = |status: &str| {
        let node = node()?;
        let all = node["status"]["conditions"].as_array();
        let mut all = all.into_iter().flatten();
        let found = all.find(|c| c["type"] == "NetworkUnavailable");
        let found = found.context("it has no NetworkUnavailable")?;
        ensure!(found["status"] == *status, "it says {found}");
        Ok(())
    };
    eventually(BACK, || {
        shows("False")?;
        let taints = node()?["spec"]["taints"].clone();
        let keys: Vec<&str> = taints
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|t| t["key"].as_str())
            .collect();
        ensure!(keys.contains(&"mine"), "another's taint is gone: {taints}");
        ensure!(
            !keys.contains(&"flatnet.io/not-ready"),
            "its taints are {taints}"
        );
        Ok(())
    })?;
    ipamd.end()?;
    netd.back()
}

/// Events bear the node of the token, and are at pods.
fn events(scene: &Scene<'_>) -> Result<()> {
    let event = |name: &str, node: &str, kind: &str| {
        json!({"apiVersion": "events.k8s.io/v1", "kind": "Event",
            "metadata": {"name": name, "namespace": "default"},
            "eventTime": "2026-01-01T00:00:00.000000Z", "type": "Warning", "action": "Attaching",
            "reportingController": "flatnet.io/netd", "reportingInstance": node, "reason": "Tried",
            "regarding": {"apiVersion": "v1", "kind": kind, "namespace": "default", "name": "web"}})
    };
    let make = |event: &Value| -> Result<String> {
        let path = scene.cluster.dir.join("event.json");
        std::fs::write(&path, event.to_string())?;
        let path = path.display().to_string();
        let args = ["create", "--validate=false", "-f", path.as_str()];
        let tried = scene.cluster.kubectl_command(ACCOUNT, &args).output()?;
        Ok(String::from_utf8_lossy(&tried.stderr).into_owned()
            + &String::from_utf8_lossy(&tried.stdout))
    };
    for (tried, wanted) in [
        (event("other.1", OTHER, "Pod"), "its own node"),
        (event("node.1", NODE, "Node"), "at pods only"),
        (event("own.1", NODE, "Pod"), "created"),
    ] {
        eventually(FOLLOWED, || {
            let said = make(&tried)?;
            ensure!(said.contains(wanted), "{tried}: {said}");
            Ok(())
        })?;
    }
    Ok(())
}
