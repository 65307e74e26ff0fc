//! `cargo xtask test`: every check of the project, one step after the other.
//!
//! ```text
//!   format ─ clippy ─ docs ─ unit and property tests            (--fast ends here)
//!     ─ tests that need root ─ suite aliyun-sim                 (PyPI, unless FLATNET_OFFLINE)
//!     ─ demo ─ suite … ─ suite                                  (root, packages, binaries)
//!
//!   suite kubernetes: the API server is built first, once      (Go, unless FLATNET_OFFLINE)
//! ```
//!
//! A step that fails does not stop the others, so one run shows all there is to mend.

mod count;
mod step;

use std::process::{Command, ExitCode};
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

use self::count::Count;
use self::step::{Outcome, Step};
use crate::binaries::Binaries;
use crate::{apt, host, kubernetes, report};

/// The packages with tests that need root; they do nothing unless [`ROOT_TESTS`] is set.
const ROOT_PACKAGES: &[&str] = &[
    "flatnet-ovs",
    "flatnet-kernel",
    "flatnet-netd",
    "flatnet-vpc-route",
    "flatnet-lab",
];
/// The variable that lets those tests run.
const ROOT_TESTS: &str = "FLATNET_ROOT_TESTS";

/// The suite that runs without the lab: Alibaba's own SDK against the simulator.
const SIMULATOR_SUITE: &str = "aliyun-sim";
/// The suite that wants an API server, which is built from its sources.
const KUBERNETES_SUITE: &str = "kubernetes";
/// The variable that leaves out what needs a network.
const OFFLINE: &str = "FLATNET_OFFLINE";

/// What a first build of everything takes.
const DISK_GIB: u64 = 6;

const MINUTE: Duration = Duration::from_secs(60);

/// What to test.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Only what needs neither root nor the lab
    #[arg(long, conflicts_with = "suite")]
    fast: bool,
    /// Only this end-to-end suite (may be repeated); `cargo xtask lab suite list` names them,
    /// and `aliyun-sim` is one more
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
}

impl Options {
    fn names(&self, suite: &str) -> bool {
        self.suite.iter().any(|name| name == suite)
    }

    /// Whether an API server is wanted.
    fn wants_kubernetes(&self) -> bool {
        self.suite.is_empty() || self.names(KUBERNETES_SUITE)
    }

    /// Whether anything is asked for that runs in the lab.
    fn wants_lab(&self) -> bool {
        self.suite.is_empty() || self.suite.iter().any(|name| name != SIMULATOR_SUITE)
    }
}

/// Runs the steps and prints the table; the last line is the count alone.
///
/// # Errors
/// Only if a step cannot be started at all.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let end_to_end = !options.fast;
    if end_to_end {
        host::require_root("the end-to-end suites run in the lab; --fast does without")?;
        apt::install()?;
    }
    host::require_disk(DISK_GIB)?;
    let mut outcomes = Vec::new();
    // First, for it needs much disk for a while, and so do the builds that follow.
    let kubernetes = end_to_end && options.wants_kubernetes() && api_server(&mut outcomes)?;
    if options.suite.is_empty() {
        for step in static_steps(end_to_end) {
            outcomes.push(step.run()?);
        }
    }
    if end_to_end && (options.suite.is_empty() || options.names(SIMULATOR_SUITE)) {
        outcomes.push(simulator_suite()?);
    }
    if end_to_end && options.wants_lab() {
        lab_steps(options, kubernetes, &mut outcomes)?;
    }
    Ok(summary(&outcomes))
}

