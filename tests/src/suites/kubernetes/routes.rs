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
use super::rig::{METRICS, config_with, mended, metrics, tear};
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

/// The ranges of the node, as they can be made again.
fn ranges(cluster: &Cluster) -> Result<Vec<Value>> {
    let text = cluster.kubectl(&["get", "hostranges", "-o", "json"])?;
    let all: Value = serde_json::from_str(&text)?;
    let items = all["items"].as_array().context("a list")?;
    let own = items.iter().filter(|r| r["spec"]["host"] == NODE);
    let bare = own.map(|r| {
        json!({
            "apiVersion": r["apiVersion"], "kind": r["kind"], "spec": r["spec"],
            "metadata": {"name": r["metadata"]["name"], "labels": r["metadata"]["labels"]},
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

    // What ipamd has not accepted is not followed, however long it stands there.
    ipamd.end()?;
    let ranges = ranges(&cluster)?;
    ensure!(!ranges.is_empty(), "{NODE} has no range");
    leads(lab, true)?;
    for range in &ranges {
        let name = range["metadata"]["name"].as_str().context("a name")?;
        cluster.kubectl(&["delete", "hostranges", name])?;
    }
    within(SAID, || valid(lab, false))?;
    let torn = tear(lab)?;
    within(FOLLOWED, || mended(lab, &torn))?;
    leads(lab, true)?;

    let ipamd = Ipamd::start(lab, &cluster)?;
    let (_, took) = eventually(FOLLOWED, || leads(lab, false))?;
    valid(lab, true)?;
    say(&format!(
        "a range that was deleted has no entry {took:.1?} after ipamd accepted it"
    ));
    let file = cluster.dir.join("ranges.json");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": ranges});
    std::fs::write(&file, list.to_string())?;
    cluster.kubectl(&["apply", "-f", &file.display().to_string()])?;
    let (_, took) = eventually(FOLLOWED, || leads(lab, true))?;
    say(&format!(
        "one that is made leads to its node {took:.1?} after it"
    ));
    running.end()?;
    ipamd.end()?;
    drop(stopped);
    converged(lab)
}
