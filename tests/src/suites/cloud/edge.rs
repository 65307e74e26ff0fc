//! The edge router's FRR: a person at its side, and a death.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::Signal;

use super::rig::{FOLLOWED, World, all_reached, converged, within};
use crate::{Lab, LabGuard, edge};

/// Two rounds of vpc-route, on a busy machine.
const REPAIRED: Duration = Duration::from_secs(15);
/// Staticd among the supervisor's units.
const STATICD: &str = "edge/staticd";
/// A person's route.
const OTHERS: &str = "198.18.0.0/15";

/// A person adds a route and takes one of ours away; then staticd dies and forgets them all.
pub(super) fn frr(lab: &LabGuard) -> Result<()> {
    ensure!(
        edge::has_frr(),
        "this machine has no FRR: `cargo xtask install` installs it"
    );
    let world = World::attach(lab)?;
    all_reached(&world)?;
    let ours = ours(lab)?;
    ensure!(ours.len() >= 4, "vpc-route wrote only {ours:?}");
    let line = lab.plan().spec.links.first().context("a line")?;
    let far = line.transfer.iter().map(|t| t.vpc).find(|ip| ip.is_ipv4());
    let others = format!(
        "ip route {OTHERS} {}",
        far.context("an IPv4 transfer network")?
    );
    let first = ours.iter().find(|l| l.starts_with("ip ")).context("IPv4")?;
    vtysh(
        lab,
        &["configure terminal", &others, &format!("no {first}")],
    )?;
    within(REPAIRED, || {
        let now = self::ours(lab)?;
        ensure!(now == ours, "before: {ours:?}, now: {now:?}");
        Ok(())
    })?;
    let text = vtysh(lab, &["show running-config"])?;
    ensure!(text.contains(&format!("{others}\n")), "it is gone: {text}");
    all_reached(&world)?;
    let staticd = lab.process(STATICD)?;
    staticd.signal(Signal::SIGKILL)?;
    within(FOLLOWED, || {
        ensure!(!staticd.alive(), "it lives");
        Ok(())
    })?;
    converged(lab)?;
    let after = self::ours(lab)?;
    ensure!(after == ours, "before: {ours:?}, after: {after:?}");
    all_reached(&world)?;
    world.detach()
}

/// Our lines in FRR's configuration.
fn ours(lab: &Lab) -> Result<Vec<String>> {
    let text = vtysh(lab, &["show running-config"])?;
    let lines = text.lines().filter(|l| l.ends_with(" tag 95"));
    Ok(lines.map(str::to_owned).collect())
}

/// A person at the router.
fn vtysh(lab: &Lab, commands: &[&str]) -> Result<String> {
    let mut vtysh = Command::new("vtysh");
    vtysh.arg("--vty_socket").arg(edge::directory(lab.layout()));
    vtysh.args(commands.iter().flat_map(|c| ["-c", c]));
    let out = vtysh.output().context("vtysh")?;
    let said = String::from_utf8_lossy(&out.stdout).into_owned();
    let error = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "vtysh {commands:?}: {said} {error}");
    Ok(said)
}
