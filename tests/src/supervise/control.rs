//! The supervisor as `up` sees it: starting it, and telling it of a new list.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::error::{Error, Result};
use crate::paths::{Layout, SUPERVISOR, namespace, netns_path};
use crate::process::{ProcessId, poll};
use crate::run;

/// Makes the supervisor read its list again.
///
/// # Errors
/// [`Error::NotRunning`].
pub(crate) fn hang_up(layout: &Layout) -> Result<()> {
    ProcessId::from_file(&layout.supervisor_pid())
        .ok_or_else(|| Error::NotRunning("the supervisor".into()))?
        .signal(Signal::SIGHUP)
}

/// Starts the supervisor, away from the caller's session and in its own namespace.
///
/// # Errors
/// [`Error::Spawn`], [`Error::Timeout`].
pub(crate) fn begin(layout: &Layout) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let lab = layout.bin("flatnet-lab");
    let log = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(layout.supervisor_log())
        .map_err(Error::io("open", layout.supervisor_log()))?;
    let mut command = run::command(&lab);
    command
        .args(["launch", "--detach", "--netns"])
        .arg(netns_path(&namespace(SUPERVISOR)))
        .arg("--")
        .arg(&lab)
        .arg("supervise")
        .current_dir("/")
        .stdout(Stdio::null())
        .stderr(log);
    let failed = |source| Error::Spawn {
        command: format!("{} supervise", lab.display()),
        source,
    };
    command.status().map_err(failed)?;
    poll(PATIENCE, || super::is_running(layout).then_some(())).ok_or_else(|| Error::Timeout {
        what: "the supervisor".into(),
        after: PATIENCE,
        hint: format!("see {}", layout.supervisor_log().display()),
    })
}
