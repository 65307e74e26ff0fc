//! What is tried.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::load::Load;
use super::shop::SICK;
use super::world::{SOON, World, gate, serves};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

/// Requests a second at each of two places.
pub(super) const RATE: u32 = 40;
/// How often the controller is killed.
const KILLS: usize = 3;

pub(super) fn clusters(lab: &LabGuard) -> Result<()> {
    World::get(lab).map(drop)
}

pub(super) fn first(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let begun = Instant::now();
    world.release("shop-1", 0, "Deploy")?;
    let mut first = None;
    reaches(&world, "shop-1", &["Holding", "Done"], |world| {
        if first.is_none() && !world.serving(Some(0))?.is_empty() {
            first = Some(begun.elapsed());
        }
        Ok(())
    })?;
    let serving = world.serving(Some(0))?;
    ensure!(
        serving.len() == world.instances,
        "{serving:?} are in service"
    );
    say(&format!(
        "the first in service after {:.1?}, all {} after {:.1?}",
        first.unwrap_or_default(),
        world.instances,
        begun.elapsed()
    ));
    Ok(())
}

/// Waits for a phase of a release, and looks on.
fn reaches(
    world: &World,
    name: &str,
    phases: &[&str],
    mut look: impl FnMut(&World) -> Result<()>,
) -> Result<Duration> {
    let reached = eventually(SOON, || {
        let status = world.status(name)?;
        look(world)?;
        let phase = &status["phase"];
        ensure!(phases.iter().any(|p| *phase == **p), "{name} is {status}");
        Ok(())
    });
    reached.map(|((), took)| took).with_context(|| world.log())
}

/// Waits until so many are in service; how long that took.
fn serve(world: &World, wanted: usize) -> Result<Duration> {
    let served = eventually(SOON, || {
        let serving = world.serving(None)?.len();
        ensure!(serving == wanted, "{serving} of {wanted} are in service");
        Ok(())
    });
    served.map(|((), took)| took).with_context(|| world.log())
}

/// Counts requests under the name of the step that a release is in.
fn told(load: &Load, name: &str, status: &Value) {
    let phase = status["phase"].as_str().unwrap_or_default();
    load.phase(&format!("{name} step {} {phase}", status["step"]));
}

/// Follows a release to one of the phases under load.
fn follow(world: &World, load: &Load, name: &str, phases: &[&str]) -> Result<Duration> {
    reaches(world, name, phases, |world| {
        told(load, name, &world.status(name)?);
        Ok(())
    })
}

pub(super) fn forward(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let load = Load::start(&world.places(lab)?, RATE);
    let begun = Instant::now();
    world.release("shop-2", 1, "Deploy")?;
    let (_, canary) = eventually(SOON, || {
        ensure!(!world.serving(Some(1))?.is_empty(), "none is in service");
        Ok(())
    })
    .with_context(|| world.log())?;
    follow(&world, &load, "shop-2", &["Holding"])?;
    settled(&world, 1)?;
    say(&format!(
        "canary in service after {canary:.1?}, all after {:.1?}",
        begun.elapsed()
    ));
    drained(&world, 0)?;
    load.end()
}

/// That netd says of every instance of an image that it is drained, while its kubelet probes it and users go on.
fn drained(world: &World, image: usize) -> Result<()> {
    let (messages, took) = eventually(SOON, || {
        let pods = world.pods_of(image)?;
        let said: Vec<&Value> = pods.iter().map(gate).collect();
        let waits = said.iter().find(|c| c["reason"] != "Drained");
        ensure!(
            waits.is_none(),
            "one says {}",
            waits.unwrap_or(&&Value::Null)
        );
        let message = |c: &&Value| c["message"].as_str().unwrap_or_default().to_owned();
        Ok(said.iter().map(message).collect::<Vec<_>>())
    })?;
    ensure!(!messages.is_empty(), "no old instance is kept");
    let late = messages.iter().filter(|m| m.contains("late before"));
    say(&format!(
        "{} old instances are drained {took:.1?} later by their nodes' word, {} of them after late connections",
        messages.len(),
        late.count()
    ));
    Ok(())
}

/// That all in service are of one image, as many as are wanted.
fn settled(world: &World, image: usize) -> Result<()> {
    let settled = eventually(SOON, || {
        let (of, all) = (world.serving(Some(image))?, world.serving(None)?);
        ensure!(
            of.len() == world.instances && of == all,
            "{of:?} of {all:?} are in service"
        );
        Ok(())
    });
    settled.map(drop).with_context(|| world.log())
}

