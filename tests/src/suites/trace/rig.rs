//! flatctl's answer, and its command carried out where it says.

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::Lab;
use crate::cloud::{self, VPC_ROUTE, ask, by_hand};
use crate::lab::inside;
use crate::paths::{VPC_ROUTER, namespace, netns_path};
use crate::suites::kit::container::Container;
use crate::suites::kit::eventually;

/// vpc-route among the supervisor's units.
pub(super) const CONTROLLER: &str = "vpcr/vpc-route";
/// How long a repair may take: rounds of vpc-route, the cloud's states, a busy machine.
pub(super) const REPAIRED: Duration = Duration::from_secs(15);

/// Where flatctl learns of the tables.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tables {
    /// From the vpc-route that runs.
    Asked,
    /// From `vpc-route plan -o json`, while none runs.
    Planned,
}

/// The containers of a check.
pub(super) fn attach(lab: &Lab, node: &str, network: &str, id: &str) -> Result<Container> {
    Container::attach(lab, &lab.node(node)?, network, &format!("trace-{id}"))
}

/// What flatctl says: its exit code, and its answer as JSON.
#[derive(Debug)]
pub(super) struct Said {
    pub(super) code: i32,
    pub(super) view: Value,
}

/// `flatctl` with the lab's plan and tables.
fn flatctl(lab: &Lab, what: &[&str], tables: Tables) -> Result<Said> {
    let mut command = Command::new(lab.layout().bin("flatctl"));
    command
        .args(what)
        .args(["-o", "json", "--plan"])
        .arg(lab.layout().plan());
    match tables {
        Tables::Asked => command.arg("--vpc-route").arg(cloud::socket(lab.layout())),
        Tables::Planned => command.arg("--tables").arg(planned(lab)?),
    };
    let out = command.output().context("cannot run flatctl")?;
    let said = String::from_utf8_lossy(&out.stderr).into_owned();
    let view = serde_json::from_slice(&out.stdout);
    Ok(Said {
        code: out.status.code().unwrap_or(-1),
        view: view.with_context(|| format!("flatctl {what:?}: {said}"))?,
    })
}

/// What a dry run of vpc-route says, in a file.
fn planned(lab: &Lab) -> Result<PathBuf> {
    let mut command = inside(
        &netns_path(&namespace(VPC_ROUTER)),
        &lab.layout().bin(VPC_ROUTE).display().to_string(),
    );
    command
        .arg("--config")
        .arg(cloud::config_path(lab.layout()))
        .args(["plan", "-o", "json"]);
    let out = command.output().context("cannot run vpc-route")?;
    let file = lab.layout().member(VPC_ROUTER).dir().join("tables.json");
    std::fs::write(&file, out.stdout)?;
    Ok(file)
}

/// `flatctl trace`.
pub(super) fn trace(lab: &Lab, from: IpAddr, to: IpAddr, tables: Tables) -> Result<Said> {
    let (from, to) = (from.to_string(), to.to_string());
    let root = lab.layout().root().display().to_string();
    let what = ["trace", &from, &to, "--netd-dir", &root];
    flatctl(lab, &what, tables)
}

/// `flatctl link check`.
pub(super) fn link_check(lab: &Lab, tables: Tables) -> Result<Said> {
    flatctl(lab, &["link", "check"], tables)
}

/// That a trace finds nothing wrong, and that it is true.
pub(super) fn clean(lab: &Lab, from: &Container, to: IpAddr, tables: Tables) -> Result<()> {
    let own = from.ips().into_iter().find(|a| a.is_ipv4() == to.is_ipv4());
    let own = own.context("an address of the family")?;
    // Who was asked for in vain stays so until somebody asks again.
    from.reaches(to)?;
    let said = trace(lab, own, to, tables)?;
    ensure!(
        said.code == 0 && said.view["verdict"] == "ok",
        "{own} → {to}: exit {}: {:#}",
        said.code,
        said.view["fault"]
    );
    Ok(())
}

/// The first fault of a trace, which must be this check at such a place; its command.
pub(super) fn first_fault(said: &Said, check: &str, at: &str) -> Result<Value> {
    let fault = &said.view["fault"];
    let place = fault["at"].as_str().unwrap_or_default();
    ensure!(
        fault["check"] == check && place.contains(at),
        "{check} at {at} is broken, and this is named: {fault:#}"
    );
    let expected = if fault["verdict"] == "wrong" { 1 } else { 2 };
    ensure!(said.code == expected, "exit {}: {fault:#}", said.code);
    ensure!(fault["why"].is_string(), "no reason: {fault:#}");
    Ok(fault["repair"].clone())
}

/// Carries a command out as it is printed, where it says.
pub(super) fn carry_out(lab: &Lab, repair: &Value) -> Result<()> {
    let text = repair["command"].as_str().context("no command")?;
    let place = match repair["on"].as_str() {
        Some(member) => Some(member),
        // Where vpc-route lives in the lab, this is the machine.
        None if text.starts_with("vpc-route") => Some(VPC_ROUTER),
        None => None,
    };
    let mut command = match place {
        Some(member) => lab.member(member)?.command("sh"),
        None => Command::new("sh"),
    };
    let path = std::env::var("PATH").unwrap_or_default();
    let bin = lab.layout().bin_dir().display().to_string();
    command
        .args(["-c", text])
        .env("PATH", format!("{bin}:{path}:/usr/sbin:/sbin"));
    let out = command
        .output()
        .with_context(|| format!("cannot run {text}"))?;
    ensure!(
        out.status.success(),
        "{text}: {}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
    Ok(())
}

/// Deletes an entry of a table of the cloud with somebody's own key.
pub(super) fn delete_entry(lab: &Lab, table: &str, destination: &str) -> Result<()> {
    let entry = entry_of(lab, table, destination)?;
    let entry = entry.with_context(|| format!("an entry {destination} in {table}"))?;
    let id = entry["id"].as_str().context("an ID")?.to_owned();
    eventually(REPAIRED, || {
        let (status, answer) = by_hand(lab, "DeleteRouteEntry", &[("RouteEntryId", &id)])?;
        ensure!(status == 200, "{status}: {answer}");
        Ok(())
    })?;
    // It goes in its own time, and until then nobody may write there.
    eventually(REPAIRED, || {
        let left = entry_of(lab, table, destination)?;
        ensure!(left.is_none(), "{destination} is still in {table}");
        Ok(())
    })?;
    Ok(())
}

fn entry_of(lab: &Lab, table: &str, destination: &str) -> Result<Option<Value>> {
    let (_, body) = ask(lab, "GET", "/_sim/tables", "")?;
    let tables: Vec<Value> = serde_json::from_str(&body)?;
    let found = tables.iter().find(|t| t["id"] == table);
    let entries = found.and_then(|t| t["entries"].as_array());
    let entries = entries.with_context(|| format!("a table {table}"))?;
    let mut of = entries.iter().filter(|e| e["destination"] == destination);
    Ok(of.next().cloned())
}
