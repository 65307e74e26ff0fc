//! The plan as objects of a real API server: the kinds, their rules, and `flatctl plan` against them.
//!
//! ```text
//!   deploy/crds ─▶ kubectl ─┐                        ┌─▶ get flatnet, explain
//!                           ├─▶ [API server] ────────┼─▶ flatctl plan export, diff, check --from-cluster
//!   lab's plan ─▶ flatctl ──┘     ▲                  └─▶ what was there before, and nothing else
//!                 plan apply      └─ [rules] one object at a time that breaks one rule
//! ```

mod rules;

use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::Cluster;
use crate::lab::inside;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::kit::{eventually, say};
use crate::{Lab, LabGuard};

pub(super) use rules::{rules_refuse, unknown_fields};

/// The definitions, as they are shipped.
const CRDS: [&str; 12] = [
    include_str!("../../../../deploy/crds/networkplans.yaml"),
    include_str!("../../../../deploy/crds/sites.yaml"),
    include_str!("../../../../deploy/crds/switches.yaml"),
    include_str!("../../../../deploy/crds/vlans.yaml"),
    include_str!("../../../../deploy/crds/routetables.yaml"),
    include_str!("../../../../deploy/crds/networks.yaml"),
    include_str!("../../../../deploy/crds/leasedlines.yaml"),
    include_str!("../../../../deploy/crds/hosts.yaml"),
    include_str!("../../../../deploy/crds/hostranges.yaml"),
    include_str!("../../../../deploy/crds/nodenetworks.yaml"),
    include_str!("../../../../deploy/crds/nodepeers.yaml"),
    include_str!("../../../../deploy/crds/serviceaddresses.yaml"),
];
/// Plans that are shipped: of one host, and of 500.
const EXAMPLES: [(&str, &str); 2] = [
    (
        "small.yaml",
        include_str!("../../../../examples/small.yaml"),
    ),
    (
        "hybrid.yaml",
        include_str!("../../../../examples/hybrid.yaml"),
    ),
];
/// An API server serves a new kind within a second or two.
const SERVED: std::time::Duration = std::time::Duration::from_secs(30);

/// What flatctl said.
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// Its result, where it is that exit code.
    fn with(self, code: i32) -> Result<String> {
        let Self { out, err, .. } = &self;
        ensure!(self.code == code, "exit {}\n{out}{err}", self.code);
        Ok(self.out)
    }
}

/// `flatctl plan …` beside the API server, as its administrator.
fn flatctl(lab: &Lab, cluster: &Cluster, args: &[&str]) -> Result<Said> {
    let program = lab.layout().bin("flatctl").display().to_string();
    let mut command = inside(&netns_path(&namespace(VPC_ROUTER)), &program);
    command.arg("plan").args(args);
    command.env("KUBECONFIG", cluster.dir.join("admin.conf"));
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().context("cannot run flatctl")?;
    Ok(Said {
        code: status.code().context("flatctl was killed")?,
        out: String::from_utf8(stdout)?,
        err: String::from_utf8(stderr)?,
    })
}

/// The API server with the definitions.
pub(super) fn with_kinds(lab: &Lab) -> Result<std::sync::Arc<Cluster>> {
    let cluster = Cluster::get(lab)?;
    install_kinds(&cluster)?;
    Ok(cluster)
}

/// The definitions, served.
fn install_kinds(cluster: &Cluster) -> Result<()> {
    let path = cluster.dir.join("crds.yaml");
    std::fs::write(&path, CRDS.join("---\n"))?;
    let path = path.display().to_string();
    cluster.kubectl(&["apply", "--server-side", "-f", &path])?;
    let wait = ["wait", "--for=condition=Established", "--timeout=30s", "-f"];
    cluster.kubectl(&[&wait[..], &[path.as_str()]].concat())?;
    eventually(SERVED, || cluster.kubectl(&["get", "flatnet"]).map(drop))?;
    Ok(())
}

