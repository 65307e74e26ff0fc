//! `writers`: the programs that configure a host's one NIC are real, and wake up after its move.
//!
//! ```text
//!   host: ifup | networkd | NetworkManager | dhcpcd | udhcpc ──▶ eth0 ──cable── router: dnsmasq
//!     netd uplink migrate ── refused? do what it says ──▶ flat0, under pings
//!     the writer wakes ──▶ nothing of it, or named, not ready, and the named command repairs it
//!     netd uplink rollback ──▶ the writer configures eth0 again
//! ```
//!
//! They read and write where the distribution has its files, so the suite runs in a guest alone;
//! `cargo xtask` brings their packages there.

mod cases;
mod stage;

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use self::stage::{Stage, Wake, Writer};
use super::kit::{eventually, nat, say};
use super::{Check, Skip, Suite};
use crate::LabGuard;

/// How long netd, a guest of one processor and a DHCP client may take for one thing.
const PATIENCE: Duration = Duration::from_secs(60);
/// How many times a refusal may say what is still to be done.
const ROUNDS: usize = 3;
/// Pings of 10 ms that may be lost by a move: a second's worth would break sessions.
const LOST: u64 = 100;

/// What Debian's ifupdown reads.
const INTERFACES: &str = "/etc/network/interfaces";

pub(super) const SUITE: Suite = Suite {
    name: "writers",
    about: "ifupdown, networkd, NetworkManager, dhcpcd and udhcpc, before and after the move",
    checks: &[
        Check {
            sentence: "ifupdown with dhclient: the client follows, and renews the lease on flat0",
            run: |lab| whole(lab, &cases::IFUPDOWN_DHCLIENT),
        },
        Check {
            sentence: "dhclient of every NIC: refused; of one NIC as told, it follows",
            run: |lab| whole(lab, &cases::DHCLIENT),
        },
        Check {
            sentence: "ifupdown static: an ifup after the move is named and repaired",
            run: |lab| whole(lab, &cases::IFUPDOWN_STATIC),
        },
        Check {
            sentence: "systemd-networkd static: it lets go of the NIC, and stays away",
            run: |lab| whole(lab, &cases::NETWORKD_STATIC),
        },
        Check {
            sentence: "systemd-networkd with DHCP: refused; static as told, it moves",
            run: |lab| whole(lab, &cases::NETWORKD_DHCP),
        },
        Check {
            sentence: "NetworkManager static: it lets go; a connection brought up by hand is named",
            run: |lab| whole(lab, &cases::MANAGER_STATIC),
        },
        Check {
            sentence: "NetworkManager with DHCP: refused; static as told, it moves",
            run: |lab| whole(lab, &cases::MANAGER_DHCP),
        },
        Check {
            sentence: "dhcpcd: refused; ended as told, it moves, and a new one is harmless or named",
            run: |lab| whole(lab, &cases::DHCPCD),
        },
        Check {
            sentence: "dhcpcd of every NIC: refused; ended as told, it moves",
            run: |lab| whole(lab, &cases::DHCPCD_ALL),
        },
        Check {
            sentence: "udhcpc: refused; ended as told, it moves, and a new one is harmless or named",
            run: |lab| whole(lab, &cases::UDHCPC),
        },
    ],
};

/// The life of a writer before, at, and after a move.
fn whole(lab: &LabGuard, writer: &Writer) -> Result<()> {
    if !Path::new("/run/guest").is_dir() {
        let why = "it writes where the distribution's programs read: in a guest alone \
                   (`cargo xtask test --suite writers`)";
        return Err(Skip(why.to_owned()).into());
    }
    let mut stage = Stage::raise(lab, writer)?;
    let lived = life(&mut stage, writer);
    lived.with_context(|| format!("its daemon said:\n{}\n", stage.said_by_daemon()))
}

