//! The scheduler, kubelet and netd of a member's nodes, played: pods are bound, become ready, are in service as the wish
//! says, and are gone when they are deleted. Nothing else of a cluster is played.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::api::Api;
use super::instances::Instances;

/// The namespace of the application, on the hub and in members.
pub(super) const NAMESPACE: &str = "shop";
/// The label with the wish.
pub(super) const SERVE: &str = "flatnet.io/serve";
const IN_SERVICE: &str = "flatnet.io/in-service";
/// The time between two looks.
const EVERY: Duration = Duration::from_millis(50);
const PODS: &str = "/api/v1/namespaces/shop/pods";

/// It plays until it is dropped.
pub(super) struct Kubelet {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Kubelet {
    /// For a member with those nodes.
    pub(super) fn play(api: Api, nodes: Vec<String>, instances: Arc<Instances>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                // Where the server is away, or a pod changed meanwhile, the next look does it.
                let _ = look(&api, &nodes, &instances);
                std::thread::sleep(EVERY);
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A look that panicked has been told by its check already.
            let _ = thread.join();
        }
    }
}

fn look(api: &Api, nodes: &[String], instances: &Instances) -> Result<()> {
    for (place, pod) in api.items(PODS)?.iter().enumerate() {
        let done = one(api, pod, &nodes[place % nodes.len()], instances);
        // The others are not held up by one that is gone.
        drop(done);
    }
    Ok(())
}

fn one(api: &Api, pod: &Value, node: &str, instances: &Instances) -> Result<()> {
    let name = pod["metadata"]["name"].as_str().unwrap_or_default();
    let path = format!("{PODS}/{name}");
    if !pod["metadata"]["deletionTimestamp"].is_null() {
        instances.gone(name);
        api.delete(&format!("{path}?gracePeriodSeconds=0"))?;
        return Ok(());
    }
    if pod["spec"]["nodeName"].is_null() {
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding",
            "metadata": {"name": name, "namespace": NAMESPACE},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        });
        api.post(&format!("{path}/binding"), &binding)?;
        return Ok(());
    }
    let serves = pod["metadata"]["labels"][SERVE] == "true";
    if in_service(pod) == Some(serves) {
        return Ok(());
    }
    let word = if serves { "True" } else { "False" };
    let reason = if serves { "InService" } else { "Drained" };
    let revision = &pod["metadata"]["labels"]["platform.flatnet.io/revision"];
    let image = &pod["spec"]["containers"][0]["image"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let address = instances.address(name, &text(revision), &text(image), serves);
    let status = json!({"status": {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "conditions": [
        {"type": "ContainersReady", "status": "True"},
        {"type": "Ready", "status": word},
        {"type": IN_SERVICE, "status": word, "reason": reason},
    ]}});
    api.patch(&format!("{path}/status"), &status)?;
    Ok(())
}

/// What netd says of a pod; none where it says nothing yet.
pub(super) fn in_service(pod: &Value) -> Option<bool> {
    let conditions = pod["status"]["conditions"].as_array()?;
    let condition = conditions.iter().find(|c| c["type"] == IN_SERVICE)?;
    Some(condition["status"] == "True")
}
