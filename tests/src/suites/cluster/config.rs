//! What a node's daemons are configured with. containerd 1.6 and a guest's kernel want most of what is not
//! a default here.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::suites::kubernetes::cluster::{Cluster, token_of};

/// Without CAP_SYS_RESOURCE runc fails to lower an OOM score; without AppArmor's tools a profile cannot be
/// loaded.
const CONTAINERD: &str = r#"version = 2
root = "/var/lib/containerd"
state = "/run/containerd"

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "flatnet.io/lab/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = "/opt/node/certs.d"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/opt/cni/bin"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"#;

/// The scripts that make a node and start its daemons.
const NODE: &str = include_str!("node.sh");
const DAEMONS: &str = include_str!("daemons.sh");

/// kube-proxy's user, as Kubernetes' own rights name it.
pub(in crate::suites) const PROXY_USER: &str = "system:kube-proxy";

/// A kubelet's user.
pub(in crate::suites) fn kubelet_user(node: &str) -> String {
    format!("system:node:{node}")
}

/// Writes all files of a node into its directory, which it sees as `/opt/node`.
///
/// # Errors
/// If one cannot be written.
pub(super) fn write(cluster: &Cluster, node: &str, dir: &Path) -> Result<()> {
    let ca = std::fs::read(cluster.dir.join("ca.crt")).context("the authority's certificate")?;
    let users = [
        ("kubelet.conf", kubelet_user(node)),
        ("proxy.conf", PROXY_USER.to_owned()),
    ];
    let texts = [
        ("node.sh", NODE.as_bytes().to_vec()),
        ("daemons.sh", DAEMONS.as_bytes().to_vec()),
        ("containerd.toml", CONTAINERD.as_bytes().to_vec()),
        ("ca.crt", ca),
        ("kubelet.json", serde_json::to_vec(&kubelet())?),
        ("proxy.json", serde_json::to_vec(&proxy())?),
    ];
    let kubeconfigs = users.map(|(name, user)| {
        let text = kubeconfig(cluster, &user).to_string();
        (name, text.into_bytes())
    });
    for (name, text) in texts.into_iter().chain(kubeconfigs) {
        std::fs::write(dir.join(name), text).with_context(|| format!("cannot write {name}"))?;
    }
    Ok(())
}

fn kubeconfig(cluster: &Cluster, user: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "suite",
        "clusters": [{"name": "suite", "cluster": {
            "server": format!("https://{}:{}", cluster.address(), cluster.port),
            "certificate-authority": "/opt/node/ca.crt",
        }}],
        "users": [{"name": user, "user": {"token": token_of(user)}}],
        "contexts": [{"name": "suite", "context": {"cluster": "suite", "user": user}}],
    })
}

fn kubelet() -> Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1", "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
        "cgroupDriver": "cgroupfs", "failCgroupV1": false, "failSwapOn": false,
        "enforceNodeAllocatable": [], "oomScoreAdj": 0, "resolvConf": "",
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "evictionHard": {"memory.available": "50Mi"}, "imageGCHighThresholdPercent": 100,
        "nodeStatusUpdateFrequency": "2s",
        // How soon a volume that is over its limit is noticed; a minute where it is not said.
        "volumeStatsAggPeriod": "5s",
        // netd takes it away when the node is ready.
        "registerWithTaints": [{"key": "flatnet.io/not-ready", "effect": "NoSchedule"}],
        // The suite's pods come thirty at a time on two nodes.
        "maxPods": 110, "registryPullQPS": 0, "eventRecordQPS": 0,
    })
}

fn proxy() -> Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1", "kind": "KubeProxyConfiguration",
        "mode": "iptables", "bindAddress": "0.0.0.0",
        "clientConnection": {"kubeconfig": "/opt/node/proxy.conf"},
        // Limits of the machine's kernel, which are not the node's to set.
        "conntrack": {"maxPerCore": 0, "min": 0},
        "iptables": {"minSyncPeriod": "100ms"},
    })
}
