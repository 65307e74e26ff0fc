//! Who reaches whom, and as whom it is seen.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use ipnetwork::IpNetwork;
use serde_json::Value;

use super::http::get;
use super::world::{NODES, World};
use crate::suites::kit::{eventually, output, say};
use crate::{Lab, LabGuard};

/// What is deployed.
const APP: &str = include_str!("app.yaml");
/// The server's port.
const PORT: u16 = 8080;
/// How long until an endpoint serves on every node.
const SERVES: Duration = Duration::from_secs(30);

/// Somebody who asks or is asked.
#[derive(Debug)]
struct Party {
    name: String,
    netns: PathBuf,
    addresses: Vec<IpAddr>,
}

pub(super) fn addresses(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.apply("app.yaml", APP)?;
    // Ready says that the kubelet's probe was answered.
    world.wait(&["rollout", "status", "deployment/web"])?;
    let pods = world.pods("web")?;
    let nodes: BTreeSet<&str> = pods.iter().map(|pod| pod.node.as_str()).collect();
    ensure!(nodes.len() == NODES.len(), "pods are on {nodes:?} alone");
    for pod in &pods {
        let own = ranges(lab, &pod.node)?;
        ensure!(
            own.iter().any(|range| range.contains(pod.address)),
            "{} of {} is in none of {own:?}",
            pod.address,
            pod.node
        );
    }
    let list = world.json(&["get", "pods", "-l", "app=web"])?;
    for item in list["items"].as_array().context("no list")? {
        let restarts = &item["status"]["containerStatuses"][0]["restartCount"];
        ensure!(*restarts == 0, "a liveness probe failed: {item:#}");
    }
    Ok(())
}

/// The ranges of a node in the plan.
///
/// # Errors
/// If the plan does not have the node.
pub(super) fn ranges(lab: &Lab, node: &str) -> Result<Vec<IpNetwork>> {
    let mut hosts = lab.plan().spec.hosts.iter();
    let host = hosts.find(|host| host.name.as_str() == node);
    let host = host.with_context(|| format!("the plan has no host {node}"))?;
    Ok(host.ranges.iter().map(|range| range.prefix).collect())
}

fn pods(world: &World) -> Result<Vec<Party>> {
    let mut parties = Vec::new();
    for node in &world.nodes {
        for attached in node.attached()? {
            let addresses = attached.addresses.iter();
            let parsed = addresses.map(|a| Ok(a.parse::<IpNetwork>()?.ip()));
            parties.push(Party {
                name: attached
                    .pod
                    .as_ref()
                    .map_or(String::new(), |p| p.name.clone()),
                netns: node.netns_of(&attached)?,
                addresses: parsed.collect::<Result<_>>()?,
            });
        }
    }
    Ok(parties)
}

fn hosts(lab: &Lab) -> Result<Vec<Party>> {
    let host = |name: &str| {
        let node = lab.node(name)?;
        // In mode `routed` its own pods see it by the address of their gateway, which is on `flat0`.
        let text = output(node.command("ip").args(["-j", "addr", "show"]))?;
        let links: Vec<Value> = serde_json::from_str(&text)?;
        let all = links
            .iter()
            .filter_map(|link| link["addr_info"].as_array())
            .flatten()
            .filter(|address| address["scope"] == "global");
        let addresses = all.filter_map(|address| address["local"].as_str()?.parse().ok());
        Ok(Party {
            name: name.to_owned(),
            netns: node.netns_path(),
            addresses: addresses.collect(),
        })
    };
    NODES.into_iter().map(host).collect()
}

/// `[::ffff:10.0.0.1]`, `[fd10::1]`, `10.0.0.1`.
fn seen(text: &str) -> Result<IpAddr> {
    let bare = text.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = bare.parse().with_context(|| format!("{text:?}"))?;
    Ok(address.to_canonical())
}

pub(super) fn matrix(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let (pods, hosts) = (pods(&world)?, hosts(lab)?);
    let mut asked = 0;
    for from in pods.iter().chain(&hosts) {
        for to in &pods {
            for address in &to.addresses {
                let names = || format!("{} to {} ({address})", from.name, to.name);
                let who = get(&from.netns, (*address, PORT), "/cgi-bin/who").with_context(names)?;
                let source = seen(&who)?;
                ensure!(
                    from.addresses.contains(&source),
                    "{} is seen as {source}",
                    names()
                );
                asked += 1;
            }
        }
    }
    // The other way: a pod to its own and to other nodes, by a port that kubelet serves.
    for from in &pods {
        for to in &hosts {
            for address in to.addresses.iter().filter(|a| a.is_ipv4()) {
                let mut ping = crate::run::command("nsenter");
                ping.arg(format!("--net={}", from.netns.display()));
                ping.args(["ping", "-n", "-c", "1", "-W", "5", &address.to_string()]);
                let said = output(&mut ping);
                said.with_context(|| format!("{} to node {}", from.name, to.name))?;
                asked += 1;
            }
        }
    }
    say(&format!("{asked} of {asked} reached, {} pods", pods.len()));
    Ok(())
}

pub(super) fn service(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let service = world.json(&["get", "service", "web"])?;
    let address = service["spec"]["clusterIP"]
        .as_str()
        .context("no ClusterIP")?;
    let address: IpAddr = address.parse()?;
    let all: BTreeSet<String> = world
        .pods("web")?
        .iter()
        .map(|pod| pod.address.to_string())
        .collect();
    let mut counts = BTreeMap::new();
    for from in pods(&world)?.iter().chain(&hosts(lab)?) {
        // Whom the kernel picks is chance: until each was.
        let mut served = BTreeSet::new();
        eventually(SERVES, || {
            let answer = get(&from.netns, (address, 80), "/")?;
            *counts.entry(answer.clone()).or_insert(0) += 1;
            served.insert(answer);
            ensure!(
                served == all,
                "{} is served by {served:?} of {all:?}",
                from.name
            );
            Ok(())
        })
        .with_context(|| format!("{} to the Service {address}", from.name))?;
    }
    say(&format!("served by each: {counts:?}"));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_busybox_writes_it() {
        for (text, address) in [
            ("[::ffff:10.0.0.1]", "10.0.0.1"),
            ("10.0.0.1", "10.0.0.1"),
            ("[fd10::1]", "fd10::1"),
        ] {
            assert_eq!(seen(text).expect("an address").to_string(), address);
        }
    }
}
