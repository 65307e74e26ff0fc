//! One daemon under the supervisor's care: a thread that starts it, waits, and starts it
//! again.
//!
//! The thread lives as long as its unit, for `PR_SET_PDEATHSIG` is about the thread that
//! started a process, not about the process that the thread is of.

use std::fs::{self, File, OpenOptions};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::backoff::{CrashCount, End};
use super::{Log, Unit};
use crate::error::{Error, Result};

/// How long a daemon has after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait for the socket of what a daemon needs before saying so.
const LATE: Duration = Duration::from_secs(5);

/// A unit that is kept running.
#[derive(Debug)]
pub(crate) struct Daemon {
    unit: Unit,
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stopping: bool,
    /// A PID that is not reaped yet, so that no other process can have it.
    running: Option<Pid>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sleeps; says whether the unit is to stop.
    fn pause(&self, how_long: Duration) -> bool {
        let state = self.state();
        let wait = self
            .changed
            .wait_timeout_while(state, how_long, |s| !s.stopping);
        wait.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.state().running {
            let _ = kill(pid, signal);
        }
    }

    fn wait_ended(&self, patience: Duration) -> bool {
        let state = self.state();
        let wait = self
            .changed
            .wait_timeout_while(state, patience, |s| s.running.is_some());
        let (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.running.is_none()
    }
}

impl Daemon {
    /// Starts a unit and keeps it running.
    pub(crate) fn start(unit: Unit, launcher: &Path, log: Log) -> Self {
        let shared = Arc::new(Shared::default());
        let runner = UnitRunner {
            unit: unit.clone(),
            launcher: launcher.to_owned(),
            shared: shared.clone(),
            log,
        };
        Self {
            unit,
            shared,
            thread: std::thread::spawn(move || runner.run()),
        }
    }

    /// What it runs.
    pub(crate) fn unit(&self) -> &Unit {
        &self.unit
    }

    /// Ends several at once: SIGTERM, and SIGKILL for those that do not heed it.
    pub(crate) fn stop_all(daemons: Vec<Self>) {
        for daemon in &daemons {
            daemon.shared.state().stopping = true;
            daemon.shared.changed.notify_all();
            daemon.shared.signal(Signal::SIGTERM);
        }
        let end = Instant::now() + PATIENCE;
        for daemon in daemons {
            let left = end.saturating_duration_since(Instant::now());
            if !daemon.shared.wait_ended(left) {
                daemon.shared.signal(Signal::SIGKILL);
            }
            // Its thread cannot panic while it holds anything.
            let _ = daemon.thread.join();
        }
    }
}

struct UnitRunner {
    unit: Unit,
    launcher: PathBuf,
    shared: Arc<Shared>,
    log: Log,
}

impl UnitRunner {
    fn run(self) {
        let mut backoff = CrashCount::default();
        let mut again = false;
        while self.needs_answer() {
            let begun = Instant::now();
            let end = match self.spawn() {
                Ok(Some(child)) => {
                    if again {
                        self.repair();
                    }
                    self.wait(child)
                }
                Ok(None) => return,
                Err(e) => {
                    self.say(&e.to_string());
                    None
                }
            };
            again = true;
            let how = classify(end);
            let pause = backoff.after(how, begun.elapsed());
            if self.shared.pause(Duration::ZERO) {
                return;
            }
            self.say(&format!(
                "{} after {:.3?}; again in {pause:?}{}",
                end.map_or("did not start".into(), |s| format!("ended ({s})")),
                begun.elapsed(),
                if backoff.looping() {
                    ": it crashes again and again, see its log"
                } else {
                    ""
                }
            ));
            if self.shared.pause(pause) {
                return;
            }
        }
    }

    fn say(&self, text: &str) {
        self.log.line(&format!("{}: {text}", self.unit.name));
    }

    /// Waits for the socket of what it needs; false if it is to stop.
    fn needs_answer(&self) -> bool {
        let begun = Instant::now();
        let mut said = false;
        loop {
            let answers = match &self.unit.after {
                Some(socket) => UnixStream::connect(socket).is_ok(),
                None => true,
            };
            if self.shared.pause(Duration::ZERO) {
                return false;
            }
            if answers {
                return true;
            }
            if !said && begun.elapsed() > LATE {
                self.say(&format!("still waits for {:?}", self.unit.after));
                said = true;
            }
            if self.shared.pause(Duration::from_millis(5)) {
                return false;
            }
        }
    }

    /// Starts it; none if it is to stop.
    fn spawn(&self) -> Result<Option<Child>> {
        let out = log_file(&self.unit.log)?;
        let err = out.try_clone().map_err(Error::io("open", &self.unit.log))?;
        let mut command = Command::new(&self.launcher);
        command
            .arg("launch")
            .args(["--parent", &std::process::id().to_string()]);
        if let Some(netns) = &self.unit.netns {
            command.arg("--netns").arg(netns);
        }
        command
            .arg("--")
            .args(&self.unit.argv)
            .envs(&self.unit.env)
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err);
        let mut state = self.shared.state();
        if state.stopping {
            return Ok(None);
        }
        let child = command.spawn().map_err(|source| Error::Spawn {
            command: self.unit.argv.join(" "),
            source,
        })?;
        state.running = i32::try_from(child.id()).ok().map(Pid::from_raw);
        drop(state);
        self.say(&format!("pid {}", child.id()));
        if let Some(path) = &self.unit.pid_file
            && let Err(e) =
                crate::files::write_if_changed(path, format!("{}\n", child.id()).as_bytes())
        {
            self.say(&e.to_string());
        }
        Ok(Some(child))
    }

    /// Waits for its end. It is reaped only when nobody can signal its PID any more.
    fn wait(&self, mut child: Child) -> Option<ExitStatus> {
        let pid = i32::try_from(child.id()).ok().map(Pid::from_raw)?;
        let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(pid), flags) == Err(nix::errno::Errno::EINTR) {}
        let mut state = self.shared.state();
        state.running = None;
        let status = child.wait().ok();
        if let Some(path) = &self.unit.pid_file {
            let _ = fs::remove_file(path);
        }
        self.shared.changed.notify_all();
        status
    }

    /// Lets the lab put right what a restart of this daemon undoes.
    fn repair(&self) {
        let Some((program, args)) = self.unit.repair.split_first() else {
            return;
        };
        let log = log_file(&self.unit.log);
        let (program, args) = (program.clone(), args.to_vec());
        let (say, name) = (self.log.clone(), self.unit.name.clone());
        std::thread::spawn(move || {
            let mut command = Command::new(program);
            command
                .args(args)
                .stdin(Stdio::null())
                .stdout(Stdio::null());
            if let Ok(log) = log {
                command.stderr(log);
            }
            match command.status() {
                Ok(status) if status.success() => {}
                other => say.line(&format!("{name}: repairing after a restart: {other:?}")),
            }
        });
    }
}

fn classify(status: Option<ExitStatus>) -> End {
    const WANTED: [Signal; 3] = [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGINT];
    match status {
        Some(s) if s.success() => End::Ended,
        Some(s) if WANTED.iter().any(|w| s.signal() == Some(*w as i32)) => End::Ended,
        _ => End::Crashed,
    }
}

fn log_file(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .map_err(Error::io("open", path))
}
