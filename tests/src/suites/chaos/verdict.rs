//! When all is quiet: is everything as it should be?

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result, ensure};

use super::containers::{Container, Living, Spot, collect};
use super::ledger::Ledger;
use super::{PATIENCE, WORKERS};
use crate::process::poll;
use crate::traces::{Traces, attachments, nothing_astray, some};
use crate::{LabGuard, Node, netd};

/// Judges what a time of chaos left: `living` are the containers that the runtime knows,
/// `ghosts` those that it has forgotten and that still have a namespace.
///
/// # Errors
/// Everything that is wrong, not only the first.
pub(super) fn judge(
    lab: &LabGuard,
    spots: &[Spot],
    living: &[&Living],
    ghosts: &[Container],
    ledger: &Ledger,
) -> Result<()> {
    let nodes = nodes_of(spots);
    let mut wrong = ledger.violations();
    for node in &nodes {
        lab.wait_ready(&node.name, PATIENCE)?;
        ensure!(
            poll(PATIENCE, || spool_is_empty(node).then_some(())).is_some(),
            "the spool of {} is not replayed",
            node.name
        );
    }
    note(&mut wrong, "before GC", held_once(&nodes, living, ghosts));
    for spot in spots {
        note(&mut wrong, "GC", collect(spot, living));
    }
    for node in &nodes {
        note(
            &mut wrong,
            "after GC",
            nothing_astray(node, PATIENCE).map(drop),
        );
        note(&mut wrong, "after GC", only_the_living(node, living));
        note(&mut wrong, "at rest", nothing_to_do(node));
    }
    wrong.extend(each(living, |one| one.check().context("CHECK")));
    wrong.extend(each(living, |one| reachable(one, living)));
    ensure!(
        wrong.is_empty(),
        "{} things are wrong: {}",
        wrong.len(),
        some(&wrong)
    );
    Ok(())
}

fn note(wrong: &mut Vec<String>, when: &str, outcome: Result<()>) {
    if let Err(e) = outcome {
        wrong.push(format!("{when}: {e:#}"));
    }
}

fn nodes_of(spots: &[Spot]) -> Vec<Node> {
    let mut nodes: Vec<Node> = spots.iter().map(|s| s.node.clone()).collect();
    nodes.dedup_by(|a, b| a.name == b.name);
    nodes
}

fn spool_is_empty(node: &Node) -> bool {
    std::fs::read_dir(node.paths.spool()).is_ok_and(|mut dir| dir.next().is_none())
}

/// No address is in two attachments, nor on two containers; and every container has what netd
/// says it has.
fn held_once(nodes: &[Node], living: &[&Living], ghosts: &[Container]) -> Result<()> {
    let mut listed: BTreeMap<IpAddr, String> = BTreeMap::new();
    for node in nodes {
        for attachment in attachments(node)? {
            for address in &attachment.addresses {
                let ip = address.split('/').next().unwrap_or(address).parse()?;
                let other = listed.insert(ip, attachment.container_id.clone());
                ensure!(
                    other.is_none(),
                    "{ip} is held by {} and {}",
                    attachment.container_id,
                    other.unwrap_or_default()
                );
            }
        }
    }
    let mut borne: BTreeMap<IpAddr, String> = BTreeMap::new();
    let containers = living.iter().map(|l| &l.container).chain(ghosts);
    for container in containers {
        for ip in container.addresses()? {
            let other = borne.insert(ip, container.id().to_owned());
            ensure!(
                other.is_none(),
                "{ip} is on {} and on {}",
                container.id(),
                other.unwrap_or_default()
            );
            ensure!(
                listed.get(&ip).is_some_and(|owner| owner == container.id()),
                "{ip} is on {}, and netd says {:?}",
                container.id(),
                listed.get(&ip)
            );
        }
    }
    for one in living {
        let (wanted, is): (BTreeSet<IpAddr>, _) = (
            one.addresses().into_iter().collect(),
            one.container.addresses()?,
        );
        ensure!(
            wanted == is,
            "{} was given {wanted:?} and has {is:?}",
            one.id()
        );
    }
    Ok(())
}

fn only_the_living(node: &Node, living: &[&Living]) -> Result<()> {
    let here = living.iter().filter(|l| l.spot.node.name == node.name);
    let wanted: BTreeSet<String> = here
        .map(|l| format!("{}/{}", l.spot.network, l.id()))
        .collect();
    let traces = Traces::take(node)?;
    let is: BTreeSet<String> = traces
        .attachments
        .iter()
        .map(|a| format!("{}/{}", a.network, a.container_id))
        .collect();
    let lost: Vec<&String> = wanted.difference(&is).collect();
    let leaked: Vec<&String> = is.difference(&wanted).collect();
    ensure!(
        lost.is_empty() && leaked.is_empty(),
        "{}: not held any more: {lost:?}; held for nobody: {leaked:?}",
        node.name
    );
    Ok(())
}

/// The reconciler finds nothing to do.
fn nothing_to_do(node: &Node) -> Result<()> {
    let plan = poll(PATIENCE, || {
        let (status, body) = netd::get(&node.paths.netd_sock(), "/v1/plan").ok()?;
        let plan: serde_json::Value = serde_json::from_str(&body).ok()?;
        let idle = status == 200
            && plan["would"].as_array().is_some_and(Vec::is_empty)
            && plan["plan"]["problems"]
                .as_array()
                .is_some_and(Vec::is_empty);
        idle.then_some(())
    });
    plan.with_context(|| {
        let last = netd::get(&node.paths.netd_sock(), "/v1/plan");
        let text = last.map_or_else(|e| e.to_string(), |(_, body)| body);
        format!("{} still has something to do: {:.400}", node.name, text)
    })
}

/// Its gateways answer, and a container on another node.
fn reachable(one: &Living, living: &[&Living]) -> Result<()> {
    for gateway in one.added.result.ips.iter().filter_map(|ip| ip.gateway) {
        one.container.reaches(gateway).context("gateway")?;
    }
    let elsewhere = living
        .iter()
        .find(|l| l.spot.node.name != one.spot.node.name);
    for ip in elsewhere.into_iter().flat_map(|l| l.addresses()) {
        one.container
            .reaches(ip)
            .context("container on another node")?;
    }
    Ok(())
}

/// Does something for each of the living, some at a time; gives what failed.
fn each(living: &[&Living], work: impl Fn(&Living) -> Result<()> + Sync) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                while let Some(one) = living.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(e) = work(one)
                        && let Ok(mut wrong) = wrong.lock()
                    {
                        wrong.push(format!("{}: {e:#}", one.id()));
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap_or_default()
}

/// Ends everything in good order; then nothing is left.
pub(super) fn detach_everything(
    spots: &[Spot],
    living: Vec<Living>,
    anchors: Vec<Living>,
) -> Result<()> {
    let mut wrong = Vec::new();
    let all: Vec<Living> = living.into_iter().chain(anchors).collect();
    let each_one: Vec<&Living> = all.iter().collect();
    wrong.extend(each(&each_one, |one| one.del().context("the last DEL")));
    drop(all);
    for node in nodes_of(spots) {
        note(
            &mut wrong,
            "in the end",
            crate::traces::nothing_left(&node, PATIENCE).map(drop),
        );
    }
    ensure!(wrong.is_empty(), "{}", some(&wrong));
    Ok(())
}
