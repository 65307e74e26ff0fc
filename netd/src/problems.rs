//! The problems of this node: a board on which each part of netd posts the problems that it finds.
//!
//! ```text
//!   reconcile ──┐
//!   probe ──────┼─▶ Board ─▶ /readyz, /v1/node, flatnet_problem{code}, CNI STATUS
//!   host, … ────┘
//! ```
//!
//! A source posts its whole list each time; a problem that it does not post again is over.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flatnet_types::Timestamp;
use flatnet_types::api::view::ProblemView;
use serde::ser::{Serialize, Serializer};

use crate::clock::Clock;

/// Something wrong that netd cannot repair, or not at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code in kebab-case; docs/operations.md lists them.
    pub code: &'static str,
    /// What is wrong, on what, and what was observed.
    pub text: String,
    /// The shell command that repairs it.
    pub repair: Option<String>,
    /// The effect on the node's readiness.
    pub effect: Effect,
}

/// The effect of a problem on the node's readiness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// `/readyz` fails while it exists: containers' packets do not pass, or their isolation is not
    /// in force.
    NotReady,
    /// It is reported; the node stays ready.
    StaysReady,
}

impl Problem {
    /// A problem that makes the node not ready.
    pub fn blocking(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            repair: None,
            effect: Effect::NotReady,
        }
    }

    /// A problem that leaves the node ready.
    pub fn non_blocking(code: &'static str, text: impl Into<String>) -> Self {
        Self {
            effect: Effect::StaysReady,
            ..Self::blocking(code, text)
        }
    }

    /// Adds the command that repairs it.
    #[must_use]
    pub fn repaired_by(mut self, command: impl Into<String>) -> Self {
        self.repair = Some(command.into());
        self
    }
}

/// In one line, with the command that repairs it.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        match &self.repair {
            Some(command) => write!(f, ": `{command}`"),
            None => Ok(()),
        }
    }
}

/// Serialized as text: readers of a dry run expect strings.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A problem, and when it was first posted.
struct Posted {
    problem: Problem,
    since: Timestamp,
}

/// The problems of a node, by the part of netd that posted them. Cheap to clone; clones share it.
#[derive(Clone)]
pub struct Board {
    posted: Arc<Mutex<BTreeMap<&'static str, Vec<Posted>>>>,
    clock: Clock,
}

impl Board {
    /// An empty board. Problems get the clock's time when they are first posted.
    pub fn new(clock: Clock) -> Self {
        Self {
            posted: Arc::default(),
            clock,
        }
    }

    fn posted(&self) -> MutexGuard<'_, BTreeMap<&'static str, Vec<Posted>>> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces the problems of `source`. A problem that is posted again keeps its first time, also
    /// with another text, if it is the source's only one of its code.
    pub fn post(&self, source: &'static str, problems: Vec<Problem>) {
        let now = (self.clock)();
        let mut board = self.posted();
        let before = board.remove(source).unwrap_or_default();
        let since = |problem: &Problem| {
            let same = before.iter().find(|p| p.problem == *problem);
            let mut alike = before.iter().filter(|p| p.problem.code == problem.code);
            let only = alike.next().filter(|_| alike.next().is_none());
            same.or(only).map_or(now, |p| p.since)
        };
        let posted: Vec<Posted> = problems
            .into_iter()
            .map(|problem| Posted {
                since: since(&problem),
                problem,
            })
            .collect();
        for new in &posted {
            if !before.iter().any(|p| p.problem == new.problem) {
                tracing::warn!(code = new.problem.code, problem = %new.problem, "problem");
            }
        }
        for old in &before {
            if !posted.iter().any(|p| p.problem.code == old.problem.code) {
                tracing::info!(code = old.problem.code, "the problem is over");
            }
        }
        if !posted.is_empty() {
            board.insert(source, posted);
        }
    }

