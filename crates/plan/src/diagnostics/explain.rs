//! The long text behind a code: `flatctl explain FN0101`.

use super::{Severity, rule};

/// What a code means, why it matters, what to do, and an example; none for a code that is
/// not known. The case of the code does not matter.
pub fn explain(code: &str) -> Option<String> {
    let rule = rule(code)?;
    let severity = match rule.severity {
        Severity::Error => "An error: the plan is refused.",
        Severity::Warning => "A warning: the plan is taken.",
    };
    Some(format!(
        "{}: {}\n{severity}\n\nWhy it matters\n  {}\n\nWhat to do\n  {}\n\nFor example\n{}\n",
        rule.code,
        rule.title,
        rule.why,
        rule.help,
        rule.example
            .lines()
            .map(|l| format!("  {l}").trim_end().to_owned())
            .collect::<Vec<_>>()
            .join("\n"),
    ))
}
