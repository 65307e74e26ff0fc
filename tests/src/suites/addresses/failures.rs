//! Who is killed, and who is away.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::world::{SOON, World, holds, locked};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

/// Of a subscriber, in seconds; the least that there is.
const LEASE: u64 = 3;
/// For how long it is waited for after that, in seconds.
const AFTER: u64 = 4;

pub(super) fn subscriber_killed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let spec = json!({
        "selector": {"matchLabels": {"app": "slow"}},
        "proceedAfterSeconds": AFTER,
        "subscribers": [
            {"name": "one", "leaseSeconds": LEASE}, {"name": "two", "leaseSeconds": LEASE},
        ],
    });
    world.make_set("slow", &spec)?;
    let follow = |name: &str| {
        let (file, state) = (
            world.file(&format!("slow-{name}.txt")),
            world.file(&format!("slow-{name}.json")),
        );
        let (to, state) = (
            format!("file:{}", file.display()),
            state.display().to_string(),
        );
        let args = ["slow", "--to", &to, "--name", name, "--state", &state];
        world.follower("admin", &format!("slow-{name}.log"), &args)
    };
    let (one, two) = (follow("one")?, follow("two")?);
    world.becomes("slow", |s| {
        s["subscribers"][1]["state"] == "Current" && s["missing"].is_null()
    })?;
    two.kill()?;
    let killed = Instant::now();
    world.pods("slow", &["s1".to_owned()])?;
    world.give("s1", &["10.82.0.1"])?;
    // It is named while it is waited for, and the generation is not acknowledged.
    let (status, _) = world.becomes("slow", |s| {
        s["missing"] == json!(["two"])
            && s["subscribers"][0]["state"] == "Current"
            && s["count"] == 1
    })?;
    let generation = status["generation"].as_i64().context("a generation")?;
    ensure!(status["subscribers"][1]["awaited"] == true, "{status}");
    ensure!(
        status["acknowledged"].as_i64() < Some(generation),
        "{status}"
    );
    let number = generation.to_string();
    let (code, _, said) = world.flatctl(
        "admin",
        &["wait", "slow", "--generation", &number, "--timeout", "60"],
    )?;
    ensure!(
        code == 0 && said.contains("not waited for any more: two"),
        "{code}: {said}"
    );
    let took = killed.elapsed();
    ensure!(took >= Duration::from_secs(AFTER), "after {took:?}");
    let status = world.status("slow")?;
    ensure!(status["subscribers"][1]["state"] == "Expired", "{status}");
    ensure!(status["missing"] == json!(["two"]), "{status}");
    say(&format!(
        "a lease of {LEASE} s and {AFTER} s more: passed over {took:.1?} after the SIGKILL"
    ));
    // It comes back, catches up, and is waited for again.
    let two = follow("two")?;
    world.becomes("slow", |s| {
        s["missing"].is_null() && s["subscribers"][1]["awaited"] == true
    })?;
    one.end()?;
    two.end()
}

pub(super) fn leader_killed(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.make_set(
        "lead",
        &json!({"selector": {"matchLabels": {"app": "lead"}}}),
    )?;
    world.pods("lead", &["l1".to_owned(), "l2".to_owned()])?;
    world.give("l1", &["10.83.0.1"])?;
    let (before, _) = world.becomes("lead", |s| s["count"] == 1)?;
    let holder = || {
        world.kubectl(&[
            "-n",
            "flatnet",
            "get",
            "lease",
            "addressd",
            "-o",
            "jsonpath={.spec.holderIdentity}",
        ])
    };
    let leader = holder()?;
    let name = leader.split('_').next().unwrap_or_default().to_owned();
    let (_, keeper) = {
        let mut keepers = locked(&world.keepers);
        let at = keepers.iter().position(|(n, _)| *n == name);
        keepers.remove(at.with_context(|| format!("{leader} leads"))?)
    };
    keeper.kill()?;
    let killed = Instant::now();
    world.give("l2", &["10.83.0.2"])?;
    let (after, _) = world.becomes("lead", |s| s["count"] == 2)?;
    let took = killed.elapsed();
    ensure!(
        after["generation"].as_i64() == before["generation"].as_i64().map(|g| g + 1),
        "{before} {after}"
    );
    ensure!(!holder()?.starts_with(&name), "{name} leads still");
    say(&format!(
        "the other one's list {took:.1?} after the SIGKILL, with a lease of 5 s"
    ));
    // What was published is not written again, nor counted anew.
    let same = world.status("lead")?;
    ensure!(same == after, "{same}");
    world.keeper(&name)
}

pub(super) fn server_away(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let spec = json!({
        "selector": {"matchLabels": {"app": "away"}}, "subscribers": [{"name": "proxy"}],
    });
    world.make_set("away", &spec)?;
    world.pods("away", &["a1".to_owned()])?;
    world.give("a1", &["10.84.0.1"])?;
    let file = world.file("away.txt");
    let (to, state) = (
        format!("file:{}", file.display()),
        world.file("away.json").display().to_string(),
    );
    let args = ["away", "--to", &to, "--name", "proxy", "--state", &state];
    let follower = world.follower("admin", "away.log", &args)?;
    holds(&file, "10.84.0.1\n")?;
    world.cluster.kill_server()?;
    let log = world.file("away.log");
    eventually(SOON, || {
        let text = std::fs::read_to_string(&log)?;
        ensure!(text.contains("stays in force"), "{text}");
        Ok(())
    })?;
    ensure!(
        std::fs::read_to_string(&file)? == "10.84.0.1\n",
        "the list went"
    );
    // As after a reboot: the target is empty, and the API server still away.
    follower.kill()?;
    std::fs::write(&file, "")?;
    let follower = world.follower("admin", "away.log", &args)?;
    let took = holds(&file, "10.84.0.1\n")?;
    say(&format!(
        "without the API server, a new follower has written the last list after {took:.1?}"
    ));
    world.cluster.start_server()?;
    world.pods("away", &["a2".to_owned()])?;
    world.give("a2", &["10.84.0.2"])?;
    let took = holds(&file, "10.84.0.1\n10.84.0.2\n")?;
    say(&format!(
        "followed again {took:.1?} after a pod's status was written to the new server"
    ));
    let (code, _, said) = world.flatctl("admin", &["wait", "away", "--timeout", "60"])?;
    ensure!(code == 0, "{code}: {said}");
    follower.end()
}
