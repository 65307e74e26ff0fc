//! Addresses of Services that the plan does not have: the cluster says them, and nodes serve them while they run.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::http::get;
use super::world::{Pod, World};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

/// Within so long every node serves an address that the cluster claims: half a second until ipamd writes, the
/// node's own pause, kube-proxy, and a busy machine.
const FOLLOWED: Duration = Duration::from_secs(30);
/// An address outside of every subnet of the plan.
const EXTERNAL: &str = "203.0.113.80";
/// An address of a node.
const OF_A_HOST: &str = "10.10.0.12";
/// A prefix that the plan does not have, and a ClusterIP in it.
const MORE: &str = "10.97.0.0/24";
const IN_MORE: &str = "10.97.0.10";

/// Every pod of every node.
fn pods(world: &World) -> Result<Vec<(String, PathBuf)>> {
    let of = |pod: Pod| -> Result<(String, PathBuf)> {
        let netns = world.netns(&pod)?;
        Ok((format!("{} on {}", pod.name, pod.node), netns))
    };
    world.pods("web")?.into_iter().map(of).collect()
}

/// Asks port 80 of an address from every pod, each until it is answered; how long the last one took.
fn reached(world: &World, address: &str) -> Result<Duration> {
    let address: IpAddr = address.parse()?;
    let mut longest = Duration::ZERO;
    for (name, netns) in pods(world)? {
        let asked = eventually(FOLLOWED, || get(&netns, (address, 80), "/"));
        let (_, took) = asked.with_context(|| format!("{name} to {address}"))?;
        longest = longest.max(took);
    }
    Ok(longest)
}

fn services(world: &World) -> Result<Value> {
    let object = world.json(&["get", "serviceaddresses", "cluster"])?;
    Ok(object["spec"].clone())
}

/// The generations of all nodes' own objects: how often each was written.
fn written(world: &World) -> Result<Vec<Value>> {
    let list = world.json(&["get", "nodenetworks"])?;
    let items = list["items"].as_array().context("no list")?;
    let generations = items.iter().map(|o| o["metadata"]["generation"].clone());
    Ok(generations.collect())
}

pub(super) fn external_ip(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let before = written(&world)?;
    let patch = |addresses: Value| {
        let patch = json!({"spec": {"externalIPs": addresses}}).to_string();
        world.kubectl(&["patch", "service", "web", "--type=merge", "-p", &patch])
    };
    patch(json!([EXTERNAL, OF_A_HOST]))?;
    let took = reached(&world, EXTERNAL)?;
    say(&format!(
        "an external IP is reached by every pod within {took:.1?}, the longest wait"
    ));
    let spec = services(&world)?;
    let prefixes = spec["prefixes"].to_string();
    ensure!(prefixes.contains(EXTERNAL), "served: {spec}");
    // A node's own address is no Service's, whoever says so.
    ensure!(!prefixes.contains(OF_A_HOST), "served: {spec}");
    let refused = &spec["refused"][0];
    ensure!(
        spec["refusedCount"] == 1 && refused["of"] == "Service default/web",
        "refused: {spec}"
    );
    let why = refused["why"].as_str().unwrap_or_default();
    ensure!(why.contains("of host idc2"), "refused: {spec}");
    ensure!(
        written(&world)? == before,
        "nodes' own objects were written for a Service"
    );
    patch(Value::Null)?;
    eventually(FOLLOWED, || {
        let spec = services(&world)?;
        ensure!(spec["refusedCount"] == 0, "it is {spec}");
        ensure!(!spec["prefixes"].to_string().contains(EXTERNAL), "{spec}");
        Ok(())
    })?;
    Ok(())
}

pub(super) fn second_cidr(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let cidr = json!({"apiVersion": "networking.k8s.io/v1", "kind": "ServiceCIDR",
        "metadata": {"name": "more"}, "spec": {"cidrs": [MORE]}});
    world.apply("cidr.json", &cidr.to_string())?;
    let service = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "more"},
        "spec": {"clusterIP": IN_MORE, "selector": {"app": "web"},
            "ports": [{"port": 80, "targetPort": 8080}]}});
    // The API server gives addresses of it a moment later.
    eventually(FOLLOWED, || world.apply("more.json", &service.to_string()))?;
    let took = reached(&world, IN_MORE)?;
    say(&format!(
        "a Service of a second ServiceCIDR is reached by every pod within {took:.1?}, the longest wait"
    ));
    world.kubectl(&["delete", "service", "more"])?;
    world.kubectl(&["delete", "servicecidr", "more"])?;
    eventually(FOLLOWED, || {
        let spec = services(&world)?;
        ensure!(
            !spec["prefixes"].to_string().contains("10.97."),
            "it is {spec}"
        );
        Ok(())
    })?;
    Ok(())
}
