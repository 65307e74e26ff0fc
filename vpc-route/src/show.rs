//! What a round did or would do, for people (text) and for programs ([`document`]). Pure.

mod document;

use std::fmt::Write;

use crate::controller::Outcome;
use crate::diff::{Op, Plan};
use flatnet_daemon::causes::chain;

pub use document::{Head, document};

/// Colours, or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    fn paint(self, code: &str, text: &str) -> String {
        if self.0 {
            format!("\u{1b}[{code}m{text}\u{1b}[0m")
        } else {
            text.to_owned()
        }
    }

    fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    fn red(self, text: &str) -> String {
        self.paint("31", text)
    }

    fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }
}

/// The exit status of a dry run: 1 where something cannot be known or done, or is in transition, 2
/// where there are changes to make, 0 where all is right.
pub fn plan_status(outcomes: &[Outcome]) -> u8 {
    let plans = || outcomes.iter().filter_map(|o| o.result.as_ref().ok());
    if outcomes.iter().any(|o| o.result.is_err()) {
        1
    } else if plans().any(|(plan, _)| !plan.ops.is_empty()) {
        2
    } else {
        let open = |plan: &Plan| !plan.refused.is_empty() || !plan.unsettled.is_empty();
        u8::from(plans().any(|(plan, _)| open(plan)))
    }
}

/// The exit status of an apply: 0 where everything is done.
pub fn apply_status(outcomes: &[Outcome]) -> u8 {
    let is_whole = |o: &Outcome| match &o.result {
        Ok((plan, report)) => {
            plan.refused.is_empty()
                && plan.unsettled.is_empty()
                && report.as_ref().is_none_or(|r| r.failed.is_empty())
        }
        Err(_) => false,
    };
    u8::from(!outcomes.iter().all(is_whole))
}

/// A coloured diff, a table each.
pub fn text(outcomes: &[Outcome], paint: Paint) -> String {
    let mut out = String::new();
    for outcome in outcomes {
        // Writing to a string does not fail.
        let _ = one(&mut out, outcome, paint);
    }
    out
}

fn one(out: &mut String, outcome: &Outcome, paint: Paint) -> std::fmt::Result {
    let title = paint.bold(&outcome.title);
    let (plan, report) = match &outcome.result {
        Ok(found) => found,
        Err(error) => {
            let chain = chain(error);
            // Some errors name their table by themselves.
            let own = format!("{}: ", outcome.title);
            let said = paint.red(chain.strip_prefix(&own).unwrap_or(&chain));
            return writeln!(out, "{title}: {said}");
        }
    };
    let usage = outcome.usage.map(|u| {
        let quota = u.quota.map(|q| format!(" of {q}")).unwrap_or_default();
        format!(", {} ours, {} of others{quota}", u.managed, u.unmanaged)
    });
    let usage = usage.unwrap_or_default();
    let verdict = match plan.ops.len() {
        0 => "no change".to_owned(),
        1 => "1 change".to_owned(),
        n => format!("{n} changes"),
    };
    writeln!(out, "{title} ({}{usage}): {verdict}", plan.table)?;
    for op in &plan.ops {
        writeln!(out, "  {}", line(op, paint))?;
    }
    for conflict in &plan.conflicts {
        writeln!(out, "  {} {conflict}", paint.yellow("! conflict:"))?;
    }
    for orphan in plan.orphans.iter().filter(|o| {
        let goes = |op: &Op| op.destination() == o.destination;
        !plan.ops.iter().any(goes)
    }) {
        writeln!(
            out,
            "  {} {} via {}, named `{}`, goes in {} s",
            paint.yellow("! orphan:"),
            orphan.destination,
            orphan.next_hops,
            orphan.name,
            orphan.due.0.saturating_sub(orphan.since.0),
        )?;
    }
    if let Some(first) = plan.unsettled.first() {
        let n = plan.unsettled.len();
        let waits = paint.yellow("! waits:");
        writeln!(
            out,
            "  {waits} {n} entries are in transition, such as {first}"
        )?;
    }
    for strange in &plan.not_understood {
        writeln!(out, "  {} {strange}", paint.yellow("! not understood:"))?;
    }
    for refusal in &plan.refused {
        writeln!(out, "  {} {refusal}", paint.red("✗ refused:"))?;
    }
    if let Some(report) = report {
        let (done, writes, lists) = (report.done, report.writes, report.lists);
        writeln!(
            out,
            "  {done} done, with {writes} writes and {lists} listings"
        )?;
        for failed in &report.failed {
            let at = failed.op.destination();
            writeln!(
                out,
                "  {} {at}: {}",
                paint.red("✗ not done:"),
                failed.reason
            )?;
        }
    }
    Ok(())
}

fn line(op: &Op, paint: Paint) -> String {
    match op {
        Op::Create {
            destination,
            next_hops,
            name,
            ..
        } => paint.green(&format!("+ {destination} via {next_hops}  ({name})")),
        Op::Modify {
            destination,
            from,
            to,
            ..
        } => paint.yellow(&format!("~ {destination} via {from} → {to}")),
        Op::Delete {
            destination,
            next_hops,
            why,
            ..
        } => paint.red(&format!("- {destination} via {next_hops}  ({why:?})")),
    }
}
