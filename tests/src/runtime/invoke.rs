//! One execution of one plugin.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde::Deserialize;
use serde_json::Value;

use super::error::RuntimeError;

/// How much of a plugin's output an error repeats.
const SHOWN: usize = 2000;

/// What a plugin is run with.
#[derive(Debug)]
pub(super) struct Invocation<'a> {
    pub(super) plugin: &'a str,
    pub(super) path: &'a [PathBuf],
    pub(super) env: &'a [(&'static str, String)],
    pub(super) stdin: &'a [u8],
    pub(super) limit: Option<Duration>,
}

/// An error as plugins print it; each field is optional because foreign plugins leave some out.
#[derive(Debug, Deserialize)]
struct PrintedError {
    #[serde(default, rename = "cniVersion")]
    cni_version: String,
    code: u64,
    #[serde(default)]
    msg: String,
    #[serde(default)]
    details: String,
}

/// What a plugin left behind.
struct Ended {
    status: ExitStatus,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Invocation<'_> {
    /// Runs the plugin in this thread's namespaces.
    ///
    /// Guarantees: the plugin has ended when this returns.
    ///
    /// # Errors
    /// Everything but success is a [`RuntimeError`]. Success without output is `Null`.
    pub(super) fn run(&self) -> Result<Value, RuntimeError> {
        let ended = self.execute()?;
        let plugin = || self.plugin.to_owned();
        if ended.status.success() {
            if ended.stdout.iter().all(u8::is_ascii_whitespace) {
                return Ok(Value::Null);
            }
            return serde_json::from_slice(&ended.stdout).map_err(|source| RuntimeError::Result {
                plugin: plugin(),
                stdout: beginning(&ended.stdout),
                source,
            });
        }
        match serde_json::from_slice::<PrintedError>(&ended.stdout) {
            Ok(printed) => Err(RuntimeError::Plugin {
                plugin: plugin(),
                code: printed.code,
                msg: printed.msg,
                details: printed.details,
                cni_version: printed.cni_version,
            }),
            Err(_) => Err(RuntimeError::Crashed {
                plugin: plugin(),
                status: ended.status,
                stdout: beginning(&ended.stdout),
                stderr: beginning(&ended.stderr),
            }),
        }
    }

    /// The plugin's file: the first in `CNI_PATH`.
    fn binary(&self) -> Result<PathBuf, RuntimeError> {
        self.path
            .iter()
            .map(|dir| dir.join(self.plugin))
            .find(|file| file.is_file())
            .ok_or_else(|| RuntimeError::NoPlugin {
                plugin: self.plugin.to_owned(),
                path: self.path.to_vec(),
            })
    }

    fn execute(&self) -> Result<Ended, RuntimeError> {
        let failed = |source| RuntimeError::Exec {
            plugin: self.plugin.to_owned(),
            source,
        };
        let mut child = Command::new(self.binary()?)
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let watch = self.limit.map(|limit| Watch::over(&child, limit));
        let ended = communicate(&mut child, self.stdin).map_err(failed)?;
        if let (Some(watch), Some(limit)) = (watch, self.limit)
            && watch.fired()
        {
            return Err(RuntimeError::TimedOut {
                plugin: self.plugin.to_owned(),
                limit,
            });
        }
        Ok(ended)
    }
}

/// Writes the input, reads both outputs to their ends, waits for the exit.
fn communicate(child: &mut Child, input: &[u8]) -> std::io::Result<Ended> {
    if let Some(mut stdin) = child.stdin.take() {
        // A plugin that fails early closes its input: its answer counts, not our EPIPE.
        let _ = stdin.write_all(input);
    }
    let mut stdout = Vec::new();
    let mut stderr = Vec::new();
    // stdout first: a plugin logs little, less than a pipe holds.
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)?;
    }
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_end(&mut stderr)?;
    }
    Ok(Ended {
        status: child.wait()?,
        stdout,
        stderr,
    })
}

/// Kills a plugin that takes too long.
struct Watch {
    end: mpsc::Sender<()>,
    thread: std::thread::JoinHandle<bool>,
}

impl Watch {
    fn over(child: &Child, limit: Duration) -> Self {
        let pid = i32::try_from(child.id()).map(Pid::from_raw);
        let (end, ended) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            if ended.recv_timeout(limit) != Err(mpsc::RecvTimeoutError::Timeout) {
                return false;
            }
            // The child has not been waited for yet, so its number is still its own.
            pid.is_ok_and(|pid| kill(pid, Signal::SIGKILL).is_ok())
        });
        Self { end, thread }
    }

    fn fired(self) -> bool {
        drop(self.end);
        self.thread.join().unwrap_or(false)
    }
}

fn beginning(output: &[u8]) -> String {
    String::from_utf8_lossy(&output[..output.len().min(SHOWN)]).into_owned()
}