/// The lab's plan with a cluster's name, `change`d, as a file.
fn written(lab: &Lab, cluster: &Cluster, change: &[(&str, &str)]) -> Result<PathBuf> {
    let mut text = std::fs::read_to_string(lab.layout().plan())?;
    for (from, to) in [("spec:\n", "spec:\n  cluster: lab\n")]
        .iter()
        .chain(change)
    {
        ensure!(text.contains(from), "{from:?} is not in the lab's plan");
        text = text.replacen(from, to, 1);
    }
    let path = cluster.dir.join("plan.yaml");
    std::fs::write(&path, text)?;
    Ok(path)
}

fn apply(lab: &Lab, cluster: &Cluster, plan: &Path, more: &[&str]) -> Result<Said> {
    let plan = plan.display().to_string();
    flatctl(lab, cluster, &[&["apply", plan.as_str()], more].concat())
}

/// The cluster's plan as one document.
pub(super) fn export(lab: &Lab, cluster: &Cluster) -> Result<String> {
    flatctl(lab, cluster, &["export"])?.with(0)
}

/// Applies the lab's plan with those changes.
pub(super) fn apply_changed(lab: &Lab, cluster: &Cluster, change: &[(&str, &str)]) -> Result<()> {
    let plan = written(lab, cluster, change)?;
    apply(lab, cluster, &plan, &["--force"])?.with(0).map(drop)
}

/// Applies the lab's plan, changed as a value.
pub(in crate::suites) fn apply_model(
    lab: &Lab,
    cluster: &Cluster,
    change: impl FnOnce(&mut flatnet_plan::NetworkPlan) -> Result<()>,
) -> Result<()> {
    let mut plan = flatnet_plan::load(&std::fs::read_to_string(lab.layout().plan())?)?;
    plan.spec.cluster = Some("lab".to_owned());
    change(&mut plan)?;
    let path = cluster.dir.join("plan.yaml");
    std::fs::write(&path, flatnet_plan::to_yaml(&plan)?)?;
    apply(lab, cluster, &path, &["--force"])?.with(0).map(drop)
}

/// An API server that has the lab's plan and nothing else.
pub(super) fn with_plan(lab: &Lab) -> Result<std::sync::Arc<Cluster>> {
    let cluster = Cluster::get(lab)?;
    install(lab, &cluster)?;
    Ok(cluster)
}

/// Gives an API server the definitions and the lab's plan.
pub(in crate::suites) fn install(lab: &Lab, cluster: &Cluster) -> Result<()> {
    install_kinds(cluster)?;
    let plan = written(lab, cluster, &[])?;
    apply(lab, cluster, &plan, &["--force"])?.with(0).map(drop)
}

pub(super) fn kinds(lab: &LabGuard) -> Result<()> {
    let cluster = with_kinds(lab)?;
    let path = cluster.dir.join("crds.yaml").display().to_string();
    let state: Value =
        serde_json::from_str(&cluster.kubectl(&["get", "-f", &path, "-o", "json"])?)?;
    for crd in state["items"].as_array().context("no definitions")? {
        for condition in crd["status"]["conditions"].as_array().into_iter().flatten() {
            let bad = ["NonStructuralSchema", "Terminating"]
                .iter()
                .any(|t| condition["type"] == *t);
            ensure!(!bad, "{}: {condition}", crd["metadata"]["name"]);
        }
    }
    let plan = written(lab, &cluster, &[])?;
    apply(lab, &cluster, &plan, &[])?.with(0)?;
    let all = cluster.kubectl(&["get", "flatnet"])?;
    for line in [
        "hostrange.flatnet.io/",
        "host.flatnet.io/idc1",
        "leasedline.flatnet.io/",
        "networkplan.flatnet.io/",
        "network.flatnet.io/web",
        "site.flatnet.io/vpc",
        "switch.flatnet.io/idc.tor1",
        "vlan.flatnet.io/idc.100",
    ] {
        ensure!(all.contains(line), "no {line} in\n{all}");
    }
    for (ask, answer) in [
        ("fnvlan", &["idc.100", "pod", "10.100.0.0/16"][..]),
        ("fnnet", &["web", "100", "lab"]),
        ("fnhost", &["idc1", "lab", "10.10.0.11/24"]),
        ("fnrange", &["idc1", "web", "10.100.16.0/20"]),
    ] {
        let said = cluster.kubectl(&["get", ask])?;
        let missing = answer.iter().find(|a| !said.contains(**a));
        ensure!(missing.is_none(), "{ask} does not say {missing:?}:\n{said}");
    }
    for (field, told) in [
        ("host.spec.uplink", "How it is cabled"),
        ("network.spec.pools.sliceLength", "ipamd cuts"),
        ("vlan.spec.role", "what it is for"),
        ("networkplan.status.diagnostics.hint", "What to do about it"),
    ] {
        let said = cluster.kubectl(&["explain", field])?;
        let found = said.to_lowercase().contains(&told.to_lowercase());
        ensure!(found, "{field} is not told:\n{said}");
    }
    Ok(())
}

