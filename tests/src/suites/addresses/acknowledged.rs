//! What is written is acknowledged, and waited for.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::world::{SOON, World, holds, needs};
use crate::LabGuard;
use crate::suites::kit::{eventually, output, say};

pub(super) fn waits(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let spec = json!({
        "selector": {"matchLabels": {"app": "back"}},
        "subscribers": [{"name": "proxy", "leaseSeconds": 3}, {"name": "log", "role": "Advisory"}],
        "onMissing": "Hold",
    });
    world.make_set("back", &spec)?;
    world.pods("back", &["b1".to_owned()])?;
    world.give("b1", &["10.79.0.1"])?;
    world.becomes("back", |s| s["count"] == 1)?;
    // Nobody has it: the wait ends with its time, and says for whom.
    let (code, _, said) = world.flatctl("admin", &["wait", "back", "--timeout", "1"])?;
    ensure!(
        code == 1 && said.contains("waiting for proxy"),
        "{code}: {said}"
    );

    let (file, ran) = (world.file("back.txt"), world.file("back.reloads"));
    let to = format!("file:{}", file.display());
    let state = world.file("back.json").display().to_string();
    let reload = format!(
        "echo >> {} && test -e {}",
        ran.display(),
        world.file("back.sound").display()
    );
    let args = [
        "back", "--to", &to, "--name", "proxy", "--reload", &reload, "--state", &state,
    ];
    let follower = world.follower("admin", "back.log", &args)?;
    holds(&file, "10.79.0.1\n")?;
    // The reload command fails: it is written and not acknowledged, and its lease stands.
    let (status, _) = world.becomes("back", |s| s["subscribers"][0]["state"] == "Behind")?;
    ensure!(status["missing"] == json!(["proxy"]), "{status}");
    std::fs::write(world.file("back.sound"), "")?;
    let (code, _, said) = world.flatctl("admin", &["wait", "back", "--timeout", "30"])?;
    ensure!(code == 0, "{code}: {said}");
    let (status, _) = world.becomes("back", |s| s["subscribers"][0]["state"] == "Current")?;
    ensure!(status.get("missing").is_none(), "{status}");
    ensure!(
        status["acknowledgements"][0]["targets"][0] == to,
        "{status}"
    );

    // A new pod's address is waited for by name, from before it is there.
    world.pods("back", &["b2".to_owned()])?;
    let begun = std::time::Instant::now();
    std::thread::scope(|scope| {
        let args = ["wait", "back", "--has", "10.79.0.2", "--timeout", "60"];
        let waiting = scope.spawn(move || World::get(lab)?.flatctl("admin", &args));
        world.give("b2", &["10.79.0.2"])?;
        let given = begun.elapsed();
        let (code, _, said) = waiting.join().ok().context("the waiting thread")??;
        ensure!(code == 0, "{code}: {said}");
        let took = begun.elapsed().saturating_sub(given);
        say(&format!(
            "acknowledged {took:.1?} after the pod's status was written"
        ));
        Ok(())
    })?;
    let text = std::fs::read_to_string(&file)?;
    ensure!(text == "10.79.0.1\n10.79.0.2\n", "{text}");
    let (code, shown, _) = world.flatctl("admin", &["show", "back"])?;
    ensure!(
        code == 0 && shown.contains("proxy") && shown.contains("current"),
        "{code}: {shown}"
    );
    follower.end()
}

