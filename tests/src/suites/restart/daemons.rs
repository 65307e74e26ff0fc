//! Daemons that die one by one, and what a stream of pings says of it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;

use super::{FOREIGN_PORT, READY};
use crate::suites::kit::container::Container;
use crate::suites::kit::pings::{Outcome, Stream};
use crate::suites::kit::{eventually, pair, say};
use crate::{LabGuard, Node, ProcessId, netd};

/// The longest time without answers after a daemon of Open vSwitch died. One to three tenths
/// of a second were seen; a busy machine takes longer.
const GAP: Duration = Duration::from_secs(5);
/// What passes before and after.
const QUIET: Duration = Duration::from_secs(1);

/// Containers on both IDC nodes and in the cloud, and streams from the first to the others.
struct Streams {
    containers: Vec<Container>,
}

impl Streams {
    fn attach(lab: &LabGuard) -> Result<Self> {
        let [idc1, idc2] = pair(lab, "idc")?;
        let [vpc1, _] = pair(lab, "vpc")?;
        let containers = vec![
            Container::attach(lab, &idc1, "web", "rs-from")?,
            Container::attach(lab, &idc2, "web", "rs-idc")?,
            Container::attach(lab, &idc1, "web", "rs-near")?,
            Container::attach(lab, &vpc1, "cloud", "rs-cloud")?,
        ];
        let all = Self { containers };
        all.reached()?;
        Ok(all)
    }

    fn targets(&self) -> Vec<IpAddr> {
        self.containers[1..]
            .iter()
            .flat_map(Container::ips)
            .collect()
    }

    fn reached(&self) -> Result<()> {
        self.targets()
            .into_iter()
            .try_for_each(|to| self.containers[0].reaches(to))
    }

    fn start(&self, interval: &str) -> Result<Vec<Stream>> {
        let start = |to| Stream::start(&self.containers[0], to, interval);
        let streams = self.targets().into_iter().map(start).collect();
        std::thread::sleep(QUIET);
        streams
    }
}

fn finish(streams: Vec<Stream>) -> Result<Vec<Outcome>> {
    std::thread::sleep(QUIET);
    streams.into_iter().map(Stream::finish).collect()
}

fn longest(outcomes: &[Outcome]) -> Duration {
    outcomes.iter().map(|o| o.gap).max().unwrap_or_default()
}

pub(super) fn one_after_the_other(lab: &LabGuard) -> Result<()> {
    let streams = Streams::attach(lab)?;
    for name in ["idc1", "vpc1"] {
        let node = lab.node(name)?;
        let (switch, database) = (node.paths.vswitchd_pid(), node.paths.ovsdb_pid());
        for (what, files) in [
            ("ovs-vswitchd", vec![switch.clone()]),
            ("ovsdb-server", vec![database.clone()]),
            ("both", vec![switch, database]),
        ] {
            let running = streams.start("0.05")?;
            kill(&node, &files)?;
            let (_, took) = eventually(GAP, || streams.reached())?;
            // The kernel's datapath goes on with the flows that it has; what there is to see
            // comes with the new switch, which forgets them.
            lab.wait_ready(name, READY)?;
            eventually(GAP, || streams.reached())?;
            let outcomes = finish(running)?;
            say(&format!(
                "{what} of {name} killed: all reached after {:.2} s, the longest gap was {:.2} s",
                took.as_secs_f64(),
                longest(&outcomes).as_secs_f64()
            ));
            for outcome in outcomes {
                outcome
                    .recovered(GAP)
                    .with_context(|| format!("{what} of {name}"))?;
                if what == "ovsdb-server" {
                    // The switch goes on without its database.
                    outcome
                        .lossless()
                        .with_context(|| format!("{what} of {name}"))?;
                }
            }
            lab.wait_ready(name, READY)?;
            for container in &streams.containers {
                eventually(GAP, || container.check())
                    .with_context(|| format!("{what} of {name}"))?;
            }
        }
    }
    Ok(())
}

/// Kills the processes of PID files, and waits until others have taken their places.
fn kill(node: &Node, files: &[PathBuf]) -> Result<()> {
    let mut before = Vec::new();
    for file in files {
        let process = ProcessId::from_file(file)
            .with_context(|| format!("{} names no process", file.display()))?;
        process.signal(Signal::SIGKILL)?;
        before.push(process);
    }
    eventually(READY, || {
        for (file, old) in files.iter().zip(&before) {
            match ProcessId::from_file(file) {
                Some(new) if new != *old => {}
                _ => bail!("{}: {} was not started anew", node.name, file.display()),
            }
        }
        Ok(())
    })?;
    Ok(())
}

pub(super) fn netd_applies_nothing(lab: &LabGuard) -> Result<()> {
    let streams = Streams::attach(lab)?;
    for name in ["idc1", "vpc1"] {
        let node = lab.node(name)?;
        // What an ADD leaves to the reconciler is done.
        reconcile(&node)?;
        let running = streams.start("0.01")?;
        for signal in [Signal::SIGTERM, Signal::SIGKILL, Signal::SIGTERM] {
            let before = lab.netd_pid(name)?;
            before.signal(signal)?;
            ensure!(
                before.wait_gone(READY),
                "netd of {name} goes on after {signal}"
            );
            let took = lab.wait_ready(name, READY)?;
            say(&format!(
                "netd of {name} is ready {:.2} s after {signal}",
                took.as_secs_f64()
            ));
            let last = last_reconcile(&node)?;
            ensure!(
                last["converged"] == true && last["applied"] == serde_json::json!([]),
                "after {signal}, netd of {name} says: {last}"
            );
            let ops = ops_since_start(&node)?;
            ensure!(
                ops.is_empty(),
                "after {signal}, netd of {name} did: {ops:?}"
            );
        }
        for outcome in finish(running)? {
            outcome.lossless()?;
        }
    }
    Ok(())
}

/// Has netd look, and gives its report. A port of somebody else, which a check has put into the
/// bridge, is the only problem that it may name.
///
/// # Errors
/// If it does not answer, or does not reach what it wants.
pub(super) fn reconcile(node: &Node) -> Result<Value> {
    let (status, body) = netd::post(&node.paths.netd_sock(), "/v1/reconcile")?;
    let report: Value = serde_json::from_str(&body)?;
    let named = report["problems"].as_array().cloned().unwrap_or_default();
    let unexpected = |p: &Value| !p.as_str().is_some_and(|text| text.contains(FOREIGN_PORT));
    ensure!(
        status == 200 && report["converged"] == true && !named.iter().any(unexpected),
        "{}: {status} {report}",
        node.name
    );
    Ok(report)
}

/// The last reconcile's report, once there is one.
fn last_reconcile(node: &Node) -> Result<Value> {
    let ask = || {
        let (status, body) = netd::get(&node.paths.netd_sock(), "/v1/node")?;
        let view: Value = serde_json::from_str(&body)?;
        let last = view["last_reconcile"].clone();
        ensure!(
            status == 200 && last["converged"] == true,
            "{status} {last}"
        );
        Ok(last)
    };
    Ok(eventually(READY, ask)?.0)
}

/// What the reconciler has done since netd started.
pub(super) fn ops_since_start(node: &Node) -> Result<Vec<String>> {
    let (_, text) = netd::get(&node.paths.netd_sock(), "/metrics")?;
    let ops = text
        .lines()
        .filter(|l| l.starts_with("flatnet_reconcile_ops_total"));
    Ok(ops.map(str::to_owned).collect())
}
