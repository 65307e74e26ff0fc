//! `uplink`: a host whose one NIC bears its own address is moved into the bridge, and back.
//!
//! The host is a namespace of its own beside the lab's nodes: one NIC, an Open vSwitch without a
//! bridge, and a router at the other end of the cable.

mod boot;
mod ends;
pub(super) mod host;
mod inside;
pub(super) mod seen;
pub(super) mod wiring;

use std::process::Child;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::host::Host;
use self::wiring::{Bond, LINKS, Wiring};
use super::kit::{eventually, say};
use super::{Check, Skip, Suite};
use crate::LabGuard;

/// How long a move may take to come to one of its two ends; gates are asked for 30 s.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) const SUITE: Suite = Suite {
    name: "uplink",
    about: "a host's one NIC moves into the bridge with its address, or everything is as it was",
    checks: &[
        Check {
            sentence: "a dry run prints every step and touches nothing",
            run: dry_run,
        },
        Check {
            sentence: "addresses, routes, rules and neighbours move, and come back, under pings and a TCP stream",
            run: there_and_back,
        },
        Check {
            sentence: "a sub-interface of the host's VLAN moves, and is made again",
            run: sub_interface,
        },
        Check {
            sentence: "a bond moves, and the loss of its sending link moves the traffic, announced",
            run: bonded,
        },
        Check {
            sentence: "a bond by LACP moves, and goes on with either of its links",
            run: aggregated,
        },
        Check {
            sentence: "a move that nobody confirms is undone",
            run: unconfirmed,
        },
        Check {
            sentence: "a move whose gateway does not answer on the new path is undone",
            run: silent_gateway,
        },
        Check {
            sentence: "a mover that is killed at any moment leaves the host as before or moved",
            run: killed,
        },
        Check {
            sentence: "after a reboot the host is reachable without netd, and netd moves it again",
            run: reboot,
        },
        Check {
            sentence: "a move is kept only if the API server answers as well",
            run: ends::api_server,
        },
        Check {
            sentence: "where the plan says so, netd moves the uplink at its first start, and not what was undone",
            run: ends::auto,
        },
        Check {
            sentence: "a power cut at any moment leaves a host that is reachable after its boot, and can be moved",
            run: ends::power_cut,
        },
    ],
};

fn dry_run(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    let text = host.netd("migrate", &["--dry-run"])?;
    for words in [
        "ip address add 10.0.0.5/24 brd 10.0.0.255 dev flat0",
        "label flat0:1",
        "ip route append default via 10.0.0.1 dev flat0 proto static metric 100 mtu lock 1400",
        "ip rule add from all iif flat0 lookup 100 priority 1000",
        "ovs-vsctl add-port br-flat eth0",
        "gateway 10.0.0.1 (ARP)",
        "gateway fd00::1 (neighbour discovery)",
        "nothing was touched",
    ] {
        ensure!(text.contains(words), "{words:?} is not in:\n{text}");
    }
    host.is(&before)
}

fn there_and_back(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    let pings = host.pings()?;
    let stream = host.stream()?;
    host.netd("migrate", &[])?;
    host.is_moved()?;
    host.netd("rollback", &[])?;
    host.is(&before)?;
    stream.finish()?;
    let lost = pings.lost()?;
    say(&format!(
        "{lost} of the pings of 10 ms lost, there and back"
    ));
    // A second of a host that nobody reaches would break sessions.
    ensure!(lost < 100, "{lost} pings of 10 ms lost");
    Ok(())
}

fn sub_interface(lab: &LabGuard) -> Result<()> {
    let host = raise(lab, Wiring::Tagged, "802.1Q interfaces (8021q)")?;
    let before = host.snapshot()?;
    host.netd("migrate", &[])?;
    host.is_moved()?;
    host.netd("rollback", &[])?;
    host.is(&before)
}

/// A host that a kernel without `what` cannot have.
fn raise(lab: &LabGuard, wiring: Wiring, what: &str) -> Result<Host> {
    match Host::raise(lab, wiring) {
        Err(e) if format!("{e:#}").contains("Unknown device type") => {
            Err(Skip(format!("this kernel has no {what}")).into())
        }
        other => other,
    }
}

