//! Processes below this one: reaping them, and signals to all of them.

use std::collections::BTreeSet;
use std::fs;

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, getpid};

/// A process that ended, with its exit code: 128 + n if signal n ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ended {
    pub(crate) pid: Pid,
    pub(crate) code: u8,
}

/// What reaping found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reaped {
    pub(crate) ended: Vec<Ended>,
    /// Whether no child is left.
    pub(crate) none_left: bool,
}

/// Reaps every child that has ended, also those that were adopted.
pub(crate) fn reap() -> Reaped {
    let mut ended = Vec::new();
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) => {
                // An exit code has eight bits.
                let code = u8::try_from(code & 0xff).unwrap_or(u8::MAX);
                ended.push(Ended { pid, code });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) => {
                let code = u8::try_from(128 + signal as i32).unwrap_or(u8::MAX);
                ended.push(Ended { pid, code });
            }
            Ok(WaitStatus::StillAlive) => {
                return Reaped {
                    ended,
                    none_left: false,
                };
            }
            Err(Errno::ECHILD) => {
                return Reaped {
                    ended,
                    none_left: true,
                };
            }
            // Stopped or continued: not asked for.
            Ok(_) | Err(_) => {}
        }
    }
}

/// Sends `signal` to every process below this one. PID 1 reaches all of its namespace, also what has a
/// parent that does not wait for it.
pub(crate) fn signal_all(signal: Signal) {
    if getpid() == Pid::from_raw(1) {
        // ESRCH: there is none.
        let _ = kill(Pid::from_raw(-1), signal);
        return;
    }
    for pid in descendants(getpid()) {
        let _ = kill(pid, signal);
    }
}

/// The processes below `root`, from `/proc`: what is started meanwhile may be missing.
fn descendants(root: Pid) -> BTreeSet<Pid> {
    let mut found = BTreeSet::new();
    let mut left = vec![root];
    while let Some(parent) = left.pop() {
        for child in children_of(parent) {
            if found.insert(child) {
                left.push(child);
            }
        }
    }
    found
}

/// The children of all threads of `parent` (`proc(5)`, `/proc/PID/task/TID/children`).
fn children_of(parent: Pid) -> Vec<Pid> {
    let Ok(tasks) = fs::read_dir(format!("/proc/{parent}/task")) else {
        return Vec::new();
    };
    tasks
        .flatten()
        .filter_map(|task| fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| {
            let pids = text
                .split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok());
            pids.map(Pid::from_raw).collect::<Vec<_>>()
        })
        .collect()
}
