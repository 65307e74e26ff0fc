//! vpc-route that takes the plan from the objects, where ipamd has accepted them.
//!
//! ```text
//!   kubectl ─▶ [API server] ─ list, watch ─▶ vpc-route ─▶ the simulator's tables
//!                  ▲    └───── list, watch ─▶ ipamd
//!                  └── the revision that is in force
//! ```

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cluster::{Cluster, LEASE};
use super::ipamd::{self, Ipamd};
use super::rig::{METRICS, config_with, mended, metrics, ready, tear};
use crate::LabGuard;
use crate::suites::cloud::rig::{CONTROLLER, TABLE, converged, entries, within};
use crate::suites::kit::{eventually, say};

const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/vpc-route-plan.yaml");
/// Within so long a change is in the tables: a second of quiet for ipamd, one for vpc-route, one until
/// it looks whether ipamd has accepted it, the grace of an orphan, and a busy machine.
const FOLLOWED: Duration = Duration::from_secs(60);
/// Within so long vpc-route says that objects wait for ipamd.
const SAID: Duration = Duration::from_secs(20);
/// A node whose ranges lead to it by the table.
const NODE: &str = "vpc2";
const INSTANCE: &str = "i-vpc2";

fn leads(lab: &LabGuard, wanted: bool) -> Result<()> {
    let all = entries(lab, TABLE)?;
    let found = all.iter().any(|e| e.hops.iter().any(|h| h == INSTANCE));
    ensure!(
        found == wanted,
        "an entry that leads to {INSTANCE}: {found}"
    );
    Ok(())
}

/// The node and its ranges, as they can be made again.
fn objects(cluster: &Cluster) -> Result<Vec<Value>> {
    let list = |kind| -> Result<Vec<Value>> {
        let text = cluster.kubectl(&["get", kind, "-o", "json"])?;
        let mut all: Value = serde_json::from_str(&text)?;
        let items = all["items"].as_array_mut().map(std::mem::take);
        items.context("a list")
    };
    let mut all = list("hosts.flatnet.io")?;
    all.retain(|host| host["metadata"]["name"] == NODE);
    let ranges = list("hostranges")?;
    all.extend(ranges.into_iter().filter(|r| r["spec"]["host"] == NODE));
    let bare = all.into_iter().map(|o| {
        json!({
            "apiVersion": o["apiVersion"], "kind": o["kind"], "spec": o["spec"],
            "metadata": {"name": o["metadata"]["name"], "labels": o["metadata"]["labels"]},
        })
    });
    Ok(bare.collect())
}

fn valid(lab: &LabGuard, is: bool) -> Result<()> {
    let line = format!("flatnet_route_plan_valid {}", u8::from(is));
    let text = metrics(lab)?;
    ensure!(text.lines().any(|l| l == line), "no `{line}`");
    Ok(())
}

pub(super) fn follows_what_ipamd_accepts(lab: &LabGuard) -> Result<()> {
    let cluster = ipamd::cluster(lab)?;
    let manifest = cluster.dir.join("vpc-route-plan.yaml");
    std::fs::write(&manifest, MANIFEST)?;
    cluster.kubectl(&["apply", "-f", &manifest.display().to_string()])?;
    let kubeconfig = cluster.account(LEASE)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let config = config_with(lab, "kube-plan", |c| {
        c["plan"] = json!({"cluster": {"kubeconfig": kubeconfig}});
        c["metrics"] = METRICS.into();
    })?;
    eventually(SAID, || {
        let output = config.command(lab, &["plan"]).output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success(),
            "{said}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    })?;
    let running = config.run(lab)?;
    let torn = tear(lab)?;
    within(FOLLOWED, || mended(lab, &torn))?;
    within(SAID, || valid(lab, true))?;
    within(SAID, || ready(lab, "leads"))?;

    // What ipamd has not accepted is not followed, however long it stands there.
    ipamd.end()?;
    let node = objects(&cluster)?;
    ensure!(node.len() > 1, "{NODE} has no range");
    leads(lab, true)?;
    let file = cluster.dir.join("node.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": node});
    std::fs::write(&file, list.to_string())?;
    let file = file.display().to_string();
    cluster.kubectl(&["delete", "-f", &file])?;
    within(SAID, || valid(lab, false))?;
    let torn = tear(lab)?;
    within(FOLLOWED, || mended(lab, &torn))?;
    leads(lab, true)?;

    let ipamd = Ipamd::start(lab, &cluster)?;
    let (_, took) = eventually(FOLLOWED, || leads(lab, false))?;
    valid(lab, true)?;
    say(&format!(
        "a node that was deleted has no entry {took:.1?} after ipamd is there to accept it"
    ));
    cluster.kubectl(&["apply", "-f", &file])?;
    let (_, took) = eventually(FOLLOWED, || leads(lab, true))?;
    say(&format!("one that is made is led to {took:.1?} after it"));
    running.end()?;
    ipamd.end()?;
    drop(stopped);
    converged(lab)
}
