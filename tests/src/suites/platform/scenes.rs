//! What is tried.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::instances::PORT;
use super::kubelet::{NAMESPACE, SERVE, in_service};
use super::world::{REPLICAS, SOON, Watcher, World};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

/// How often the controller is killed in one release.
const KILLS: usize = 3;

pub(super) fn first(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.release("web-1", 1, "Deploy")?;
    let took = world.reaches("web-1", "Done")?;
    say(&format!("done after {took:.1?}"));
    let serving = world.serving()?;
    ensure!(serving.len() == REPLICAS, "{serving:?} are in service");
    for member in &world.members {
        let sets = member
            .api
            .items("/apis/apps/v1/namespaces/shop/replicasets")?;
        ensure!(
            sets.len() == 1,
            "{} has {} ReplicaSets",
            member.name,
            sets.len()
        );
        ensure!(
            sets[0]["spec"]["replicas"] == REPLICAS / 2,
            "{} has {}",
            member.name,
            sets[0]["spec"]["replicas"]
        );
        let image = &sets[0]["spec"]["template"]["spec"]["containers"][0]["image"];
        let wanted = format!("registry.example/shop/web@sha256:{}", "1".repeat(64));
        ensure!(*image == *wanted, "the image is {image}");
        let (status, _) = eventually(SOON, || {
            let status = world.told(member.name)?;
            // Twenty-four addresses, none of which a pod requests here.
            ensure!(status["headroom"][0]["addresses"] == 24, "it is {status}");
            ensure!(
                status["headroom"][0]["pods"] == 220 - REPLICAS / 2,
                "it is {status}"
            );
            Ok(status)
        })?;
        ensure!(status["reachable"] == "True", "it is {status}");
        ensure!(
            status["version"].is_string() && status["lastSeen"].is_string(),
            "it is {status}"
        );
        let service = member
            .api
            .get(&format!("/api/v1/namespaces/{NAMESPACE}/services/web"))?;
        ensure!(
            service["spec"]["ports"][0]["targetPort"] == PORT,
            "its Service is {}",
            service["spec"]
        );
        let pdb = member.api.get(&format!(
            "/apis/policy/v1/namespaces/{NAMESPACE}/poddisruptionbudgets/web"
        ))?;
        ensure!(
            pdb["spec"]["minAvailable"] == REPLICAS / 2,
            "the budget is {}",
            pdb["spec"]
        );
    }
    Ok(())
}

/// Versions of everything that the controller may write.
fn versions(world: &World) -> Result<Vec<String>> {
    let platform = "/apis/platform.flatnet.io/v1alpha1";
    let mut all = Vec::new();
    for path in ["apps", "releases", "clusters"] {
        all.extend(world.api.items(&format!("{platform}/{path}"))?);
    }
    for member in &world.members {
        for path in [
            "/apis/apps/v1/replicasets",
            "/api/v1/namespaces/shop/pods",
            "/apis/policy/v1/poddisruptionbudgets",
            "/api/v1/namespaces/flatnet-platform/configmaps",
        ] {
            all.extend(member.api.items(path)?);
        }
    }
    let version = |o: &Value| {
        format!(
            "{} {}",
            o["metadata"]["name"], o["metadata"]["resourceVersion"]
        )
    };
    Ok(all.iter().map(version).collect())
}

pub(super) fn at_rest(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    // Figures of a cluster's status are gathered for a second before they are written; then there is nothing
    // to wait for but that nothing comes.
    std::thread::sleep(Duration::from_secs(2));
    let before = versions(&world)?;
    std::thread::sleep(Duration::from_secs(4));
    let after = versions(&world)?;
    ensure!(before == after, "{before:?} became {after:?}");
    Ok(())
}

pub(super) fn canary_and_back(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.keep_old("1h")?;
    let watcher = Watcher::start(&world);
    let ended = there_and_back(&world);
    // However it ended: the scenes that follow do not wait for an hour.
    world.keep_old("1s")?;
    ended?;
    world.reaches("web-3", "Done")?;
    settled(&world, '1')?;
    watcher.never_below(REPLICAS)
}

fn there_and_back(world: &World) -> Result<()> {
    let old = world.serving()?;
    world.release("web-2", 2, "Deploy")?;
    let took = world.reaches("web-2", "Holding")?;
    say(&format!("canary and all after {took:.1?}"));
    let status = world.status("web-2")?;
    let steps: Vec<u64> = status["history"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|h| h["phase"] == "Baking")
        .filter_map(|h| h["step"].as_u64())
        .collect();
    ensure!(steps == [1, 2], "it went by {steps:?}");
    // What the last step leaves of the whole follows.
    eventually(SOON, || {
        let new = world.serving()?;
        ensure!(new.len() == REPLICAS, "{new:?} are in service");
        ensure!(new.iter().all(|n| !old.contains(n)), "{new:?} are old ones");
        let parked = parked(world)?;
        ensure!(parked == old, "{parked:?} are parked, and not {old:?}");
        Ok(())
    })?;
    world.release("web-3", 1, "Rollback")?;
    let (_, took) = eventually(SOON, || {
        let serving = world.serving()?;
        ensure!(
            serving == old,
            "{serving:?} are in service, and not {old:?}; {}",
            world.log()
        );
        Ok(())
    })?;
    say(&format!("the way back took {took:.1?}"));
    world.reaches("web-3", "Holding")?;
    ensure!(
        world.status("web-2")?["phase"] == "Superseded",
        "the one before still acts"
    );
    Ok(())
}

