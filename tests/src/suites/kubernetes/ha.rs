//! Two ipamds that lead by a Lease, and whose ledger is HostRange objects of a real API server.
//!
//! ```text
//!   ipamd a ─┬─ Lease flatnet/ipamd ────────── who writes
//!   ipamd b ─┤  ConfigMap flatnet/ipamd-ledger   what is committed
//!            └─ HostRange assigned-…             each host's slices ◀── kubectl
//! ```

mod rig;

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::plan;
use crate::suites::kit::{eventually, output, say};
use crate::{LabGuard, netd};
use rig::{
    ACCOUNT, LEADS, NETWORK, QUARANTINE, Replica, SERVED, TAKEN_OVER, answer, assigned,
    assigned_to, cluster, log, pair, sliced,
};

pub(super) fn assigns(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    // Nobody has asked for them.
    assigned_to(&cluster, 2)?;
    let (status, _) = netd::get(&second.socket, "/v1/ranges")?;
    ensure!(status == 503, "the standby answers {status}");
    let (status, body) = netd::get(&second.socket, "/v1/hosts/idc1/ranges")?;
    let refused: Value = serde_json::from_str(&body)?;
    ensure!(status == 503 && refused["code"] == "standby", "{body}");
    let message = refused["message"].as_str().unwrap_or_default();
    ensure!(
        message.contains("ipamd-a") && refused["retryable"] == true,
        "{body}"
    );
    let (_, metrics) = netd::get(&second.socket, "/metrics")?;
    ensure!(metrics.contains("\nflatnet_ipamd_leader 0\n"), "{metrics}");
    ensure!(
        metrics.contains("\nflatnet_ipamd_plan_valid 1\n"),
        "{metrics}"
    );

    // A host that joins has its slice by itself.
    let before = Instant::now();
    plan::apply_model(lab, &cluster, sliced(3))?;
    let applied = Instant::now();
    let (found, _) = assigned_to(&cluster, 5)?;
    say(&format!(
        "three hosts that joined have their slices {:.1?} after the apply, which took {:.1?}",
        applied.elapsed(),
        applied - before
    ));
    let (_, body) = netd::get(&first.socket, "/v1/hosts/more0/ranges")?;
    let answered: Value = serde_json::from_str(&body)?;
    let prefix = answered["ranges"][0]["prefix"]
        .as_str()
        .context("a range")?;
    ensure!(
        found
            .get(&prefix.parse()?)
            .is_some_and(|host| host == "more0"),
        "{body} is not in {found:?}"
    );
    // Its netd finds it in what it reads, and so do its neighbours' where they need it.
    let (node, _) = eventually(SERVED, || {
        let node = cluster.kubectl(&["get", "nodenetworks", "more0", "-o", "json"])?;
        ensure!(node.contains(prefix), "no {prefix} in {node}");
        Ok(node)
    })?;
    let node: Value = serde_json::from_str(&node)?;
    let ranges = node["spec"]["hosts"][0]["ranges"].as_array().map(Vec::len);
    say(&format!("the NodeNetwork of more0 has {ranges:?} ranges"));
    // They are no part of the plan.
    let exported = plan::export(lab, &cluster)?;
    ensure!(!exported.contains(prefix), "{exported}");
    let table = cluster.kubectl(&["get", "fnrange", "-l", "flatnet.io/assigned"])?;
    ensure!(
        table.contains("STATE") && table.contains("CAPACITY"),
        "{table}"
    );
    eventually(SERVED, || {
        let table = cluster.kubectl(&["get", "fnrange", "-l", "flatnet.io/assigned"])?;
        ensure!(table.matches("active").count() >= 5, "{table}");
        Ok(())
    })?;
    second.running.end()?;
    first.running.end()
}

