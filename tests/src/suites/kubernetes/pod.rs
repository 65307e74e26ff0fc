//! vpc-route where a pod would be: a service account's files in their place, two variables, and
//! no kubeconfig.

use std::path::Path;

use anyhow::Result;

use super::cluster::{Cluster, LEASE, NAMESPACE, PORT};
use super::rig::{TAKEN_OVER, config_with, leads, mended, tear};
use crate::LabGuard;
use crate::cloud::VPC_ROUTE;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::cloud::rig::{CONTROLLER, Running, converged, within};
use crate::suites::kit::{bound, eventually};

/// The files where a pod has them, in a view of the machine that nobody else has. What the lab
/// keeps below `/run` stays in sight.
const IN_PLACE: &str = "mount --rbind \"$LAB\" \"$POD$LAB\" && mount --rbind \"$POD/run\" /run && \
                        exec \"$@\"";

pub(super) fn in_place(lab: &LabGuard) -> Result<()> {
    let cluster = Cluster::get(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let pod = cluster.dir.join("pod");
    let account = pod.join("run/secrets/kubernetes.io/serviceaccount");
    let lab_dir = lab.layout().root();
    std::fs::create_dir_all(&account)?;
    std::fs::create_dir_all(pod.join(lab_dir.strip_prefix("/")?))?;
    std::fs::write(account.join("token"), cluster.token(LEASE)?)?;
    std::fs::write(account.join("namespace"), NAMESPACE)?;
    std::fs::copy(cluster.dir.join("ca.crt"), account.join("ca.crt"))?;

    let config = config_with(lab, "kube-pod", |c| {
        c["lease"] = serde_json::json!({"kubernetes": {
            "namespace": NAMESPACE, "name": LEASE, "identity": "kube-pod",
        }});
    })?;
    let netns = netns_path(&namespace(VPC_ROUTER));
    let mut command = bound(&netns, Path::new("unshare"))?;
    command
        .args([
            "--mount",
            "--propagation",
            "private",
            "--",
            "sh",
            "-c",
            IN_PLACE,
            "sh",
        ])
        .arg(lab.layout().bin(VPC_ROUTE))
        .arg("--config")
        .arg(&config.path)
        .args(["run", "--log-format", "json"])
        .env("LAB", lab_dir)
        .env("POD", &pod)
        .env("HOME", &pod)
        .env_remove("KUBECONFIG")
        .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
        .env("KUBERNETES_SERVICE_PORT", PORT.to_string());
    let running = Running::start(&mut command, &config.path.with_extension("log"))?;
    within(TAKEN_OVER, || leads(&cluster, "kube-pod"))?;
    let torn = tear(lab)?;
    eventually(TAKEN_OVER, || mended(lab, &torn))?;
    running.end()?;
    drop(stopped);
    converged(lab)
}
