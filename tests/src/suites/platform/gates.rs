//! Gates, asked of real servers; and what a member refuses by itself.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::instances::{PORT, SICK, WRONG};
use super::world::{METRICS, REPLICAS, SOON, Watcher, World};
use crate::LabGuard;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::cloud::rig::Running;
use crate::suites::kit::{bound, eventually, say};

/// Debian's package of that name.
const VICTORIA: &str = "/usr/bin/victoria-metrics";
const NODES: &str = "/apis/flatnet.io/v1alpha1/nodenetworks";
const SETS: &str = "/apis/flatnet.io/v1alpha1/namespaces/shop/addresssets";
/// What share of a revision's requests may fail, measured over ten seconds.
const ERRORS: &str = "sum(increase(web_errors_total{revision=\"{{ .revision }}\"}[10s])) \
    / sum(increase(web_requests_total{revision=\"{{ .revision }}\"}[10s])) < 0.1";

/// VictoriaMetrics, which reads what the instances count each second.
fn metrics(world: &World) -> Result<Running> {
    let dir = world.hub.dir.join("metrics");
    std::fs::create_dir_all(&dir)?;
    let scrape = dir.join("scrape.yaml");
    let target = format!("127.0.0.1:{PORT}");
    let config = json!({
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "web", "static_configs": [{"targets": [target]}]}],
    });
    std::fs::write(&scrape, config.to_string())?;
    let mut command = bound(&netns_path(&namespace(VPC_ROUTER)), Path::new(VICTORIA))?;
    command
        .arg(format!("-storageDataPath={}", dir.join("data").display()))
        .arg(format!("-promscrape.config={}", scrape.display()))
        .arg(format!("-httpListenAddr={METRICS}"))
        .args(["-search.latencyOffset=0s", "-memory.allowedBytes=64MiB"]);
    Running::start(&mut command, &dir.join("log")).context("victoria-metrics")
}

/// What netd would say of each node, played; and a set that nobody has to acknowledge.
fn network(world: &World) -> Result<()> {
    for member in &world.members {
        for place in 1..=2 {
            let name = format!("{}-{place}", member.name);
            let node = json!({"apiVersion": "flatnet.io/v1alpha1", "kind": "NodeNetwork",
                "metadata": {"name": name}, "spec": {"plan": "played", "sites": [], "networks": []}});
            member.api.post(NODES, &node).context("a NodeNetwork")?;
            ready(world, &name, true)?;
        }
        let set = json!({"apiVersion": "flatnet.io/v1alpha1", "kind": "AddressSet", "metadata": {"name": "web"},
            "spec": {"selector": {"matchLabels": {"platform.flatnet.io/app": "web"}}}});
        member.api.post(SETS, &set).context("an AddressSet")?;
    }
    Ok(())
}