pub(super) fn killed(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (before, _) = assigned_to(&cluster, 2)?;
    // It dies in the middle of giving slices to thirty hosts.
    plan::apply_model(lab, &cluster, sliced(30))?;
    let (some, _) = eventually(SERVED, || {
        let found = assigned(&cluster)?;
        ensure!(found.len() > 2, "no host has got anything");
        Ok(found)
    })?;
    first.running.kill()?;
    let killed = Instant::now();
    eventually(TAKEN_OVER, || second.leads()).with_context(|| log(&second))?;
    let taken = killed.elapsed();
    let (after, _) = assigned_to(&cluster, 32)?;
    for (prefix, host) in before.iter().chain(&some) {
        let now = after.get(prefix);
        ensure!(now == Some(host), "{prefix} of {host} is {now:?} now");
    }
    say(&format!(
        "of 32 hosts {} had their slices at the SIGKILL; the standby leads after {taken:.1?}, and all have theirs after {:.1?}",
        some.len(),
        killed.elapsed()
    ));
    // The one that is started anew stands by.
    let first = Replica::start(lab, &cluster, "ipamd-a")?;
    eventually(LEADS, || first.stands_by(&second))?;
    second.running.end()?;
    let ended = Instant::now();
    eventually(TAKEN_OVER, || first.leads()).with_context(|| log(&first))?;
    say(&format!(
        "one that stops gives the Lease back: {:.1?}",
        ended.elapsed()
    ));
    let (again, _) = assigned_to(&cluster, 32)?;
    ensure!(again == after, "a stop changed what hosts have");
    first.running.end()
}

pub(super) fn frozen(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (mut first, second) = pair(lab, &cluster)?;
    assigned_to(&cluster, 2)?;
    first.running.process()?.signal(Signal::SIGSTOP)?;
    let frozen = Instant::now();
    // It is asked meanwhile, and decides when it wakes.
    let grow = json!({"host": "idc1", "network": NETWORK});
    let waits = first.send("/v1/ranges/grow", &grow)?;
    eventually(TAKEN_OVER, || second.leads()).with_context(|| log(&second))?;
    say(&format!(
        "the standby leads {:.1?} after the freeze",
        frozen.elapsed()
    ));
    let (status, body) = eventually(SERVED, || {
        let (status, body) = second.post(
            "/v1/ranges/grow",
            &json!({"host": "idc2", "network": NETWORK}),
        )?;
        ensure!(status == 200, "{status}: {body}");
        Ok((status, body))
    })?
    .0;
    ensure!(status == 200, "{body}");
    let before = assigned(&cluster)?;
    ensure!(before.len() == 3, "{before:?}");
    first.running.process()?.signal(Signal::SIGCONT)?;
    match answer(waits) {
        Ok((status, body)) => ensure!(status == 503, "the frozen one answers {status}: {body}"),
        // It ended before it answered.
        Err(e) => say(&format!("the frozen one gives no answer: {e:#}")),
    }
    eventually(TAKEN_OVER, || {
        ensure!(
            first.running.has_ended()?,
            "the one that was frozen still runs"
        );
        Ok(())
    })?;
    let log = log(&first);
    let told = ["another one may lead", "is written by ipamd-b_"];
    ensure!(
        told.iter().any(|words| log.contains(words)),
        "it does not say why:\n{log}"
    );
    let after = assigned(&cluster)?;
    ensure!(after == before, "{before:?} became {after:?}");
    second.leads()?;
    second.running.end()
}

