//! `cargo xtask test --changed`: what a change can have broken, and what is left out.
//!
//! ```text
//!   git ─▶ changed files ─┬▶ crates ─▶ those that use them (cargo metadata) ─▶ clippy, docs, tests
//!                         ├▶ crates ─▶ the suites of each (a table) ─────────▶ lab
//!                         └▶ documents ─▶ the tests that read them (a table)
//! ```
//!
//! [`select`] is pure. What neither the tables nor cargo know asks for everything.

mod files;
pub(super) mod git;
mod tables;

use std::collections::{BTreeMap, BTreeSet};

use self::files::{Part, part};
use crate::workspace::{When, Workspace};

/// Packages or suites: which are run, each with the reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// All; why.
    All(String),
    /// These by name; why.
    These(BTreeMap<String, String>),
}

/// What is to be run.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Selection {
    /// Whose lints, documentation and tests.
    pub(super) packages: Choice,
    /// Which suites; the demo and the one against the simulator are suites here.
    pub(super) suites: Choice,
    /// What nothing is run for, with the reason.
    ignored: Vec<String>,
}

impl Choice {
    fn none() -> Self {
        Self::These(BTreeMap::new())
    }

    fn all(&mut self, why: String) {
        if matches!(self, Self::These(_)) {
            *self = Self::All(why);
        }
    }

    /// The first reason stays.
    fn add(&mut self, name: &str, why: String) {
        if let Self::These(these) = self {
            these.entry(name.to_owned()).or_insert(why);
        }
    }

    fn names(&self) -> BTreeSet<String> {
        match self {
            Self::All(_) => BTreeSet::new(),
            Self::These(these) => these.keys().cloned().collect(),
        }
    }

    fn lines(&self, of: &str) -> Vec<String> {
        match self {
            Self::All(why) => vec![format!("  {of}: all ({why})")],
            Self::These(these) if these.is_empty() => vec![format!("  {of}: none")],
            Self::These(these) => {
                let lines = these.iter();
                let lines = lines.map(|(name, why)| format!("  {of}: {name} ({why})"));
                lines.collect()
            }
        }
    }
}

/// What these files, relative to the workspace, can have broken.
pub(super) fn select(changed: &[String], workspace: &Workspace) -> Selection {
    let mut selection = Selection {
        packages: Choice::none(),
        suites: Choice::none(),
        ignored: Vec::new(),
    };
    // Crates whose dependents are asked too.
    let mut sources = BTreeMap::new();
    for file in changed {
        match part(file, workspace) {
            Part::Source { package, dir } => {
                selection.add_suites(&dir, file);
                sources.entry(package).or_insert(file.clone());
            }
            Part::Test { package } => selection.packages.add(&package, format!("{file} changed")),
            Part::Document => {
                for package in tables::readers(file) {
                    selection
                        .packages
                        .add(package, format!("its tests read {file}"));
                }
            }
            Part::Suite(suite) => selection.suites.add(suite, format!("{file} changed")),
            Part::Nothing(why) => selection.ignored.push(format!("{file}: {why}")),
            Part::Everything => {
                let why = format!("{file} changed, and may be of any of them");
                selection.packages.all(why.clone());
                selection.suites.all(why);
            }
        }
        for package in tables::borrowers(file) {
            selection
                .packages
                .add(package, format!("it borrows {file}"));
        }
    }
    for (package, file) in &sources {
        selection.packages.add(package, format!("{file} changed"));
    }
    let packages = sources.into_keys().collect();
    selection.add_dependents(packages, workspace);
    selection
}

impl Selection {
    fn add_suites(&mut self, dir: &str, file: &str) {
        match tables::suites(dir) {
            Some(suites) => {
                for suite in suites {
                    self.suites.add(suite, format!("{dir} runs in it"));
                }
            }
            None => self
                .suites
                .all(format!("{file} changed, and runs in all of them")),
        }
    }

    /// Those that use a changed crate, those that use these, and so on; of tests that use one of
    /// them, the package alone.
    fn add_dependents(&mut self, mut affected: BTreeSet<String>, workspace: &Workspace) {
        let user = |affected: &BTreeSet<String>, tests: bool| {
            workspace.members.iter().find_map(|(name, member)| {
                let used = member
                    .uses
                    .iter()
                    .find(|u| (u.when == When::Tests) == tests && affected.contains(&u.name));
                let used = used.filter(|_| !affected.contains(name))?;
                Some((name.clone(), used.name.clone()))
            })
        };
        while let Some((name, used)) = user(&affected, false) {
            self.packages.add(&name, format!("uses {used}"));
            affected.insert(name);
        }
        let built = affected.clone();
        for (name, member) in &workspace.members {
            let mut tests = member.uses.iter().filter(|u| u.when == When::Tests);
            if let Some(used) = tests.find(|u| built.contains(&u.name)) {
                self.packages
                    .add(name, format!("its tests use {}", used.name));
            }
        }
    }

    /// What is run and what is left out, as lines.
    pub(super) fn lines(&self, workspace: &Workspace) -> Vec<String> {
        let mut lines = vec!["runs: format and structure, always".to_owned()];
        lines.extend(self.packages.lines("clippy, documentation and tests"));
        lines.extend(self.suites.lines("suite"));
        lines.push("leaves out:".to_owned());
        let before = lines.len();
        if matches!(self.packages, Choice::These(_)) {
            let run = self.packages.names();
            let others = workspace.members.keys().filter(|name| !run.contains(*name));
            let others: Vec<&str> = others.map(String::as_str).collect();
            if !others.is_empty() {
                lines.push(format!(
                    "  clippy, documentation and tests of {}: they use nothing that changed",
                    others.join(", ")
                ));
            }
            lines.push("  dependencies (cargo-deny): Cargo.lock did not change".into());
        }
        if let Choice::These(these) = &self.suites {
            let others = if these.is_empty() {
                "every"
            } else {
                "every other"
            };
            lines.push(format!(
                "  {others} suite and the demo: nothing that changed runs in them"
            ));
        }
        lines.extend(self.ignored.iter().map(|line| format!("  {line}")));
        if lines.len() == before {
            lines.push("  nothing".to_owned());
        }
        lines
    }
}

#[cfg(test)]
mod tests;
