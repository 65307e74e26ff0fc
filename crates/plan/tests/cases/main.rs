//! Small changes to one sound plan, and what is to be said of each: a list of findings, each
//! with a part of the line that it has to point at; an empty list where the plan stays sound.

mod cables;
mod cascades;
mod designs;
mod identity;
mod misfits;
mod places;
mod room;
mod sliced;
mod text;
mod ways;

use flatnet_plan::{Diagnostic, Report, Style, diagnose};

const BASE: &str = include_str!("base.yaml");

/// The plan with each of `edits` done once.
fn edited(edits: &[(&str, &str)]) -> String {
    let mut text = BASE.to_owned();
    for (from, to) in edits {
        assert!(text.contains(from), "{from:?} is not in the plan:\n{text}");
        text = text.replacen(from, to, 1);
    }
    text
}

fn report(text: &str) -> Report {
    diagnose(text, "plan.yaml")
}

/// Asserts what is found in the changed plan: codes, and parts of the lines they point at.
#[track_caller]
fn finds(edits: &[(&str, &str)], wanted: &[(&str, &str)]) {
    let text = edited(edits);
    let report = report(&text);
    let shown = report.render(Style::Text { color: false });
    let lines: Vec<&str> = text.lines().collect();
    let found: Vec<(&str, &str)> = report
        .diagnostics
        .iter()
        .map(|d| (d.rule.code, lines[d.span.line as usize - 1]))
        .collect();
    let codes = |all: &[(&str, &str)]| all.iter().map(|f| f.0.to_owned()).collect::<Vec<_>>();
    assert_eq!(codes(&found), codes(wanted), "{shown}\n{text}");
    for ((code, line), (_, part)) in found.iter().zip(wanted) {
        assert!(
            line.contains(part),
            "{code} at {line:?}, not {part:?}\n{shown}"
        );
    }
}

/// Asserts that one thing alone is found in the changed plan, and words that are said of it.
#[track_caller]
fn says(edit: (&str, &str), wanted: &str) -> Diagnostic {
    let report = report(&edited(&[edit]));
    let [only] = report.diagnostics.as_slice() else {
        panic!("{edit:?}: {:?}", report.diagnostics);
    };
    assert!(only.message.contains(wanted), "{edit:?}: {}", only.message);
    only.clone()
}

/// Asserts that nothing is found in the changed plan.
#[track_caller]
fn sound(edits: &[(&str, &str)]) {
    finds(edits, &[]);
}

#[test]
fn the_plan_that_is_changed_is_sound() {
    sound(&[]);
}
