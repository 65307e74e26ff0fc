//! What came of a step: its row of the table, what failed, and whether it fails always.

use std::fmt;
use std::time::Duration;

use anyhow::Result;

use super::count::Count;
use super::time::Time;
use crate::report;

/// What can be run again: a step.
pub(super) trait Again: fmt::Debug + Send {
    /// The command as one would type it.
    fn shown(&self) -> String;

    /// Runs it once more, alone on the machine.
    ///
    /// # Errors
    /// If it cannot be started.
    fn run_again(&self) -> Result<Outcome>;
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) count: Count,
    /// What to run for it alone.
    step: Option<Box<dyn Again>>,
    /// What failed, and why, in the step's own words.
    pub(crate) failures: Vec<String>,
    /// It failed, and passed when it was run once more, alone.
    pub(crate) flaky: bool,
    /// Why it was skipped, or failed without a word.
    why: Option<String>,
    pub(super) time: Time,
}

impl Outcome {
    /// Something that is no command went well.
    pub(crate) fn passed(name: &str, took: Duration) -> Self {
        Self::bare(name, Count::of_step("", true), took)
    }

    /// Something that is no command failed.
    pub(crate) fn failed(name: &str, took: Duration) -> Self {
        Self::bare(name, Count::of_step("", false), took)
    }

    /// A build went well.
    pub(crate) fn built(name: &str, took: Duration) -> Self {
        Self {
            time: Time::of_build(took),
            ..Self::passed(name, took)
        }
    }

    /// Something was not run.
    pub(crate) fn skipped(name: &str) -> Self {
        let count = Count {
            skipped: 1,
            ..Count::default()
        };
        Self::bare(name, count, Duration::ZERO)
    }

    /// A command has ended.
    pub(super) fn of_step(
        (name, step): (&str, Box<dyn Again>),
        count: Count,
        failures: Vec<String>,
        why: Option<String>,
        time: Time,
    ) -> Self {
        Self {
            step: Some(step),
            failures,
            why,
            time,
            ..Self::bare(name, count, Duration::ZERO)
        }
    }

    fn bare(name: &str, count: Count, took: Duration) -> Self {
        Self {
            name: name.to_owned(),
            count,
            step: None,
            failures: Vec::new(),
            flaky: false,
            why: None,
            time: Time {
                took,
                ..Time::default()
            },
        }
    }

    /// Whether what it was to make is not there.
    pub(crate) fn is_not_there(&self) -> bool {
        self.count.failed > 0 || self.count.skipped > 0
    }

    /// The same with the reason, which its row shows.
    pub(crate) fn because(mut self, why: &str) -> Self {
        self.why = Some(why.to_owned());
        self
    }

    /// How to run it alone.
    pub(crate) fn alone(&self) -> Option<String> {
        self.step.as_ref().map(|step| step.shown())
    }

    /// Runs it once more if it failed and is a command: whether what failed fails always, or
    /// only sometimes, decides where to look for the cause. What it printed first is kept.
    ///
    /// # Errors
    /// As [`Again::run_again`].
    pub(crate) fn once_more(self) -> Result<Self> {
        let Some(step) = self.step.as_ref().filter(|_| self.count.failed > 0) else {
            return Ok(self);
        };
        let second = step.run_again()?;
        if second.count.failed > 0 {
            return Ok(self);
        }
        Ok(Self {
            count: second.count,
            flaky: true,
            why: Some("failed at first, see below".to_owned()),
            ..self
        })
    }

    /// Its row of the table.
    pub(crate) fn row(&self) -> String {
        let good = self.count.failed == 0;
        let word = match (good, self.count.passed) {
            (false, _) => "FAILED ",
            (true, _) if self.flaky => "flaky  ",
            (true, 0) if self.count.skipped > 0 => "skipped",
            (true, _) => "ok     ",
        };
        let why = self
            .why
            .as_ref()
            .map_or(String::new(), |why| format!(": {why}"));
        format!(
            "{}  {:<40} {:>8.1} s  {}{why}",
            report::paint(good, word),
            self.name,
            self.time.took.as_secs_f64(),
            self.count
        )
    }
}

/// The lines that tell of a failure, each with those after it: of a suite's check, of a test that
/// panicked, and of a compiler.
pub(super) fn failures(output: &str) -> Vec<String> {
    /// Lines from the one that tells of it.
    const EACH: usize = 12;
    const ALL: usize = 60;
    /// Characters of a line.
    const WIDE: usize = 1_000;
    let tells = |line: &str| {
        ["… FAILED", "panicked at", "error: ", "error["]
            .iter()
            .any(|word| line.contains(word))
    };
    let mut kept = Vec::new();
    let mut left = 0;
    for line in output.lines() {
        if tells(line) {
            left = EACH;
        } else if line.contains(" … ok") {
            left = 0;
        }
        if left > 0 {
            left -= 1;
            kept.push(line.chars().take(WIDE).collect());
        }
    }
    kept.truncate(ALL);
    kept
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::test::step::{Step, Voice};

    #[test]
    fn what_failed_is_told_without_what_did_not() {
        let output = "  a … ok (1.0 s)\n  b … FAILED b: no answer\n    caused by: x\n   (2.0 s)\n  c … ok (1.0 s)\n\
                      thread 'd' panicked at src/lib.rs:1:2:\nno\n";
        let told = failures(output);
        assert_eq!(told.len(), 5, "{told:?}");
        assert!(told[0].contains("no answer") && told[1].contains("caused by"));
        assert!(told[3].contains("panicked") && told[4] == "no");
        assert!(failures("test result: ok\n").is_empty());
    }

    #[test]
    fn what_fails_once_is_flaky_and_what_fails_twice_has_failed() {
        let dir = std::env::temp_dir().join(format!("flatnet-flaky-{}", std::process::id()));
        let mark = dir.to_string_lossy();
        let first = format!("rmdir '{mark}' || {{ mkdir '{mark}'; echo error: first; exit 1; }}");
        let run = |script: &str| {
            let step = Step::program("flaky step", Path::new("sh"), &["-c", script]);
            let outcome = step.run(Voice::Alone).expect("sh starts");
            outcome.once_more().expect("sh starts")
        };
        let outcome = run(&first);
        assert!(
            outcome.flaky && outcome.count.failed == 0,
            "{}",
            outcome.row()
        );
        assert_eq!(outcome.failures, ["error: first"]);
        let outcome = run("exit 1");
        assert!(!outcome.flaky && outcome.count.failed == 1);
        let outcome = run("true");
        assert!(!outcome.flaky && outcome.count.passed == 1);
    }
}
