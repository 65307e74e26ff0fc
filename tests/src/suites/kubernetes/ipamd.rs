//! ipamd that takes the plan from the objects, as the service account of its manifest.
//!
//! ```text
//!   kubectl, flatctl plan apply ─▶ [API server] ─ list, watch ─▶ ipamd ─▶ GET /v1/plan, metrics
//!                                      ▲                           │ └─▶ plan.accepted.yaml
//!                                      └── status of the head ◀────┘
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use flatnet_plan_source::{COPY, Version};
use flatnet_types::api::view::PlanStatus;
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::plan;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually, say};
use crate::{LabGuard, netd};

/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/ipamd-plan.yaml");
/// The service account of the manifest.
const ACCOUNT: &str = "ipamd";
/// Within so long a change of the objects is judged: a second of quiet, and a busy machine.
const JUDGED: Duration = Duration::from_secs(20);
/// Within so long ipamd serves after its start, and notices that the API server is there again.
const SERVES: Duration = Duration::from_secs(40);
/// Within so long a server that vanished without a word is noticed.
const FROZEN: Duration = Duration::from_secs(45);
/// An address that no host of the lab has.
const UNUSED: &str = "10.10.0.99/24";

/// An ipamd with a ledger of its own.
pub(in crate::suites) struct Ipamd {
    running: Running,
    socket: PathBuf,
}

impl Ipamd {
    /// A new one, or one that goes on from what another left in its state directory.
    pub(in crate::suites) fn start(lab: &LabGuard, cluster: &Cluster) -> Result<Self> {
        let file = |name: &str| cluster.dir.join(name).display().to_string();
        let socket = cluster.dir.join("ipamd.sock");
        let mut command = bound(
            &netns_path(&namespace(VPC_ROUTER)),
            &lab.layout().bin("ipamd"),
        )?;
        let ledger = [
            "run",
            "--init",
            "--settle",
            "0",
            "--state",
            &state_of(cluster),
        ];
        command.args(ledger).args(["--socket", &file("ipamd.sock")]);
        command.args(["--plan-from-cluster", "--kubeconfig"]);
        command.arg(file(&format!("{ACCOUNT}.conf")));
        let running = Running::start(&mut command, &cluster.dir.join("ipamd.log"))?;
        let ipamd = Self { running, socket };
        eventually(SERVES, || ipamd.plan()).with_context(|| {
            let log = std::fs::read_to_string(cluster.dir.join("ipamd.log"));
            format!("ipamd serves; its log: {}", log.unwrap_or_default())
        })?;
        Ok(ipamd)
    }

    /// Stops it.
    pub(in crate::suites) fn end(self) -> Result<()> {
        self.running.end()
    }

    fn plan(&self) -> Result<PlanStatus> {
        let (_, body) = netd::get(&self.socket, "/v1/plan")?;
        serde_json::from_str(&body).with_context(|| format!("GET /v1/plan: {body}"))
    }

    /// The version in force, where the objects are the plan in force.
    fn accepted(&self) -> Result<String> {
        let plan = self.plan()?;
        match plan.refused {
            None => Ok(plan.version),
            Some(why) => bail!("refused: {why}"),
        }
    }

    /// Why the objects are refused.
    fn refused(&self, words: &str) -> Result<PlanStatus> {
        let plan = self.plan()?;
        let why = plan.refused.as_deref().unwrap_or_default();
        ensure!(why.contains(words), "no `{words}` in `{why}`");
        Ok(plan)
    }

    /// That the metrics have this line.
    pub(super) fn metric(&self, line: &str) -> Result<()> {
        let (_, metrics) = netd::get(&self.socket, "/metrics")?;
        ensure!(metrics.lines().any(|l| l == line), "no `{line}`");
        Ok(())
    }
}

fn state_of(cluster: &Cluster) -> String {
    cluster.dir.join("ipamd").display().to_string()
}

/// The lab's plan on an API server, and what the manifest makes.
pub(super) fn cluster(lab: &LabGuard) -> Result<Arc<Cluster>> {
    let cluster = plan::with_plan(lab)?;
    rights(&cluster)?;
    Ok(cluster)
}

/// What the manifest makes, and the kubeconfig of its service account.
pub(in crate::suites) fn rights(cluster: &Cluster) -> Result<()> {
    let manifest = cluster.dir.join("ipamd.yaml");
    std::fs::write(&manifest, MANIFEST)?;
    cluster.kubectl(&["apply", "-f", &manifest.display().to_string()])?;
    cluster.account(ACCOUNT).map(drop)
}