fn life(stage: &mut Stage<'_>, writer: &Writer) -> Result<()> {
    stage.begin().context("the writer brings eth0 up")?;
    allowed(stage, writer)?;
    let text = stage.host.netd("migrate", &["--dry-run"])?;
    ensure!(
        text.contains(writer.dry_run),
        "{:?} is not in the dry run:\n{text}",
        writer.dry_run
    );
    let pings = stage.host.pings()?;
    let given = stage.given()?;
    stage.host.netd("migrate", &[])?;
    stage.is_moved().context("after the move")?;
    let lost = pings.lost()?;
    say(&format!("{lost} pings of 10 ms lost"));
    ensure!(lost < LOST, "{lost} pings of 10 ms lost by the move");
    stage.host.start_netd()?;
    eventually(PATIENCE, || stage.host.is_ready()).context("netd after the move")?;
    if writer.renews {
        // Once when the client starts on flat0, and then when half of the time is over.
        let renewed = || renewed(stage, given + 2);
        eventually(PATIENCE, renewed).context("the lease is renewed on flat0")?;
    }
    for wake in writer.wakes {
        woken(stage, wake).with_context(|| format!("after {:?}", wake.shown))?;
    }
    let given = stage.given()?;
    stage.host.netd("rollback", &[])?;
    stage.shell(writer.resume)?;
    eventually(PATIENCE, || {
        stage.is_back(writer)?;
        renewed(stage, given + usize::from(writer.client))
    })
    .context("after the rollback")?;
    Ok(())
}

fn renewed(stage: &Stage<'_>, times: usize) -> Result<()> {
    let given = stage.given()?;
    ensure!(
        given >= times,
        "the router gave the lease {given} times, not {times}"
    );
    Ok(())
}

/// Runs the command that each refusal of the dry run prints, until the dry run refuses nothing.
fn allowed(stage: &Stage<'_>, writer: &Writer) -> Result<()> {
    let mut refused = false;
    for _ in 0..ROUNDS {
        let Err(error) = stage.host.netd("migrate", &["--dry-run"]) else {
            ensure!(
                refused == writer.refused.is_some(),
                "the move was {}refused",
                if refused { "" } else { "not " }
            );
            return Ok(());
        };
        let text = format!("{error:#}");
        let known = writer.refused.unwrap_or("(nothing)");
        ensure!(text.contains(known), "{known:?} is not in: {text}");
        // Behind the command that failed, which is quoted, too.
        let said = text.split("netd: ").nth(1).unwrap_or_default();
        let command = said.split('`').nth(1);
        let command = command.with_context(|| format!("there is no command in: {text}"))?;
        say(&format!("told: {command}"));
        stage.shell(command)?;
        eventually(PATIENCE, || stage.reached()).context("what it says cuts the host off")?;
        refused = true;
    }
    anyhow::bail!("refused after {ROUNDS} rounds of doing what it says")
}

/// The writer wakes: all stays as it is, or it is named, and repaired by the named command.
fn woken(stage: &mut Stage<'_>, wake: &Wake) -> Result<()> {
    let comes_back = stage.wake(wake)?;
    let code = "uplink-bears-addresses";
    let named = |stage: &Stage<'_>| -> Result<String> {
        let problems = stage.host.problems()?;
        let found = problems.into_iter().find(|p| p.code == code);
        let found = found.with_context(|| format!("{code} is not named"))?;
        ensure!(found.blocks_ready, "{}: and the node is ready", found.text);
        for by in wake.named {
            ensure!(found.text.contains(by), "{by:?} is not in: {}", found.text);
        }
        found.repair.context("no command repairs it")
    };
    if comes_back {
        let (command, took) = eventually(PATIENCE, || named(stage))?;
        let ready = stage.host.is_ready();
        ensure!(ready.is_err(), "the node is ready while it is broken");
        say(&format!(
            "{}: named after {:.1} s; repair: {command}",
            wake.shown,
            took.as_secs_f64()
        ));
        stage.shell(&command)?;
    }
    eventually(PATIENCE, || {
        stage.is_moved()?;
        stage.host.is_ready()?;
        let mut problems = stage.host.problems()?;
        problems.retain(|p| p.code != nat::LACKING);
        let texts: Vec<&str> = problems.iter().map(|p| p.text.as_str()).collect();
        ensure!(texts.is_empty(), "netd names {}", texts.join("; "));
        Ok(())
    })?;
    Ok(())
}
