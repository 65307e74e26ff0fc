//! The pod with the gate, and what its condition says.

use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::Scene;
use crate::suites::rig::Pod;

pub(super) const GATE: &str = "flatnet.io/in-service";
pub(super) const SPACE: &str = "gate";
pub(super) const OWN: &str = "gate-own";
/// How long no connection may come, as the pod says.
pub(super) const QUIET_TEXT: &str = "1s";
/// Where its container serves.
pub(super) const PORT: u16 = 8080;
/// How often the pod is probed.
pub(super) const PROBED: Duration = Duration::from_secs(1);

/// A container's addresses.
pub(super) fn addresses(web: &Pod) -> Result<Vec<IpAddr>> {
    let all = web.attached.addresses();
    let bare = all.iter().filter_map(|a| a.split('/').next());
    let ips: Vec<IpAddr> = bare.map(str::parse).collect::<Result<_, _>>()?;
    ensure!(!ips.is_empty(), "it has no address");
    Ok(ips)
}

/// Applies an object.
pub(super) fn apply(scene: &Scene<'_>, object: &Value) -> Result<()> {
    let path = scene.cluster.dir.join("gate.json");
    std::fs::write(&path, object.to_string())?;
    let path = path.display().to_string();
    scene.cluster.kubectl(&["apply", "-f", &path]).map(drop)
}

/// The pod with the gate.
pub(super) fn pod(scene: &Scene<'_>) -> Result<Value> {
    let get = ["-n", SPACE, "get", "pod", OWN, "-o", "json"];
    Ok(serde_json::from_str(&scene.cluster.kubectl(&get)?)?)
}

/// The condition as the pod has it.
pub(super) fn condition(scene: &Scene<'_>) -> Result<Value> {
    let pod = pod(scene)?;
    let all = pod["status"]["conditions"].as_array();
    let found = all.into_iter().flatten().find(|c| c["type"] == GATE);
    found.cloned().context("it has no condition of netd")
}

/// The condition, which says that.
pub(super) fn shows(scene: &Scene<'_>, status: &str, reason: &str) -> Result<Value> {
    let found = condition(scene)?;
    let as_wanted = found["status"] == *status && found["reason"] == *reason;
    ensure!(as_wanted, "it says {found}");
    Ok(found)
}