/// The status of the plan's head.
pub(super) fn status(cluster: &Cluster) -> Result<Value> {
    let text = cluster.kubectl(&["get", "networkplans", "-o", "json"])?;
    let mut all: Value = serde_json::from_str(&text)?;
    Ok(all["items"][0]["status"].take())
}

/// The condition `Accepted`, where it has that status.
fn condition(cluster: &Cluster, wanted: &str) -> Result<Value> {
    let status = status(cluster)?;
    let found = &status["conditions"][0];
    let is = found["type"] == "Accepted" && found["status"] == wanted;
    ensure!(is, "Accepted is not {wanted}: {status}");
    Ok(status)
}

/// Gives a host another first address.
fn readdress(cluster: &Cluster, host: &str, address: &str) -> Result<String> {
    let text = cluster.kubectl(&["get", "hosts.flatnet.io", host, "-o", "json"])?;
    let mut found: Value = serde_json::from_str(&text)?;
    let mut addresses = found["spec"]["addresses"].take();
    let old = addresses[0].as_str().context("an address")?.to_owned();
    addresses[0] = address.into();
    let patch = json!({"spec": {"addresses": addresses}}).to_string();
    cluster.kubectl(&[
        "patch",
        "hosts.flatnet.io",
        host,
        "--type=merge",
        "-p",
        &patch,
    ])?;
    Ok(old)
}

fn exported(lab: &LabGuard, cluster: &Cluster) -> Result<String> {
    Ok(Version::of(&plan::export(lab, cluster)?).to_string())
}

