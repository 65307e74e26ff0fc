//! The end-to-end suites: `flatnet-lab suite NAME | all | list`.
//!
//! A suite is a list of checks whose names are sentences. Each check is a function that fails
//! with a reason; the suite goes on after a failure, and the last line is the count alone, in
//! the form that `cargo xtask test` reads. A check that this kernel cannot bear says so by `Skip`.

mod addresses;
mod bad_input;
mod builds;
mod chaining;
mod cloud;
mod cluster;
mod conformance;
mod console;
mod data_path;
mod host;
mod kit;
mod kubernetes;
mod plan_live;
mod platform;
mod ranges;
mod release;
mod restart;
mod rig;

pub(crate) mod chaos;
mod faults;
pub(crate) mod floods;
pub(crate) mod redteam;
mod trace;
mod truth;
mod uplink;
mod writers;

use std::fmt;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use clap::Args;
use thiserror::Error;

use crate::screen::{Paint, Screen};
use crate::{Datapath, LabGuard};

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
    /// Carries it out in the lab; an error is what did not hold.
    pub run: fn(&LabGuard) -> Result<()>,
}

/// Every suite, in the order in which `all` runs them.
const SUITES: &[Suite] = &[
    conformance::SUITE,
    bad_input::SUITE,
    chaining::SUITE,
    data_path::SUITE,
    floods::SUITE,
    redteam::SUITE,
    restart::SUITE,
    host::SUITE,
    faults::SUITE,
    cloud::SUITE,
    kubernetes::SUITE,
    addresses::SUITE,
    cluster::SUITE,
    platform::SUITE,
    release::SUITE,
    builds::SUITE,
    console::SUITE,
    ranges::SUITE,
    plan_live::SUITE,
    trace::SUITE,
    truth::SUITE,
    uplink::SUITE,
    writers::SUITE,
    chaos::SUITE,
];

/// What to run.
#[derive(Debug, Args)]
pub struct Options {
    /// Suites' names, `all`, or `list`; they run in one lab
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// Only the checks whose sentences have these words (may be repeated: any of them)
    #[arg(long, value_name = "WORDS")]
    only: Vec<String>,
    /// Open vSwitch's datapath [default: user, or as the running lab has]
    #[arg(long, value_enum)]
    datapath: Option<Datapath>,
}

/// Runs what was named.
///
/// # Errors
/// If there is no such suite or check, or the lab does not come up; a check that fails is an exit
/// status.
pub fn run(options: &Options) -> Result<ExitCode> {
    let screen = Screen::stdout();
    let chosen = choose(SUITES, &options.names)?;
    if options.names == ["list"] {
        for suite in chosen {
            screen.line(&format!("{:<16} {}", suite.name, suite.about));
        }
        return Ok(ExitCode::SUCCESS);
    }
    known(&chosen, &options.only)?;
    let mut count = Count::default();
    {
        let lab = LabGuard::take_on(options.datapath)?;
        for suite in chosen {
            run_suite(suite, &options.only, &lab, screen, &mut count);
        }
    }
    screen.line(&count.to_string());
    Ok(match count.failed {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}

#[derive(Debug, Default)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        match self.skipped {
            0 => Ok(()),
            n => write!(f, ", {n} skipped"),
        }
    }
}

/// The error of a check that cannot be made on this kernel: it is counted as skipped.
#[derive(Debug, Error)]
#[error("{0}")]
struct Skip(String);

fn choose<'s>(suites: &'s [Suite], names: &[String]) -> Result<Vec<&'s Suite>> {
    if let [name] = names
        && matches!(name.as_str(), "all" | "list")
    {
        return Ok(suites.iter().collect());
    }
    let one = |name: &String| {
        let known: Vec<&str> = suites.iter().map(|s| s.name).collect();
        let found = suites.iter().find(|s| s.name == name);
        found.with_context(|| format!("there is no suite {name}; there are: {}", known.join(", ")))
    };
    names.iter().map(one).collect()
}

/// Whether the check is to run.
fn wanted(check: &Check, only: &[String]) -> bool {
    only.is_empty() || only.iter().any(|words| check.sentence.contains(words))
}

/// Words that no sentence has would be a run of nothing that succeeds.
fn known(suites: &[&Suite], only: &[String]) -> Result<()> {
    for words in only {
        let mut checks = suites.iter().flat_map(|s| s.checks);
        ensure!(
            checks.any(|check| check.sentence.contains(words)),
            "no check of these suites has the words {words:?} in its sentence"
        );
    }
    Ok(())
}

fn run_suite(suite: &Suite, only: &[String], lab: &LabGuard, screen: Screen, count: &mut Count) {
    screen.line(&format!("{}: {}", suite.name, suite.about));
    for check in suite.checks.iter().filter(|check| wanted(check, only)) {
        let begun = Instant::now();
        let outcome = (check.run)(lab).with_context(|| check.sentence);
        let seconds = begun.elapsed().as_secs_f64();
        let word = match outcome {
            Ok(()) => {
                count.passed += 1;
                screen.paint(Paint::Good, "ok")
            }
            Err(error) if error.downcast_ref::<Skip>().is_some() => {
                count.skipped += 1;
                format!("skipped: {}", error.root_cause())
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
            checks: &[Check {
                sentence: "an ADD is answered",
                run: |_| Ok(()),
            }],
        },
        Suite {
            name: "isolation",
            about: "",
            checks: &[],
        },
    ];

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&w| w.to_owned()).collect()
    }

    #[test]
    fn suites_are_chosen_by_name_and_all_are_chosen_by_all() {
        let names = |names: &[&str]| -> Vec<&str> {
            let chosen = choose(TWO, &strings(names)).expect("a choice");
            chosen.iter().map(|s| s.name).collect()
        };
        assert_eq!(names(&["isolation"]), ["isolation"]);
        assert_eq!(names(&["isolation", "cni"]), ["isolation", "cni"]);
        assert_eq!(names(&["all"]), ["cni", "isolation"]);
    }

    #[test]
    fn a_check_runs_where_its_sentence_has_any_of_the_words() {
        let check = &TWO[0].checks[0];
        assert!(wanted(check, &[]) && wanted(check, &strings(&["a DEL", "an ADD"])));
        assert!(!wanted(check, &strings(&["a DEL"])));
    }

    #[test]
    fn words_that_no_sentence_has_are_an_error_and_not_a_run_of_nothing() {
        let both: Vec<&Suite> = TWO.iter().collect();
        known(&both, &strings(&["an ADD"])).expect("there is one");
        let error = known(&both, &strings(&["an ADD", "a DEL"])).expect_err("there is none");
        assert!(error.to_string().contains("a DEL"), "{error}");
    }

    #[test]
    fn a_check_that_the_kernel_cannot_bear_is_told_from_one_that_failed() {
        let skip = || -> Result<()> { Err(Skip("no nat table".into()).into()) };
        let error = skip().context("a sentence").expect_err("skipped");
        assert!(error.downcast_ref::<Skip>().is_some());
        let count = Count {
            passed: 3,
            failed: 0,
            skipped: 2,
        };
        assert_eq!(count.to_string(), "3 passed, 0 failed, 2 skipped");
        assert_eq!(Count::default().to_string(), "0 passed, 0 failed");
    }

    #[test]
    fn an_unknown_suite_is_answered_with_the_known_ones() {
        let error = choose(TWO, &strings(&["cni", "x"])).expect_err("there is none");
        assert!(error.to_string().ends_with("cni, isolation"), "{error}");
    }
}