pub(super) fn round_trip(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    let plan = written(lab, &cluster, &[])?;
    let again = apply(lab, &cluster, &plan, &[])?;
    ensure!(again.err.contains(" 0 changed, 0 deleted"), "{}", again.err);
    ensure!(again.err.contains("0 objects are created"), "{}", again.err);
    ensure!(again.with(0)?.contains("Nothing changes."), "steps");
    let exported = cluster.dir.join("exported.yaml").display().to_string();
    flatctl(lab, &cluster, &["export", "--file", &exported])?.with(0)?;
    let diff = ["diff", "--from-cluster", &exported, "--exit-code"];
    flatctl(lab, &cluster, &diff)?.with(0)?;
    let plan = plan.display().to_string();
    let diff = ["diff", "--from-cluster", &plan, "--exit-code"];
    flatctl(lab, &cluster, &diff)?.with(0)?;
    flatctl(lab, &cluster, &["check", &exported])?.with(0)?;
    flatctl(lab, &cluster, &["check", "--from-cluster"])?.with(0)?;
    let before = std::fs::read_to_string(&exported)?;
    apply(lab, &cluster, Path::new(&exported), &[])?.with(0)?;
    let after = flatctl(lab, &cluster, &["export"])?.with(0)?;
    ensure!(before == after, "the exported plan applied is another plan");
    Ok(())
}

pub(super) fn examples(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    for (name, text) in EXAMPLES {
        let path = cluster.dir.join(name);
        let text = text.replacen("spec:\n", "spec:\n  cluster: lab\n", 1);
        std::fs::write(&path, text)?;
        let begun = Instant::now();
        let said = apply(lab, &cluster, &path, &["--dry-run", "--force"])?;
        let told = said
            .err
            .lines()
            .find(|l| l.contains("would be"))
            .map(str::to_owned);
        said.with(0).context(name)?;
        let told = told.context("what would be done is not told")?;
        say(&format!("{name}: {told}, {:.1?}", begun.elapsed()));
    }
    Ok(())
}

pub(super) fn dry_run_and_prune(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    let foreign = r#"{"apiVersion":"flatnet.io/v1alpha1","kind":"Switch","metadata":{"name":"byhand"},"spec":{"site":"idc"}}"#;
    rules::create(&cluster, foreign)?;
    let mut smaller = flatnet_plan::load(&std::fs::read_to_string(lab.layout().plan())?)?;
    let gone = smaller.spec.hosts.pop().context("the plan has hosts")?;
    smaller.spec.cluster = Some("lab".to_owned());
    let path = cluster.dir.join("smaller.yaml");
    std::fs::write(&path, flatnet_plan::to_yaml(&smaller)?)?;
    let host = format!("host.flatnet.io/{}", gone.name);
    let list = || cluster.kubectl(&["get", "flatnet", "-o", "name"]);

    let before = list()?;
    let said = apply(lab, &cluster, &path, &["--dry-run"])?;
    let deleted = format!("{} deleted", gone.ranges.len() + 1);
    ensure!(said.err.contains(&deleted), "{}", said.err);
    ensure!(
        said.with(0)?.contains("drain the host"),
        "the steps of the diff"
    );
    ensure!(list()? == before, "a dry run changed something");

    let said = apply(lab, &cluster, &path, &[])?;
    ensure!(said.err.contains("Switch/byhand"), "{}", said.err);
    said.with(0)?;
    let after = list()?;
    ensure!(!after.contains(&host), "{host} is still there");
    let left = after.lines().count();
    ensure!(
        left + gone.ranges.len() + 1 == before.lines().count(),
        "{after}"
    );
    ensure!(after.contains("switch.flatnet.io/byhand"), "{after}");
    cluster.kubectl(&["delete", "switches", "byhand"])?;
    Ok(())
}