pub(super) fn back(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let names = |world: &World| -> Result<Vec<String>> {
        let name = |p: &Value| {
            p["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        let mut names: Vec<String> = world.pods()?.iter().map(name).collect();
        names.sort();
        Ok(names)
    };
    let before = names(&world)?;
    let load = Load::start(&world.places(lab)?, RATE);
    let begun = Instant::now();
    world.release("shop-3", 0, "Rollback")?;
    let (_, first) = eventually(SOON, || {
        ensure!(
            !world.serving(Some(0))?.is_empty(),
            "none is back in service"
        );
        Ok(())
    })?;
    let (_, all) = eventually(SOON, || {
        let serving = world.serving(Some(0))?.len();
        ensure!(serving == world.instances, "{serving} are back in service");
        Ok(())
    })?;
    say(&format!(
        "the first back in service after {first:.1?}, all {} after {:.1?}",
        world.instances,
        first + all
    ));
    follow(&world, &load, "shop-3", &["Holding"])?;
    settled(&world, 0)?;
    say(&format!("holding after {:.1?}", begun.elapsed()));
    let made: Vec<String> = names(&world)?
        .into_iter()
        .filter(|n| !before.contains(n))
        .collect();
    ensure!(made.is_empty(), "{made:?} were made for the way back");
    load.end()
}

pub(super) fn bad(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let load = Load::start(&world.places(lab)?, RATE);
    world.release("shop-4", SICK, "Deploy")?;
    let mut most = 0;
    let took = reaches(&world, "shop-4", &["Aborted"], |world| {
        told(&load, "shop-4", &world.status("shop-4")?);
        most = most.max(world.serving(Some(SICK))?.len());
        Ok(())
    })?;
    let message = world.status("shop-4")?["message"].clone();
    say(&format!("aborted after {took:.1?}: {message}"));
    ensure!(most <= 1, "{most} without health were in service");
    settled(&world, 0)?;
    load.end()
}

pub(super) fn killed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let load = Load::start(&world.places(lab)?, RATE);
    world.release("shop-5", 1, "Deploy")?;
    let mut last = Value::Null;
    let mut kills = 0;
    while kills < KILLS {
        let (phase, _) = eventually(SOON, || {
            let status = world.status("shop-5")?;
            told(&load, "shop-5", &status);
            let now = serde_json::json!([status["phase"], status["step"]]);
            ensure!(now != last, "it stays {last}");
            Ok(now)
        })?;
        if phase[0] == "Holding" {
            break;
        }
        world.kill_controller()?;
        kills += 1;
        world.start_controller()?;
        last = phase;
    }
    let took = follow(&world, &load, "shop-5", &["Holding"])?;
    say(&format!(
        "killed {kills} times, holding {took:.1?} after the last"
    ));
    ensure!(kills > 0, "it was over before it was killed");
    settled(&world, 1)?;
    load.end()
}

pub(super) fn hub_away(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let load = Load::start(&world.places(lab)?, RATE);
    world.release("shop-6", 0, "Deploy")?;
    follow(&world, &load, "shop-6", &["Gating", "Baking"])?;
    load.phase("the hub is away");
    world.hub.kill_server()?;
    // Longer than the lease of 5 s lasts: that a lease runs out while the hub is away has no event.
    std::thread::sleep(Duration::from_secs(8));
    world.hub.start_server()?;
    let took = follow(&world, &load, "shop-6", &["Holding"])?;
    say(&format!("holding {took:.1?} after its return"));
    settled(&world, 0)?;
    load.end()
}

pub(super) fn scaled(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let load = Load::start(&world.places(lab)?, RATE);
    let more = world.instances + world.instances / 2;
    load.phase("scaled up");
    world.change(&json!({"replicas": more}))?;
    let up = serve(&world, more)?;
    load.phase("scaled down");
    world.change(&json!({"replicas": world.instances}))?;
    let down = serve(&world, world.instances)?;
    say(&format!(
        "from {} to {more} in service after {up:.1?}, and back after {down:.1?}",
        world.instances
    ));
    load.end()
}

pub(super) fn node_lost(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let member = world.members.first().context("there is no cluster")?;
    let node = member.nodes.last().context("it has no node")?;
    let here = |world: &World| -> Result<(usize, usize)> {
        let pods = world.pods()?;
        let there = pods.iter().filter(|p| p["spec"]["nodeName"] == *node.name);
        let elsewhere = |p: &&Value| p["spec"]["nodeName"] != *node.name;
        let serving = pods.iter().filter(elsewhere).filter(|p| serves(p));
        Ok((there.count(), serving.count()))
    };
    let (lost, _) = here(&world)?;
    ensure!(lost > 0, "there is no instance on {}", node.name);
    node.cut()?;
    // What an administrator says of a machine that is gone for good (Kubernetes: "Non-graceful node shutdown").
    let taint = "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute";
    member
        .cluster
        .kubectl(&["taint", "node", &node.name, taint])?;
    let (_, took) = eventually(SOON, || {
        let (there, serving) = here(&world)?;
        ensure!(
            there == 0 && serving == world.instances,
            "{there} are on {}, {serving} serve elsewhere",
            node.name
        );
        Ok(())
    })
    .with_context(|| world.log())?;
    say(&format!(
        "{} had {lost} instances, with those out of service; all {} are in service elsewhere {took:.1?} after it was said to be gone",
        node.name, world.instances
    ));
    Ok(())
}
