//! The steps in the lab: the demo and the suites, on each datapath.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::kernel::Place;
use super::outcome::Outcome;
use super::step::{Step, Voice};
use super::wanted::Wanted;
use super::{CONSOLE_SUITE, KUBERNETES_SUITES, Kubernetes, MINUTE, NODE_SUITES, Options};
use crate::binaries::{Binaries, Purpose};
use crate::datapath::{Datapath, packages_of};
use crate::host::OFFLINE;
use crate::{console, node_parts, report};

/// What runs beside the suites, and by itself where there is no lab.
pub(super) struct Beside<'s> {
    pub(super) builds: &'s [Step],
    /// They use this machine as the suites do: after the last of those that run here.
    pub(super) tests: Vec<Step>,
}

/// The steps in the lab: the demo, then the suites; those of Kubernetes if its programs are there.
pub(super) fn lab_steps(
    options: &Options,
    wanted: &Wanted,
    (kubernetes, Beside { builds, tests }): (Option<Kubernetes>, Beside<'_>),
    outcomes: &mut Vec<Outcome>,
) -> Result<()> {
    let programs = match kubernetes {
        Some(Kubernetes::Wanted(step)) => Some(step),
        Some(Kubernetes::LeftOut(skipped)) => {
            outcomes.extend(skipped);
            None
        }
        None => None,
    };
    let console = programs.is_some() && wanted.suite(CONSOLE_SUITE);
    let started = Instant::now();
    // What is fetched comes while the compiler works.
    let (binaries, place, console) = std::thread::scope(|scope| {
        let place = scope.spawn(|| options.wants(Datapath::Kernel).then(Place::find));
        let console = scope.spawn(move || console.then(web_console));
        let binaries = Binaries::build(Purpose::Lab);
        (binaries, joined(place), joined(console))
    });
    let binaries = match binaries {
        Ok(binaries) => binaries,
        Err(error) => {
            report::line(&format!("{error:#}"));
            outcomes.push(Outcome::failed("static binaries", started.elapsed()));
            outcomes.push(Outcome::skipped("the demo and the suites"));
            outcomes.extend(run_all(builds, Voice::Alone)?);
            outcomes.extend(run_all(&tests, Voice::Alone)?);
            return Ok(());
        }
    };
    outcomes.push(Outcome::built("static binaries", started.elapsed()));
    let started = Instant::now();
    match binaries.build_faults() {
        Ok(()) => outcomes.push(Outcome::built("netd-faults", started.elapsed())),
        Err(error) => {
            // The suites that want it say so; the others go on.
            report::line(&format!("{error:#}"));
            outcomes.push(Outcome::failed("netd-faults", started.elapsed()));
        }
    }
    let mut names = match names(wanted, &binaries.lab()) {
        Ok(names) => names,
        Err(why) => {
            report::line(&format!("the suites cannot be listed: {why}"));
            outcomes.push(Outcome::failed("suite list", Duration::ZERO));
            Vec::new()
        }
    };
    if programs.is_some() && NODE_SUITES.iter().any(|suite| wanted.suite(suite)) {
        outcomes.push(node_parts(&binaries));
    }
    if let Some(console) = console {
        let console = console?;
        if console.is_not_there() {
            outcomes.push(Outcome::skipped(&format!("suite {CONSOLE_SUITE}")));
            names.retain(|name| name != CONSOLE_SUITE);
        }
        outcomes.push(console);
    }
    let mut user = user_steps((options, wanted), programs, &binaries.lab(), &names);
    user.tests = tests;
    let voice = match builds.is_empty() {
        true => Voice::Alone,
        false => Voice::Beside,
    };
    let Some(place) = place else {
        let (steps, builds) = beside(builds, || user.run(voice))?;
        outcomes.extend(builds.into_iter().chain(steps));
        return Ok(());
    };
    place.tell();
    let demo = wanted.demo();
    let lane = place.lane(&binaries.lab(), demo, &names, options.require_kernel);
    let rest = place.rest(&binaries.lab(), &names, options.require_kernel);
    // Two labs on one machine would meet; one in a guest meets nobody.
    let (steps, builds) = beside(builds, || {
        if place.is_apart() && !user.is_empty() {
            let (here, inside) = side_by_side(&user, &lane.steps)?;
            return Ok(here.into_iter().chain(inside).collect());
        }
        let mut steps = user.run(voice)?;
        steps.extend(run_all(&lane.steps, voice)?);
        Ok(steps)
    })?;
    outcomes.extend(builds.into_iter().chain(steps));
    outcomes.extend(lane.left_out);
    // Last and alone: an emulated machine that shares the processors becomes too slow for what
    // nodes give one another time for.
    outcomes.extend(run_all(&rest.steps, Voice::Alone)?);
    outcomes.extend(rest.left_out);
    Ok(())
}

/// What nodes of Kubernetes are made of. The suite says itself what it lacks, and skips its checks.
fn node_parts(binaries: &Binaries) -> Outcome {
    let started = Instant::now();
    let offline = std::env::var_os(OFFLINE).is_some();
    match node_parts::prepare(binaries, offline) {
        Ok(()) => Outcome::built("nodes' parts", started.elapsed()),
        Err(error) => {
            report::line(&format!(
                "NOT RUN: suites {}: {error:#}",
                NODE_SUITES.join(", ")
            ));
            Outcome::skipped("nodes' parts")
        }
    }
}

fn joined<T>(thread: std::thread::ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Builds and checks the web console. Where npm's registry is out of reach, that is told loudly.
fn web_console() -> Result<Outcome> {
    let name = "web console";
    if std::env::var_os(OFFLINE).is_some() && !console::installed()? {
        report::line(&format!(
            "NOT RUN: suite {CONSOLE_SUITE}, for {OFFLINE} is set and the web console's packages were not installed before; \
             no browser has seen the console"
        ));
        return Ok(Outcome::skipped(name));
    }
    let started = Instant::now();
    let built = console::build();
    let took = started.elapsed();
    Ok(match built {
        Ok(()) => Outcome::built(name, took),
        Err(error) => {
            report::line(&format!("{error:#}"));
            Outcome::failed(name, took)
        }
    })
}

/// The suites that are asked for and run in the lab.
fn names(wanted: &Wanted, lab: &Path) -> std::result::Result<Vec<String>, String> {
    wanted.named().map_or_else(|| suites(lab), Ok)
}

/// The steps on the userspace datapath, which meet one another on this machine.
#[derive(Default)]
struct Here {
    /// Those that want nothing of Kubernetes, in their order.
    first: Vec<Step>,
    /// What builds Kubernetes' programs, and the suites that want them.
    kubernetes: Option<(Step, Vec<Step>)>,
    /// The unit tests, after the last suite.
    tests: Vec<Step>,
}

impl Here {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.kubernetes.is_none() && self.tests.is_empty()
    }

    fn run(&self, voice: Voice) -> Result<Vec<Outcome>> {
        let mut outcomes = self.suites(voice)?;
        outcomes.extend(run_all(&self.tests, voice)?);
        Ok(outcomes)
    }

    /// Kubernetes' programs are built beside the first steps, which wait more than they work.
    fn suites(&self, voice: Voice) -> Result<Vec<Outcome>> {
        let Some((build, suites)) = &self.kubernetes else {
            return run_all(&self.first, voice);
        };
        std::thread::scope(|scope| {
            let built = scope.spawn(|| build.run(Voice::Beside));
            let first = run_all(&self.first, Voice::Beside);
            let built = joined(built)?;
            let suites = match built.count.failed {
                0 => run_all(suites, voice)?,
                _ => suites.iter().map(|s| Outcome::skipped(s.name())).collect(),
            };
            let all = std::iter::once(built).chain(first?).chain(suites);
            Ok(all.collect())
        })
    }
}

/// The demo and the suites on the userspace datapath; those of Kubernetes with the step that builds its programs.
fn user_steps(
    (options, wanted): (&Options, &Wanted),
    programs: Option<Step>,
    lab: &Path,
    names: &[String],
) -> Here {
    if !options.wants(Datapath::User) {
        return Here::default();
    }
    let in_lab = |name: &str, args: &[&str]| Step::program(name, lab, args).limit(15 * MINUTE);
    let mut first = Vec::new();
    if wanted.demo() {
        first.push(in_lab("demo", &["demo", "--datapath", "user"]));
    }
    let mut last = Vec::new();
    for name in names.iter().filter(|name| packages_of(name).is_none()) {
        let args = ["suite", name, "--datapath", "user"];
        let step = in_lab(&format!("suite {name}"), &args);
        match KUBERNETES_SUITES.contains(&name.as_str()) {
            true => last.push(step),
            false => first.push(step),
        }
    }
    Here {
        first,
        kubernetes: programs.map(|build| (build, last)),
        tests: Vec::new(),
    }
}

fn run_all(steps: &[Step], voice: Voice) -> Result<Vec<Outcome>> {
    steps.iter().map(|step| step.run(voice)).collect()
}

/// Builds beside other steps; the outcomes of the steps and of the builds.
fn beside(
    builds: &[Step],
    steps: impl FnOnce() -> Result<Vec<Outcome>>,
) -> Result<(Vec<Outcome>, Vec<Outcome>)> {
    std::thread::scope(|scope| {
        let builder = scope.spawn(|| run_all(builds, Voice::Beside));
        let steps = steps();
        Ok((steps?, joined(builder)?))
    })
}

/// Two lists of steps at once: those that meet each other on this machine in their order, those in
/// guests from the last on, for the longest suites are last. Who is done with the first list helps
/// with the second.
fn side_by_side(here: &Here, inside: &[Step]) -> Result<(Vec<Outcome>, Vec<Outcome>)> {
    let left = Mutex::new(inside.iter().enumerate().collect::<Vec<_>>());
    let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
    let help = || -> Result<Vec<(usize, Outcome)>> {
        std::iter::from_fn(next)
            .map(|(place, step)| Ok((place, step.run(Voice::Beside)?)))
            .collect()
    };
    std::thread::scope(|scope| {
        let helper = scope.spawn(help);
        let here = here.run(Voice::Beside);
        let late = help();
        let mut inside = joined(helper)?;
        inside.extend(late?);
        inside.sort_by_key(|(place, _)| *place);
        let inside = inside.into_iter().map(|(_, outcome)| outcome).collect();
        Ok((here?, inside))
    })
}

/// The suites by name, as `flatnet-lab suite list` prints them: the first word of each line.
fn suites(lab: &Path) -> std::result::Result<Vec<String>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_side_by_side_are_all_run_and_told_in_their_order() {
        let steps = |names: &[&str]| -> Vec<Step> {
            let step = |name: &&str| Step::program(name, Path::new("true"), &[]);
            names.iter().map(step).collect()
        };
        let outside = Here {
            first: steps(&["a"]),
            kubernetes: Some((steps(&["kube"]).remove(0), steps(&["api"]))),
            tests: steps(&["unit"]),
        };
        let (here, inside) =
            side_by_side(&outside, &steps(&["k", "l", "m", "n"])).expect("they run");
        let names = |outcomes: &[Outcome]| -> Vec<String> {
            outcomes.iter().map(|o| o.name.clone()).collect()
        };
        assert_eq!(names(&here), ["kube", "a", "api", "unit"]);
        assert_eq!(names(&inside), ["k", "l", "m", "n"]);
        assert!(here.iter().chain(&inside).all(|o| o.count.failed == 0));
    }

    #[test]
    fn without_kubernetes_its_suites_are_skipped_and_the_others_run() {
        let step = |name: &str, program: &str| Step::program(name, Path::new(program), &[]);
        let here = Here {
            first: vec![step("a", "true")],
            kubernetes: Some((step("kube", "false"), vec![step("api", "true")])),
            tests: Vec::new(),
        };
        let outcomes = here.run(Voice::Beside).expect("they run");
        let counts: Vec<_> = outcomes
            .iter()
            .map(|o| {
                (
                    o.name.as_str(),
                    o.count.passed,
                    o.count.failed,
                    o.count.skipped,
                )
            })
            .collect();
        assert_eq!(
            counts,
            [("kube", 0, 1, 0), ("a", 1, 0, 0), ("api", 0, 0, 1)]
        );
    }

    #[test]
    fn a_suite_is_the_first_word_of_its_line() {
        assert_eq!(
            first_words("cni        the CNI conformance points\n\nisolation  between VLANs\n"),
            ["cni", "isolation"]
        );
    }
}
