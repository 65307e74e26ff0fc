//! NetworkPolicies, which restrict nothing, are told: at the plan's head, at themselves, and by a metric.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::cluster::Cluster;
use super::ipamd::{self, Ipamd};
use crate::LabGuard;
use crate::suites::kit::eventually;

const POLICY: &str = r#"{"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
  "metadata": {"name": "deny-all", "namespace": "default"},
  "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}}"#;
/// Within so long it is told, on a busy machine.
const TOLD: Duration = Duration::from_secs(20);
const METRIC: &str = "flatnet_ipamd_network_policies_unenforced";

/// The status of the condition, and its message.
fn condition(cluster: &Cluster) -> Result<(String, String)> {
    let status = ipamd::status(cluster)?;
    let mut all = status["conditions"].as_array().into_iter().flatten();
    let found = all.find(|c| c["type"] == "NetworkPoliciesEnforced");
    let found = found.with_context(|| format!("no such condition: {status}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok((text(&found["status"]), text(&found["message"])))
}

pub(super) fn told(lab: &LabGuard) -> Result<()> {
    let cluster = ipamd::cluster(lab)?;
    let ipamd = Ipamd::start(lab, &cluster)?;
    let is = |wanted: &str| {
        eventually(TOLD, || {
            let (status, message) = condition(&cluster)?;
            ensure!(status == wanted, "it is {status}: {message}");
            Ok(message)
        })
    };
    is("True")?;
    ipamd.metric(&format!("{METRIC} 0"))?;
    let file = cluster.dir.join("policy.json");
    std::fs::write(&file, POLICY)?;
    let file = file.display().to_string();
    cluster.kubectl(&["create", "-f", &file])?;
    let (message, _) = is("False")?;
    ensure!(
        message.contains("default/deny-all") && message.contains("restrict nothing"),
        "{message}"
    );
    eventually(TOLD, || ipamd.metric(&format!("{METRIC} 1")))?;
    let (events, _) = eventually(TOLD, || {
        let of = "--field-selector=reason=NotEnforced";
        let events = cluster.kubectl(&["get", "events", of, "-o", "json"])?;
        let events: Value = serde_json::from_str(&events)?;
        let all = events["items"].as_array().cloned().unwrap_or_default();
        ensure!(all.len() == 1, "{} events", all.len());
        Ok(all)
    })?;
    ensure!(
        events[0]["involvedObject"]["name"] == "deny-all",
        "{}",
        events[0]
    );
    cluster.kubectl(&["delete", "-f", &file])?;
    is("True")?;
    eventually(TOLD, || ipamd.metric(&format!("{METRIC} 0")))?;
    ipamd.end()
}