fn ready(world: &World, node: &str, ready: bool) -> Result<()> {
    let member = world.members.iter().find(|m| node.starts_with(m.name));
    let status = if ready { "True" } else { "False" };
    let condition = json!({"type": "Ready", "status": status, "reason": "Played", "message": "no carrier on the uplink",
        "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let status = json!({"status": {"conditions": [condition]}});
    let path = format!("{NODES}/{node}/status");
    member
        .context("no such member")?
        .api
        .merge(&path, &status)?;
    Ok(())
}

fn gates(world: &World, gates: &Value) -> Result<()> {
    let steps = json!([{"instances": 1, "bake": "1s", "gates": gates}]);
    let patch =
        json!({"spec": {"release": {"steps": steps, "keepOld": {"count": "100%", "for": "1s"}}}});
    let path = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/apps/web";
    world.api.merge(path, &patch).map(drop)
}

/// Waits until a release has ended so; the most pods of that revision that there ever were.
fn ends(world: &Arc<World>, name: &str, phase: &str) -> Result<usize> {
    let mut most = 0;
    let ended = eventually(SOON, || {
        let status = world.status(name)?;
        let revision = &status["revision"];
        let own = |p: &&Value| p["metadata"]["labels"]["platform.flatnet.io/revision"] == *revision;
        most = most.max(world.pods()?.iter().filter(own).count());
        ensure!(status["phase"] == phase, "{name} is {status}");
        Ok(())
    });
    let ((), took) = ended.with_context(|| world.log())?;
    say(&format!("{name} is {phase} after {took:.1?}"));
    Ok(most)
}

pub(super) fn good_and_bad(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    network(&world)?;
    let victoria = metrics(&world)?;
    let measure = json!({"metrics": {"query": ERRORS, "minSamples": 4}});
    let all = json!([{"network": true}, {"addresses": true}, {"probe": "/health"}, measure]);
    gates(&world, &all)?;
    let watcher = Watcher::start(&world);
    world.release("gate-1", 3, "Deploy")?;
    let (said, _) = eventually(SOON, || {
        let status = world.status("gate-1")?;
        let said: Vec<String> = status["gates"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|g| format!("{}: {} {}", g["kind"], g["verdict"], g["reason"]))
            .collect();
        let pass = said.iter().filter(|s| s.contains("\"Pass\"")).count();
        ensure!(pass == 4, "its gates say {said:?}; {}", world.log());
        Ok(said)
    })?;
    for line in said {
        say(&line);
    }
    ends(&world, "gate-1", "Done")?;
    let good = world.serving()?;
    world.release("gate-2", SICK, "Deploy")?;
    let most = ends(&world, "gate-2", "Aborted")?;
    ensure!(most == 1, "there were {most} instances without health");
    aborted(&world, "gate-2", &["probe", "/health answers 500"])?;
    world.release("gate-3", WRONG, "Deploy")?;
    let most = ends(&world, "gate-3", "Aborted")?;
    ensure!(
        most == 1,
        "there were {most} instances that fail their users"
    );
    aborted(&world, "gate-3", &["metrics", "it is 1.0", "< 0.1"])?;
    let (_, _) = eventually(SOON, || {
        let serving = world.serving()?;
        ensure!(serving == good, "{serving:?} serve, and not {good:?}");
        Ok(())
    })?;
    watcher.never_below(REPLICAS)?;
    victoria.kill()
}

/// That it was taken back, and why.
fn aborted(world: &World, name: &str, words: &[&str]) -> Result<()> {
    let status = world.status(name)?;
    let message = status["message"].as_str().unwrap_or_default();
    ensure!(status["reason"] == "GateFailed", "{name} is {status}");
    ensure!(
        words.iter().all(|w| message.contains(w)),
        "{name} says {message:?}, and not {words:?}"
    );
    say(message);
    Ok(())
}

pub(super) fn unknown(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    gates(&world, &json!([{"network": true}]))?;
    let all = || {
        world
            .members
            .iter()
            .flat_map(|m| [format!("{}-1", m.name), format!("{}-2", m.name)])
    };
    for node in all() {
        ready(&world, &node, false)?;
    }
    world.release("gate-4", 4, "Deploy")?;
    let (message, _) = eventually(SOON, || {
        let status = world.status("gate-4")?;
        let message = status["message"].as_str().unwrap_or_default().to_owned();
        let told = status["phase"] == "Gating" && message.contains("no carrier on the uplink");
        ensure!(told, "gate-4 is {status}; {}", world.log());
        Ok(message)
    })?;
    say(&message);
    for node in all() {
        ready(&world, &node, true)?;
    }
    world.reaches("gate-4", "Done")?;
    gates(&world, &json!([]))
}

pub(super) fn deposed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let api = &world.members[0].api;
    let fence = api.get("/api/v1/namespaces/flatnet-platform/configmaps/controller")?;
    let epoch: u64 = fence["data"]["epoch"]
        .as_str()
        .unwrap_or_default()
        .parse()?;
    ensure!(
        epoch > 1,
        "the controller was killed before: its epoch is {epoch}"
    );
    let sets = api.items("/apis/apps/v1/namespaces/shop/replicasets")?;
    let set = sets.first().context("there is no ReplicaSet")?;
    let name = set["metadata"]["name"].as_str().unwrap_or_default();
    // A dry run goes through admission, and changes nothing.
    let write = |epoch: u64, manager: &str| {
        let patch =
            json!({"metadata": {"annotations": {"platform.flatnet.io/epoch": epoch.to_string()}}});
        let path = format!(
            "/apis/apps/v1/namespaces/shop/replicasets/{name}?dryRun=All&fieldManager={manager}"
        );
        api.merge(&path, &patch)
    };
    write(epoch, "flatnet-platform").context("the one that leads")?;
    write(epoch - 1, "somebody").context("somebody else's write is no business of the policy")?;
    let refused = write(epoch - 1, "flatnet-platform")
        .err()
        .context("a deposed one wrote")?;
    let refused = format!("{refused:#}");
    ensure!(
        refused.contains("leads no more"),
        "it is refused with {refused}"
    );
    Ok(())
}
