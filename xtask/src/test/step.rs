//! One step of the tests: a command with a name and a limit.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::MINUTE;
use super::count::Count;
use super::outcome::{Again, Outcome, failures};
use super::time::Time;
use crate::guest::{Ended, Guest, Job};
use crate::{host, report};

/// How much of a failed step's output is shown; the rest is in its log.
const SHOWN_LINES: usize = 200;
/// How long a build may take beside others.
const MODEST_LIMIT: Duration = Duration::from_secs(70 * 60);
/// How long a step that is over its limit has to clean up.
const GRACE: Duration = Duration::from_secs(60);

/// A command, what it is called, and how long it may take.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    name: String,
    program: PathBuf,
    args: Vec<String>,
    env: Vec<(String, String)>,
    limit: Duration,
    /// The kernel to run it on; none: this machine's.
    guest: Option<Arc<dyn Guest>>,
    /// It takes what processor time the others leave.
    modest: bool,
    /// The packages that the guest has besides, and where they are unpacked.
    programs: Option<(&'static [&'static str], PathBuf)>,
}

/// Whether a step has the terminal's last line for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// Its name is printed when it begins.
    Alone,
    /// Others print meanwhile: its line comes whole, when it has ended.
    Beside,
}

/// How a step ended.
#[derive(Debug)]
struct End {
    success: bool,
    /// What its output does not say.
    note: Option<String>,
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
            guest: None,
            modest: false,
            programs: None,
        }
    }

    /// With what processor time the others leave: a build beside suites that count what is lost. It has time until they
    /// have ended, and then the processors for itself.
    pub(crate) fn modest(mut self) -> Self {
        self.modest = true;
        self.limit = self.limit.max(MODEST_LIMIT);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The same in a guest.
    pub(crate) fn inside(mut self, guest: Arc<dyn Guest>) -> Self {
        self.guest = Some(guest);
        self
    }

    /// With these packages, unpacked in `dir`, in the guest.
    pub(crate) fn with(mut self, packages: &'static [&'static str], dir: PathBuf) -> Self {
        self.programs = Some((packages, dir));
        self
    }

    /// Its row's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The command as one would type it.
    pub(crate) fn shown(&self) -> String {
        let variables = self
            .env
            .iter()
            .map(|(name, value)| format!("{name}={}", quoted(value)));
        let words = self.args.iter().map(|a| quoted(a));
        let mut guest = Vec::new();
        if let Some(inside) = &self.guest {
            guest.extend(["cargo", "xtask", "guest", "--kernel", inside.kind()]);
            let packages = self.programs.as_ref().map(|(packages, _)| *packages);
            let with = packages.into_iter().flatten().flat_map(|p| ["--with", *p]);
            guest.extend(with.chain(["--"]));
        }
        let guest = guest.into_iter().map(str::to_owned);
        variables
            .chain(guest)
            .chain([quoted(&self.program.to_string_lossy())])
            .chain(words)
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs it, its output into a log; the log's end is shown where it fails.
    ///
    /// # Errors
    /// If the log cannot be written or the program cannot be started.
    pub(crate) fn run(&self, voice: Voice) -> Result<Outcome> {
        let log = self.log()?;
        let label = format!("{:.<44} ", format!("{} ", self.name));
        if voice == Voice::Alone {
            report::begin(&label);
        }
        let started = Instant::now();
        let end = match &self.guest {
            None => self.run_here(&log)?,
            Some(guest) => self.run_inside(guest.as_ref(), &log)?,
        };
        let took = started.elapsed();
        let output = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
        let success = end.success;
        let count = Count::of_step(&output, success);
        let word = report::paint(success, if success { "ok" } else { "FAILED" });
        let mut told = format!("{word} {:.1} s ({count})", took.as_secs_f64());
        if voice == Voice::Beside {
            told.insert_str(0, &label);
        }
        if !success {
            told = [
                told,
                tail(&output, SHOWN_LINES),
                end.note.clone().unwrap_or_default(),
                format!("the whole output: {}", log.display()),
                format!("to run it alone:  {}", self.shown()),
            ]
            .join("\n");
        }
        // In one piece: another step may print at the same time.
        report::line(&told);
        let failures = match success {
            true => Vec::new(),
            false => failures(&output),
        };
        Ok(Outcome::of_step(
            (self.name(), Box::new(self.clone())),
            count,
            failures,
            end.note,
            self.time(&output, took),
        ))
    }

    fn time(&self, output: &str, took: Duration) -> Time {
        match self.program == Path::new("cargo") {
            true => Time::of_cargo(output, took),
            false => Time {
                took,
                ..Time::default()
            },
        }
    }

    fn log(&self) -> Result<PathBuf> {
        let dir = host::target_dir().join("flatnet").join("test-logs");
        fs::create_dir_all(&dir).with_context(|| format!("cannot create {}", dir.display()))?;
        Ok(dir.join(format!("{}.log", self.name.replace([' ', '/'], "-"))))
    }

    fn command(&self) -> Command {
        let plain = match self.program == Path::new("cargo") {
            true => host::cargo(),
            false => Command::new(&self.program),
        };
        let mut command = match self.modest {
            true => modest(&plain),
            false => plain,
        };
        command
            .args(&self.args)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(host::root());
        command
    }

    fn run_here(&self, log: &Path) -> Result<End> {
        let file = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let mut child = self
            .command()
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("cannot run {}", self.program.display()))?;
        if let Some(status) = wait(&mut child, self.limit)? {
            return Ok(End::of(status));
        }
        // Politely first: a demo or a suite takes its lab down when it is told to end.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        if wait(&mut child, GRACE)?.is_none() {
            child.kill()?;
            child.wait()?;
        }
        Ok(End::late(self.limit))
    }

    /// In a guest there is nothing to clean up: it is killed when its time is up.
    fn run_inside(&self, guest: &dyn Guest, log: &Path) -> Result<End> {
        let mut file =
            File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        let argv = std::iter::once(self.program.clone().into_os_string());
        let job = Job {
            argv: argv.chain(self.args.iter().map(Into::into)).collect(),
            dir: host::root().to_owned(),
            writable: Vec::new(),
            limit: self.limit,
            terminal: false,
            programs: self.programs.as_ref().map(|(_, dir)| dir.clone()),
        };
        let mut written = Ok(());
        let ended = guest.run(&job, &mut |line| {
            if written.is_ok() {
                written = writeln!(file, "{line}");
            }
        })?;
        written.with_context(|| format!("cannot write {}", log.display()))?;
        Ok(match ended {
            Ended::Exit(code) => End {
                success: code == 0,
                note: None,
            },
            Ended::TimedOut => End::late(self.limit),
            other => End {
                success: false,
                note: Some(format!("the guest {} {other}", guest.name())),
            },
        })
    }
}