/// Pods that are there and out of service, by name.
fn parked(world: &World) -> Result<Vec<String>> {
    let off = |p: &&Value| {
        p["metadata"]["labels"][SERVE] == "false" && p["metadata"]["deletionTimestamp"].is_null()
    };
    let name = |p: &Value| {
        p["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let mut names: Vec<String> = world.pods()?.iter().filter(off).map(name).collect();
    names.sort();
    Ok(names)
}

pub(super) fn controller_killed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let watcher = Watcher::start(&world);
    world.release("web-4", 4, "Deploy")?;
    // As soon as it has come a phase further, so that it dies at other places.
    let mut kills = 0;
    let mut last = Value::Null;
    while kills < KILLS {
        let (phase, _) = eventually(SOON, || {
            let phase = world.status("web-4")?["phase"].take();
            ensure!(phase != last, "it stays {last}");
            Ok(phase)
        })?;
        if phase == "Done" {
            break;
        }
        world.kill_controller()?;
        kills += 1;
        world.start_controller()?;
        last = phase;
    }
    let took = world.reaches("web-4", "Done")?;
    say(&format!(
        "killed {kills} times, done {took:.1?} after the last"
    ));
    ensure!(kills > 0, "it was done before it was killed");
    settled(&world, '4')?;
    watcher.never_below(REPLICAS)
}

/// That all is as a release leaves it: the wanted number in service, of that digest alone. Kubelets may still be busy
/// with the last ones that were deleted.
fn settled(world: &World, digit: char) -> Result<()> {
    let (pods, _) = eventually(SOON, || {
        let pods = world.pods()?;
        ensure!(pods.len() == REPLICAS, "{} pods are left", pods.len());
        Ok(pods)
    })?;
    let image = format!(
        "registry.example/shop/web@sha256:{}",
        digit.to_string().repeat(64)
    );
    for pod in &pods {
        let of = &pod["spec"]["containers"][0]["image"];
        ensure!(*of == *image, "there is one of {of}");
    }
    let serving = world.serving()?;
    ensure!(serving.len() == REPLICAS, "{serving:?} are in service");
    Ok(())
}

pub(super) fn member_away(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let watcher = Watcher::start(&world);
    world.release("web-5", 5, "Deploy")?;
    world.reaches("web-5", "Baking")?;
    let two = &world.members[1];
    let before = world.members[0]
        .api
        .items("/api/v1/namespaces/shop/pods")?
        .len();
    two.cluster.kill_server()?;
    let (_, took) = eventually(SOON, || {
        let status = world.told(two.name)?;
        ensure!(status["reachable"] == "False", "it is {status}");
        Ok(())
    })?;
    say(&format!("told after {took:.1?}"));
    // Longer than the bake: it must not go on.
    std::thread::sleep(Duration::from_secs(3));
    let status = world.status("web-5")?;
    ensure!(
        status["phase"] != "Done" && status["phase"] != "Holding",
        "it went on: {status}"
    );
    let one = world.members[0].api.items("/api/v1/namespaces/shop/pods")?;
    let serving = one.iter().filter(|p| in_service(p) == Some(true)).count();
    ensure!(
        serving >= REPLICAS / 2,
        "{serving} serve in the other member, of {before}"
    );
    two.cluster.start_server()?;
    let took = world.reaches("web-5", "Done")?;
    say(&format!("done {took:.1?} after its return"));
    ensure!(
        world.told(two.name)?["reachable"] == "True",
        "it is not told"
    );
    settled(&world, '5')?;
    watcher.never_below(REPLICAS)
}

pub(super) fn hub_away(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let watcher = Watcher::start(&world);
    world.release("web-6", 6, "Deploy")?;
    world.reaches("web-6", "Baking")?;
    world.hub.kill_server()?;
    // What was under way when it went is done or refused within the lease's time.
    std::thread::sleep(Duration::from_millis(5500));
    let state = || -> Result<Vec<String>> {
        let show = |p: &Value| {
            format!(
                "{} {}",
                p["metadata"]["name"], p["metadata"]["labels"][SERVE]
            )
        };
        Ok(world.pods()?.iter().map(show).collect())
    };
    let before = state()?;
    // That nothing comes has no event.
    std::thread::sleep(Duration::from_secs(3));
    let after = state()?;
    ensure!(before == after, "{before:?} became {after:?}");
    world.hub.start_server()?;
    let took = world.reaches("web-6", "Done")?;
    say(&format!("done {took:.1?} after its return"));
    settled(&world, '6')?;
    watcher.never_below(REPLICAS)
}

pub(super) fn removed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let path = "/apis/platform.flatnet.io/v1alpha1/namespaces/shop/apps/web";
    let none = serde_json::json!({"spec": {"replicas": 0}});
    world.api.merge(path, &none)?;
    let gone = eventually(SOON, || {
        let pods = world.pods()?.len();
        ensure!(pods == 0, "{pods} pods are left");
        Ok(())
    });
    gone.with_context(|| world.log())?;
    world.api.delete(path)?;
    let left = eventually(SOON, || {
        for member in &world.members {
            for path in [
                "/apis/apps/v1/namespaces/shop/replicasets",
                "/api/v1/namespaces/shop/services",
                "/apis/policy/v1/namespaces/shop/poddisruptionbudgets",
            ] {
                let items = member.api.items(path)?;
                ensure!(
                    items.is_empty(),
                    "{}: {path} has {}",
                    member.name,
                    items[0]["metadata"]["name"]
                );
            }
        }
        Ok(())
    });
    left.map(drop).with_context(|| world.log())
}
