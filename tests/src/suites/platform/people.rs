//! People, and what they do by flatctl alone.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::desk::{Desk, PEOPLE, SERVER};
use super::kubelet::NAMESPACE;
use super::world::{REPLICAS, SOON, World};
use crate::LabGuard;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::run::output_with;
use crate::suites::kit::called::Called;
use crate::suites::kit::{bound, eventually, say};

pub(super) fn by_flatctl_alone(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    world.keep_old("1h")?;
    let mut desk = Desk::open(&world)?;
    rights(&desk)?;
    releases(&desk)?;
    numbers(&desk)?;
    changes(&desk)?;
    clusters(&desk)?;
    audited(&desk)?;
    world.keep_old("1s")?;
    desk.stop()
}

fn rights(desk: &Desk) -> Result<()> {
    let wrong = desk.flatctl("ann", &["login", SERVER, "--name", "ann"], "wrong")?;
    wrong.refused(&["not its password"])?;
    desk.login()?;
    let who = desk.json("ann", &["whoami"])?;
    ensure!(who["name"] == "local:ann", "ann is {who}");
    let apps = desk.json("ann", &["app", "list", "web"])?;
    ensure!(
        apps[0]["team"] == NAMESPACE && apps[0]["inService"] == REPLICAS,
        "it has {apps}"
    );
    ensure!(
        desk.json("eve", &["app", "list"])? == json!([]),
        "eve sees applications"
    );
    desk.flatctl("eve", &["app", "show", "shop/web"], "")?
        .refused(&["local:eve may not get apps", "namespace shop"])?;
    desk.flatctl("ann", &["app", "remove", "shop/web"], "")?
        .refused(&["may not delete apps"])?;
    desk.flatctl("ann", &["cluster", "drain", "one"], "")?
        .refused(&["may not update clusters"])?;
    let clusters = desk.json("ann", &["cluster", "list"])?;
    ensure!(
        clusters[0]["status"]["reachable"] == "True",
        "they are {clusters}"
    );
    // A password that changes ends the sessions that it began.
    let away = ["-n", "flatnet-platform", "delete", "secret", "account-eve"];
    desk.world.hub.kubectl(&away)?;
    eventually(SOON, || {
        let gone = desk.flatctl("eve", &["whoami"], "")?;
        gone.refused(&["\"eve\" has gone"])
    })?;
    Ok(())
}

fn digest(digit: u8) -> String {
    format!("sha256:{}", digit.to_string().repeat(64))
}

/// Waits until those serve and no others: the others have their wish taken when the release says that all is done.
fn serve(desk: &Desk, wanted: &[String]) -> Result<()> {
    let served = eventually(SOON, || {
        let serving = desk.world.serving()?;
        ensure!(serving == wanted, "{serving:?} serve, and not {wanted:?}");
        Ok(())
    });
    served.map(drop)
}

fn releases(desk: &Desk) -> Result<()> {
    let old = desk.world.serving()?;
    let seven = digest(7);
    let start = [
        "release", "start", "shop/web", "--digest", &seven, "--watch",
    ];
    let seen = desk.flatctl("ann", &start, "")?.well()?;
    let lines: Vec<&str> = seen.lines().collect();
    ensure!(lines.len() > 2 && seen.contains("Baking"), "it told {seen}");
    let last = lines.last().copied().unwrap_or_default();
    ensure!(
        last.contains("Holding") && last.contains("4 new of 4 in service"),
        "at last {last}"
    );
    let history = desk.json("ann", &["release", "history", "shop/web"])?;
    ensure!(
        history[0]["by"] == "local:ann" && history[0]["spec"]["digest"] == *seven,
        "it is {}",
        history[0]
    );
    let back = desk
        .flatctl("ann", &["rollback", "shop/web", "--watch"], "")?
        .well()?;
    ensure!(back.contains("Holding"), "it told {back}");
    serve(desk, &old)?;
    let pods = desk.world.pods()?.len();
    ensure!(
        pods <= 2 * REPLICAS,
        "{pods} pods: some were made for the way back"
    );
    // The same request sent again is the same release; the key is of no use for another one.
    let eight = digest(8);
    let start = |digest: &str| -> Result<Called> {
        let args = [
            "release",
            "start",
            "shop/web",
            "--digest",
            digest,
            "--idempotency-key",
            "ci-4711",
            "-o",
            "json",
        ];
        desk.flatctl("ann", &args, "")
    };
    let names = [start(&eight)?.well()?, start(&eight)?.well()?].map(|text| {
        let read: Value = serde_json::from_str(&text).unwrap_or_default();
        read["name"].clone()
    });
    ensure!(
        names[0].is_string() && names[0] == names[1],
        "they are {names:?}"
    );
    start(&digest(9))?.refused(&["was used for release"])?;
    let abort = desk.flatctl("ann", &["release", "abort", "shop/web", "--watch"], "")?;
    ensure!(
        abort.code == 1 && abort.out.contains("Aborted"),
        "it told {abort:?}"
    );
    serve(desk, &old)?;
    let again = desk.flatctl("ann", &["release", "abort", "shop/web"], "")?;
    again.refused(&["is over: Aborted", "flatctl rollback shop/web"])
}

