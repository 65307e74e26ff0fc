//! The long text behind a code: `flatctl explain FN0101`.

use super::render::{WIDTH, wrap};
use crate::finding::{Severity, rule};

/// What a code means, why it matters, what to do, and an example, in 80 columns; none for a code
/// that is not known. The case of the code does not matter.
pub fn explain(code: &str) -> Option<String> {
    let rule = rule(code)?;
    let severity = match rule.severity {
        Severity::Error => "An error: the plan is refused.",
        Severity::Warning => "A warning: the plan is taken.",
    };
    let sentences = |text: &str| indented(wrap(text, WIDTH - INDENT).iter().map(String::as_str));
    Some(format!(
        "{}: {}\n{severity}\n\nWhy it matters\n{}\n\nWhat to do\n{}\n\nFor example\n{}\n",
        rule.code,
        // Behind the code, a colon and a space.
        wrap(rule.title, WIDTH - 8).join("\n        "),
        sentences(rule.why),
        sentences(rule.help),
        indented(rule.example.lines()),
    ))
}

const INDENT: usize = 2;

fn indented<'l>(lines: impl Iterator<Item = &'l str>) -> String {
    let lines = lines.map(|l| format!("{:INDENT$}{l}", "").trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}
