//! Failures in the clean-up after a failure, and calls that meet each other.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::bench::{Bench, Container};
use crate::LabGuard;

/// A step fails when the rest is there, and then these too.
const UNDOS: [(&str, &str); 5] = [
    ("the port", "delete_port"),
    ("the link", "delete_link"),
    ("the flows", "delete_flows"),
    (
        "all three",
        "delete_flows fail-before\ndelete_link fail-before\ndelete_port",
    ),
    // The reservation is written by then, and its end is the next.
    ("the release", "store pass\nstore"),
];

pub(super) fn fails_too(lab: &LabGuard) -> Result<()> {
    let mut bench = Bench::set_up(lab)?;
    let mut wrong = Vec::new();
    for (what, undo) in UNDOS {
        for action in ["fail-before", "fail-after"] {
            if let Err(e) = undo_fails(&bench, undo, action) {
                wrong.push(format!("undoing {what}, {action}: {e:#}"));
                drop(bench);
                bench = Bench::set_up(lab)?;
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n      "));
    Ok(())
}

fn undo_fails(bench: &Bench<'_>, undo: &str, action: &str) -> Result<()> {
    let container = bench.container("faults-undo")?;
    bench.order(&format!("configure fail-after\n{undo} {action}"))?;
    refused(bench, &container)?;
    bench.wait_until_triggered()?;
    // Not at once: nothing but the reconciler can be the one.
    let took = bench.clean(&container).context("after the failed undo")?;
    ensure!(
        took < Duration::from_secs(5),
        "it took {took:?} until nothing was left"
    );
    bench.works(&container)
}

pub(super) fn dies_too(lab: &LabGuard) -> Result<()> {
    let mut bench = Bench::set_up(lab)?;
    for step in [
        "delete_port",
        "delete_link",
        "delete_flows",
        "store pass\nstore",
    ] {
        let container = bench.container("faults-undo")?;
        bench.order(&format!("configure fail-after\n{step} kill"))?;
        refused(&bench, &container)?;
        bench.wait_until_triggered()?;
        bench.died()?;
        bench
            .clean(&container)
            .with_context(|| format!("after a death at {step}"))?;
        bench.works(&container)?;
    }
    Ok(())
}

fn refused(bench: &Bench<'_>, container: &Container) -> Result<()> {
    match bench.add(container) {
        Ok(_) => bail!("the ADD succeeded"),
        Err(e) if e.code() == Some(11) => Ok(()),
        Err(e) => bail!("not code 11: {e}"),
    }
}

pub(super) fn del_meets_add(lab: &LabGuard) -> Result<()> {
    let bench = Bench::set_up(lab)?;
    for step in ["create_link", "configure", "add_port"] {
        let container = bench.container("faults-meet")?;
        bench.order(&format!("{step} hang=0.7"))?;
        let (added, deleted) = std::thread::scope(|scope| {
            let add = scope.spawn(|| bench.add(&container));
            // It hangs when its order is taken.
            let begun = bench.wait_until_triggered();
            let deleted = begun.and_then(|()| Ok(bench.del(&container)?));
            (add.join(), deleted)
        });
        deleted.with_context(|| format!("DEL while {step} hangs"))?;
        let Ok(added) = added else {
            bail!("the thread of the ADD panicked")
        };
        added.with_context(|| format!("ADD whose {step} hangs"))?;
        bench
            .clean(&container)
            .with_context(|| format!("after {step}"))?;
        bench.works(&container)?;
    }
    Ok(())
}

/// A death in the middle of an ADD, then deaths at each step of the clean-up that the next
/// start does.
pub(super) fn dies_at_its_start(lab: &LabGuard) -> Result<()> {
    let mut bench = Bench::set_up(lab)?;
    // The flows are not waited for: the second start may find no more to do.
    for (step, deaths) in [("delete_link", 3), ("delete_port", 3), ("delete_flows", 1)] {
        for action in ["kill", "kill-after"] {
            let container = bench.container("faults-start")?;
            // The reservation is on disk, and the commit is not.
            bench.order(&format!("store pass\nstore kill\n{step} {action} {deaths}"))?;
            refused(&bench, &container)?;
            bench
                .wait_until_triggered()
                .with_context(|| format!("{step} {action}"))?;
            bench.died()?;
            bench
                .clean(&container)
                .with_context(|| format!("{step} {action}"))?;
            bench.works(&container)?;
        }
    }
    Ok(())
}