fn numbers(desk: &Desk) -> Result<()> {
    let placed = desk.json(
        "ann",
        &["place", "shop/web", "--replicas", "10", "--dry-run"],
    )?;
    ensure!(
        placed["wanted"] == 6 && placed["fits"] == 6,
        "it says {placed}"
    );
    let of = |location: &str| {
        let cells = placed["cells"].as_array().into_iter().flatten();
        let of = cells.filter(|c| c["location"] == location);
        of.filter_map(|c| c["count"].as_u64()).sum::<u64>()
    };
    ensure!(of("one") + of("two") == 6, "it says {placed}");
    let more = desk.flatctl("ann", &["scale", "shop/web", "--to", "900"], "")?;
    more.refused(&["was not scaled", "instances fit", "--even-without-room"])?;
    desk.flatctl("ann", &["scale", "shop/web", "--to", "6"], "")?
        .well()?;
    let (_, took) = eventually(SOON, || {
        let serving = desk.world.serving()?;
        ensure!(serving.len() == 6, "{serving:?} serve");
        Ok(())
    })?;
    say(&format!("from 4 to 6 in service after {took:.1?}"));
    let found = desk.json("ann", &["app", "instances", "shop/web"])?;
    let serving = found["items"]
        .as_array()
        .into_iter()
        .flatten()
        .filter(|i| i["state"] == "inService")
        .count();
    ensure!(
        serving == 6 && found["unread"].is_null(),
        "they are {found}"
    );
    desk.flatctl("ann", &["scale", "shop/web", "--to", "4"], "")?
        .well()?;
    eventually(SOON, || {
        let serving = desk.world.serving()?;
        ensure!(serving.len() == 4, "{serving:?} serve");
        Ok(())
    })
    .map(drop)
}

fn changes(desk: &Desk) -> Result<()> {
    let shown = desk
        .flatctl("ops", &["app", "show", "shop/web", "-o", "yaml"], "")?
        .well()?;
    let apply = |text: &str, rest: &[&str]| {
        desk.flatctl("ops", &[&["app", "apply", "-f", "-"], rest].concat(), text)
    };
    let same = apply(&shown, &[])?.well()?;
    ensure!(same.contains("is as it is to be"), "it told {same}");
    let other = shown.replace("maxSurge: 25%", "maxSurge: 50%");
    ensure!(other != shown, "there is no maxSurge in {shown}");
    let tried = apply(&other, &["--dry-run"])?.well()?;
    ensure!(
        tried.contains("would change: release.maxSurge: 25% → 50%"),
        "it told {tried}"
    );
    let done = apply(&other, &[])?.well()?;
    ensure!(done.contains("is changed"), "it told {done}");
    // It was decided on a version that is not there any more.
    apply(&shown, &[])?.refused(&["somebody else changed it"])?;
    let wrong = other.replace("  replicas:", "  replicsa: 1\n  replicas:");
    let wrong = wrong
        .lines()
        .filter(|l| !l.starts_with("resourceVersion"))
        .collect::<Vec<_>>()
        .join("\n");
    let wrong = wrong.replace("maxSurge: 50%", "maxSurge: 60%");
    apply(&wrong, &[])?.refused(&["spec.replicsa"])?;
    let nowhere = wrong
        .replace("  replicsa: 1\n", "")
        .replace("- name: two", "- name: atlantis");
    apply(&nowhere, &[])?.refused(&["spec.placement.locations[1].name", "atlantis"])
}

