//! What netd grows by.

use std::fs;

use anyhow::{Context, Result, anyhow, ensure};

use super::containers::{Container, Spot, forget_all, size, spots};
use super::{PATIENCE, WORKERS, slowness};
use crate::screen::Screen;
use crate::traces::nothing_left;
use crate::{LabGuard, ProcessId};

const NODE: &str = "idc1";
/// How many ADDs and DELs come before the first look: caches and pools fill once.
const WARM_UP: usize = 200;
/// How many are looked at; fewer where [`slowness`] says so.
const ROUNDS: usize = 1000;
/// What may be added, generously: a leak of a kilobyte an attachment would be a megabyte.
const MEMORY_KIB: u64 = 6 * 1024;
const DESCRIPTORS: usize = 8;
const STORE_KIB: u64 = 2 * 1024;

/// What netd has.
#[derive(Debug, Clone, Copy)]
struct Size {
    memory_kib: u64,
    descriptors: usize,
    store_kib: u64,
}

pub(super) fn thousand(lab: &LabGuard) -> Result<()> {
    let spots = spots(lab, &[NODE])?;
    forget_all(&spots)?;
    // A netd of its own, so that what came before is not measured.
    lab.kill_netd(NODE)?;
    lab.wait_ready(NODE, PATIENCE)?;
    let netd = lab.netd_pid(NODE)?;
    // netd keeps the same for either datapath: where each ADD is slow, fewer show a leak too.
    let count = ROUNDS / slowness(lab);
    rounds(&spots[0], WARM_UP / slowness(lab))?;
    let before = measure(lab, netd)?;
    rounds(&spots[0], count)?;
    let after = measure(lab, netd)?;
    Screen::stdout().line(&format!(
        "    netd before and after {count} ADDs and DELs: {} → {} KiB of memory, {} → {} \
         descriptors, {} → {} KiB of store",
        before.memory_kib,
        after.memory_kib,
        before.descriptors,
        after.descriptors,
        before.store_kib,
        after.store_kib
    ));
    ensure!(
        after.memory_kib <= before.memory_kib + MEMORY_KIB,
        "memory grew from {} to {} KiB",
        before.memory_kib,
        after.memory_kib
    );
    ensure!(
        after.descriptors <= before.descriptors + DESCRIPTORS,
        "descriptors grew from {} to {}",
        before.descriptors,
        after.descriptors
    );
    ensure!(
        after.store_kib <= before.store_kib + STORE_KIB,
        "the store grew from {} to {} KiB",
        before.store_kib,
        after.store_kib
    );
    nothing_left(&lab.node(NODE)?, PATIENCE).map(drop)
}

/// So many ADDs and DELs, on a few containers in turn.
fn rounds(spot: &Spot, count: usize) -> Result<()> {
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                scope.spawn(move || {
                    let container = Container::create(&format!("chaos-leak-{worker}"))?;
                    for _ in 0..count / WORKERS {
                        let added = spot.cni.add(&container.conf).context("ADD")?;
                        spot.cni
                            .del(&container.conf, Some(&added.raw))
                            .context("DEL")?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|w| w.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}

fn measure(lab: &LabGuard, netd: ProcessId) -> Result<Size> {
    ensure!(netd.alive(), "netd ended in between");
    let status = fs::read_to_string(format!("/proc/{}/status", netd.pid))?;
    let resident = status.lines().find_map(|l| l.strip_prefix("VmRSS:"));
    let memory = resident.and_then(|l| l.split_whitespace().next()?.parse().ok());
    Ok(Size {
        memory_kib: memory.context("VmRSS in /proc/PID/status")?,
        descriptors: fs::read_dir(format!("/proc/{}/fd", netd.pid))?.count(),
        store_kib: size(&lab.member(NODE)?.paths.store().join("netd.redb"))? / 1024,
    })
}
