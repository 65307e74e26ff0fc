//! `cargo xtask test`: every check of the project.
//!
//! ```text
//!   format ─ structure ─ clippy ─ docs ─ unit and property tests   (--fast)
//!
//!   format ─ structure ─ static binaries ─┬ demo ─ suite … ─ suite        (root, packages, binaries)
//!                                         ├ the same on the kernel's datapath, in a guest where the machine has none
//!                                         └ clippy ─ docs ─ build of the tests, by what processor time these two leave
//!     ─ suite aliyun-sim                                                  (PyPI, unless FLATNET_OFFLINE)
//!
//!   suites with an API server: after the others, beside which Kubernetes is built      (Go, unless FLATNET_OFFLINE)
//!   unit and property tests, with root: after the last suite on this machine, beside those in a guest
//!   suite console: the web console is built and checked before      (npm, unless FLATNET_OFFLINE)
//! ```
//!
//! A step that fails does not stop the others, so one run shows all there is to repair. With
//! `--repeat-failed` each is run once more at the end, alone on the machine.

mod changed;
mod count;
mod kernel;
mod lab;
mod outcome;
mod step;
mod time;
mod times;
mod wanted;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Args;

use self::count::Count;
use self::lab::{Beside, lab_steps};
use self::outcome::Outcome;
use self::step::{Step, Voice};
use self::wanted::{Packages, Wanted};
use crate::datapath::Datapath;
use crate::host::OFFLINE;
use crate::{apt, binaries, host, kubernetes, report};

/// The variable that lets tests run that need root; they do nothing without it.
const ROOT_TESTS: &str = "FLATNET_ROOT_TESTS";

/// The suite that runs without the lab: Alibaba's own SDK against the simulator.
const SIMULATOR_SUITE: &str = "aliyun-sim";
/// The suites that want Kubernetes' programs, which are built from their sources.
const KUBERNETES_SUITES: [&str; 7] = [
    "kubernetes",
    "addresses",
    "platform",
    "release",
    "builds",
    "console",
    "cluster",
];
/// Of those, the one that also wants the web console, which is built by npm.
const CONSOLE_SUITE: &str = "console";
/// Of those, the ones with nodes, which also want containerd and images.
const NODE_SUITES: [&str; 3] = ["cluster", "release", "builds"];

/// How many steps of a run may fail at first and pass alone. More is no chance.
const FLAKY_MAX: usize = 1;

/// What a first build of everything takes; that of Kubernetes' programs looks itself.
const DISK_GIB: u64 = 6;

const MINUTE: Duration = Duration::from_secs(60);

/// What to test.
#[derive(Debug, Default, Args)]
pub(crate) struct Options {
    /// Only what needs neither root nor the lab
    #[arg(long, conflicts_with = "suite")]
    fast: bool,
    /// Only this end-to-end suite (may be repeated); `cargo xtask lab suite list` names them,
    /// and `aliyun-sim` is one more
    #[arg(long, value_name = "NAME")]
    suite: Vec<String>,
    /// Only what can have been broken since BASE, what is not committed included; what is left out
    /// is told with the reason [default: where this branch left the upstream of `main`, or, where
    /// there is none, the commit before]
    #[arg(long, value_name = "BASE", num_args = 0..=1, conflicts_with = "suite")]
    changed: Option<Option<String>>,
    /// The demo and the suites on this datapath alone [default: on both]
    #[arg(long, value_enum)]
    datapath: Option<Datapath>,
    /// What cannot run on the kernel's datapath, because there is neither such a kernel nor a
    /// guest, is a failure and not skipped
    #[arg(long)]
    require_kernel: bool,
    /// Run once more, alone, what failed: one step that passes then is `flaky` and no failure, and
    /// the summary says what failed at first
    #[arg(long)]
    repeat_failed: bool,
}

impl Options {
    /// Whether the demo and the suites are to run on this datapath.
    fn wants(&self, datapath: Datapath) -> bool {
        self.datapath.is_none_or(|only| only == datapath)
    }
}