fn clusters(desk: &Desk) -> Result<()> {
    let dir = &desk.world.hub.dir;
    // Whoever wrote this one would run a program on platformd's machine.
    let hostile = dir.join("hostile.conf");
    let text = json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6444"}}],
        "users": [{"name": "u", "user": {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "/bin/sh"}}}],
    });
    std::fs::write(&hostile, text.to_string())?;
    let add = |name: &str, file: &PathBuf| {
        let file = file.display().to_string();
        let args = [
            "cluster",
            "add",
            name,
            "--location",
            "spare",
            "--group",
            "mixed:pool=mixed",
            "--kubeconfig",
            &file,
        ];
        desk.flatctl("ops", &args, "")
    };
    add("spare", &hostile)?.refused(&["`exec`"])?;
    let two = &desk.world.members[1];
    let flat = dir.join("flat.conf");
    std::fs::write(&flat, two.kubeconfig()?)?;
    add("spare", &flat)?.well()?;
    eventually(SOON, || {
        let shown = desk.json("ops", &["cluster", "show", "spare"])?;
        ensure!(
            shown["status"]["reachable"] == "True",
            "it is {}",
            shown["status"]
        );
        Ok(())
    })?;
    // It is the second member under another name: the application's instances are there.
    desk.flatctl("ops", &["cluster", "remove", "spare"], "")?
        .refused(&["shop/web"])?;
    desk.flatctl("ops", &["cluster", "lost", "spare", "--confirm", "two"], "")?
        .refused(&["--confirm"])?;
    desk.flatctl(
        "ops",
        &["cluster", "lost", "spare", "--confirm", "spare"],
        "",
    )?
    .well()?;
    desk.flatctl("ops", &["cluster", "remove", "spare"], "")?
        .well()?;
    let secrets =
        desk.world
            .hub
            .kubectl(&["-n", "flatnet-platform", "get", "secrets", "-o", "name"])?;
    ensure!(
        !secrets.contains("cluster-spare"),
        "its Secret is left: {secrets}"
    );
    let ask = [
        "claim",
        "ask",
        "shop/web",
        "--location",
        "one",
        "--instances",
        "4",
        "--reason",
        "peak",
    ];
    desk.flatctl("ops", &ask, "")?.well()?;
    desk.flatctl("ann", &["claim", "approve", "shop/web-one"], "")?
        .refused(&["may not approve locations"])?;
    desk.flatctl("ops", &["claim", "approve", "shop/web-one"], "")?
        .well()?;
    let claims = desk.json("ops", &["claim", "list"])?;
    ensure!(
        claims[0]["status"]["approved"] == true && claims[0]["status"]["by"] == "local:ops",
        "it is {claims}"
    );
    Ok(())
}

fn audited(desk: &Desk) -> Result<()> {
    let all = desk.json("ops", &["audit", "--limit", "500"])?;
    let of = |action: &str| {
        let all = all.as_array().into_iter().flatten();
        all.filter(|c| c["action"] == action)
            .cloned()
            .collect::<Vec<_>>()
    };
    let scaled = of("app.scale");
    let told = &scaled.last().context("no change of a number")?["difference"][0];
    ensure!(
        told["field"] == "replicas" && told["from"] == 4 && told["to"] == 6,
        "it is {told}"
    );
    for action in [
        "release.start",
        "release.rollback",
        "release.abort",
        "app.update",
        "cluster.add",
        "cluster.remove",
        "claim.answer",
    ] {
        ensure!(!of(action).is_empty(), "there is no {action} in {all}");
    }
    desk.flatctl("ann", &["audit"], "")?
        .refused(&["may not get audits"])?;
    desk.flatctl("ann", &["audit", "--team", "shop"], "")?
        .well()?;
    let file = desk.world.hub.dir.join("audit/audit.jsonl");
    let mut verify = bound(&netns_path(&namespace(VPC_ROUTER)), &desk.platformd)?;
    let verified = output_with(verify.arg("verify-audit").arg(&file), "")?;
    ensure!(verified.contains("each line follows"), "it told {verified}");
    // Nothing of what lets one in is in what the server writes.
    let kubeconfig = desk.world.members[1].kubeconfig()?;
    let lines = kubeconfig.lines().map(str::trim);
    let mut keys = lines.filter_map(|l| {
        l.strip_prefix("token: ")
            .or(l.strip_prefix("client-key-data: "))
    });
    let key = keys.next().context("no credentials in a kubeconfig")?;
    for path in [file, desk.log()] {
        let text = std::fs::read_to_string(&path)?;
        for secret in PEOPLE
            .map(|(_, password)| password)
            .iter()
            .chain(&[key, "$argon2", "fnps_"])
        {
            ensure!(!text.contains(secret), "a secret is in {}", path.display());
        }
    }
    Ok(())
}

pub(super) fn without_the_hub(lab: &LabGuard) -> Result<()> {
    let world = World::get(lab)?;
    let mut desk = Desk::open(&world)?;
    desk.login()?;
    desk.json("ann", &["app", "show", "shop/web"])?;
    world.hub.kill_server()?;
    // It is noticed by the watch, or by the first question.
    let show = desk.json("ann", &["app", "show", "shop/web"])?;
    ensure!(show["name"] == "web", "it is {show}");
    let found = desk.flatctl("ann", &["scale", "shop/web", "--to", "5"], "")?;
    found.refused(&["hub"])?;
    world.hub.start_server()?;
    let (_, took) = eventually(SOON, || {
        desk.flatctl("ann", &["release", "history", "shop/web"], "")?
            .well()
    })?;
    say(&format!("answers {took:.1?} after the hub's return"));
    desk.stop()
}
