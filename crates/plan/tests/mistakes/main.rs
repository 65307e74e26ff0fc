//! Mistakes as people make them: one edit of a sound plan, and the one finding that an engineer
//! expects of it, with its code and its line.
//!
//! ```text
//!   sound plan ── one edit ──▶ check ──▶ exactly one finding: code, line
//! ```

mod bank;
mod branch;
mod campus;
mod cities;
mod clusters;
mod fabric;
mod factory;
mod hybrid;
mod insurer;
mod lab;
mod large;
mod leaves;
mod north;
mod racks;
mod retail;
mod shops;
mod slices;
mod small;
mod tenants;
mod west;
mod zones;

use std::fmt::Write;

use flatnet_plan::{Report, Style, diagnose};

const LAB: &str = include_str!("../../../../examples/lab.yaml");
const SMALL: &str = include_str!("../../../../examples/small.yaml");
const HYBRID: &str = include_str!("../../../../examples/hybrid.yaml");
const CASES: &str = include_str!("../cases/base.yaml");
const FIXTURE: &str = include_str!("../fixtures/FN0303/good.yaml");

/// One edit of a sound plan.
struct Mistake {
    /// What stands in the plan; where it stands several times, the first is meant.
    from: &'static str,
    /// What is written instead.
    to: &'static str,
    /// The code of the only finding.
    code: &'static str,
    /// A part of the line that it points at, or [`HERE`].
    line: &'static str,
}

/// The first line that the edit changes.
const HERE: &str = "";

type Row = (&'static str, &'static str, &'static str, &'static str);

fn mistakes(rows: &[Row]) -> impl Iterator<Item = Mistake> + '_ {
    rows.iter().map(|&(from, to, code, line)| Mistake {
        from,
        to,
        code,
        line,
    })
}

fn edited(plan: &str, mistake: &Mistake) -> String {
    assert!(plan.contains(mistake.from), "not there: {}", mistake.from);
    plan.replacen(mistake.from, mistake.to, 1)
}

/// The number of the line that is expected, from 1; none where it is given by what it has.
fn changed_line(plan: &str, text: &str) -> usize {
    let same = plan.lines().zip(text.lines()).take_while(|(a, b)| a == b);
    same.count() + 1
}

/// What is not as expected, for people.
fn judge(plan: &str, mistake: &Mistake) -> Option<String> {
    let text = edited(plan, mistake);
    let report: Report = diagnose(&text, "plan.yaml");
    let right_line = |line: usize| match mistake.line {
        HERE => line == changed_line(plan, &text),
        part => text.lines().nth(line - 1).is_some_and(|l| l.contains(part)),
    };
    if let [only] = report.diagnostics.as_slice() {
        let line = usize::try_from(only.span.line).expect("a line");
        if only.rule.code == mistake.code && right_line(line) {
            return None;
        }
    }
    let mut said = String::new();
    let wanted = match mistake.line {
        HERE => "the changed line",
        part => part,
    };
    let _ = writeln!(
        said,
        "== {} findings, wanted {} at {wanted}\n-- {}\n-- {}",
        report.diagnostics.len(),
        mistake.code,
        mistake.from.trim(),
        mistake.to.trim()
    );
    said += &report.render(Style::Text { color: false });
    Some(said)
}

#[track_caller]
fn each_is_one_finding(plan: &str, rows: &[Row]) {
    assert!(diagnose(plan, "plan.yaml").diagnostics.is_empty());
    let wrong: Vec<String> = mistakes(rows).filter_map(|m| judge(plan, &m)).collect();
    let all = wrong.join("\n");
    assert!(
        wrong.is_empty(),
        "{all}\n{} of {} mistakes",
        wrong.len(),
        rows.len()
    );
}

/// Edits that leave a plan sound.
#[track_caller]
fn each_is_sound(plan: &str, edits: &[(&str, &str)]) {
    for (from, to) in edits {
        assert!(plan.contains(from), "not there: {from}");
        let report = diagnose(&plan.replacen(from, to, 1), "plan.yaml");
        let said = report.render(Style::Text { color: false });
        assert!(report.diagnostics.is_empty(), "{to}:\n{said}");
    }
}
