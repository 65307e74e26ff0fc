//! Whose each diagnostic of a document is.

use flatnet_plan::{Diagnostic, Report, Severity};

use super::Joined;
use crate::status::DiagnosticStatus;

/// What is wrong with objects: errors first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Blamed(pub Vec<DiagnosticStatus>);

impl Blamed {
    /// How many errors there are.
    pub fn errors(&self) -> usize {
        self.0.iter().filter(|d| d.severity == "error").count()
    }
}

impl Joined {
    /// Everything that is wrong, each with the object and the field that it is about.
    pub fn blame(&self, report: &Report) -> Blamed {
        let lines: Vec<&str> = self.text.lines().collect();
        let of_text = report.diagnostics.iter().map(|d| self.one(d, &lines));
        let mut all: Vec<_> = self.misplaced.iter().cloned().chain(of_text).collect();
        all.sort_by_key(|d| d.severity != Severity::Error.as_str());
        Blamed(all)
    }

    fn one(&self, diagnostic: &Diagnostic, lines: &[&str]) -> DiagnosticStatus {
        let line = diagnostic.span.line as usize;
        // Of the smallest that has it: what is inside of another object is behind its own lines.
        let of = self
            .lines
            .iter()
            .filter(|l| (l.first..l.last).contains(&line));
        let of = of.min_by_key(|l| l.last - l.first);
        let (object, field) = match of {
            Some(of) => {
                let own = lines.get(of.first - 1..line).unwrap_or_default();
                (of.object.clone(), field(own, of.by_object))
            }
            None => ("NetworkPlan/".to_owned(), "spec".to_owned()),
        };
        DiagnosticStatus {
            code: diagnostic.rule.code.to_owned(),
            severity: diagnostic.rule.severity.as_str().to_owned(),
            object,
            field,
            message: diagnostic.message.clone(),
            hint: diagnostic.help.clone(),
        }
    }
}

/// The field on the last of an object's lines, by the indentation of those before it.
fn field(lines: &[&str], by_object: bool) -> String {
    let mut stack: Vec<(usize, Step)> = Vec::new();
    let base = lines.first().map_or(0, |l| content(l));
    for line in lines {
        let mut at = line.len() - line.trim_start().len();
        let mut rest = line.trim_start();
        // The object's own dash is no step.
        while let Some(inner) = rest.strip_prefix("- ") {
            if at + 2 > base {
                let before = stack.iter().rev().find(|(i, _)| *i <= at);
                let next = match before {
                    Some((i, Step::Item(n))) if *i == at => n + 1,
                    _ => 0,
                };
                stack.retain(|(i, _)| *i < at);
                stack.push((at, Step::Item(next)));
            }
            at += 2;
            rest = inner;
        }
        if let Some((key, _)) = rest.split_once(':').filter(|(k, _)| is_key(k)) {
            stack.retain(|(i, _)| *i < at);
            stack.push((at, Step::Key(key.trim_matches('"').to_owned())));
        }
    }
    let mut found = "spec".to_owned();
    for (_, step) in &stack {
        match step {
            Step::Key(key) => found.push_str(&format!(".{key}")),
            Step::Item(n) => found.push_str(&format!("[{n}]")),
        }
    }
    match found.as_str() {
        "spec.name" if by_object => "metadata.name".to_owned(),
        _ => found,
    }
}

enum Step {
    Key(String),
    Item(usize),
}

fn is_key(text: &str) -> bool {
    !text.is_empty() && !text.contains([' ', '/'])
}

/// Where a line's content begins, its dash left out.
fn content(line: &str) -> usize {
    line.len() - line.trim_start_matches([' ', '-']).len()
}