/// Runs the steps and prints the table; the last line is the count alone.
///
/// # Errors
/// Only if a step cannot be started at all.
pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let started = Instant::now();
    let wanted = Wanted::of(options)?;
    let end_to_end = wanted.is_end_to_end();
    if end_to_end {
        host::require_root("the end-to-end suites run in the lab; --fast does without")?;
        apt::install()?;
    }
    host::require_disk(DISK_GIB)?;
    let mut outcomes = Vec::new();
    let kubernetes =
        options.wants(Datapath::User) && KUBERNETES_SUITES.iter().any(|suite| wanted.suite(suite));
    let kubernetes = kubernetes.then(|| Kubernetes::of(&wanted)).transpose()?;
    let root = end_to_end || options.changed.is_some() && !options.fast && host::is_root();
    // What the suites run is compiled with the tests, and tests without root stay with what a developer builds.
    let triple = root.then(host::triple).transpose()?;
    let steps = static_steps(triple.as_deref(), &wanted.packages);
    for step in steps.quick {
        outcomes.push(step.run(Voice::Alone)?);
    }
    if wanted.lab() {
        let builds = steps.builds.into_iter().chain(steps.tests_built);
        let builds: Vec<Step> = builds.map(Step::modest).collect();
        let beside = Beside {
            builds: &builds,
            tests: steps.tests,
        };
        lab_steps(options, &wanted, (kubernetes, beside), &mut outcomes)?;
    } else {
        for step in steps.builds.into_iter().chain(steps.tests) {
            outcomes.push(step.run(Voice::Alone)?);
        }
    }
    if wanted.suite(SIMULATOR_SUITE) {
        outcomes.push(simulator_suite()?);
    }
    if options.repeat_failed {
        let repeated = outcomes.into_iter().map(Outcome::once_more);
        outcomes = repeated.collect::<Result<_>>()?;
    }
    Ok(summary(&outcomes, started.elapsed()))
}

/// The steps that need no lab.
#[derive(Default)]
struct Static {
    /// Seconds.
    quick: Vec<Step>,
    /// Builds, and nothing else.
    builds: Vec<Step>,
    /// The build of what `tests` run, where that is done before.
    tests_built: Option<Step>,
    tests: Vec<Step>,
}

/// The steps that need no lab. With root, on this `triple`, the tests that need it run too, in the same step: asked
/// for by themselves, cargo would build them with other features once more. They are static, as are the programs of the
/// suites: what is compiled serves both.
fn static_steps(root: Option<&str>, packages: &Packages) -> Static {
    let mut steps = Static::default();
    if *packages == Packages::None {
        return steps;
    }
    steps.quick = vec![
        Step::cargo("format", &["fmt", "--all", "--check"]),
        Step::cargo("structure", &["xtask", "structure"]),
    ];
    let chosen = packages.arguments();
    if chosen.is_empty() {
        return steps;
    }
    let cargo = |name: &str, command: &str, rest: &[&str]| {
        let chosen = chosen.iter().map(String::as_str);
        let args = std::iter::once(command).chain(chosen);
        let args: Vec<&str> = args.chain(rest.iter().copied()).collect();
        Step::cargo(name, &args)
    };
    let name = match root.is_some() {
        true => "unit and property tests, also with root",
        false => "unit and property tests",
    };
    let tests = |name: &str, how: &str| match root {
        Some(triple) => with_static(cargo(name, "test", &["--target", triple, how]), triple),
        None => cargo(name, "test", &[how]),
    };
    let mut run = tests(name, "--no-fail-fast");
    if root.is_some() {
        run = run.env(ROOT_TESTS, "1");
    }
    let lints = ["--all-targets", "--all-features", "--", "-D", "warnings"];
    let documentation = cargo("documentation", "doc", &["--no-deps"]);
    steps.builds = vec![
        cargo("clippy", "clippy", &lints),
        documentation.env("RUSTDOCFLAGS", "-D warnings"),
    ];
    steps.tests_built = Some(tests("build of the tests", "--no-run"));
    steps.tests = vec![run];
    if has_deny() && *packages == Packages::All {
        steps.tests.push(deny_step());
    }
    steps
}

/// With what makes static what is built for this triple.
fn with_static(step: Step, triple: &str) -> Step {
    let (variable, flags) = binaries::static_flags(triple);
    step.env(&variable, flags)
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
    simulator_step(&name, &host::triple()?).run(Voice::Alone)
}

/// Of the whole workspace: named by its package, cargo would build what the simulator needs with
/// other features once more.
fn simulator_step(name: &str, triple: &str) -> Step {
    let args = ["test", "--workspace", "--target", triple, "--test", "sdk"];
    with_static(Step::cargo(name, &args), triple)
}

/// Kubernetes' programs, and the suites that want them.
enum Kubernetes {
    /// They are there, or a step builds them.
    Wanted(Step),
    /// Their suites are left out.
    LeftOut(Vec<Outcome>),
}

