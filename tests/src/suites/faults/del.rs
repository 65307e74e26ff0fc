//! DEL, failed at each of its steps.

use anyhow::{Context, Result, ensure};

use super::bench::Bench;
use crate::LabGuard;

/// A step of DEL, and whether its failure is the runtime's to know: what may still give the
/// container a network is; a port without a link and flows without a port are not, and the
/// reconciler takes them away.
const STEPS: [(&str, bool); 4] = [
    ("delete_flows", false),
    ("delete_link", true),
    ("delete_port", false),
    ("store", true),
];

pub(super) fn fails(lab: &LabGuard) -> Result<()> {
    each(
        lab,
        &["fail-before", "fail-after"],
        |bench, step, told, action| {
            let container = bench.container("faults-del")?;
            bench.add(&container).context("ADD")?;
            bench.order(&format!("{step} {action}"))?;
            let first = bench.del(&container);
            ensure!(first.is_err() == told, "the first DEL: {first:?}");
            bench.wait_until_triggered()?;
            // A store that failed takes a moment until it is written to again.
            bench.del_in_the_end(&container).context("the second DEL")?;
            let took = bench.clean(&container).context("after the second DEL")?;
            ensure!(
                took.as_secs() < 5,
                "it took {took:?} until nothing was left"
            );
            bench.works(&container)
        },
    )
}

pub(super) fn dies(lab: &LabGuard) -> Result<()> {
    each(lab, &["kill", "kill-after"], |bench, step, _, action| {
        let container = bench.container("faults-del")?;
        bench.add(&container).context("ADD")?;
        bench.order(&format!("{step} {action}"))?;
        // Spooled and answered as done, or refused: both are right.
        let first = bench.del(&container);
        bench.wait_until_triggered()?;
        bench.died()?;
        if first.is_err() {
            bench.del_in_the_end(&container).context("the second DEL")?;
        }
        bench
            .clean(&container)
            .with_context(|| format!("the DEL was answered {first:?}"))?;
        bench.del(&container).context("one DEL more")?;
        bench.works(&container)
    })
}

fn each(
    lab: &LabGuard,
    actions: &[&str],
    attempt: impl Fn(&mut Bench<'_>, &str, bool, &str) -> Result<()>,
) -> Result<()> {
    let mut bench = Bench::set_up(lab)?;
    let mut wrong = Vec::new();
    for action in actions {
        for (step, told) in STEPS {
            if let Err(e) = attempt(&mut bench, step, told, action) {
                wrong.push(format!("{step} {action}: {e:#}"));
                drop(bench);
                bench = Bench::set_up(lab)?;
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n      "));
    Ok(())
}
