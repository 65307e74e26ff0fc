//! The suites once more on the kernel's datapath: where they run, and which of them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use super::outcome::Outcome;
use super::step::Step;
use super::{KUBERNETES_SUITES, MINUTE};
use crate::datapath::packages_of;
use crate::guest::{self, Guest, Kernel};
use crate::report;

/// What User Mode Linux skips, for it translates no addresses: the suites, and words in the sentences
/// of their checks. It runs in qemu, in one lab, for raising that takes longest there.
const TRANSLATING: &[(&str, &[&str])] = &[
    (
        "chaining",
        &[
            "portmap maps",
            "a chain of all three",
            "when a chained plugin fails",
        ],
    ),
    (
        "data-path",
        &[
            "a service's answers",
            "by services at once",
            "uses up its share",
        ],
    ),
];
/// How long one may take; a guest has one processor and slow system calls, or an emulated one.
const LIMIT: Duration = MINUTE.saturating_mul(15);

/// What has the kernel's datapath.
pub(super) enum Place {
    /// This machine; its kernel's release.
    Machine(String),
    /// A guest on it.
    Guest(Arc<dyn Guest>),
    /// Nothing; why.
    Nowhere(String),
}

/// What is to be run, and what is known not to be.
#[derive(Default)]
pub(super) struct Lane {
    pub(super) steps: Vec<Step>,
    pub(super) left_out: Vec<Outcome>,
}

impl Place {
    /// Looks for one, and fetches the guest's kernel where that is needed.
    pub(super) fn find() -> Self {
        if guest::machine_has_openvswitch() {
            return Self::Machine(release());
        }
        Self::guest(Kernel::Uml)
    }

    fn guest(kernel: Kernel) -> Self {
        match guest::prepare(kernel) {
            Ok(guest) => Self::Guest(guest),
            Err(error) => Self::Nowhere(format!("{error:#}")),
        }
    }

    /// Whether suites here do not meet the ones on the machine.
    pub(super) fn is_apart(&self) -> bool {
        !matches!(self, Self::Machine(_))
    }

    /// The name of a suite's row: with the kernel that it runs on.
    fn row(&self, what: &str) -> String {
        match self {
            Self::Machine(release) => format!("{what} (kernel {release})"),
            Self::Guest(guest) => format!("{what} (kernel {})", guest.name()),
            Self::Nowhere(_) => format!("{what} (kernel)"),
        }
    }

    /// The steps for the demo, where it is asked for, and these suites. What cannot run is left
    /// out; with `required` that is a failure.
    pub(super) fn lane(&self, lab: &Path, demo: bool, suites: &[String], required: bool) -> Lane {
        let mut lane = Lane::default();
        if demo {
            self.add(&mut lane, "demo", required, |row| {
                Step::program(row, lab, &["demo", "--datapath", "kernel"])
            });
        }
        // They touch no bridge, or have nodes, which need more of a kernel than a guest's has.
        let elsewhere = |suite: &&String| !KUBERNETES_SUITES.contains(&suite.as_str());
        let wanted = suites.iter().filter(elsewhere);
        for suite in wanted {
            let what = format!("suite {suite}");
            self.add(&mut lane, &what, required, |row| {
                Step::program(row, lab, &["suite", suite, "--datapath", "kernel"])
            });
        }
        lane
    }

    /// A step for the checks that [`Self::lane`] has to skip in a guest that translates no
    /// addresses, in one that does.
    pub(super) fn rest(&self, lab: &Path, suites: &[String], required: bool) -> Lane {
        if !self.is_apart() || translating(suites).is_none() {
            return Lane::default();
        }
        let place = Self::guest(Kernel::Qemu);
        place.tell();
        place.translating(lab, suites, required)
    }

    fn translating(&self, lab: &Path, suites: &[String], required: bool) -> Lane {
        let mut lane = Lane::default();
        if let Some((what, words)) = translating(suites) {
            self.add(&mut lane, &what, required, |row| {
                Step::program(row, lab, &words)
            });
        }
        lane
    }

    fn add(&self, lane: &mut Lane, what: &str, required: bool, step: impl Fn(&str) -> Step) {
        let row = self.row(what);
        let name = what.trim_start_matches("suite ");
        if let Some(packages) = packages_of(name) {
            match self.inside(packages) {
                Ok((row, guest, programs)) => {
                    let row = format!("{what} ({row})");
                    let step = step(&row).limit(LIMIT).inside(guest);
                    lane.steps.push(step.with(packages, programs));
                }
                Err(why) => lane.left_out.push(unable(&row, &why, required)),
            }
            return;
        }
        match self {
            Self::Machine(_) => lane.steps.push(step(&row).limit(LIMIT)),
            Self::Guest(guest) => lane
                .steps
                .push(step(&row).limit(LIMIT).inside(Arc::clone(guest))),
            Self::Nowhere(why) => lane.left_out.push(unable(&row, why, required)),
        }
    }

    /// A guest with these packages, and what its rows name.
    fn inside(&self, packages: &[&str]) -> Result<(String, Arc<dyn Guest>, PathBuf), String> {
        let guest = match self {
            Self::Guest(guest) => Arc::clone(guest),
            Self::Nowhere(why) => return Err(why.clone()),
            Self::Machine(_) => guest::prepare(Kernel::Uml).map_err(|e| format!("{e:#}"))?,
        };
        let programs = guest::programs(packages).map_err(|e| format!("{e:#}"))?;
        Ok((format!("kernel {}", guest.name()), guest, programs))
    }

