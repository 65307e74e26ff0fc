//! Pods come, change and go; the set and the files of a follower have their addresses.

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use serde_json::json;

use super::world::{SOON, World, holds};
use crate::LabGuard;
use crate::suites::kit::{eventually, say};

pub(super) fn kind(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let told = world.kubectl(&["explain", "addressset.spec.selector"])?;
    ensure!(told.contains("matchLabels"), "{told}");
    for (spec, words) in [
        (json!({"selector": {}}), "every pod of the namespace"),
        (
            json!({"selector": {"matchExpressions": [{"key": "a", "operator": "In"}]}}),
            "have values",
        ),
        (
            json!({"selector": {"matchLabels": {"a": "b"}}, "subscribers": [{"name": "a.b"}]}),
            "should match",
        ),
    ] {
        let error = world
            .make_set("refused", &spec)
            .err()
            .context("it was taken")?;
        ensure!(format!("{error:#}").contains(words), "{error:#}");
    }
    world.make_set(
        "bare",
        &json!({"selector": {"matchLabels": {"app": "nobody"}}}),
    )?;
    // Explicitly empty, and acknowledged by everybody, who is nobody.
    let (status, _) = world.becomes("bare", |s| s["generation"] == 1)?;
    ensure!(
        status["count"] == 0 && status["acknowledged"] == 1,
        "{status}"
    );
    let table = world.kubectl(&["-n", super::world::NAMESPACE, "get", "fnset"])?;
    for column in ["ADDRESSES", "GENERATION", "ACKNOWLEDGED", "MISSING"] {
        ensure!(table.contains(column), "{table}");
    }
    let (code, table, _) = world.flatctl("admin", &["list"])?;
    ensure!(code == 0 && table.contains("bare"), "{code}: {table}");
    Ok(())
}

pub(super) fn follows_pods(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.make_set(
        "front",
        &json!({"selector": {"matchLabels": {"app": "front"}}}),
    )?;
    let (plain, nginx) = (world.file("front.txt"), world.file("front.conf"));
    let (to, and) = (
        format!("file:{}", plain.display()),
        format!("nginx:{}", nginx.display()),
    );
    let state = world.file("front.json").display().to_string();
    let args = ["front", "--to", &to, "--to", &and, "--state", &state];
    let follower = world.follower("admin", "front.log", &args)?;
    // The set says that it is empty: that is written.
    holds(&plain, "")?;

    world.pods("front", &["f1".to_owned(), "f2".to_owned()])?;
    let mut waits = Vec::new();
    let mut lines = String::new();
    for (pod, address) in [("f1", "10.77.0.1"), ("f2", "10.77.0.2")] {
        world.give(pod, &[address])?;
        lines += &format!("{address}\n");
        waits.push(holds(&plain, &lines)?);
    }
    holds(&nginx, "allow 10.77.0.1;\nallow 10.77.0.2;\n")?;
    let status = world.status("front")?;
    ensure!(
        status["addresses"] == json!(["10.77.0.1", "10.77.0.2"]),
        "{status}"
    );

    // A change of something else is none of the set.
    let generation = status["generation"].clone();
    world.patch_pod("f1", &json!({"status": {"message": "busy"}}))?;
    world.pods("front", &["f3".to_owned()])?;
    world.give("f3", &["10.77.0.3", "fd00:77::3"])?;
    lines += "10.77.0.3\nfd00:77::3\n";
    waits.push(holds(&plain, &lines)?);
    let status = world.status("front")?;
    ensure!(
        status["generation"].as_i64() == generation.as_i64().map(|g| g + 1),
        "{status}"
    );

    // Its containers have ended for good; then it is gone.
    world.patch_pod("f3", &json!({"status": {"phase": "Failed"}}))?;
    let ended = holds(&plain, "10.77.0.1\n10.77.0.2\n")?;
    world.delete("f1")?;
    let gone = holds(&plain, "10.77.0.2\n")?;
    say(&format!(
        "in the follower's file {waits:.0?} after the pod's status was written; out of it {ended:.1?} after its end \
         and {gone:.1?} after it was deleted, of which 1 s is the linger"
    ));
    follower.end()
}

pub(super) fn a_burst(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.make_set(
        "burst",
        &json!({"selector": {"matchLabels": {"app": "burst"}}}),
    )?;
    let names: Vec<String> = (0..100).map(|i| format!("burst-{i}")).collect();
    world.pods("burst", &names)?;
    let begun = Instant::now();
    // One request each, as kubelets send them; by one client that keeps its connection.
    let statuses: Vec<_> = names
        .iter()
        .enumerate()
        .map(|(i, name)| {
            let ip = format!("10.78.0.{i}");
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": super::world::NAMESPACE},
                "status": {"phase": "Running", "podIP": ip, "podIPs": [{"ip": ip}]},
            })
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": statuses}).to_string();
    let args = [
        "apply",
        "--server-side",
        "--subresource=status",
        "--force-conflicts",
        "-f",
        "-",
    ];
    let mut command = world.cluster.kubectl_command("admin", &args);
    crate::run::output_with(&mut command, &list)?;
    let wrote = begun.elapsed();
    let (status, took) = eventually(SOON, || {
        let status = world.status("burst")?;
        ensure!(status["count"] == 100, "{} addresses", status["count"]);
        Ok(status)
    })?;
    let generation = status["generation"].as_i64().unwrap_or(i64::MAX);
    say(&format!(
        "100 pods' statuses written in {wrote:.1?}: {generation} generations, the last {took:.1?} after"
    ));
    ensure!(generation <= 100, "{generation} generations");
    let all = [
        "-n",
        super::world::NAMESPACE,
        "delete",
        "pods",
        "-l",
        "app=burst",
        "--force",
    ];
    world.kubectl(&all).map(drop)
}
