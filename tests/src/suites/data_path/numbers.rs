//! A port that does not get the OpenFlow number that it asks for.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::suites::kit::container::{Container, ping};
use crate::suites::kit::{eventually, output, pair};
use crate::{LabGuard, Node, netd};

/// The ports of somebody else that take numbers away.
const FOREIGN: &str = "dp-taken";
/// How many numbers are taken: other checks' containers come between.
const MANY: u32 = 8;
/// How long netd may take.
const READY: Duration = Duration::from_secs(15);

/// Foreign ports, until this is dropped.
struct Taken<'n>(&'n Node);

impl<'n> Taken<'n> {
    /// Takes the numbers from `first` on.
    fn from(node: &'n Node, first: u32) -> Result<Self> {
        let taken = Self(node);
        for n in 0..MANY {
            let (port, number) = (format!("{FOREIGN}{n}"), first + n);
            let request = format!("ofport_request={number}");
            let mut command = node.command("ovs-vsctl");
            command.args(["--may-exist", "add-port", "br-flat", &port, "--"]);
            command.args(["set", "interface", &port, "type=internal", &request]);
            output(&mut command)?;
        }
        Ok(taken)
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        for n in 0..MANY {
            let port = format!("{FOREIGN}{n}");
            let mut command = self.0.command("ovs-vsctl");
            // The next `up` makes a new bridge where this one cannot be changed.
            let _ = output(command.args(["--if-exists", "del-port", "br-flat", &port]));
        }
    }
}

/// The number that a container's port asks for and the one that it has.
fn numbers(node: &Node, port: &str) -> Result<(u32, u32)> {
    let of = |column: &str| -> Result<u32> {
        let mut command = node.command("ovs-vsctl");
        let text = output(command.args(["get", "interface", port, column]))?;
        text.trim()
            .parse()
            .with_context(|| format!("{column} of {port}: {text}"))
    };
    Ok((of("ofport_request")?, of("ofport")?))
}

fn host_port(node: &Node, id: &str) -> Result<String> {
    let (_, text) = netd::get(&node.paths.netd_sock(), "/v1/attachments")?;
    let all: Vec<Value> = serde_json::from_str(&text)?;
    let mine = all.iter().find(|a| a["container_id"] == id);
    let name = mine.and_then(|a| a["host_ifname"].as_str());
    Ok(name
        .with_context(|| format!("{id} is not attached"))?
        .to_owned())
}

pub(super) fn another_one(lab: &LabGuard) -> Result<()> {
    let [idc1, _] = pair(lab, "idc")?;
    let first = Container::attach(lab, &idc1, "web", "dp-no-a")?;
    let (asked, got) = numbers(&idc1, &host_port(&idc1, first.id())?)?;
    ensure!(asked == got, "it asked for {asked} and got {got}");
    let taken = Taken::from(&idc1, asked + 1)?;
    let second = Container::attach(lab, &idc1, "web", "dp-no-b")?;
    let port = host_port(&idc1, second.id())?;
    // The row asks for the number that the port has, or it would move one day.
    let agree = || {
        let (asked, got) = numbers(&idc1, &port)?;
        ensure!(asked == got, "{port} asks for {asked} and has {got}");
        Ok(got)
    };
    let (number, _) = eventually(READY, agree)?;
    ensure!(
        !(asked + 1..=asked + MANY).contains(&number),
        "{port} has {number}, which a foreign port has"
    );
    let works = || -> Result<()> {
        for ip in second.ips() {
            first.reaches(ip)?;
            ping(&mut idc1.command("ping"), &ip.to_string())?;
        }
        for ip in first.ips() {
            second.reaches(ip)?;
        }
        second.check()
    };
    works()?;
    drop(taken);
    works().context("after the foreign ports went")?;
    lab.kill_netd(&idc1.name)?;
    lab.wait_ready(&idc1.name, READY)?;
    let (_, body) = netd::get(&idc1.paths.netd_sock(), "/v1/plan")?;
    let plan: Value = serde_json::from_str(&body)?;
    if plan["would"] != serde_json::json!([]) {
        bail!("a restart finds something to do: {}", plan["would"]);
    }
    ensure!(
        numbers(&idc1, &port)? == (number, number),
        "{port} has moved"
    );
    works().context("after netd's restart")
}
