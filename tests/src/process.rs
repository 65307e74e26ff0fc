//! Processes, told apart from later ones with the same PID by when they started.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Serialize;

use crate::error::{Error, Result};

/// One process for all time: PIDs come again, a PID with its start does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct ProcessId {
    /// The PID.
    pub pid: i32,
    /// When it started, in clock ticks since boot (proc(5), `/proc/pid/stat` field 22).
    pub started: u64,
}

/// How long a process may take to stop.
const STOPPED: Duration = Duration::from_secs(10);

/// What of `/proc/pid/stat` matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stat {
    state: char,
    parent: i32,
    started: u64,
}

impl ProcessId {
    /// The process that has this PID now; none if there is none, or only its remains.
    pub fn of(pid: i32) -> Option<Self> {
        let stat = stat(pid)?;
        (!matches!(stat.state, 'Z' | 'X')).then_some(Self {
            pid,
            started: stat.started,
        })
    }

    /// The process that a PID file names, if it lives.
    pub fn from_file(path: &Path) -> Option<Self> {
        Self::of(parse_pid(&fs::read_to_string(path).ok()?)?)
    }

    /// This very process.
    pub fn own() -> Option<Self> {
        Self::of(Pid::this().as_raw())
    }

    /// Whether it still runs: the PID is there, is the same process, and is no zombie.
    pub fn alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// Sends a signal, unless the PID belongs to another process by now. After SIGSTOP all of its threads have stopped.
    ///
    /// # Errors
    /// [`Error::NotRunning`] where it is gone.
    pub fn signal(self, signal: Signal) -> Result<()> {
        if !self.alive() || kill(Pid::from_raw(self.pid), signal).is_err() {
            return Err(Error::NotRunning(format!("process {}", self.pid)));
        }
        if signal == Signal::SIGSTOP {
            // One thread takes the signal, and the others go on until that one has run: on a busy machine it may wait for
            // a processor longer than a request takes.
            poll(STOPPED, || self.has_stopped().then_some(()));
        }
        Ok(())
    }

    fn has_stopped(self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.pid));
        let states = threads.into_iter().flatten().flatten().map(|thread| {
            let text = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
            parse_stat(&text).map(|stat| stat.state)
        });
        // A thread that has ended meanwhile runs no more.
        states
            .flatten()
            .all(|state| matches!(state, 'T' | 't' | 'Z' | 'X'))
    }

    /// Whether it was started by `parent`.
    pub(crate) fn is_child_of(self, parent: Self) -> bool {
        stat(self.pid).is_some_and(|s| s.started == self.started && s.parent == parent.pid)
    }

    /// Waits until it is gone; says whether it is.
    pub fn wait_gone(self, timeout: Duration) -> bool {
        poll(timeout, || (!self.alive()).then_some(())).is_some()
    }
}

/// Ends processes: SIGTERM, then SIGKILL for what is left after `patience`.
pub(crate) fn end(processes: &[ProcessId], patience: Duration) {
    for (signal, patience) in [
        (Signal::SIGTERM, patience),
        (Signal::SIGKILL, Duration::from_secs(2)),
    ] {
        for process in processes {
            // Gone already is what is wanted.
            let _ = process.signal(signal);
        }
        let gone = || processes.iter().all(|p| !p.alive()).then_some(());
        if poll(patience, gone).is_some() {
            return;
        }
    }
}

/// A process and its ancestors up to init: whom one must not end by accident.
pub(crate) fn lineage(pid: i32) -> Vec<i32> {
    let mut line = vec![pid];
    let mut at = pid;
    while let Some(stat) = stat(at) {
        if stat.parent <= 0 || line.contains(&stat.parent) {
            break;
        }
        at = stat.parent;
        line.push(at);
    }
    line
}

/// Every PID there is.
pub(crate) fn all_pids() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse().ok())
        .collect()
}

/// Asks again and again, ever less often, until there is an answer or time is up.
pub(crate) fn poll<T>(timeout: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + timeout;
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        std::thread::sleep(pause.min(left));
        pause = (pause * 3 / 2).min(Duration::from_millis(40));
    }
}

fn parse_pid(text: &str) -> Option<i32> {
    text.trim().parse().ok().filter(|pid| *pid > 0)
}

fn stat(pid: i32) -> Option<Stat> {
    parse_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The command's name, field 2, may hold blanks and brackets: count from its last bracket.
fn parse_stat(text: &str) -> Option<Stat> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    let started = fields.nth(17)?.parse().ok()?;
    Some(Stat {
        state,
        parent,
        started,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_name_with_brackets_does_not_shift_the_fields() {
        let text = "42 (a) b) (c)) S 7 42 42 0 -1 4194304 1 0 0 0 5 6 0 0 20 0 1 0 987654 1 2 3";
        let stat = parse_stat(text).expect("parses");
        assert_eq!((stat.state, stat.parent, stat.started), ('S', 7, 987_654));
    }

    #[test]
    fn a_pid_that_came_again_is_another_process() {
        let own = ProcessId::own().expect("lives");
        assert!(own.alive());
        let earlier = ProcessId {
            started: own.started - 1,
            ..own
        };
        assert!(!earlier.alive());
        assert!(earlier.signal(Signal::SIGKILL).is_err());
    }

    #[test]
    fn what_is_no_pid_names_no_process() {
        assert_eq!(parse_pid("12\n"), Some(12));
        for bad in ["", "0", "-1", "1 2", "x"] {
            assert_eq!(parse_pid(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn an_ended_child_is_gone_although_nobody_has_reaped_it() {
        let mut child = std::process::Command::new("true").spawn().expect("starts");
        let pid = i32::try_from(child.id()).expect("pid");
        assert!(
            poll(Duration::from_secs(5), || ProcessId::of(pid)
                .is_none()
                .then_some(()))
            .is_some()
        );
        child.wait().expect("reaped");
    }

    #[test]
    fn a_process_that_ignores_sigterm_is_ended_all_the_same() {
        let mut child = std::process::Command::new("sh")
            .args(["-c", "trap '' TERM; while :; do sleep 0.05; done"])
            .spawn()
            .expect("starts");
        std::thread::sleep(Duration::from_millis(100));
        let id = ProcessId::of(i32::try_from(child.id()).expect("pid")).expect("lives");
        end(&[id], Duration::from_millis(200));
        assert!(!id.alive());
        child.wait().expect("reaped");
    }

    #[test]
    fn the_lineage_begins_with_oneself_and_ends_at_init() {
        let own = Pid::this().as_raw();
        let line = lineage(own);
        assert_eq!(line.first(), Some(&own));
        assert!(line.contains(&Pid::parent().as_raw()));
    }
}