pub(super) fn released(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (found, _) = assigned_to(&cluster, 2)?;
    let (prefix, host) = found.first_key_value().context("a slice")?;
    let (prefix, host) = (prefix.to_string(), host.clone());
    let shown = |words: &'static str| {
        let table =
            cluster.kubectl(&["get", "fnrange", "-o", "wide", "-l", "flatnet.io/assigned"])?;
        let row = table.lines().find(|row| row.contains(&prefix));
        ensure!(
            row.is_some_and(|row| row.contains(words)),
            "no {words}:\n{table}"
        );
        Ok(())
    };
    let (status, body) =
        first.post("/v1/ranges/drain", &json!({"host": host, "prefix": prefix}))?;
    ensure!(status == 200, "{body}");
    eventually(SERVED, || shown("draining"))?;
    // The host has not said that it is empty.
    let release = json!({"host": host, "prefix": prefix});
    let (status, body) = first.post("/v1/ranges/release", &release)?;
    ensure!(
        status == 409 && body["code"] == "useUnknown",
        "{status}: {body}"
    );
    let gone = [
        "range",
        "--ipamd",
        &format!("unix:{}", first.socket.display()),
        "release",
        &host,
        &prefix,
        "--machine-is-gone",
    ]
    .map(str::to_owned);
    let flatctl = lab.layout().bin("flatctl");
    output(std::process::Command::new(flatctl).args(gone))?;
    let quarantined = Instant::now();
    eventually(Duration::from_secs(QUARANTINE), || shown("quarantined"))?;
    let over = Duration::from_secs(QUARANTINE) + SERVED;
    eventually(over, || {
        let found = assigned(&cluster)?;
        ensure!(found.len() == 1, "{found:?}");
        Ok(())
    })?;
    ensure!(
        quarantined.elapsed().as_secs() + 1 >= QUARANTINE,
        "gone after {:.1?}",
        quarantined.elapsed()
    );
    second.running.end()?;
    first.running.end()
}

pub(super) fn second_owner(lab: &LabGuard) -> Result<()> {
    let cluster = cluster(lab)?;
    let (first, second) = pair(lab, &cluster)?;
    let (before, _) = assigned_to(&cluster, 2)?;
    let prefix = before.keys().next().context("a slice")?;
    let name = format!("assigned-{}", prefix.network());
    let object = |name: &str, label: bool| {
        let mut object = json!({
            "apiVersion": "flatnet.io/v1alpha1", "kind": "HostRange", "metadata": {"name": name},
            "spec": {"host": "vpc1", "network": NETWORK, "prefix": prefix.to_string()},
        });
        if label {
            object["metadata"]["labels"] = json!({"flatnet.io/assigned": "ipamd"});
        }
        object
    };
    let file = |object: &Value| -> Result<String> {
        let path = cluster.dir.join("second.json");
        std::fs::write(&path, object.to_string())?;
        Ok(path.display().to_string())
    };
    let refused = |user: &str, args: &[&str], words: &str| {
        let tried = cluster.kubectl_command(user, args).output()?;
        let said = String::from_utf8_lossy(&tried.stderr);
        ensure!(
            !tried.status.success() && said.contains(words),
            "{args:?}: {said}"
        );
        anyhow::Ok(())
    };
    let keeps = "the ledger of ipamd";
    // A policy is in force some time after it is made.
    let other = file(&object("assigned-10.200.99.0", true))?;
    eventually(SERVED, || {
        refused(
            "admin",
            &["create", "--dry-run=server", "-f", &other],
            keeps,
        )
    })?;
    refused("admin", &["delete", "hostranges.flatnet.io", &name], keeps)?;
    let steal = r#"{"metadata":{"annotations":{"flatnet.io/lease":"{}"}}}"#;
    let patch = [
        "patch",
        "hostranges.flatnet.io",
        &name,
        "--type=merge",
        "-p",
        steal,
    ];
    refused("admin", &patch, keeps)?;
    let free = r#"{"metadata":{"labels":{"flatnet.io/assigned":null}}}"#;
    let patch = [
        "patch",
        "hostranges.flatnet.io",
        &name,
        "--type=merge",
        "-p",
        free,
    ];
    refused("admin", &patch, keeps)?;
    // Neither does ipamd itself have a second owner of what is there, by the name of the first address.
    let same = file(&object(&name, true))?;
    refused(ACCOUNT, &["create", "-f", &same], "AlreadyExists")?;
    let declared = file(&object("by-hand", false))?;
    refused(
        ACCOUNT,
        &["create", "-f", &declared],
        "no ranges but those that it assigned",
    )?;
    let web = cluster.kubectl(&["get", "fnrange", "-l", "!flatnet.io/assigned", "-o", "name"])?;
    let web = web.lines().next().context("a range of the plan")?;
    refused(
        ACCOUNT,
        &["delete", web],
        "no ranges but those that it assigned",
    )?;
    let after = assigned(&cluster)?;
    ensure!(after == before, "{before:?} became {after:?}");
    second.running.end()?;
    first.running.end()
}
