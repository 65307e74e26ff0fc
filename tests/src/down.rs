//! Taking the lab down: nothing is left, whatever state it was in.
//!
//! It relies on nothing but the names of namespaces. Whoever is inside one of the lab's
//! is the lab's; everything that the lab made is inside one, and goes with it.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::lock::{self, Lock};
use crate::paths::{Layout, SUPERVISOR, namespace};
use crate::process::{self, ProcessId};
use crate::progress::Progress;
use crate::{checks, netns, supervise};

/// How long another `up` or `down` may take.
const OTHERS: Duration = Duration::from_secs(90);
/// How long a process has after SIGTERM.
const PATIENCE: Duration = Duration::from_secs(2);
/// The supervisor gives each of its three stages as long as that.
const SUPERVISOR_PATIENCE: Duration = Duration::from_secs(8);

/// What `down` found and removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DownReport {
    /// Namespaces.
    pub namespaces: Vec<String>,
    /// Processes, beside those that the supervisor ended.
    pub processes: usize,
    /// How long it took.
    pub took: Duration,
}

/// Takes the lab down. Where there is none it does nothing, and that is no error.
///
/// # Errors
/// [`Error::Inside`] before anything is touched; else what could not be removed, after
/// removing all that could be.
pub fn down(progress: &dyn Progress) -> Result<DownReport> {
    let begun = Instant::now();
    if !nix::unistd::geteuid().is_root() {
        return Err(Error::Preconditions(vec![
            "it removes network namespaces: run it as root (sudo)".into(),
        ]));
    }
    checks::outside()?;
    let _lock = Lock::take(Path::new(lock::COMMAND), OTHERS, |holder| {
        progress.note(&format!("waiting for {holder}"));
    })?;
    let layout = Layout::default();
    progress.step("daemons");
    end_supervisor(&layout);
    let processes = end_processes_inside();
    progress.step("namespaces and files");
    let mut errors = Vec::new();
    let mut namespaces = Vec::new();
    for (name, _) in netns::names() {
        match netns::remove(&name) {
            Ok(()) => namespaces.push(name),
            Err(e) => errors.push(e),
        }
    }
    match fs::remove_dir_all(layout.root()) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            errors.push(Error::io("remove", layout.root())(e));
        }
        _ => {}
    }
    Error::all(errors)?;
    Ok(DownReport {
        namespaces,
        processes,
        took: begun.elapsed(),
    })
}

/// The supervisor ends its daemons in good order. It is whoever holds the PID file, or,
/// where that is lost, whoever is in its namespace.
fn end_supervisor(layout: &Layout) {
    let recorded = supervise::is_running(layout)
        .then(|| ProcessId::from_file(&layout.supervisor_pid()))
        .flatten();
    let home = namespace(SUPERVISOR);
    let found = || {
        let inside = netns::processes_inside().into_iter();
        inside.filter(|(n, _)| *n == home).map(|(_, p)| p).collect()
    };
    let supervisors: Vec<ProcessId> = recorded.map_or_else(found, |p| vec![p]);
    for supervisor in supervisors {
        if supervisor.signal(Signal::SIGTERM).is_ok() && !supervisor.wait_gone(SUPERVISOR_PATIENCE)
        {
            // It is gone by itself, or its daemons die with it.
            let _ = supervisor.signal(Signal::SIGKILL);
        }
    }
}

/// Ends whoever is left inside, again until nobody is: a process may have started another.
fn end_processes_inside() -> usize {
    const ROUNDS: usize = 5;
    let mut ended = 0;
    for _ in 0..ROUNDS {
        let inside: Vec<ProcessId> = netns::processes_inside()
            .into_iter()
            .map(|(_, p)| p)
            .collect();
        if inside.is_empty() {
            break;
        }
        ended += inside.len();
        process::end(&inside, PATIENCE);
    }
    ended
}
