//! The application: its images, its template, and the object by which the platform knows it.

use std::process::Stdio;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::suites::cluster::node::Node;
use crate::suites::kit::output;

/// The port that it listens at; its Service's too.
pub(super) const PORT: u16 = 8080;
/// Its images, which `cargo xtask test` makes: the same server with other pages. The last has no health.
const IMAGES: [&str; 3] = ["shop-1", "shop-2", "shop-3"];
/// The image that has no health.
pub(super) const SICK: usize = 2;
const REPOSITORY: &str = "flatnet.io/lab/shop";

/// Imports the images into a node; their digests.
pub(super) fn import(node: &Node) -> Result<[String; 3]> {
    let beside = std::env::current_exe()?.with_file_name("node").join("shop");
    let mut digests = [const { String::new() }; 3];
    for (name, digest) in IMAGES.iter().zip(&mut digests) {
        let path = beside.join(format!("{name}.tar"));
        let file = std::fs::File::open(&path).with_context(|| {
            format!(
                "there is no {}; `cargo xtask test` makes it",
                path.display()
            )
        })?;
        let mut import = node.command("ctr");
        import.args(["-n", "k8s.io", "images", "import", "-"]);
        output(import.stdin(Stdio::from(file)))?;
        let tag = format!("{REPOSITORY}:{}", name.trim_start_matches("shop-"));
        let listed = node.ctr(&["images", "ls", &format!("name=={tag}")])?;
        let words: Vec<&str> = listed.split_whitespace().collect();
        let found = words.iter().find(|w| w.starts_with("sha256:"));
        let found = found.with_context(|| format!("ctr lists {listed}"))?;
        // As a registry would have it: by its digest.
        node.ctr(&[
            "images",
            "tag",
            "--force",
            &tag,
            &format!("{REPOSITORY}@{found}"),
        ])?;
        *digest = (*found).to_owned();
    }
    ensure!(digests[0] != digests[1], "two images are the same");
    Ok(digests)
}

/// Its container, but for the release's digest.
pub(super) fn container() -> Value {
    json!({
        "name": "app", "image": format!("{REPOSITORY}@{{{{ .digest }}}}"), "imagePullPolicy": "Never",
        "command": ["/flatnet-run", "--stop-within", "5", "--kill-after", "5", "--", "/bin/sh", "/start.sh"],
        "ports": [{"containerPort": PORT}],
        "readinessProbe": {"httpGet": {"path": "/", "port": PORT}, "periodSeconds": 1, "timeoutSeconds": 5},
        "resources": {"requests": {"cpu": "10m", "memory": "8Mi"}},
    })
}

/// How it is run: one template for all.
pub(super) fn template() -> Value {
    json!({
        "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "Template", "metadata": {"name": "shop-v1"},
        "spec": {"name": "shop", "version": 1, "podTemplate": {"spec": {
            "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 15,
            "containers": [container()]}}},
    })
}

/// What is wanted of it: one instance, a fifth, all; each step by its health.
pub(super) fn app(instances: usize) -> Value {
    let gates = json!([{"network": true}, {"probe": "/health"}]);
    json!({
        "apiVersion": "platform.flatnet.io/v1alpha1", "kind": "App", "metadata": {"name": "shop"},
        "spec": {
            "repo": "https://git.example/shop/shop", "team": "shop", "replicas": instances,
            "template": {"name": "shop", "version": 1},
            "resources": {"cpuMillis": 10, "memoryBytes": 8 << 20},
            "placement": {"locations": [{"name": "idc"}, {"name": "cloud"}]},
            "discovery": [{"servicePort": PORT}],
            "release": {
                "steps": [
                    {"instances": 1, "bake": "1s", "gates": gates},
                    {"instances": "20%", "bake": "1s", "gates": gates},
                ],
                "maxSurge": "50%",
                "keepOld": {"count": "100%", "for": "1h"},
                "deadlines": {"ready": "180s", "gate": "120s", "drain": "120s"},
            },
        },
    })
}
