//! Addresses come back.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::reach::ranges;
use super::world::World;
use crate::LabGuard;
use crate::netd;
use crate::suites::kit::{eventually, say};

/// The largest number of replicas.
const MANY: usize = 30;
/// How long the kubelets take to end as many.
const ENDED: Duration = Duration::from_secs(90);

pub(super) fn out_and_in(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    scale(&world, 1)?;
    settled(&world, 1)?;
    let begun = Instant::now();
    scale(&world, MANY)?;
    let up = begun.elapsed();
    settled(&world, MANY)?;
    let pods = world.pods("web")?;
    let distinct: BTreeSet<_> = pods.iter().map(|pod| pod.address).collect();
    ensure!(
        distinct.len() == MANY,
        "{} addresses for {MANY} pods",
        distinct.len()
    );
    for pod in &pods {
        let own = ranges(lab, &pod.node)?;
        ensure!(
            own.iter().any(|range| range.contains(pod.address)),
            "{} is not of {}",
            pod.address,
            pod.node
        );
    }
    let begun = Instant::now();
    scale(&world, 1)?;
    settled(&world, 1)?;
    say(&format!(
        "1 to {MANY} Ready in {up:.1?}, back to 1 in {:.1?}",
        begun.elapsed()
    ));
    Ok(())
}

fn scale(world: &World, replicas: usize) -> Result<()> {
    let wanted = format!("--replicas={replicas}");
    world.kubectl(&["scale", "deployment/web", &wanted])?;
    world.wait(&["rollout", "status", "deployment/web"])
}

/// Waits until what netd has attached, and what its store says is used, are the pods' addresses and no
/// other.
fn settled(world: &World, replicas: usize) -> Result<()> {
    let (_, _) = eventually(ENDED, || {
        let pods = world.pods("web")?;
        ensure!(pods.len() == replicas, "{} pods", pods.len());
        let mut wanted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for pod in pods {
            wanted.entry(pod.node).or_default().insert(pod.name);
        }
        for (node, attached) in world.attached()? {
            let names = attached.iter().filter_map(|a| a.pod.as_ref());
            let names: BTreeSet<String> = names.map(|pod| pod.name.clone()).collect();
            let of_node = wanted.remove(&node).unwrap_or_default();
            ensure!(
                names == of_node,
                "{node} has attached {names:?} of {of_node:?}"
            );
            let addresses: usize = attached.iter().map(|a| a.addresses.len()).sum();
            let used = used(world, &node)?;
            ensure!(
                used == addresses,
                "{node}: {used} used for {addresses} attached"
            );
        }
        Ok(())
    })?;
    Ok(())
}

/// How many addresses the node's store says are used.
fn used(world: &World, node: &str) -> Result<usize> {
    let socket = world.node(node)?.path("/run/flatnet/netd.sock");
    let (_, text) = netd::get(&socket, "/v1/node")?;
    let view: Value = serde_json::from_str(&text)?;
    let networks = view["usage"].as_array().context("no usage")?;
    let ranges = networks.iter().filter_map(|n| n["ranges"].as_array());
    let used = ranges.flatten().filter_map(|range| range["used"].as_u64());
    Ok(usize::try_from(used.sum::<u64>())?)
}