    /// All problems, oldest first.
    pub fn view(&self) -> Vec<ProblemView> {
        let board = self.posted();
        let mut all: Vec<ProblemView> = board
            .values()
            .flatten()
            .map(|p| ProblemView {
                code: p.problem.code.to_owned(),
                text: p.problem.text.clone(),
                repair: p.problem.repair.clone(),
                blocks_ready: p.problem.effect == Effect::NotReady,
                since: p.since,
            })
            .collect();
        all.sort_by_key(|p| p.since);
        all
    }

    /// The texts of the problems that make the node not ready; `None` if there are none.
    pub fn blocks_ready(&self) -> Option<String> {
        let board = self.posted();
        let blocking: Vec<String> = board
            .values()
            .flatten()
            .filter(|p| p.problem.effect == Effect::NotReady)
            .map(|p| p.problem.to_string())
            .collect();
        (!blocking.is_empty()).then(|| blocking.join("; "))
    }

    /// How many problems of each code there are, for the metric.
    pub fn counts(&self) -> BTreeMap<&'static str, i64> {
        let board = self.posted();
        let mut counts = BTreeMap::new();
        for posted in board.values().flatten() {
            *counts.entry(posted.problem.code).or_insert(0) += 1;
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn board() -> (Board, Arc<AtomicU64>) {
        let time = Arc::new(AtomicU64::new(1));
        let clock = Arc::clone(&time);
        let board = Board::new(Arc::new(move || {
            Timestamp::from_millis(clock.load(Ordering::Relaxed))
        }));
        (board, time)
    }

    #[test]
    fn a_problem_that_its_source_does_not_post_again_is_over() {
        let (board, _) = board();
        board.post("reconcile", vec![Problem::blocking("a", "a is wrong")]);
        board.post("probe", vec![Problem::non_blocking("b", "b is wrong")]);
        assert_eq!(board.blocks_ready().as_deref(), Some("a is wrong"));
        board.post("reconcile", Vec::new());
        assert_eq!(board.blocks_ready(), None);
        assert_eq!(board.counts(), BTreeMap::from([("b", 1)]));
    }

    #[test]
    fn a_problem_keeps_the_time_when_it_was_first_seen() {
        let (board, time) = board();
        board.post("x", vec![Problem::non_blocking("full", "3 % free")]);
        time.store(500, Ordering::Relaxed);
        board.post(
            "x",
            vec![
                Problem::non_blocking("full", "2 % free"),
                Problem::non_blocking("other", "later"),
            ],
        );
        let since: Vec<u64> = board.view().iter().map(|p| p.since.as_millis()).collect();
        assert_eq!(since, [1, 500]);
    }

    /// The codes of the problems in a source file.
    fn codes(source: &str) -> Vec<&str> {
        let calls = ["Problem::blocking(", "Problem::non_blocking("].into_iter();
        let after = calls.flat_map(|call| source.split(call).skip(1));
        after
            .filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next())
            .collect()
    }

    #[test]
    fn the_documentation_lists_every_code() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let page = std::fs::read_to_string(root.join("../docs/operations.md")).expect("a page");
        let (mut dirs, mut found) = (vec![root.join("src")], 0);
        while let Some(dir) = dirs.pop() {
            for entry in std::fs::read_dir(dir).expect("a directory").flatten() {
                let path = entry.path();
                let name = entry.file_name().to_string_lossy().into_owned();
                if path.is_dir() {
                    dirs.push(path);
                } else if name != "problems.rs" && name != "tests.rs" {
                    let text = std::fs::read_to_string(&path).expect("a source file");
                    for code in codes(&text) {
                        found += 1;
                        assert!(page.contains(&format!("`{code}`")), "{code} of {name}");
                    }
                }
            }
        }
        assert!(found > 20, "{found}");
    }

    #[test]
    fn a_problem_is_shown_with_the_command_that_repairs_it() {
        let problem = Problem::blocking("a", "eth0 is down").repaired_by("ip link set eth0 up");
        assert_eq!(problem.to_string(), "eth0 is down: `ip link set eth0 up`");
    }
}
