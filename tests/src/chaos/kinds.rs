//! What is done to a node: kills, a lost database, a flapping uplink, the table of faults.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use crate::breakage::{Bound, FAULTS, Fault, Ground, Site, time};
use crate::datapath::Datapath;
use crate::ovs;

/// How long one fault of the table is looked at where its bound is missed.
const LOOK: Duration = Duration::from_secs(5);
/// How long a killed daemon's work may take to be done again.
const PATIENCE: Duration = Duration::from_secs(60);
/// A flapping uplink goes and comes so many times, so far apart.
const FLAPS: usize = 3;
const FLAP: Duration = Duration::from_millis(300);

/// A kind of fault.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    /// Nothing is done: what is lost then is the machine's own noise.
    Calm,
    Netd,
    Switch,
    Database,
    LostDatabase,
    Uplink,
    Table(&'static Fault),
}

/// What came of one.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub(super) repaired: Option<Duration>,
    pub(super) named: Option<Duration>,
    pub(super) codes: BTreeSet<String>,
    /// Whether the fault's bound in time is kept; those without one are to be repaired at all.
    pub(super) in_time: bool,
    pub(super) restarted: bool,
}

impl Kind {
    /// Every kind that can be made on a node of that site.
    pub(super) fn all(site: Site) -> Vec<Self> {
        let own = [
            Self::Calm,
            Self::Netd,
            Self::Switch,
            Self::Database,
            Self::LostDatabase,
            Self::Uplink,
        ];
        let table = FAULTS.iter().filter(|f| f.site == site).map(Self::Table);
        own.into_iter().chain(table).collect()
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Calm => "nothing",
            Self::Netd => "netd killed",
            Self::Switch => "ovs-vswitchd killed",
            Self::Database => "ovsdb-server killed",
            Self::LostDatabase => "the database lost",
            Self::Uplink => "the uplink flaps",
            Self::Table(fault) => fault.name,
        }
    }

    /// Whether no packet may be lost by it on this datapath.
    ///
    /// ovs-vswitchd does nothing without its lock in the database (`bridge_run()` in
    /// vswitchd/bridge.c), and the userspace datapath without PMD threads is polled there: nothing
    /// is forwarded from the moment when ovsdb-server is gone until it is back and connected,
    /// about a second. The kernel's datapath and the threads that handle its misses go on.
    pub(super) fn is_lossless(self, datapath: Datapath) -> bool {
        match self {
            Self::Calm | Self::Netd => true,
            Self::Database => datapath == Datapath::Kernel,
            Self::Switch | Self::LostDatabase | Self::Uplink => false,
            Self::Table(fault) => !fault.interrupts,
        }
    }

    /// The bound in time, where there is one.
    pub(super) fn bound(self) -> Option<Bound> {
        match self {
            Self::Table(fault) => Some(fault.bound),
            _ => None,
        }
    }

    /// Why it cannot be made on this machine.
    pub(super) fn missing(self, ground: &Ground<'_>) -> Option<String> {
        match self {
            Self::Table(fault) => (fault.missing)(ground),
            _ => None,
        }
    }

    /// Does it, and waits until the node is whole.
    ///
    /// # Errors
    /// If it cannot be done, or the node does not recover.
    pub(super) fn make(self, ground: &Ground<'_>) -> Result<Done> {
        if let Self::Table(fault) = self {
            let sample = time(fault, ground, LOOK)?;
            return Ok(Done {
                in_time: sample.keeps(fault.bound),
                repaired: sample.repaired,
                named: sample.named,
                codes: sample.codes,
                restarted: sample.restarted,
            });
        }
        let paths = &ground.node.paths;
        match self {
            Self::Calm => std::thread::sleep(Duration::from_secs(2)),
            Self::Netd => kill(ground, &paths.netd_pid())?,
            Self::Switch => kill(ground, &paths.vswitchd_pid())?,
            Self::Database => kill(ground, &paths.ovsdb_pid())?,
            Self::LostDatabase => {
                fs::remove_file(paths.ovs_db()).context("the database's file")?;
                ovs::create_database(&ground.node.name, paths)?;
                kill(ground, &paths.ovsdb_pid())?;
            }
            Self::Uplink => flap(ground)?,
            Self::Table(_) => {}
        }
        let begun = Instant::now();
        let whole = ground.wait_whole(PATIENCE);
        let repaired = whole.is_ok().then(|| begun.elapsed());
        let restarted = ground.recover().with_context(|| self.name())?;
        Ok(Done {
            repaired,
            in_time: repaired.is_some() && !restarted,
            restarted,
            ..Done::default()
        })
    }
}

fn kill(ground: &Ground<'_>, pid_file: &std::path::Path) -> Result<()> {
    let process = crate::lab::running(&ground.node, pid_file);
    let process = process.with_context(|| format!("{} names no process", pid_file.display()))?;
    process.signal(Signal::SIGKILL)?;
    process.wait_gone(Duration::from_secs(5));
    Ok(())
}

/// Takes the node's uplink down and up again, some times. With it go addresses of IPv6 and routes that
/// the host has of somebody else; that one, a DHCP client, gives them again.
fn flap(ground: &Ground<'_>) -> Result<()> {
    let nic = ground.uplink()?;
    let sh = |line: &str| {
        let mut command = ground.node.command("sh");
        crate::run::output(command.args(["-c", &line.replace("NIC", &nic)]))
    };
    let given = sh("ip -6 -o address show dev NIC scope global | \
         awk '{print \"ip -6 address replace \" $4 \" dev NIC nodad\"}'; \
         ip -4 route show dev NIC proto dhcp | sed 's/.*/ip -4 route replace & dev NIC proto dhcp/'; \
         ip -6 route show dev NIC proto dhcp | sed 's/.*/ip -6 route replace & dev NIC proto dhcp/'")?;
    for _ in 0..FLAPS {
        for state in ["down", "up"] {
            let mut command = ground.node.command("ip");
            crate::run::output(command.args(["link", "set", &nic, state]))?;
            std::thread::sleep(FLAP);
        }
    }
    sh(&format!("set -e\n{given}"))?;
    Ok(())
}