/// The steps that need no lab. With `root`, the packages that have tests for root are left
/// to a step of their own, so that no test is counted twice.
fn static_steps(root: bool) -> Vec<Step> {
    let mut units = Step::cargo(
        "unit and property tests",
        &["test", "--workspace", "--no-fail-fast"],
    );
    let mut privileged =
        Step::cargo("tests with root", &["test", "--no-fail-fast"]).env(ROOT_TESTS, "1");
    for package in ROOT_PACKAGES {
        if root {
            units = units.arg("--exclude").arg(package);
        }
        privileged = privileged.arg("--package").arg(package);
    }
    let mut steps = vec![
        Step::cargo("format", &["fmt", "--all", "--check"]),
        Step::cargo(
            "clippy",
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--",
                "-D",
                "warnings",
            ],
        ),
        Step::cargo("documentation", &["doc", "--workspace", "--no-deps"])
            .env("RUSTDOCFLAGS", "-D warnings"),
        units,
    ];
    if has_deny() {
        steps.push(deny_step());
    }
    if root {
        steps.push(privileged);
    }
    steps
}

/// Alibaba's SDK comes from PyPI; where that is out of reach, the suite is left out, loudly.
fn simulator_suite() -> Result<Outcome> {
    let name = format!("suite {SIMULATOR_SUITE}");
    if std::env::var_os(OFFLINE).is_some() {
        report::line(&format!(
            "NOT RUN: {name}, for {OFFLINE} is set; nothing but our own client has spoken to the \
             simulator"
        ));
        return Ok(Outcome::skipped(&name));
    }
    simulator_step(&name).run()
}

fn simulator_step(name: &str) -> Step {
    let package = "flatnet-aliyun-sim";
    let args = ["test", "-p", package, "--test", "sdk"];
    Step::cargo(name, &args)
}

/// Builds the API server; whether it is there. Where the module proxy is out of reach, its suite
/// is left out, loudly.
fn api_server(outcomes: &mut Vec<Outcome>) -> Result<bool> {
    let name = format!("suite {KUBERNETES_SUITE}");
    if std::env::var_os(OFFLINE).is_some() && kubernetes::built()?.is_none() {
        report::line(&format!(
            "NOT RUN: {name}, for {OFFLINE} is set and no API server was built before; nothing \
             has led by a real Lease"
        ));
        outcomes.push(Outcome::skipped(&name));
        return Ok(false);
    }
    let started = Instant::now();
    let built = kubernetes::build();
    let took = started.elapsed();
    match built {
        Ok(()) => {
            outcomes.push(Outcome::passed("API server", took));
            Ok(true)
        }
        Err(error) => {
            report::line(&format!("{error:#}"));
            outcomes.push(Outcome::failed("API server", took));
            outcomes.push(Outcome::skipped(&name));
            Ok(false)
        }
    }
}

/// The steps in the lab: the demo, then the suites; that of Kubernetes if there is an API server.
fn lab_steps(options: &Options, kubernetes: bool, outcomes: &mut Vec<Outcome>) -> Result<()> {
    let started = Instant::now();
    let binaries = match Binaries::build() {
        Ok(binaries) => binaries,
        Err(error) => {
            report::line(&format!("{error:#}"));
            outcomes.push(Outcome::failed("static binaries", started.elapsed()));
            outcomes.push(Outcome::skipped("the demo and the suites"));
            return Ok(());
        }
    };
    outcomes.push(Outcome::passed("static binaries", started.elapsed()));
    if let Err(error) = binaries.build_faults() {
        // The suites that want it say so; the others go on.
        report::line(&format!("{error:#}"));
        outcomes.push(Outcome::failed("netd-faults", started.elapsed()));
    }
    let lab = binaries.lab();
    let in_lab = |name: &str, args: &[&str]| Step::program(name, &lab, args).limit(15 * MINUTE);
    let mut steps = Vec::new();
    if options.suite.is_empty() {
        steps.push(in_lab("demo", &["demo"]));
    }
    let names = if options.suite.is_empty() {
        match suites(&lab) {
            Ok(names) => names,
            Err(why) => {
                report::line(&format!("the suites cannot be listed: {why}"));
                outcomes.push(Outcome::failed("suite list", Duration::ZERO));
                Vec::new()
            }
        }
    } else {
        let mut names = options.suite.clone();
        names.retain(|name| name != SIMULATOR_SUITE);
        names
    };
    let runs = |name: &&String| kubernetes || *name != KUBERNETES_SUITE;
    for name in names.iter().filter(runs) {
        steps.push(in_lab(&format!("suite {name}"), &["suite", name]));
    }
    for step in steps {
        outcomes.push(step.run()?);
    }
    Ok(())
}