impl Kubernetes {
    fn of(wanted: &Wanted) -> Result<Self> {
        if std::env::var_os(OFFLINE).is_none() || kubernetes::built()?.is_some() {
            let program = std::env::current_exe().context("find this program")?;
            return Ok(Self::Wanted(
                Step::program("Kubernetes' programs", &program, &["kubernetes"]).limit(40 * MINUTE),
            ));
        }
        report::line(&format!(
            "NOT RUN: suites {}, for {OFFLINE} is set and Kubernetes' programs were not built before; \
             nothing has led by a real Lease, and no kubelet has called the plugin",
            KUBERNETES_SUITES.join(", ")
        ));
        let suites = KUBERNETES_SUITES.iter().filter(|suite| wanted.suite(suite));
        let skipped = suites.map(|suite| Outcome::skipped(&format!("suite {suite}")));
        Ok(Self::LeftOut(skipped.collect()))
    }
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
    let started = Instant::now();
    let outcome = deny_step().run(Voice::Alone)?;
    Ok(summary(&[outcome], started.elapsed()))
}

/// Prints the table, where the time went, what failed, and the count; `all` is the whole run's time.
fn summary(outcomes: &[Outcome], all: Duration) -> ExitCode {
    let mut total = Count::default();
    report::line("");
    for outcome in outcomes {
        total += outcome.count;
        report::line(&outcome.row());
    }
    report::line("");
    for line in times::lines(outcomes, all) {
        report::line(&line);
    }
    report::line("");
    for outcome in outcomes.iter().filter(|o| o.flaky || o.count.failed > 0) {
        let how = if outcome.flaky { ", flaky," } else { "" };
        if let Some(alone) = outcome.alone() {
            report::line(&format!("{}{how} alone: {alone}", outcome.name));
        }
        for line in &outcome.failures {
            report::line(&format!("    {line}"));
        }
    }
    let flaky = outcomes.iter().filter(|o| o.flaky).count();
    if flaky > FLAKY_MAX {
        report::line(&format!(
            "{flaky} steps are flaky, more than {FLAKY_MAX}: a failure"
        ));
    }
    report::line(&total.to_string());
    if total.failed == 0 && flaky <= FLAKY_MAX {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the steps run, but the build of the tests.
    fn shown_steps(root: Option<&str>, packages: &Packages) -> Vec<String> {
        let steps = static_steps(root, packages);
        let all = steps.quick.iter().chain(&steps.builds).chain(&steps.tests);
        all.map(Step::shown).collect()
    }

    #[test]
    fn the_fast_part_has_no_step_for_root() {
        let shown = |root| shown_steps(root, &Packages::All);
        let fast = shown(None);
        assert!(fast.iter().all(|s| !s.contains(ROOT_TESTS)), "{fast:?}");
        let all = shown(Some("here"));
        let tests: Vec<&String> = all.iter().filter(|s| s.contains(" test ")).collect();
        assert!(
            tests.len() == 1 && tests[0].contains(ROOT_TESTS),
            "{tests:?}"
        );
    }

    #[test]
    fn only_chosen_packages_are_checked_and_format_always() {
        let shown = |names: &[&str]| -> Vec<String> {
            let names = names.iter().map(|&n| n.to_owned()).collect();
            shown_steps(None, &Packages::These(names))
        };
        assert_eq!(shown(&[]).len(), 2);
        let steps = shown(&["a", "b"]);
        let tests = "cargo test --package a --package b --no-fail-fast";
        assert!(steps.iter().any(|s| s == tests), "{steps:?}");
        assert!(shown_steps(Some("here"), &Packages::None).is_empty());
        let built = static_steps(Some("here"), &Packages::All).tests_built;
        let built = built
            .expect("the tests are built beside the suites")
            .shown();
        let run = shown_steps(Some("here"), &Packages::All);
        let flags = built.replace("--no-run", "--no-fail-fast");
        assert!(
            run.iter()
                .any(|s| s.replace(&format!(" {ROOT_TESTS}=1"), "").ends_with(&flags)),
            "{run:?}, {built}"
        );
    }

    #[test]
    fn the_simulators_suite_is_of_the_whole_workspace() {
        let shown = simulator_step("suite aliyun-sim", "here").shown();
        assert!(
            shown.ends_with("cargo test --workspace --target here --test sdk"),
            "{shown}"
        );
    }
}
