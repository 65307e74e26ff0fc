//! What is asked for: whose lints and tests, and which suites.

use std::collections::BTreeSet;

use anyhow::Result;

use super::changed::{self, Choice};
use super::{Options, SIMULATOR_SUITE};
use crate::workspace::Workspace;
use crate::{host, report};

/// The demo, where suites are named.
const DEMO: &str = "demo";

/// Whose format, lints, documentation and tests.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Packages {
    None,
    All,
    /// These; the format of all.
    These(BTreeSet<String>),
}

/// Which suites.
#[derive(Debug, PartialEq, Eq)]
enum Suites {
    /// All, and the demo.
    All,
    These(Vec<String>),
}

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) packages: Packages,
    suites: Suites,
}

impl Wanted {
    /// What the options ask for. What a change leaves out is printed.
    ///
    /// # Errors
    /// If git or cargo cannot say what has changed.
    pub(super) fn of(options: &Options) -> Result<Self> {
        let mut wanted = match &options.changed {
            Some(base) => Self::of_change(base.as_deref())?,
            None if options.suite.is_empty() => Self {
                packages: Packages::All,
                suites: Suites::All,
            },
            None => Self {
                packages: Packages::None,
                suites: Suites::These(options.suite.clone()),
            },
        };
        if options.fast {
            if options.changed.is_some() {
                report::line("  suites: none, for --fast needs neither root nor the lab");
            }
            wanted.suites = Suites::These(Vec::new());
        }
        Ok(wanted)
    }

    fn of_change(base: Option<&str>) -> Result<Self> {
        let changed = changed::git::changed(host::root(), base)?;
        let workspace = Workspace::read(host::root())?;
        let selection = changed::select(&changed.files, &workspace);
        report::line(&format!(
            "files that differ from {}: {}",
            changed.base,
            changed.files.len()
        ));
        for line in selection.lines(&workspace) {
            report::line(&line);
        }
        Ok(Self {
            packages: match selection.packages {
                Choice::All(_) => Packages::All,
                Choice::These(these) => Packages::These(these.into_keys().collect()),
            },
            suites: match selection.suites {
                Choice::All(_) => Suites::All,
                Choice::These(these) => Suites::These(these.into_keys().collect()),
            },
        })
    }

    /// Whether anything is asked for that is no test of a crate.
    pub(super) fn is_end_to_end(&self) -> bool {
        match &self.suites {
            Suites::All => true,
            Suites::These(these) => !these.is_empty(),
        }
    }

    /// Whether this suite is.
    pub(super) fn suite(&self, name: &str) -> bool {
        match &self.suites {
            Suites::All => true,
            Suites::These(these) => these.iter().any(|suite| suite == name),
        }
    }

    pub(super) fn demo(&self) -> bool {
        self.suite(DEMO)
    }

    /// Whether anything is asked for that runs in the lab.
    pub(super) fn lab(&self) -> bool {
        match &self.suites {
            Suites::All => true,
            Suites::These(these) => these.iter().any(|suite| suite != SIMULATOR_SUITE),
        }
    }

    /// The lab's suites that are asked for by name; `None`: all that it has.
    pub(super) fn named(&self) -> Option<Vec<String>> {
        match &self.suites {
            Suites::All => None,
            Suites::These(these) => {
                let of_lab = |name: &&String| *name != SIMULATOR_SUITE && *name != DEMO;
                Some(these.iter().filter(of_lab).cloned().collect())
            }
        }
    }
}

impl Packages {
    /// What cargo is told; nothing where no package is chosen.
    pub(super) fn arguments(&self) -> Vec<String> {
        match self {
            Self::None => Vec::new(),
            Self::All => vec!["--workspace".to_owned()],
            Self::These(names) => {
                let pairs = names
                    .iter()
                    .map(|name| ["--package".to_owned(), name.clone()]);
                pairs.flatten().collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn suites(names: &[&str]) -> Wanted {
        let options = Options {
            suite: names.iter().map(|&n| n.to_owned()).collect(),
            ..Options::default()
        };
        Wanted::of(&options).expect("neither git nor cargo is asked")
    }

    #[test]
    fn the_simulators_suite_alone_needs_no_lab() {
        assert!(!suites(&["aliyun-sim"]).lab());
        assert!(suites(&["aliyun-sim", "faults"]).lab() && suites(&[]).lab());
        assert!(!suites(&["faults"]).suite(SIMULATOR_SUITE));
        assert_eq!(suites(&["faults"]).packages, Packages::None);
    }

    #[test]
    fn the_demo_runs_with_all_suites_and_where_it_is_named() {
        assert!(suites(&[]).demo() && suites(&["demo"]).demo() && !suites(&["faults"]).demo());
        assert_eq!(suites(&[]).named(), None);
        assert_eq!(
            suites(&["demo", "faults"]).named(),
            Some(vec!["faults".to_owned()])
        );
    }

    #[test]
    fn the_fast_part_has_no_suite() {
        let fast = Options {
            fast: true,
            ..Options::default()
        };
        let wanted = Wanted::of(&fast).expect("neither git nor cargo is asked");
        assert!(!wanted.is_end_to_end() && !wanted.lab() && !wanted.demo());
        assert_eq!(wanted.packages, Packages::All);
    }
}
