//! Runs one application: the processes, signals and time of [`Lifecycle`].

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::Instant;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use signal_hook::consts::signal::{
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
};
use signal_hook::iterator::Signals;

use crate::children::{self, Ended};
use crate::lifecycle::{Action, Event, Lifecycle, Limits};
use crate::settings::{Readiness, Settings};

/// The signals that applications use.
const SIGNALS: [i32; 10] = [
    SIGALRM, SIGCHLD, SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH,
];

/// Why an application was not run.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub(crate) enum Error {
    #[error("receive signals: {0}")]
    Signals(io::Error),
    #[error("adopt orphans: {0}")]
    Subreaper(nix::Error),
    #[error("remove {path}, which an earlier start may have left: {source}")]
    StaleReadyFile { path: String, source: io::Error },
    #[error("start {program}: {source}")]
    Start { program: String, source: io::Error },
}

impl Error {
    /// As a shell has it: 127 if the program is not there, 126 if it cannot be executed; else 125.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Start { source, .. } if source.kind() == io::ErrorKind::NotFound => 127,
            Self::Start { .. } => 126,
            _ => crate::OWN_FAULT,
        }
    }
}

/// The processes that are told apart from those that were adopted.
struct Processes<'s> {
    settings: &'s Settings,
    application: Pid,
    /// While the stop script runs.
    stop_script: Option<Pid>,
}

/// Starts the application and sees it through until no process of it is left.
///
/// Returns its exit code.
pub(crate) fn run(settings: &Settings) -> Result<u8, Error> {
    // Handlers first: a child that ends at once is an event, too.
    let signals = receive_signals().map_err(Error::Signals)?;
    set_child_subreaper(true).map_err(Error::Subreaper)?;
    remove_ready_file(&settings.readiness)?;
    let application = start(settings)?;
    let mut processes = Processes {
        settings,
        application,
        stop_script: None,
    };
    let mut life = Lifecycle::new(Limits {
        stop_script: settings.stop.as_ref().map(|_| settings.stop_within),
        kill_after: settings.kill_after,
    });
    loop {
        for event in next_events(&signals, &life, &processes) {
            match event {
                Found::Event(event) => {
                    processes.tell(event, &life);
                    let action = life.on(event, Instant::now());
                    // The script that cannot be started is one that has ended.
                    if let Some(Event::StopScriptEnded) = action.and_then(|a| processes.act(a)) {
                        let next = life.on(Event::StopScriptEnded, Instant::now());
                        next.and_then(|a| processes.act(a));
                    }
                }
                Found::NoneLeft => {
                    if let Some(code) = life.code() {
                        return Ok(code);
                    }
                }
            }
        }
    }
}

/// What [`next_events`] found.
enum Found {
    Event(Event),
    /// No process is left.
    NoneLeft,
}

/// Waits for a signal or the deadline.
fn next_events(signals: &Receiver<i32>, life: &Lifecycle, processes: &Processes<'_>) -> Vec<Found> {
    let received = match life.deadline() {
        Some(at) => signals.recv_timeout(at.saturating_duration_since(Instant::now())),
        None => signals.recv().map_err(|_| RecvTimeoutError::Disconnected),
    };
    match received {
        Ok(SIGCHLD) => {
            let reaped = children::reap();
            let mut found: Vec<Found> = reaped
                .ended
                .into_iter()
                .filter_map(|ended| processes.event_of(ended))
                .map(Found::Event)
                .collect();
            if reaped.none_left {
                found.push(Found::NoneLeft);
            }
            found
        }
        Ok(SIGTERM | SIGINT) => vec![Found::Event(Event::StopWanted)],
        Ok(signal) => vec![Found::Event(Event::Signal(signal))],
        Err(RecvTimeoutError::Timeout) => vec![Found::Event(Event::Deadline)],
        // The thread that sends them never ends.
        Err(RecvTimeoutError::Disconnected) => Vec::new(),
    }
}

impl Processes<'_> {
    fn event_of(&self, ended: Ended) -> Option<Event> {
        if ended.pid == self.application {
            return Some(Event::ApplicationEnded(ended.code));
        }
        if Some(ended.pid) == self.stop_script {
            if ended.code != 0 {
                eprintln!("flatnet-run: the stop script ended with {}", ended.code);
            }
            return Some(Event::StopScriptEnded);
        }
        None
    }

    /// Says what a person who reads the container's log would ask.
    fn tell(&self, event: Event, life: &Lifecycle) {
        if event != Event::Deadline {
            return;
        }
        match (self.stop_script, life.code()) {
            (Some(_), _) => eprintln!(
                "flatnet-run: the stop script runs for more than {} s: SIGTERM to all",
                self.settings.stop_within.as_secs()
            ),
            (None, None) => eprintln!(
                "flatnet-run: the application runs {} s after SIGTERM: SIGKILL",
                self.settings.kill_after.as_secs()
            ),
            (None, Some(_)) => {}
        }
    }

    /// Does `action`. Returns [`Event::StopScriptEnded`] if the script could not be started.
    fn act(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::RunStopScript => {
                let script = self.settings.stop.as_deref()?;
                match run_stop_script(script, self.application) {
                    Ok(pid) => self.stop_script = Some(pid),
                    Err(e) => {
                        eprintln!("flatnet-run: start {}: {e}", script.display());
                        return Some(Event::StopScriptEnded);
                    }
                }
            }
            Action::PassOn(signal) => {
                if let Ok(signal) = Signal::try_from(signal) {
                    let _ = kill(self.application, signal);
                }
            }
            Action::TerminateAll => {
                self.stop_script = None;
                children::signal_all(Signal::SIGTERM);
                // A stopped process takes SIGTERM when it continues.
                children::signal_all(Signal::SIGCONT);
                self.raise_reaping();
            }
            Action::KillAll => {
                children::signal_all(Signal::SIGKILL);
                self.raise_reaping();
            }
        }
        None
    }

    /// The last child may have been reaped before: then no SIGCHLD comes any more.
    fn raise_reaping(&self) {
        let _ = nix::sys::signal::raise(Signal::SIGCHLD);
    }
}

fn receive_signals() -> io::Result<Receiver<i32>> {
    let mut signals = Signals::new(SIGNALS)?;
    let (sender, receiver) = mpsc::channel();
    std::thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            for signal in signals.forever() {
                if sender.send(signal).is_err() {
                    break;
                }
            }
        })?;
    Ok(receiver)
}

/// A volume outlives its container: the file of the run before says nothing of this one.
fn remove_ready_file(readiness: &Readiness) -> Result<(), Error> {
    let Readiness::File(path) = readiness else {
        return Ok(());
    };
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(Error::StaleReadyFile {
            path: path.display().to_string(),
            source: e,
        }),
        _ => Ok(()),
    }
}

fn start(settings: &Settings) -> Result<Pid, Error> {
    let mut words = settings.start.iter();
    let program: OsString = words.next().cloned().unwrap_or_default();
    let child = Command::new(&program).args(words).spawn();
    let child = child.map_err(|source| Error::Start {
        program: program.display().to_string(),
        source,
    })?;
    Ok(pid_of(&child))
}

/// The script finds the application's PID in `FLATNET_PID`.
fn run_stop_script(script: &Path, application: Pid) -> io::Result<Pid> {
    let child = Command::new(script)
        .env("FLATNET_PID", application.to_string())
        .stdin(Stdio::null())
        .spawn()?;
    Ok(pid_of(&child))
}

/// A PID of Linux fits: `pid_max` is 2^22 at most (`proc(5)`).
fn pid_of(child: &std::process::Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).unwrap_or(i32::MAX))
}
