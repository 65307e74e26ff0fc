//! The release platform's kinds, by a real API server: their definitions are taken, and each rule refuses
//! what breaks it.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::cluster::Cluster;
use crate::LabGuard;

/// A definition, by its file's name.
macro_rules! definitions {
    ($($file:literal),* $(,)?) => {
        [$(($file, include_str!(concat!("../../../../deploy/platform/crds/", $file)))),*]
    };
}

/// All of them.
const DEFINITIONS: &[(&str, &str)] = &definitions![
    "apps.yaml",
    "builds.yaml",
    "clusters.yaml",
    "grants.yaml",
    "locationclaims.yaml",
    "releases.yaml",
    "templates.yaml",
];
const NAMESPACE: &str = "platform-kinds";

/// Lets the server judge an object, and stores it if it is taken.
fn apply(cluster: &Cluster, object: &Value) -> Result<String> {
    let file = cluster.dir.join("platform.json");
    std::fs::write(&file, object.to_string())?;
    let file = file.display().to_string();
    let to = ["apply", "--server-side", "-n", NAMESPACE, "-f", &file];
    cluster.kubectl(&to)
}

fn refused(cluster: &Cluster, object: &Value, words: &str) -> Result<()> {
    let Err(error) = apply(cluster, object) else {
        anyhow::bail!("it was taken, and not refused with `{words}`: {object}");
    };
    let said = format!("{error:#}");
    ensure!(said.contains(words), "no `{words}` in: {said}");
    Ok(())
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "platform.flatnet.io/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

pub(super) fn kinds(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let dir = cluster.dir.join("platform");
    std::fs::create_dir_all(&dir)?;
    for (file, text) in DEFINITIONS {
        std::fs::write(dir.join(file), text)?;
    }
    define(&cluster, &dir)?;
    cluster.kubectl(&["create", "namespace", NAMESPACE])?;
    let template = |command: &str| {
        let pod = json!({"spec": {"containers": [{"name": "app", "command": [command]}]}});
        object(
            "Template",
            "plain-v1",
            &json!({"name": "plain", "version": 1, "podTemplate": pod}),
        )
    };
    apply(&cluster, &template("a"))?;
    refused(&cluster, &template("b"), "never changes")?;
    let digest = |n: u8| format!("sha256:{}", format!("{n:02x}").repeat(32));
    let release = |spec: &Value| {
        let mut all = json!({"app": "web", "digest": digest(1)});
        if let (Some(all), Some(more)) = (all.as_object_mut(), spec.as_object()) {
            all.extend(more.clone());
        }
        object("Release", "web-1", &all)
    };
    apply(&cluster, &release(&json!({})))?;
    refused(
        &cluster,
        &release(&json!({"digest": digest(2)})),
        "make another release",
    )?;
    refused(
        &cluster,
        &release(&json!({"decision": "Promote"})),
        "decisionStep",
    )?;
    apply(&cluster, &release(&json!({"decision": "Abort"})))?;
    refused(
        &cluster,
        &release(&json!({"decision": "Run"})),
        "not taken back",
    )?;
    let explained = cluster.kubectl(&["explain", "release.spec.decision"])?;
    ensure!(explained.contains("DESCRIPTION"), "{explained}");
    cluster.kubectl(&["delete", "namespace", NAMESPACE, "--wait=false"])?;
    Ok(())
}

/// Installs the definitions, and waits until the server serves them.
fn define(cluster: &Cluster, dir: &Path) -> Result<()> {
    let dir = dir.display().to_string();
    cluster.kubectl(&["apply", "--server-side", "-f", &dir])?;
    let established = [
        "wait",
        "--for=condition=Established",
        "--timeout=60s",
        "-f",
        &dir,
    ];
    cluster.kubectl(&established).context("established")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_definition_is_tried() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/platform/crds");
        for entry in std::fs::read_dir(root).expect("a directory").flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            assert!(DEFINITIONS.iter().any(|(file, _)| *file == name), "{name}");
        }
    }
}