pub(super) fn wrong_together(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    // Each write is valid: no rule can see that another object has the address.
    let patch = r#"{"spec":{"addresses":["10.10.0.12/24"]}}"#;
    cluster.kubectl(&["patch", "hosts", "idc1", "--type=merge", "-p", patch])?;
    let said = flatctl(lab, &cluster, &["check", "--from-cluster", "-o", "json"])?.with(1)?;
    let said: Value = serde_json::from_str(&said)?;
    let found = said["diagnostics"].as_array().context("diagnostics")?;
    let one = found
        .iter()
        .find(|d| d["code"] == "FN0114")
        .context("no FN0114")?;
    let object = one["object"].as_str().unwrap_or_default();
    ensure!(["Host/idc1", "Host/idc2"].contains(&object), "{one}");
    ensure!(one["field"] == "spec.addresses[0]", "{one}");
    ensure!(one["hint"].as_str().is_some_and(|h| !h.is_empty()), "{one}");
    // Nor is a plan with errors applied.
    let bad = written(lab, &cluster, &[("10.10.0.11/24", "10.10.0.12/24")])?;
    let before = cluster.kubectl(&["get", "flatnet", "-o", "yaml"])?;
    let said = apply(lab, &cluster, &bad, &[])?;
    ensure!(said.err.contains("nothing is applied"), "{}", said.err);
    ensure!(said.with(1)?.contains("FN0114"), "the code");
    ensure!(
        cluster.kubectl(&["get", "flatnet", "-o", "yaml"])? == before,
        "something changed"
    );
    Ok(())
}

pub(super) fn another_manager(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    let patch = r#"{"spec":{"density":77}}"#;
    let plan = written(lab, &cluster, &[])?;
    let head = cluster.kubectl(&["get", "networkplans", "-o", "name"])?;
    cluster.kubectl(&["patch", head.trim(), "--type=merge", "-p", patch])?;
    let differs = written(lab, &cluster, &[("spec:\n", "spec:\n  density: 12\n")])?;
    let said = apply(lab, &cluster, &differs, &[])?;
    ensure!(said.code == 3, "exit {}: {}", said.code, said.err);
    for word in ["spec.density", "--force"] {
        ensure!(said.err.contains(word), "{word}: {}", said.err);
    }
    apply(lab, &cluster, &differs, &["--force"])?.with(0)?;
    let density = [head.trim(), "-o", "jsonpath={.spec.density}"];
    let now = cluster.kubectl(&[&["get"][..], &density].concat())?;
    ensure!(now == "12", "{now}");
    apply(lab, &cluster, &plan, &["--force"])?.with(0)?;
    Ok(())
}

pub(super) fn server_away(lab: &LabGuard) -> Result<()> {
    let cluster = with_plan(lab)?;
    let before = flatctl(lab, &cluster, &["export"])?.with(0)?;
    cluster.kill_server()?;
    let said = flatctl(lab, &cluster, &["check", "--from-cluster"])?;
    ensure!(said.code == 3, "exit {}: {}", said.code, said.err);
    ensure!(
        said.err.contains("no answer from https://127.0.0.1"),
        "{}",
        said.err
    );
    cluster.start_server()?;
    let (after, took) = eventually(SERVED, || flatctl(lab, &cluster, &["export"])?.with(0))?;
    ensure!(after == before, "the plan is another one");
    say(&format!(
        "the same plan {took:.1?} after the API server was ready again"
    ));
    Ok(())
}
