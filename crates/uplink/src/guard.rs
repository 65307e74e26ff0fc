//! The dead man's timer as a process of its own, out of netd's reach.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use thiserror::Error;

/// What the guard writes to its standard output once it guards.
const ARMED: &str = "armed";
/// systemd runs as the first process where this is (sd_booted(3)).
const SYSTEMD: &str = "/run/systemd/system";

/// Why the guard does not guard.
#[derive(Debug, Error)]
pub enum GuardError {
    /// A program did not start.
    #[error("start {program}: {source}")]
    Start {
        /// The program that was to undo a failed move.
        program: String,
        /// What came back.
        #[source]
        source: std::io::Error,
    },
    /// It ended before it guarded.
    #[error("{program} ended before it guarded: {said}")]
    Ended {
        /// The program that was to undo a failed move.
        program: String,
        /// What it wrote.
        said: String,
    },
}

/// Whether systemd is the first process and shares this network namespace: a transient unit is
/// outside of netd's control group, and survives netd and the session that began the move.
fn by_systemd() -> bool {
    let net = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/net")).ok();
    Path::new(SYSTEMD).exists() && net("1").is_some() && net("1") == net("self")
}

/// Whether the unit that runs the boot step is enabled. `None` where systemd does not run.
pub fn unit_is_enabled(unit: &str) -> Option<bool> {
    if !by_systemd() {
        return None;
    }
    let status = Command::new("systemctl")
        .args(["is-enabled", "--quiet", unit])
        .stdin(Stdio::null())
        .status();
    Some(status.is_ok_and(|s| s.success()))
}

/// Starts `argv`, which is to call [`detach`] and then guard, and waits until it does.
///
/// # Errors
/// [`GuardError`].
pub fn arm(argv: &[String]) -> Result<(), GuardError> {
    if by_systemd() {
        // A unit that is left from an earlier move would keep the name.
        let _ = Command::new("systemctl")
            .args(["reset-failed", "flatnet-uplink-guard.service"])
            .stderr(Stdio::null())
            .status();
        let mut command = Command::new("systemd-run");
        command
            .args(["--quiet", "--collect", "--unit=flatnet-uplink-guard"])
            .arg("--service-type=exec")
            .args(argv);
        let output = command.output().map_err(|source| GuardError::Start {
            program: "systemd-run".to_owned(),
            source,
        })?;
        return if output.status.success() {
            Ok(())
        } else {
            Err(GuardError::Ended {
                program: "systemd-run".to_owned(),
                said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
            })
        };
    }
    let program = argv.first().cloned().unwrap_or_default();
    let mut child = Command::new(&program)
        .args(argv.iter().skip(1))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|source| GuardError::Start {
            program: program.clone(),
            source,
        })?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        let _ = BufReader::new(stdout).read_line(&mut line);
    }
    if line.trim() == ARMED {
        return Ok(());
    }
    let said = match child.wait() {
        Ok(status) => status.to_string(),
        Err(e) => e.to_string(),
    };
    Err(GuardError::Ended { program, said })
}

/// Leaves the session and the control group of who started this process, and returns the word
/// that [`arm`] waits for.
pub fn detach() -> &'static str {
    // It fails only for the leader of a process group, which a transient unit's process is.
    let _ = nix::unistd::setsid();
    for root in [
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/fs/cgroup/systemd/cgroup.procs",
    ] {
        // Without control groups there is none to leave.
        let _ = fs::write(root, "0");
    }
    ARMED
}