    /// Says where, or why not.
    pub(super) fn tell(&self) {
        report::line(&match self {
            Self::Machine(release) => {
                format!("kernel's datapath: this machine's own, {release}")
            }
            Self::Guest(guest) => format!("kernel's datapath: in a guest, {}", guest.name()),
            Self::Nowhere(why) => format!("NOT RUN: the suites on the kernel's datapath: {why}"),
        });
    }
}

/// Of these suites, what [`TRANSLATING`] names: the row's beginning, and the lab's arguments.
fn translating(suites: &[String]) -> Option<(String, Vec<&'static str>)> {
    let named = |(suite, _): &&(&str, _)| suites.iter().any(|s| s == suite);
    let wanted: Vec<_> = TRANSLATING.iter().filter(named).collect();
    let names: Vec<&str> = wanted.iter().map(|(suite, _)| *suite).collect();
    let what = match names.as_slice() {
        [] => return None,
        [one] => format!("suite {one}"),
        many => format!("suites {}", many.join(", ")),
    };
    let words = wanted.iter().flat_map(|(_, words)| *words);
    let args = ["suite"].into_iter().chain(names);
    let args = args.chain(["--datapath", "kernel"]);
    let args = args.chain(words.flat_map(|words| ["--only", words]));
    Some((what, args.collect()))
}

/// What could not be run for want of a kernel.
fn unable(row: &str, why: &str, required: bool) -> Outcome {
    if required {
        let outcome = Outcome::failed(row, Duration::ZERO);
        return outcome.because(&format!("--require-kernel: {why}"));
    }
    Outcome::skipped(row).because(why)
}

fn release() -> String {
    let out = Command::new("uname").arg("-r").output();
    out.map_or_else(
        |_| "of this machine".to_owned(),
        |out| String::from_utf8_lossy(&out.stdout).trim().to_owned(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::{Ended, Job};

    #[derive(Debug)]
    struct Fake;

    impl Guest for Fake {
        fn name(&self) -> &str {
            "9.9 fake"
        }
        fn kind(&self) -> &str {
            "fake"
        }
        fn run(&self, _: &Job, _: &mut dyn FnMut(&str)) -> anyhow::Result<Ended> {
            Ok(Ended::Exit(0))
        }
    }

    fn suites(names: &[&str]) -> Vec<String> {
        names.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn every_suite_that_touches_a_bridge_runs_with_the_kernel_in_its_name() {
        let place = Place::Guest(Arc::new(Fake));
        let mut names = suites(&["nimbus"]);
        names.extend(suites(&KUBERNETES_SUITES));
        let lane = place.lane(Path::new("lab"), false, &names, true);
        let rows: Vec<&str> = lane.steps.iter().map(Step::name).collect();
        assert_eq!(rows, ["suite nimbus (kernel 9.9 fake)"]);
        let shown = lane.steps[0].shown();
        assert_eq!(
            shown,
            "cargo xtask guest --kernel fake -- lab suite nimbus --datapath kernel"
        );
    }

    #[test]
    fn without_a_kernel_each_suite_is_skipped_with_the_reason_or_fails_where_it_is_required() {
        let place = Place::Nowhere("no route to the archive".to_owned());
        let names = suites(&["nimbus", "stratus"]);
        for (required, failed, skipped) in [(false, 0, 1), (true, 1, 0)] {
            let lane = place.lane(Path::new("lab"), false, &names, required);
            assert!(lane.steps.is_empty());
            assert_eq!(lane.left_out.len(), 2);
            for outcome in lane.left_out {
                let count = outcome.count;
                assert_eq!((count.failed, count.skipped), (failed, skipped));
                let row = outcome.row();
                assert!(row.contains("no route to the archive"), "{row}");
            }
        }
    }

    #[test]
    fn a_suite_with_packages_of_its_own_is_no_row_without_a_guest() {
        let place = Place::Nowhere("no route to the archive".to_owned());
        let lane = place.lane(Path::new("lab"), false, &suites(&["writers"]), false);
        assert!(lane.steps.is_empty() && lane.left_out.len() == 1);
        assert!(packages_of("writers").is_some_and(|p| p.contains(&"network-manager")));
        assert_eq!(packages_of("uplink"), None);
    }

    #[test]
    fn what_translates_addresses_has_a_row_of_its_own_and_its_checks_alone() {
        let place = Place::Guest(Arc::new(Fake));
        let both = suites(&["nimbus", "chaining", "data-path"]);
        let lane = place.translating(Path::new("lab"), &both, true);
        let names: Vec<&str> = lane.steps.iter().map(Step::name).collect();
        assert_eq!(names, ["suites chaining, data-path (kernel 9.9 fake)"]);
        let lane = place.translating(Path::new("lab"), &suites(&["data-path"]), true);
        assert_eq!(lane.steps[0].name(), "suite data-path (kernel 9.9 fake)");
        assert_eq!(
            lane.steps[0].shown(),
            "cargo xtask guest --kernel fake -- lab suite data-path --datapath kernel --only \
             'a service'\\''s answers' --only 'by services at once' --only 'uses up its share'"
        );
        let lane = place.translating(Path::new("lab"), &suites(&["nimbus"]), true);
        assert!(lane.steps.is_empty() && lane.left_out.is_empty());
        let nowhere = Place::Nowhere("no qemu".into());
        let lane = nowhere.translating(Path::new("lab"), &both, true);
        assert_eq!(lane.left_out.len(), 1);
        assert_eq!(lane.left_out[0].count.failed, 1);
    }

    #[test]
    fn a_machine_with_the_datapath_needs_no_second_guest() {
        let machine = Place::Machine("6.1".to_owned());
        let lane = machine.rest(Path::new("lab"), &suites(&["chaining"]), true);
        assert!(lane.steps.is_empty() && lane.left_out.is_empty());
    }
}
