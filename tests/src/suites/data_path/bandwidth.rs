//! Limits on what a container sends and receives.

use std::process::{Child, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};

use crate::LabGuard;
use crate::suites::kit::container::{Container, Wish};
use crate::suites::kit::{eventually, pair, say};

/// Bits a second, each way.
const LIMIT: f64 = 20e6;

/// An iperf3 server that serves until it is dropped.
struct Server(Child);

impl Server {
    fn start(container: &Container) -> Result<Self> {
        let mut command = container.command("iperf3");
        command
            .args(["-s", "-4"])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let server = Self(command.spawn().context("cannot run iperf3")?);
        eventually(Duration::from_secs(5), || {
            let listening = container.run("ss", &["-Hltn", "sport = :5201"])?;
            if listening.is_empty() {
                bail!("iperf3 does not listen")
            } else {
                Ok(())
            }
        })?;
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Both fail harmlessly on one that has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Bits a second that arrive.
fn measure(from: &Container, to: &Container, how: &[&str]) -> Result<f64> {
    let server = Server::start(to)?;
    let mut command = from.command("iperf3");
    command
        .args(["-J", "-t", "3", "-c", &to.v4.to_string()])
        .args(how);
    let out = command.output().context("cannot run iperf3")?;
    drop(server);
    let report: Value = serde_json::from_slice(&out.stdout)?;
    if let Some(error) = report["error"].as_str() {
        bail!("iperf3 {} to {}: {error}", from.id(), to.id());
    }
    let sum = &report["end"]["sum"];
    let rate = match report["end"]["sum_received"]["bits_per_second"].as_f64() {
        Some(rate) if rate > 0.0 => Some(rate),
        // UDP before iperf3 3.13: what was sent, and the share of it that was lost.
        _ => sum["bits_per_second"]
            .as_f64()
            .zip(sum["lost_percent"].as_f64())
            .map(|(sent, lost)| sent * (1.0 - lost / 100.0)),
    };
    rate.with_context(|| format!("iperf3 says no rate: {}", report["end"]))
}

pub(super) fn limits(lab: &LabGuard) -> Result<()> {
    let [idc1, idc2] = pair(lab, "idc")?;
    let rates = json!({
        "ingressRate": 20_000_000, "ingressBurst": 2_000_000,
        "egressRate": 20_000_000, "egressBurst": 2_000_000,
    });
    let wish = Wish::capability("bandwidth", rates);
    let limited = Container::attach_as(lab, &idc1, "web", "dp-bw-limited", &wish)?;
    let near = Container::attach(lab, &idc1, "web", "dp-bw-near")?;
    let far = Container::attach(lab, &idc2, "web", "dp-bw-far")?;

    let udp = ["-u", "-b", "60M", "-l", "1400"];
    let mut wrong = Vec::new();
    let mut within = |what: &str, rate: f64, least: f64, most: f64| {
        say(&format!("{what}: {:.1} Mbit/s", rate / 1e6));
        if !(least..=most).contains(&rate) {
            wrong.push(format!(
                "{what}: {:.1} Mbit/s, not within {:.1} and {:.1}",
                rate / 1e6,
                least / 1e6,
                most / 1e6
            ));
        }
    };
    for peer in [&near, &far] {
        let there = format!("UDP to the limited from {}", peer.node.name);
        within(
            &there,
            measure(peer, &limited, &udp)?,
            0.6 * LIMIT,
            1.25 * LIMIT,
        );
        let back = format!("UDP from the limited to {}", peer.node.name);
        within(
            &back,
            measure(&limited, peer, &udp)?,
            0.6 * LIMIT,
            1.25 * LIMIT,
        );
    }
    // A policer drops what TCP takes for congestion: less than the limit, and not nothing.
    within(
        "TCP to the limited",
        measure(&near, &limited, &[])?,
        0.1 * LIMIT,
        1.25 * LIMIT,
    );
    within(
        "TCP from the limited",
        measure(&limited, &near, &[])?,
        0.1 * LIMIT,
        1.25 * LIMIT,
    );
    within(
        "TCP without limits",
        measure(&near, &far, &[])?,
        3.0 * LIMIT,
        f64::INFINITY,
    );
    limited.check()?;
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}
