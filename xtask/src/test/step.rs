//! One step of the tests: a command with a name and a limit.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::MINUTE;
use super::count::Count;
use crate::{host, report};

/// How much of a failed step's output is shown; the rest is in its log.
const SHOWN_LINES: usize = 200;
/// How long a step that is over its limit has to clean up.
const GRACE: Duration = Duration::from_secs(60);

/// A command, what it is called, and how long it may take.
#[derive(Debug)]
pub(crate) struct Step {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, &'static str)>,
    limit: Duration,
}

/// What came of a step.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) name: String,
    pub(crate) count: Count,
    /// How to run it alone.
    pub(crate) again: Option<String>,
    took: Duration,
}

impl Step {
    /// A step that runs cargo.
    pub(crate) fn cargo(name: &str, args: &[&str]) -> Self {
        Self::program(name, Path::new("cargo"), args).limit(40 * MINUTE)
    }

    /// A step that runs any program.
    pub(crate) fn program(name: &str, program: &Path, args: &[&str]) -> Self {
        Self {
            name: name.to_owned(),
            program: program.to_owned(),
            args: args.iter().map(|&a| a.to_owned()).collect(),
            env: Vec::new(),
            limit: 10 * MINUTE,
        }
    }

    pub(crate) fn arg(mut self, arg: &str) -> Self {
        self.args.push(arg.to_owned());
        self
    }

    pub(crate) fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.env.push((name, value));
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The command as one would type it.
    pub(crate) fn shown(&self) -> String {
        let variables = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = self.args.iter().map(|a| quoted(a));
        variables
            .chain([quoted(&self.program.to_string_lossy())])
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it, its output into a log; the log is shown where it fails.
    ///
    /// # Errors
    /// If the log cannot be written or the program cannot be started.
    pub(crate) fn run(&self) -> Result<Outcome> {
        let log = self.log()?;
        report::begin(&format!("{:.<40} ", format!("{} ", self.name)));
        let started = Instant::now();
        let (status, in_time) = self.run_into(&log)?;
        let took = started.elapsed();
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let success = status.success() && in_time;
        let count = Count::of_step(&output, success);
        let word = report::paint(success, if success { "ok" } else { "FAILED" });
        report::line(&format!("{word} {:.1} s ({count})", took.as_secs_f64()));
        if !success {
            report::line(&tail(&output, SHOWN_LINES));
            if !in_time {
                report::line(&format!(
                    "it was over its limit of {} s",
                    self.limit.as_secs()
                ));
            }
            report::line(&format!("the whole output: {}", log.display()));
            report::line(&format!("to run it alone:  {}", self.shown()));
        }
        Ok(Outcome {
            name: self.name.clone(),
            count,
            again: Some(self.shown()),
            took,
        })
    }

    fn log(&self) -> Result<PathBuf> {
        let dir = host::target_dir().join("flatnet").join("test-logs");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir.join(format!("{}.log", self.name.replace([' ', '/'], "-"))))
    }

    fn command(&self) -> Command {
        let mut command = if self.program == Path::new("cargo") {
            host::cargo()
        } else {
            Command::new(&self.program)
        };
        command
            .args(&self.args)
            .envs(self.env.iter().copied())
            .current_dir(host::root());
        command
    }

    fn run_into(&self, log: &Path) -> Result<(ExitStatus, bool)> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if let Some(status) = wait(&mut child, self.limit)? {
            return Ok((status, true));
        }
        // Politely first: a demo or a suite takes its lab down when it is told to end.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        if let Some(status) = wait(&mut child, GRACE)? {
            return Ok((status, false));
        }
        child.kill()?;
        Ok((child.wait()?, false))
    }
}

/// Waits at most so long.
fn wait(child: &mut Child, limit: Duration) -> Result<Option<ExitStatus>> {
    let started = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if started.elapsed() >= limit {
            return Ok(None);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
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

    /// Something was not run.
    pub(crate) fn skipped(name: &str) -> Self {
        let count = Count {
            skipped: 1,
            ..Count::default()
        };
        Self::bare(name, count, Duration::ZERO)
    }

    fn bare(name: &str, count: Count, took: Duration) -> Self {
        Self {
            name: name.to_owned(),
            count,
            again: None,
            took,
        }
    }

    /// Its row of the table.
    pub(crate) fn row(&self) -> String {
        let good = self.count.failed == 0;
        let word = match (good, self.count.passed) {
            (false, _) => "FAILED ",
            (true, 0) if self.count.skipped > 0 => "skipped",
            (true, _) => "ok     ",
        };
        format!(
            "{}  {:<28} {:>8.1} s  {}",
            report::paint(good, word),
            self.name,
            self.took.as_secs_f64(),
            self.count
        )
    }
}

/// The last lines of a text.
fn tail(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// A word as the shell reads it back.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_can_be_typed_as_it_is_shown() {
        let step = Step::cargo("docs", &["doc", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
        assert_eq!(
            step.shown(),
            "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps"
        );
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }

    #[test]
    fn the_end_of_an_output_is_shown() {
        assert_eq!(tail("a\nb\nc\n", 2), "b\nc");
        assert_eq!(tail("a\n", 5), "a");
    }

    #[test]
    fn a_program_over_its_limit_is_ended() {
        let started = Instant::now();
        let step =
            Step::program("sleeper", Path::new("sleep"), &["30"]).limit(Duration::from_millis(100));
        let outcome = step.run().expect("sleep starts");
        assert_eq!(outcome.count.failed, 1);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
