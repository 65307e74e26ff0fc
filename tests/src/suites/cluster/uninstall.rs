//! netd leaves the nodes, and then the nodes go.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::install::{CONFLIST, PLUGIN};
use super::world::{self, NODES, World};
use crate::LabGuard;
use crate::suites::kit::eventually;
use crate::suites::kubernetes::cluster::kube;

/// What an administrator applies.
const MANIFEST: &str = include_str!("../../../../deploy/kubernetes/netd-uninstall.yaml");
/// How long a container of a pod takes to say something.
const SAID: Duration = Duration::from_secs(60);
const LABEL: &str = "app.kubernetes.io/name=netd-uninstall";
/// That the first init container has done its work.
const REMOVED: &str =
    "--for=jsonpath={.status.initContainerStatuses[0].state.terminated.reason}=Completed";

pub(super) fn without_a_trace(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.apply("netd-uninstall.yaml", MANIFEST)?;
    eventually(SAID, || {
        let said = world.kubectl(&["-n", "flatnet", "logs", "-l", LABEL, "-c", "cni"])?;
        ensure!(said.contains("are attached"), "it says: {said}");
        Ok(())
    })?;
    for node in &world.nodes {
        let there = node.path(CONFLIST).exists();
        ensure!(there, "{}: removed under attached containers", node.name);
    }
    world.kubectl(&["delete", "deployment/web", "service/web"])?;
    eventually(SAID, || {
        let left: usize = world.attached()?.values().map(Vec::len).sum();
        ensure!(left == 0, "{left} containers are attached");
        Ok(())
    })?;
    // It would try again by itself, after a pause that grows.
    world.kubectl(&["-n", "flatnet", "delete", "pod", "-l", LABEL])?;
    eventually(SAID, || {
        let pods = world.json(&["-n", "flatnet", "get", "pods", "-l", LABEL])?;
        let count = pods["items"].as_array().map_or(0, Vec::len);
        ensure!(count == NODES.len(), "{count} pods");
        Ok(())
    })?;
    world.wait(&["-n", "flatnet", "wait", "pod", "-l", LABEL, REMOVED])?;
    for node in &world.nodes {
        for file in [CONFLIST, PLUGIN] {
            ensure!(!node.path(file).exists(), "{}: {file} is left", node.name);
        }
        // netd goes on: the configuration was first.
        node.attached()
            .with_context(|| format!("netd of {} went before", node.name))?;
    }
    world.kubectl(&["-n", "flatnet", "delete", "daemonset", "netd"])?;
    world.wait(&[
        "-n",
        "flatnet",
        "rollout",
        "status",
        "daemonset/netd-uninstall",
    ])?;
    for node in &world.nodes {
        for dir in ["/run/flatnet", "/var/lib/flatnet"] {
            let left = entries(&node.path(dir))?;
            ensure!(left.is_empty(), "{}: {left:?} are left in {dir}", node.name);
        }
        for dir in ["/opt/cni/bin", "/etc/cni/net.d"] {
            let left = entries(&node.path(dir))?;
            let ours = left.iter().any(|name| name.contains("flatnet"));
            ensure!(!ours, "{}: {left:?} are left in {dir}", node.name);
        }
        let ports = lab
            .member(&node.name)?
            .vsctl()
            .args(["list-ports", "br-flat"])
            .output()?;
        let ports = String::from_utf8_lossy(&ports.stdout).into_owned();
        let container = |port: &&str| {
            let number = port.strip_prefix("fn");
            number.is_some_and(|n| n.chars().all(|c| c.is_ascii_digit()))
        };
        let left: Vec<&str> = ports.lines().filter(container).collect();
        ensure!(left.is_empty(), "{}: ports {left:?} are left", node.name);
    }
    world.end_ipamd()?;
    world.kubectl(&["delete", "namespace", "flatnet", "--wait=false"])?;
    Ok(())
}

fn entries(dir: &Path) -> Result<Vec<String>> {
    let read = std::fs::read_dir(dir).with_context(|| dir.display().to_string())?;
    let names = read
        .flatten()
        .map(|e| e.file_name().to_string_lossy().into_owned());
    Ok(names.collect())
}

pub(super) fn nodes_are_gone(lab: &LabGuard) -> Result<()> {
    let kube = kube()?;
    world::take_down(lab, |groups: &[PathBuf]| {
        ensure!(!groups.is_empty(), "the nodes had no cgroups");
        for group in groups {
            ensure!(!group.exists(), "{} is left", group.display());
        }
        // Another lab on this machine may run the same program.
        for (namespace, process) in crate::netns::processes_inside() {
            let exe = std::fs::read_link(format!("/proc/{}/exe", process.pid)).unwrap_or_default();
            ensure!(
                exe != kube,
                "{process:?} of Kubernetes is left in {namespace}"
            );
        }
        Ok(())
    })?;
    for name in NODES {
        // Logs were of use until now.
        std::fs::remove_dir_all(lab.member(name)?.paths.dir().join("kubernetes"))?;
    }
    Ok(())
}
