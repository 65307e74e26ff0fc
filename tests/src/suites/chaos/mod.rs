//! Suite `chaos`: daemons and plugins killed at random moments under load; then nothing is
//! held twice, nothing is leaked, and everybody who lives is reachable.
//!
//! ```text
//!   [rng] seed ─┬─▶ [load] workers: ADD, CHECK, DEL ──▶ [ledger] who has which address
//!                └─▶ [kills] SIGKILL at random moments          │ twice? a wrong error?
//!                                                               ▼
//!   when all is quiet: [verdict] netd's list, `ip addr`, ports, links, flows, GC, CHECK, ping
//! ```
//!
//! The seed is printed, and taken from `FLATNET_SEED` where that is set: it decides what is
//! done and how long is waited, and not how threads and processes meet.

mod containers;
mod kills;
mod leaks;
mod ledger;
mod load;
mod plugin;
mod stores;
mod verdict;

use std::time::Duration;

use super::{Check, Suite};
use crate::{Datapath, LabGuard};

pub(super) const SUITE: Suite = Suite {
    name: "chaos",
    about: "daemons killed under load: no address twice, nothing leaked, all that lives reachable",
    checks: &[
        Check {
            sentence: "netd killed hundreds of times under load holds no address twice and leaks nothing",
            run: kills::netd,
        },
        Check {
            sentence: "netd, ovs-vswitchd and ovsdb-server killed at random leave no harm behind",
            run: kills::everything,
        },
        Check {
            sentence: "what plugins that were killed half way left is taken by DEL and GC",
            run: plugin::killed,
        },
        Check {
            sentence: "a second netd on a node is refused, and says who is there",
            run: stores::second_netd,
        },
        Check {
            sentence: "a store put back from an old copy gives no address out that a container has",
            run: stores::old_copy,
        },
        Check {
            sentence: "daemons killed, the database lost and uplinks flapping among containers that talk: nothing is delivered wrongly or left over",
            run: crate::chaos::small,
        },
        Check {
            sentence: "a thousand ADDs and DELs (fewer in a slow guest) leave netd as large as it was",
            run: leaks::thousand,
        },
    ],
};

/// How long a daemon may take to be back, or what was left to be repaired, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(90);
/// Where containers are attached and things are killed.
const NODES: [&str; 2] = ["idc1", "idc2"];
/// How many containers are being attached or detached at a time.
const WORKERS: usize = 8;

/// How many times slower ADDs are taken to be: the kernel's datapath may be in a guest with one slow
/// processor. There netd is killed as much less often and lives as much longer, so that calls come
/// through between two kills, and that much less is attached and detached in a row.
fn slowness(lab: &LabGuard) -> usize {
    match lab.datapath() {
        Datapath::User => 1,
        Datapath::Kernel => 5,
    }
}
