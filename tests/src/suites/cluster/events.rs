//! Why a pod was not attached is said at the pod.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::world::World;
use crate::LabGuard;
use crate::suites::kit::eventually;

/// Within so long an event is there.
const TOLD: Duration = Duration::from_secs(20);
/// An address that no node has a range of.
const NOWHERE: &str = "192.168.77.7";
/// The namespace that the interface would be in.
const NETNS: &str = "suite-events";
/// How often the plugin is called, as a runtime repeats an ADD.
const TIMES: usize = 5;

/// What the runtime runs for one more interface of a pod: it asks for an address that is nowhere.
fn script(args: &str) -> String {
    let config = r#"{"cniVersion":"1.0.0","name":"web","type":"flatnet"}"#;
    format!(
        "ip netns add {NETNS}; for n in $(seq {TIMES}); do echo '{config}' | CNI_COMMAND=ADD CNI_CONTAINERID=suite \
         CNI_IFNAME=eth9 CNI_PATH=/opt/cni/bin CNI_NETNS=/run/netns/{NETNS} CNI_ARGS='{args}' \
         /opt/cni/bin/flatnet; done; ip netns del {NETNS}"
    )
}

pub(super) fn at_the_pod(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let node = world.node("idc1")?;
    let pods = world.pods("web")?;
    let pod = pods.iter().find(|pod| pod.node == node.name);
    let pod = pod.context("no pod on idc1")?;
    let object = world.json(&["get", "pod", &pod.name])?;
    let uid = object["metadata"]["uid"].as_str().context("no uid")?;
    let args = format!(
        "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME={};K8S_POD_UID={uid};IP={NOWHERE}",
        pod.name
    );
    let said = node.command("sh").args(["-c", &script(&args)]).output()?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    ensure!(said.contains(NOWHERE), "the plugin says {said}");
    let (event, _) = eventually(TOLD, || {
        let list = world.json(&["get", "events.events.k8s.io"])?;
        let items = list["items"].as_array().context("no list")?;
        let own = |e: &&Value| {
            e["reportingController"] == "flatnet.io/netd" && e["regarding"]["uid"] == *uid
        };
        let own: Vec<&Value> = items.iter().filter(own).collect();
        ensure!(own.len() == 1, "{} events: {own:?}", own.len());
        Ok::<Value, anyhow::Error>(own[0].clone())
    })?;
    let note = event["note"].as_str().unwrap_or_default();
    ensure!(
        event["reason"] == "AddressUnavailable" && note.contains(NOWHERE),
        "the event is {event}"
    );
    ensure!(
        event["reportingInstance"] == "idc1" && event["regarding"]["uid"] == *uid,
        "the event is {event}"
    );
    let described = world.kubectl(&["describe", "pod", &pod.name])?;
    ensure!(described.contains("AddressUnavailable"), "{described}");
    Ok(())
}
