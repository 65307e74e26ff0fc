//! Two vpc-routes with one lease.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use super::rig::{CONTROLLER, Config, TABLE, World, converged, entries, leader, lossless, within};
use crate::LabGuard;
use crate::cloud::by_hand;
use crate::suites::kit::{eventually, say};

/// Within so long somebody must lead again.
const TAKEN_OVER: Duration = Duration::from_secs(15);
/// The lease of a real installation, in seconds.
const LEASE: u64 = 10;

pub(super) fn standby(lab: &LabGuard) -> Result<()> {
    let world = World::attach(lab)?;
    let stopped = lab.stop_unit(CONTROLLER)?;
    let config = |name: &str| Config::write(lab, name, |c| c["leaseSeconds"] = LEASE.into());
    let first = config("leader-a")?.run(lab)?;
    within(TAKEN_OVER, || {
        ensure!(first.leads(lab), "{:?} leads", leader(lab));
        Ok(())
    })?;
    let second = config("leader-b")?.run(lab)?;
    let streams = world.streams()?;
    // One lease and two that want it: it stays where it is.
    std::thread::sleep(Duration::from_secs(2));
    ensure!(
        first.leads(lab),
        "the standby took the lease of one that lives"
    );

    // An entry that no ping of ours needs shows when somebody is at work again.
    let all = entries(lab, TABLE)?;
    let unused = all.iter().find(|e| e.destination == "10.200.0.0/16");
    let unused = unused.context("an entry for VLAN 200")?;
    first.kill()?;
    let killed = Instant::now();
    let (status, answer) = by_hand(lab, "DeleteRouteEntry", &[("RouteEntryId", &unused.id)])?;
    ensure!(status == 200, "{status}: {answer}");
    within(TAKEN_OVER, || {
        ensure!(second.leads(lab), "{:?} leads", leader(lab));
        Ok(())
    })?;
    let taken = killed.elapsed();
    eventually(TAKEN_OVER.saturating_sub(taken), || {
        let back = entries(lab, TABLE)?;
        let found = back.iter().find(|e| e.destination == unused.destination);
        found.map(drop).context("the entry is not back")
    })?;
    let repaired = killed.elapsed();
    say(&format!(
        "the standby leads {taken:.1?} after the SIGKILL, and has repaired what was deleted after {repaired:.1?}"
    ));
    ensure!(repaired < TAKEN_OVER, "it took {repaired:?}");
    // The tables stay as they are while nobody leads: no packet has a reason to be lost.
    let answered = lossless(streams)?;
    say(&format!("{answered} pings meanwhile, none lost"));
    second.end()?;
    drop(stopped);
    converged(lab)?;
    world.detach()
}
