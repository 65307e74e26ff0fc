//! What a round did or would do, for people and for programs. Pure: text comes out.

use std::fmt::Write;
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::apply::Report;
use crate::causes::chain;
use crate::controller::{Observed, Outcome};
use crate::diff::{Op, Plan};
use crate::model::{ClusterName, Timestamp};

/// The version of the document that [`json()`] makes.
pub const DOCUMENT: u32 = 1;

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

/// The cluster whose tables a document describes, and when they were listed.
#[derive(Debug, Clone)]
pub struct Head<'a> {
    /// Whose entries are ours.
    pub cluster: &'a ClusterName,
    /// The configuration, for commands that mend.
    pub config: &'a Path,
    /// Who keeps the tables right now; none: nobody does.
    pub leader: Option<String>,
    /// When they were listed.
    pub at: Timestamp,
}

/// The same for programs: `-o json`, and what the socket serves at `/v1/tables`.
pub fn json(head: &Head<'_>, outcomes: &[Outcome]) -> Value {
    let tables = outcomes.iter().map(|outcome| {
        let mut table = match &outcome.result {
            Ok((plan, report)) => json!({
                "title": outcome.title,
                "plan": plan,
                "events": events(plan),
                "report": report.as_ref().map(done),
            }),
            Err(error) => json!({ "title": outcome.title, "error": chain(error) }),
        };
        if let (Some(observed), Some(table)) = (&outcome.observed, table.as_object_mut()) {
            table.extend(entries_of(observed, head.cluster));
        }
        table
    });
    json!({
        "version": DOCUMENT,
        "cluster": head.cluster,
        "config": head.config,
        "leader": head.leader,
        "at": head.at,
        "tables": tables.collect::<Vec<_>>(),
    })
}

/// What a person has to know of a table, a sentence each.
fn events(plan: &Plan) -> Vec<String> {
    let conflicts = plan.conflicts.iter().map(|c| format!("conflict: {c}"));
    let orphans = plan.orphans.iter().map(|o| {
        let (at, hops, name) = (o.destination, &o.next_hops, &o.name);
        format!("orphan: nothing asks for {at} via {hops}, named `{name}`")
    });
    let unsettled = plan.unsettled.iter();
    let unsettled = unsettled.map(|p| format!("waits: {p} is in transition"));
    let refused = plan.refused.iter().map(|r| format!("refused: {r}"));
    let strange = plan.not_understood.iter();
    let strange = strange.map(|n| format!("not understood: {n}"));
    conflicts
        .chain(orphans)
        .chain(unsettled)
        .chain(refused)
        .chain(strange)
        .collect()
}

fn done(report: &Report) -> Value {
    let failed = report.failed.iter().map(|f| {
        json!({
            "op": f.op,
            "why": f.reason.to_string(),
        })
    });
    json!({
        "done": report.done,
        "writes": report.writes,
        "lists": report.lists,
        "undone": failed.collect::<Vec<_>>(),
    })
}

/// A table as it should be and as it is, with each entry's owner.
fn entries_of(observed: &Observed, cluster: &ClusterName) -> Map<String, Value> {
    let target = &observed.target;
    let entries = observed.listed.entries.iter().map(|entry| {
        let mut value = json!(entry);
        if let (Some(owner), Some(value)) = (entry.owner_in(cluster), value.as_object_mut()) {
            value.insert("owner".to_owned(), json!(owner));
        }
        value
    });
    let mut all = Map::new();
    let mut put = |key: &str, value: Value| all.insert(key.to_owned(), value);
    put("kind", json!(target.kind));
    put("site", json!(target.site));
    put("name", json!(target.name));
    put("table", json!(target.desired.table));
    put("quota", json!(target.quota));
    put("desired", json!(target.desired.entries));
    put("entries", entries.collect());
    if !observed.listed.not_understood.is_empty() {
        put("notUnderstood", json!(observed.listed.not_understood));
    }
    all
}
