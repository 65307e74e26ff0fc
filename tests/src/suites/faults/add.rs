//! ADD, failed at each of its steps.

use anyhow::{Context, Result, bail, ensure};

use super::bench::Bench;
use crate::LabGuard;

/// CNI 1.1, "Error": the runtime may try again later.
const TRY_AGAIN: u64 = 11;
/// CNI 1.1, "Error": input or output failed; netd's answer when its disk fails.
const IO_FAILURE: u64 = 5;

/// A step of ADD.
struct Step {
    name: &'static str,
    /// What comes before the order itself.
    before: &'static str,
    step: &'static str,
    /// The answer if it fails.
    code: u64,
    /// Deaths that may leave a whole attachment: its commit is on disk, or may be by then, and
    /// only the reply is missing. The DEL that follows every failed ADD takes it.
    complete: &'static [&'static str],
}

const fn step(name: &'static str, step: &'static str) -> Step {
    Step {
        name,
        before: "",
        step,
        code: TRY_AGAIN,
        complete: &[],
    }
}

const STEPS: [Step; 6] = [
    Step {
        code: IO_FAILURE,
        ..step("write the reservation", "store")
    },
    Step {
        // They wait for the port's number, while the reservation is committed.
        complete: &["kill", "kill-after"],
        ..step("send the flows", "send_flows")
    },
    step("create the link", "create_link"),
    step("configure the interface", "configure"),
    Step {
        complete: &["kill-after"],
        ..step("add the port", "add_port")
    },
    Step {
        before: "store pass\n",
        code: IO_FAILURE,
        complete: &["kill-after"],
        ..step("write the commit", "store")
    },
];

pub(super) fn fails_before(lab: &LabGuard) -> Result<()> {
    each(lab, "fail-before", failed)
}

pub(super) fn fails_after(lab: &LabGuard) -> Result<()> {
    each(lab, "fail-after", failed)
}

pub(super) fn dies_before(lab: &LabGuard) -> Result<()> {
    each(lab, "kill", killed)
}

pub(super) fn dies_after(lab: &LabGuard) -> Result<()> {
    each(lab, "kill-after", killed)
}

/// One try for each step; all are tried, and every one that fails is told.
fn each(
    lab: &LabGuard,
    action: &str,
    attempt: impl Fn(&mut Bench<'_>, &Step, &str) -> Result<()>,
) -> Result<()> {
    let mut bench = Bench::set_up(lab)?;
    let mut wrong = Vec::new();
    for step in &STEPS {
        if let Err(e) = attempt(&mut bench, step, action) {
            wrong.push(format!("{}: {e:#}", step.name));
            drop(bench);
            bench = Bench::set_up(lab)?;
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n      "));
    Ok(())
}

fn failed(bench: &mut Bench<'_>, step: &Step, action: &str) -> Result<()> {
    let container = bench.container("faults-add")?;
    bench.order(&format!("{}{} {action}", step.before, step.step))?;
    let error = match bench.add(&container) {
        Ok(_) => bail!("the ADD succeeded"),
        Err(e) => e,
    };
    ensure!(
        error.code() == Some(step.code),
        "not code {}: {error}",
        step.code
    );
    bench.wait_until_triggered()?;
    let took = bench.clean(&container).context("after the failed ADD")?;
    ensure!(
        took.as_secs() < 5,
        "it took {took:?} until nothing was left"
    );
    bench.works(&container)
}

fn killed(bench: &mut Bench<'_>, step: &Step, action: &str) -> Result<()> {
    let container = bench.container("faults-add")?;
    bench.order(&format!("{}{} {action}", step.before, step.step))?;
    let error = match bench.add(&container) {
        Ok(_) => bail!("the ADD succeeded"),
        Err(e) => e,
    };
    ensure!(
        error.code() == Some(TRY_AGAIN),
        "not code {TRY_AGAIN}: {error}"
    );
    bench.wait_until_triggered()?;
    bench.died()?;
    if bench.has_committed(&container)? {
        ensure!(
            step.complete.contains(&action),
            "an attachment that was never committed is there after the restart"
        );
        bench
            .del(&container)
            .context("DEL of what was committed and not told")?;
    }
    bench.clean(&container).context("after netd is back")?;
    bench.works(&container)
}