pub(super) fn nft(lab: &LabGuard) -> Result<()> {
    needs("nft")?;
    let world = World::get(lab)?;
    let run = |script: &str| output(world.beside("nft").arg(script));
    run("add table inet flatnet-suite")?;
    for (set, kind) in [("four", "ipv4_addr"), ("six", "ipv6_addr")] {
        run(&format!(
            "add set inet flatnet-suite {set} {{ type {kind}; }}"
        ))?;
    }
    let elements = |set: &str| -> Result<BTreeSet<String>> {
        let args = ["-j", "list", "set", "inet", "flatnet-suite", set];
        let said: Value = serde_json::from_str(&output(world.beside("nft").args(args))?)?;
        let found = said["nftables"][1]["set"]["elem"].as_array().cloned();
        let text = |e: Value| e.as_str().map(str::to_owned);
        Ok(found.into_iter().flatten().filter_map(text).collect())
    };
    let is = |set: &str, wanted: &[&str]| {
        let wanted: BTreeSet<String> = wanted.iter().map(|a| (*a).to_owned()).collect();
        eventually(SOON, || {
            let found = elements(set)?;
            ensure!(found == wanted, "{set} has {found:?}, not {wanted:?}");
            Ok(())
        })
    };
    let spec = json!({
        "selector": {"matchLabels": {"app": "fire"}}, "subscribers": [{"name": "firewall"}],
    });
    world.make_set("fire", &spec)?;
    world.pods("fire", &["w1".to_owned(), "w2".to_owned()])?;
    world.give("w1", &["10.80.0.1", "fd00:80::1"])?;
    world.give("w2", &["10.80.0.2"])?;
    let state = world.file("fire.json").display().to_string();
    let targets = ["nft:inet/flatnet-suite/four", "nft:inet/flatnet-suite/six"];
    let args = [
        "fire", "--to", targets[0], "--to", targets[1], "--name", "firewall", "--state", &state,
    ];
    let follower = world.follower("admin", "fire.log", &args)?;
    is("four", &["10.80.0.1", "10.80.0.2"])?;
    is("six", &["fd00:80::1"])?;
    let (code, _, said) = world.flatctl("admin", &["wait", "fire", "--timeout", "30"])?;
    ensure!(code == 0, "{code}: {said}");
    world.delete("w1")?;
    let (_, took) = is("four", &["10.80.0.2"])?;
    is("six", &[])?;
    say(&format!(
        "a deleted pod is out of the nft set after {took:.1?}, of which 1 s is the linger"
    ));
    // Somebody else adds an address: it is taken out again.
    run("add element inet flatnet-suite four { 192.0.2.1 }")?;
    is("four", &["10.80.0.2"])?;
    // It is told after the set was read back.
    eventually(SOON, || {
        let log = std::fs::read_to_string(world.file("fire.log"))?;
        ensure!(log.contains("was changed, and is written again"), "{log}");
        Ok(())
    })?;
    follower.end()?;
    run("delete table inet flatnet-suite").map(drop)
}

pub(super) fn ipset(lab: &LabGuard) -> Result<()> {
    needs("ipset")?;
    let world = World::get(lab)?;
    let run = |args: &[&str]| output(world.beside("ipset").args(args));
    run(&["create", "flatnet-suite", "hash:ip", "family", "inet"])?;
    let is = |wanted: &[&str]| {
        eventually(SOON, || {
            let said = run(&["save", "flatnet-suite"])?;
            let entry = |line: &str| line.strip_prefix("add flatnet-suite ").map(str::to_owned);
            let found: BTreeSet<String> = said.lines().filter_map(entry).collect();
            let wanted: BTreeSet<String> = wanted.iter().map(|a| (*a).to_owned()).collect();
            ensure!(found == wanted, "it has {found:?}, not {wanted:?}");
            Ok(())
        })
    };
    world.make_set(
        "older",
        &json!({"selector": {"matchLabels": {"app": "older"}}}),
    )?;
    world.pods("older", &["o1".to_owned(), "o2".to_owned()])?;
    world.give("o1", &["10.81.0.1", "fd00:81::1"])?;
    let state = world.file("older.json").display().to_string();
    let args = ["older", "--to", "ipset:flatnet-suite", "--state", &state];
    let follower = world.follower("admin", "older.log", &args)?;
    is(&["10.81.0.1"])?;
    world.give("o2", &["10.81.0.2"])?;
    is(&["10.81.0.1", "10.81.0.2"])?;
    follower.end()?;
    let names = run(&["list", "-n"])?;
    ensure!(names.trim() == "flatnet-suite", "{names}");
    run(&["destroy", "flatnet-suite"]).map(drop)
}