fn bonded(lab: &LabGuard) -> Result<()> {
    let mut host = raise(lab, Wiring::Bonded(Bond::ActiveBackup), "bonds (bonding)")?;
    let before = host.snapshot()?;
    host.netd("migrate", &[])?;
    host.is_moved()?;
    host.start_netd()?;
    eventually(PATIENCE, || host.is_ready())?;
    let pings = host.pings()?;
    let mut announced = host.announcement()?;
    let sending = wiring::active_link()?;
    wiring::cut(&sending)?;
    eventually(PATIENCE, || announced.came())?;
    let now = wiring::active_link()?;
    ensure!(now != sending, "the bond still sends by {now}");
    host.reachable()?;
    let lost = pings.lost()?;
    say(&format!(
        "{lost} of the pings of 10 ms lost, from {sending} to {now}"
    ));
    ensure!(lost < 100, "{lost} pings of 10 ms lost");
    host.netd("rollback", &[])?;
    host.is(&before)
}

/// Its addresses stay where they are for the switch, whose one port the aggregate is: nothing has to
/// be announced.
fn aggregated(lab: &LabGuard) -> Result<()> {
    let mut host = raise(lab, Wiring::Bonded(Bond::Lacp), "bonds (bonding)")?;
    eventually(PATIENCE, wiring::aggregated)?;
    let before = host.snapshot()?;
    host.netd("migrate", &[])?;
    host.is_moved()?;
    host.start_netd()?;
    eventually(PATIENCE, || host.is_ready())?;
    for (link, _) in LINKS {
        let pings = host.pings()?;
        wiring::cut(link)?;
        host.reachable()?;
        host.is_ready()?;
        let lost = pings.lost()?;
        say(&format!("{lost} of the pings of 10 ms lost without {link}"));
        ensure!(lost < 100, "{lost} pings of 10 ms lost");
        wiring::join(link)?;
        eventually(PATIENCE, wiring::aggregated)?;
    }
    host.netd("rollback", &[])?;
    host.is(&before)
}

fn unconfirmed(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    let failed = host.netd("migrate", &["--confirm-within", "1"]);
    let text = format!("{:#}", failed.err().context("it was kept")?);
    ensure!(text.contains("nobody confirmed it in time"), "{text}");
    host.is(&before)
}

/// The host's NIC is plugged into an untagged port, and the plan says that its VLAN is tagged.
fn silent_gateway(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::TaggedByPlanOnly)?;
    let before = host.snapshot()?;
    let failed = host.netd("migrate", &[]);
    let text = format!("{:#}", failed.err().context("it was kept")?);
    ensure!(text.contains("no answer on flat0"), "{text}");
    host.is(&before)
}

fn killed(lab: &LabGuard) -> Result<()> {
    let host = Host::raise(lab, Wiring::Untagged)?;
    let before = host.snapshot()?;
    let (mut moved, mut undone) = (0, 0);
    for milliseconds in [5, 20, 40, 60, 80, 120, 200, 400] {
        let mut mover: Child = host.begin("migrate", &[])?;
        std::thread::sleep(Duration::from_millis(milliseconds));
        mover.kill()?;
        mover.wait()?;
        let (status, _) = eventually(PATIENCE, || {
            let status = host.netd("status", &[])?;
            let ended = ["kept:", "undone:", "no move"]
                .iter()
                .any(|w| status.starts_with(w));
            ensure!(ended, "{status}");
            Ok(status)
        })?;
        if status.starts_with("kept:") {
            moved += 1;
            host.is_moved()?;
            host.netd("rollback", &[])?;
        } else {
            undone += 1;
        }
        host.is(&before)
            .with_context(|| format!("killed after {milliseconds} ms: {status}"))?;
    }
    say(&format!(
        "{undone} undone, {moved} made before they were killed"
    ));
    Ok(())
}

fn reboot(lab: &LabGuard) -> Result<()> {
    let mut host = Host::raise(lab, Wiring::Untagged)?;
    host.netd("migrate", &[])?;
    host.is_moved()?;
    let said = host.reboot()?;
    ensure!(said.contains("taken out of br-flat: eth0"), "{said}");
    host.reachable().context("after the boot, without netd")?;
    host.start_netd()?;
    eventually(PATIENCE, || host.is_moved()).context("netd moves it again")?;
    Ok(())
}
