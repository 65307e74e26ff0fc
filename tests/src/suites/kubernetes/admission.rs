//! Who may ask what of the network for a pod: the policies in `deploy/kubernetes/admission.yaml`, on a
//! real API server, and the plugin with the annotations that they let through.

use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};

use super::cluster::Cluster;
use crate::LabGuard;
use crate::suites::kit::eventually;

const POLICIES: &str = include_str!("../../../../deploy/kubernetes/admission.yaml");
/// An API server uses a new policy within a second or two.
const IN_FORCE: Duration = Duration::from_secs(60);
/// A namespace whose pods may ask for nothing, and one whose pods may choose and ask.
const PLAIN: &str = "admission-plain";
const GRANTED: &str = "admission-granted";

/// Creates a pod with annotations, as the administrator, and returns those that it has then.
fn create(cluster: &Cluster, namespace: &str, name: &str, asked: &Value) -> Result<Value> {
    let pod = json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "annotations": asked},
        "spec": {"containers": [{"name": "c", "image": "none"}]},
    });
    let mut command = cluster.kubectl_command("admin", &["create", "-o", "json", "-f", "-"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("kubectl has no stdin")?;
    stdin.write_all(pod.to_string().as_bytes())?;
    drop(stdin);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    let made: Value = serde_json::from_slice(&output.stdout)?;
    Ok(made["metadata"]["annotations"].clone())
}

/// It is refused, with these words.
fn refused(cluster: &Cluster, namespace: &str, asked: &Value, words: &[&str]) -> Result<()> {
    let error = match create(cluster, namespace, "refused", asked) {
        Ok(_) => bail!("{asked} was let in"),
        Err(error) => format!("{error:#}"),
    };
    for word in words {
        ensure!(error.contains(word), "{word:?} is not in: {error}");
    }
    Ok(())
}

/// The policies are in force, and two namespaces are there.
fn prepare(cluster: &Cluster) -> Result<()> {
    let path = cluster.dir.join("admission.yaml");
    std::fs::write(&path, POLICIES)?;
    cluster.kubectl(&["apply", "-f", &path.display().to_string()])?;
    for namespace in [PLAIN, GRANTED] {
        cluster.kubectl(&["create", "namespace", namespace])?;
        cluster.kubectl(&["-n", namespace, "create", "serviceaccount", "default"])?;
    }
    cluster.kubectl(&[
        "annotate",
        "namespace",
        GRANTED,
        "flatnet.io/network=web",
        "flatnet.io/networks=db, cache",
        "flatnet.io/may-ask=ips,trunk",
    ])?;
    eventually(IN_FORCE, || {
        let name = "probe";
        let stamped = create(cluster, PLAIN, name, &json!({}))?;
        cluster.kubectl(&["-n", PLAIN, "delete", "pod", name, "--force"])?;
        ensure!(
            stamped["flatnet.io/admitted"] == "v1",
            "not in force yet: {stamped}"
        );
        refused(
            cluster,
            PLAIN,
            &json!({"flatnet.io/mac": "02:00:00:00:00:01"}),
            &[],
        )
    })
    .map(drop)
}

pub(super) fn privileges(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    prepare(&cluster)?;

    // A stamp of one's own is replaced, and a namespace's network is the default of its pods.
    let stamped = create(
        &cluster,
        PLAIN,
        "own-stamp",
        &json!({"flatnet.io/admitted": "v9"}),
    )?;
    ensure!(stamped == json!({"flatnet.io/admitted": "v1"}), "{stamped}");
    let default = create(&cluster, GRANTED, "default", &json!({}))?;
    ensure!(default["flatnet.io/network"] == "web", "{default}");
    let asked =
        json!({"flatnet.io/network": "db", "flatnet.io/ips": "10.0.0.7", "flatnet.io/trunk": "20"});
    let chosen = create(&cluster, GRANTED, "chosen", &asked)?;
    for (key, value) in asked.as_object().into_iter().flatten() {
        ensure!(chosen[key] == *value, "{key} is {}", chosen[key]);
    }

    let privileges: [(&str, Value, &[&str]); 5] = [
        (
            PLAIN,
            json!({"flatnet.io/network": "web"}),
            &["may not choose network web", "flatnet.io/networks"],
        ),
        (
            GRANTED,
            json!({"flatnet.io/network": "secret"}),
            &["may not choose network secret", GRANTED],
        ),
        (
            PLAIN,
            json!({"flatnet.io/ips": "10.0.0.1", "flatnet.io/trunk": "7"}),
            &[
                "may not ask for flatnet.io/ips, flatnet.io/trunk",
                "flatnet.io/may-ask",
            ],
        ),
        (
            GRANTED,
            json!({"flatnet.io/ips": "10.0.0.1", "flatnet.io/mac": "02:00:00:00:00:01"}),
            &["may not ask for flatnet.io/mac:"],
        ),
        (
            PLAIN,
            json!({"flatnet.io/ips": " "}),
            &["may not ask for flatnet.io/ips"],
        ),
    ];
    for (namespace, asked, words) in &privileges {
        refused(&cluster, namespace, asked, words)?;
    }

    // What was admitted stays as it is; other annotations and labels may change.
    for change in ["flatnet.io/network=cache", "flatnet.io/admitted-"] {
        for subresource in ["", "--subresource=status"] {
            let patch = match change.split_once('=') {
                Some((key, value)) => json!({"metadata": {"annotations": {key: value}}}),
                None => json!({"metadata": {"annotations": {change.trim_end_matches('-'): null}}}),
            };
            let patch = format!("--patch={patch}");
            let args = ["-n", GRANTED, "patch", "pod", "chosen", &patch, subresource];
            let args: Vec<&str> = args.into_iter().filter(|a| !a.is_empty()).collect();
            match cluster.kubectl(&args) {
                Ok(_) => bail!("{change} {subresource} was let in"),
                Err(e) => ensure!(format!("{e:#}").contains("cannot be changed"), "{e:#}"),
            }
        }
    }
    cluster.kubectl(&["-n", GRANTED, "annotate", "pod", "chosen", "note=x"])?;
    cluster.kubectl(&["-n", GRANTED, "label", "pod", "chosen", "tier=x"])?;
    let annotations = cluster.kubectl(&["-n", GRANTED, "get", "pod", "chosen", "-o", "json"])?;
    let pod: Value = serde_json::from_str(&annotations)?;
    let kept = pod["metadata"]["annotations"].as_object().map(Map::len);
    ensure!(kept == Some(5), "{pod}");
    for namespace in [PLAIN, GRANTED] {
        cluster.kubectl(&["-n", namespace, "delete", "pods", "--all", "--force"])?;
    }
    let path = cluster.dir.join("admission.yaml").display().to_string();
    cluster.kubectl(&["delete", "-f", &path]).map(drop)
}