pub(super) fn takes_objects(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let version = exported(lab, &cluster)?;
    let found = ipamd.accepted()?;
    ensure!(found == version, "ipamd goes by {found}, not {version}");
    let ((), _) = eventually(JUDGED, || {
        let status = condition(&cluster, "True")?;
        ensure!(status["accepted"]["revision"] == *version, "{status}");
        ensure!(status["errors"] == 0, "{status}");
        Ok(())
    })?;
    let short = &version[..12];
    let row = cluster.kubectl(&["get", "fnplan"])?;
    ensure!(row.contains(short) && row.contains("True"), "{row}");
    // A change by hand is taken over; a status is none.
    let old = readdress(&cluster, "idc1", UNUSED)?;
    let (_, took) = eventually(JUDGED, || {
        let now = ipamd.accepted()?;
        ensure!(now != version, "the plan is still {now}");
        Ok(())
    })?;
    say(&format!("a changed object is in force after {took:.1?}"));
    let fields =
        cluster.kubectl(&["get", "networkplans", "-o", "yaml", "--show-managed-fields"])?;
    ensure!(fields.contains("manager: flatnet-ipamd"), "{fields}");
    readdress(&cluster, "idc1", &old)?;
    eventually(JUDGED, || {
        let now = ipamd.accepted()?;
        ensure!(now == version, "the plan is {now}");
        let status = condition(&cluster, "True")?;
        ensure!(status["accepted"]["revision"] == *version, "{status}");
        Ok(())
    })?;
    // It may write no object.
    let patch = ["patch", "hosts.flatnet.io", "idc1", "--type=merge", "-p"];
    let args = [&patch[..], &[r#"{"spec":{"density":1}}"#]].concat();
    let tried = cluster.kubectl_command(ACCOUNT, &args).output()?;
    let said = String::from_utf8_lossy(&tried.stderr);
    ensure!(
        said.contains("Forbidden") || said.contains("forbidden"),
        "{said}"
    );
    ipamd.running.end()
}

pub(super) fn refuses_objects(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let before = ipamd.accepted()?;
    // Each write is valid, and so is the plan after the first.
    let old = [readdress(&cluster, "idc1", UNUSED)?];
    let (between, _) = eventually(JUDGED, || {
        let now = ipamd.accepted()?;
        ensure!(now != before, "the plan is still {now}");
        Ok(now)
    })?;
    let other = readdress(&cluster, "idc2", UNUSED)?;
    let (plan, took) = eventually(JUDGED, || ipamd.refused("FN0114"))?;
    say(&format!("refused after {took:.1?}"));
    ensure!(plan.version == between, "{} is in force", plan.version);
    ipamd.metric("flatnet_ipamd_plan_valid 0")?;
    let (status, _) = eventually(JUDGED, || condition(&cluster, "False"))?;
    ensure!(status["accepted"]["revision"] == *between, "{status}");
    ensure!(status["conditions"][0]["reason"] == "Invalid", "{status}");
    let message = status["conditions"][0]["message"].as_str();
    ensure!(message.is_some_and(|m| m.contains("FN0114")), "{status}");
    ensure!(status["errors"].as_u64().is_some_and(|n| n > 0), "{status}");
    let all = status["diagnostics"].as_array().context("diagnostics")?;
    let one = all.iter().find(|d| d["code"] == "FN0114");
    let one = one.with_context(|| status.to_string())?;
    let object = one["object"].as_str().unwrap_or_default();
    ensure!(["Host/idc1", "Host/idc2"].contains(&object), "{one}");
    ensure!(one["field"] == "spec.addresses[0]", "{one}");
    // A restart goes by what was accepted.
    ipamd.running.kill()?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    ensure!(ipamd.refused("FN0114")?.version == between, "another plan");

    readdress(&cluster, "idc2", &other)?;
    readdress(&cluster, "idc1", &old[0])?;
    let (now, took) = eventually(JUDGED, || {
        condition(&cluster, "True")?;
        let now = ipamd.accepted()?;
        ensure!(now == before, "the plan is {now}");
        Ok(now)
    })?;
    say(&format!("put right, it is accepted after {took:.1?}"));
    let status = condition(&cluster, "True")?;
    ensure!(status["accepted"]["revision"] == *now, "{status}");
    ensure!(status.get("diagnostics").is_none(), "{status}");
    ipamd.running.end()
}

pub(super) fn server_away(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let version = ipamd.accepted()?;
    let kept = std::fs::read_to_string(Path::new(&state_of(&cluster)).join(COPY))?;
    ensure!(kept.contains(&version), "the copy is another plan's");
    cluster.kill_server()?;
    let (plan, took) = eventually(SERVES, || ipamd.refused("no answer from"))?;
    say(&format!(
        "that the API server is away is told after {took:.1?}"
    ));
    ensure!(plan.version == version, "{} is in force", plan.version);
    ipamd.metric("flatnet_ipamd_plan_valid 0")?;
    ranges(&ipamd)?;

    ipamd.running.kill()?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let plan = ipamd.refused("no answer from")?;
    ensure!(plan.version == version, "{} is in force", plan.version);
    ranges(&ipamd)?;

    cluster.start_server()?;
    let (now, took) = eventually(SERVES, || ipamd.accepted())?;
    say(&format!(
        "followed again {took:.1?} after the API server was ready"
    ));
    ensure!(now == version, "{now} is in force");
    let old = readdress(&cluster, "idc1", UNUSED)?;
    eventually(JUDGED, || {
        ensure!(ipamd.accepted()? != version, "the change is not in force");
        Ok(())
    })?;
    readdress(&cluster, "idc1", &old)?;
    eventually(JUDGED, || {
        ensure!(ipamd.accepted()? == version, "the change is still in force");
        Ok(())
    })?;
    ipamd.running.end()
}

pub(super) fn swapped(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let before = ipamd.accepted()?;
    // One object is written after the other, and in between two hosts have one address.
    let swap = [
        ("10.10.0.11/24", "10.10.0.98/24"),
        ("10.10.0.12/24", "10.10.0.11/24"),
        ("10.10.0.98/24", "10.10.0.12/24"),
    ];
    plan::apply_changed(lab, &cluster, &swap)?;
    let (now, took) = eventually(JUDGED, || {
        let now = ipamd.accepted()?;
        ensure!(now != before, "the plan is still {now}");
        Ok(now)
    })?;
    say(&format!("in force {took:.1?} after the apply ended"));
    let version = exported(lab, &cluster)?;
    ensure!(now == version, "ipamd goes by {now}, not {version}");
    let (_, metrics) = netd::get(&ipamd.socket, "/metrics")?;
    let refused = r#"flatnet_ipamd_plan_reloads_total{result="refused"}"#;
    ensure!(!metrics.contains(refused), "half of the apply was judged");
    ipamd.running.end()
}

pub(super) fn server_frozen(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let version = ipamd.accepted()?;
    cluster.signal(Signal::SIGSTOP)?;
    let told = eventually(FROZEN, || ipamd.refused("no answer from"));
    cluster.signal(Signal::SIGCONT)?;
    let (plan, took) = told?;
    say(&format!(
        "that the API server is frozen is told after {took:.1?}"
    ));
    ensure!(plan.version == version, "{} is in force", plan.version);
    eventually(FROZEN, || {
        ensure!(ipamd.accepted()? == version, "another plan is in force");
        Ok(())
    })?;
    ipamd.running.end()
}

/// A host is given its ranges.
fn ranges(ipamd: &Ipamd) -> Result<()> {
    let (status, body) = netd::get(&ipamd.socket, "/v1/hosts/idc1/ranges")?;
    ensure!(status == 200 && body.contains("prefix"), "{status}: {body}");
    Ok(())
}
