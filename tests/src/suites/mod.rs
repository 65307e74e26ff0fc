//! The end-to-end suites: `flatnet-lab suite NAME | all | list`.
//!
//! A suite is a list of checks whose names are sentences. Each check is a function that fails
//! with a reason; the suite goes on after a failure, and the last line is the count alone, in
//! the form that `cargo xtask test` reads.

mod bad_input;
mod chaining;
mod cloud;
mod conformance;
mod data_path;
mod kit;
mod kubernetes;
mod ranges;
mod restart;
mod rig;

mod chaos;
mod faults;
mod trace;
mod traces;

use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::screen::{Paint, Screen};
use crate::{LabGuard, Terminal, UpOptions};

/// A suite: it runs in the lab, which is raised for it.
#[derive(Debug)]
pub struct Suite {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is about, in a line.
    pub about: &'static str,
    /// Its checks, in order.
    pub checks: &'static [Check],
}

/// One check.
#[derive(Debug)]
pub struct Check {
    /// What holds if it passes, as a sentence.
    pub sentence: &'static str,
    /// The check itself.
    pub run: fn(&LabGuard) -> Result<()>,
}

/// Every suite, in the order in which `all` runs them.
const SUITES: &[Suite] = &[
    conformance::SUITE,
    bad_input::SUITE,
    chaining::SUITE,
    data_path::SUITE,
    restart::SUITE,
    faults::SUITE,
    cloud::SUITE,
    kubernetes::SUITE,
    ranges::SUITE,
    trace::SUITE,
    chaos::SUITE,
];

/// What to run.
#[derive(Debug, Args)]
pub struct Options {
    /// A suite's name, `all`, or `list`
    name: String,
    /// Only the checks whose sentences have these words
    #[arg(long, value_name = "WORDS")]
    only: Option<String>,
}

/// Runs what was named.
///
/// # Errors
/// If there is no such suite, or the lab does not come up; a check that fails is an exit
/// status.
pub fn run(options: &Options) -> Result<ExitCode> {
    let screen = Screen::stdout();
    let chosen = choose(SUITES, &options.name)?;
    if options.name == "list" {
        for suite in chosen {
            screen.line(&format!("{:<16} {}", suite.name, suite.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut count = Count::default();
    {
        let lab = LabGuard::take_with(&UpOptions::default(), &Terminal::default())?;
        for suite in chosen {
            run_suite(suite, options.only.as_deref(), &lab, screen, &mut count);
        }
    }
    screen.line(&format!("{} passed, {} failed", count.passed, count.failed));
    Ok(match count.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
}

fn choose<'s>(suites: &'s [Suite], name: &str) -> Result<Vec<&'s Suite>> {
    if matches!(name, "all" | "list") {
        return Ok(suites.iter().collect());
    }
    let known: Vec<&str> = suites.iter().map(|s| s.name).collect();
    let found = suites.iter().find(|s| s.name == name);
    let Some(suite) = found else {
        bail!("there is no suite {name}; there are: {}", known.join(", "));
    };
    Ok(vec![suite])
}

fn run_suite(suite: &Suite, only: Option<&str>, lab: &LabGuard, screen: Screen, count: &mut Count) {
    screen.line(&format!("{}: {}", suite.name, suite.about));
    let wanted = |check: &&Check| only.is_none_or(|words| check.sentence.contains(words));
    for check in suite.checks.iter().filter(wanted) {
        let begun = Instant::now();
        let outcome = (check.run)(lab).with_context(|| check.sentence);
        let seconds = begun.elapsed().as_secs_f64();
        let word = match outcome {
            Ok(()) => {
                count.passed += 1;
                screen.paint(Paint::Good, "ok")
            }
            Err(error) => {
                count.failed += 1;
                screen.paint(Paint::Bad, &format!("FAILED {error:#}\n   "))
            }
        };
        screen.line(&format!("  {} … {word} ({seconds:.1} s)", check.sentence));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &[Suite] = &[
        Suite {
            name: "cni",
            about: "",
            checks: &[],
        },
        Suite {
            name: "isolation",
            about: "",
            checks: &[],
        },
    ];

    #[test]
    fn a_suite_is_chosen_by_name_and_all_are_chosen_by_all() {
        let names = |name: &str| -> Vec<&str> {
            let chosen = choose(TWO, name).expect("a choice");
            chosen.iter().map(|s| s.name).collect()
        };
        assert_eq!(names("isolation"), ["isolation"]);
        assert_eq!(names("all"), ["cni", "isolation"]);
    }

    #[test]
    fn an_unknown_suite_is_answered_with_the_known_ones() {
        let error = choose(TWO, "x").expect_err("there is none");
        assert!(error.to_string().ends_with("cni, isolation"), "{error}");
    }
}
