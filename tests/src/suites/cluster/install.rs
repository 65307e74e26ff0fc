//! netd comes to the nodes by the steps of docs/kubernetes.md.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::node::Node;
use super::world::{NODES, World};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

/// What an administrator applies.
pub(in crate::suites) const MANIFEST: &str =
    include_str!("../../../../deploy/kubernetes/netd.yaml");
pub(in crate::suites) const RIGHTS: &str =
    include_str!("../../../../deploy/kubernetes/netd-plan.yaml");
/// Where Debian and others keep CNI's reference plugins.
const PLUGINS: [&str; 2] = ["/usr/lib/cni", "/opt/cni/bin"];
/// How long a container of a pod takes to say something.
const SAID: Duration = Duration::from_secs(60);
/// netd's capabilities: DAC_OVERRIDE, NET_ADMIN, NET_RAW, SYS_PTRACE, SYS_ADMIN
/// (linux/capability.h).
const CAPABILITIES: u64 = 1 << 1 | 1 << 12 | 1 << 13 | 1 << 19 | 1 << 21;

/// Where the runtime looks for its configuration.
pub(super) const CONFLIST: &str = "/etc/cni/net.d/10-flatnet.conflist";
/// Where the plugin goes.
pub(super) const PLUGIN: &str = "/opt/cni/bin/flatnet";

pub(super) fn ready(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let [whole @ .., lacking] = &world.nodes[..] else {
        anyhow::bail!("there are no nodes");
    };
    for node in whole {
        loopback(node)?;
    }
    world.install_plan(lab)?;
    let begun = Instant::now();
    world.apply("netd-plan.yaml", RIGHTS)?;
    world.apply("netd.yaml", MANIFEST)?;
    for node in whole {
        world.wait(&["wait", "--for=condition=Ready", "node", &node.name])?;
    }
    say(&format!("Ready {:.1?} after the apply", begun.elapsed()));
    // One host lacks something: the pod says what, and nothing is installed there.
    let (said, _) = eventually(SAID, || {
        let pod = pod_on(&world, &lacking.name)?;
        let said = world.kubectl(&["-n", "flatnet", "logs", &pod, "-c", "preflight"])?;
        ensure!(said.contains("LACKS"), "preflight says: {said}");
        Ok(said)
    })?;
    ensure!(
        said.contains("plugin loopback") && said.contains("containernetworking-plugins"),
        "preflight does not say what to do: {said}"
    );
    ensure!(
        !lacking.path(CONFLIST).exists(),
        "a conflist on an unfit host"
    );
    loopback(lacking)?;
    let pod = pod_on(&world, &lacking.name)?;
    world.kubectl(&["-n", "flatnet", "delete", "pod", &pod, "--wait=false"])?;
    world.wait(&["wait", "--for=condition=Ready", "node", &lacking.name])?;
    world.wait(&["-n", "flatnet", "rollout", "status", "daemonset/netd"])?;
    eventually(SAID, || {
        NODES.into_iter().try_for_each(|name| told(&world, name))
    })?;
    // Each says so itself, of the plan that ipamd has accepted.
    for name in NODES {
        let object = format!("nodenetwork/{name}");
        world.wait(&["wait", "--for=condition=Ready", &object])?;
        world.wait(&["wait", "--for=condition=Accepted", &object])?;
    }
    // Objects have no order: the first by its name.
    for (node, network) in NODES.into_iter().zip(["db", "db", "cloud"]) {
        installed(world.node(node)?, network)?;
    }
    Ok(())
}

/// That a Node says that its network is there, and has no taint of ours any more.
fn told(world: &World, name: &str) -> Result<()> {
    let node = world.json(&["get", "node", name])?;
    let conditions = node["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let found = conditions.find(|c| c["type"] == "NetworkUnavailable");
    let found = found.with_context(|| format!("{name} has no NetworkUnavailable"))?;
    ensure!(
        found["status"] == "False" && found["reason"] == "FlatnetReady",
        "{name} says {found}"
    );
    let taints = node["spec"]["taints"].to_string();
    ensure!(
        !taints.contains("flatnet.io/not-ready"),
        "{name} has taints {taints}"
    );
    Ok(())
}

/// The plugin that containerd calls for each pod's `lo`.
pub(in crate::suites) fn loopback(node: &Node) -> Result<()> {
    let from = PLUGINS.iter().map(|dir| Path::new(dir).join("loopback"));
    let from: PathBuf = from
        .into_iter()
        .find(|file| file.is_file())
        .context("no plugin loopback: apt-get install containernetworking-plugins")?;
    std::fs::copy(from, node.path("/opt/cni/bin/loopback"))?;
    Ok(())
}

fn installed(node: &Node, network: &str) -> Result<()> {
    let text = std::fs::read_to_string(node.path(CONFLIST))?;
    let list: Value = serde_json::from_str(&text)?;
    ensure!(
        list["name"] == network,
        "{}: network {}",
        node.name,
        list["name"]
    );
    let mode = std::fs::metadata(node.path(PLUGIN))?.permissions().mode();
    ensure!(
        mode & 0o111 == 0o111,
        "{}: the plugin has mode {mode:o}",
        node.name
    );
    Ok(())
}

/// netd's pod on a node.
///
/// # Errors
/// If there is none.
pub(super) fn pod_on(world: &World, node: &str) -> Result<String> {
    let on = format!("--field-selector=spec.nodeName={node}");
    let label = "app.kubernetes.io/name=netd";
    let list = world.json(&["-n", "flatnet", "get", "pods", "-l", label, &on])?;
    let items = list["items"].as_array().context("no list")?;
    let living = items
        .iter()
        .find(|item| item["metadata"]["deletionTimestamp"].is_null());
    let name = living.and_then(|item| item["metadata"]["name"].as_str());
    name.map(str::to_owned)
        .with_context(|| format!("netd has no pod on {node}"))
}

pub(super) fn confined(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let node = world.node("idc1")?;
    let mut command = node.command("pgrep");
    let pid = crate::suites::kit::output(command.args(["-x", "netd", "-o"]))?;
    let status = std::fs::read_to_string(node.path(&format!("/proc/{}/status", pid.trim())))?;
    let field = |name: &str| -> Result<&str> {
        let line = status.lines().find_map(|l| l.strip_prefix(name));
        Ok(line
            .with_context(|| format!("no {name} in {status}"))?
            .trim())
    };
    for set in ["CapEff:", "CapBnd:"] {
        let has = u64::from_str_radix(field(set)?, 16)?;
        ensure!(has == CAPABILITIES, "{set} {has:x}, not {CAPABILITIES:x}");
    }
    // 2: a filter (proc(5)).
    ensure!(field("Seccomp:")? == "2", "no seccomp filter: {status}");
    let mounts = std::fs::read_to_string(node.path(&format!("/proc/{}/mounts", pid.trim())))?;
    let root = mounts.lines().find(|l| l.split(' ').nth(1) == Some("/"));
    let options = root.and_then(|l| l.split(' ').nth(3)).unwrap_or_default();
    ensure!(
        options.split(',').any(|o| o == "ro"),
        "its root is mounted {options}"
    );
    Ok(())
}