/// The suites by name, as `flatnet-lab suite list` prints them: the first word of each line.
fn suites(lab: &std::path::Path) -> std::result::Result<Vec<String>, String> {
    let out = Command::new(lab)
        .args(["suite", "list"])
        .output()
        .map_err(|e| e.to_string())?;
    if !out.status.success() {
        return Err(String::from_utf8_lossy(&out.stderr).trim().to_owned());
    }
    Ok(first_words(&String::from_utf8_lossy(&out.stdout)))
}

fn first_words(listing: &str) -> Vec<String> {
    listing
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect()
}

fn has_deny() -> bool {
    host::has_program("cargo-deny")
}

/// Advisories are left out: their database is on the network.
fn deny_step() -> Step {
    Step::cargo(
        "dependencies",
        &["deny", "check", "licenses", "bans", "sources"],
    )
}

/// `cargo xtask deny`.
///
/// # Errors
/// If cargo-deny is not installed; the message says how to install it.
pub(crate) fn deny() -> Result<ExitCode> {
    anyhow::ensure!(
        has_deny(),
        "cargo-deny is not installed: `cargo install cargo-deny --locked` installs it"
    );
    Ok(summary(&[deny_step().run()?]))
}

fn summary(outcomes: &[Outcome]) -> ExitCode {
    let mut total = Count::default();
    report::line("");
    for outcome in outcomes {
        total += outcome.count;
        report::line(&outcome.row());
    }
    report::line("");
    for outcome in outcomes.iter().filter(|o| o.count.failed > 0) {
        if let Some(again) = &outcome.again {
            report::line(&format!("{} alone: {again}", outcome.name));
        }
    }
    report::line(&total.to_string());
    if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fast_part_has_no_step_for_root() {
        let shown: Vec<String> = static_steps(false).iter().map(Step::shown).collect();
        assert!(shown.iter().all(|s| !s.contains(ROOT_TESTS)), "{shown:?}");
        assert!(shown.iter().all(|s| !s.contains("--exclude")), "{shown:?}");
    }

    #[test]
    fn with_root_no_package_is_tested_twice() {
        let shown: Vec<String> = static_steps(true).iter().map(Step::shown).collect();
        for package in ROOT_PACKAGES {
            let excluded = shown
                .iter()
                .any(|s| s.contains(&format!("--exclude {package}")));
            let tested = shown
                .iter()
                .any(|s| s.contains(ROOT_TESTS) && s.contains(&format!("--package {package}")));
            assert!(excluded && tested, "{package} in {shown:?}");
        }
    }

    #[test]
    fn the_simulators_suite_alone_needs_no_lab() {
        let options = |names: &[&str]| Options {
            fast: false,
            suite: names.iter().map(|&n| n.to_owned()).collect(),
        };
        assert!(!options(&["aliyun-sim"]).wants_lab());
        assert!(options(&["aliyun-sim", "faults"]).wants_lab());
        assert!(options(&[]).wants_lab() && !options(&["faults"]).names(SIMULATOR_SUITE));
        assert!(options(&[]).wants_kubernetes() && options(&["kubernetes"]).wants_kubernetes());
        assert!(!options(&["faults"]).wants_kubernetes());
        let shown = simulator_step("suite aliyun-sim").shown();
        assert!(shown.ends_with("--test sdk"), "{shown}");
    }

    #[test]
    fn a_suite_is_the_first_word_of_its_line() {
        assert_eq!(
            first_words("cni        the CNI conformance points\n\nisolation  between VLANs\n"),
            ["cni", "isolation"]
        );
    }
}