impl Again for Step {
    fn shown(&self) -> String {
        Step::shown(self)
    }

    fn run_again(&self) -> Result<Outcome> {
        let again = Self {
            name: format!("{} once more", self.name),
            ..self.clone()
        };
        again.run(Voice::Alone)
    }
}

impl End {
    fn of(status: ExitStatus) -> Self {
        Self {
            success: status.success(),
            note: None,
        }
    }

    fn late(limit: Duration) -> Self {
        let note = format!("it was over its limit of {} s", limit.as_secs());
        Self {
            success: false,
            note: Some(note),
        }
    }
}

/// The command with the least share of the processors. Linux shares them out by session first where it groups processes
/// by session (sched(7), "The autogroup feature"), so it has one of its own; it ends with this process all the same.
fn modest(command: &Command) -> Command {
    let mut modest = Command::new("setpriv");
    modest
        .args(["--pdeathsig", "TERM", "--", "setsid", "sh", "-c"])
        .arg("echo 19 2> /dev/null > /proc/self/autogroup; exec nice -n 19 \"$@\"")
        .arg("sh")
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => modest.env(name, value),
            None => modest.env_remove(name),
        };
    }
    modest
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
    fn a_modest_step_runs_and_is_ended_like_any_other() {
        let step = Step::program("modest", Path::new("sh"), &["-c", "test \"$(nice)\" = 19"]);
        let outcome = step.modest().run(Voice::Alone).expect("it starts");
        assert_eq!(outcome.count.failed, 0);
        let started = Instant::now();
        let step = Step::program("modest sleeper", Path::new("sleep"), &["30"]).modest();
        let step = step.limit(Duration::from_millis(100));
        let outcome = step.run(Voice::Alone).expect("sleep starts");
        assert_eq!(outcome.count.failed, 1);
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_program_over_its_limit_is_ended() {
        let started = Instant::now();
        let step =
            Step::program("sleeper", Path::new("sleep"), &["30"]).limit(Duration::from_millis(100));
        let outcome = step.run(Voice::Alone).expect("sleep starts");
        assert_eq!(outcome.count.failed, 1);
        assert!(started.elapsed() < Duration::from_secs(20));
    }
}
