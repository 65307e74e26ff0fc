//! What can go wrong on the runtime's side.

use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use super::netns::NetnsError;

/// Why a network configuration list cannot be used.
#[derive(Debug, Error)]
pub enum ConfError {
    /// It cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Path of the network configuration list.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// It is no JSON, or its fields have other types.
    #[error("the network configuration list cannot be decoded")]
    Decode(#[from] serde_json::Error),
    /// A field that is necessary is not there.
    #[error("the network configuration list has no {field}")]
    Missing {
        /// Name of the key that is missing.
        field: &'static str,
    },
}

/// Why a call of a plugin did not succeed.
#[derive(Debug, Error)]
pub enum RuntimeError {
    /// No directory of `CNI_PATH` has the plugin.
    #[error("no plugin {plugin} in {}", .path.iter().map(|p| p.display().to_string()).collect::<Vec<_>>().join(":"))]
    NoPlugin {
        /// The plugin's type.
        plugin: String,
        /// Where it was looked for.
        path: Vec<PathBuf>,
    },
    /// It could not be run.
    #[error("cannot run plugin {plugin}")]
    Exec {
        /// The plugin's type.
        plugin: String,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// The node's namespace could not be entered.
    #[error(transparent)]
    Netns(#[from] NetnsError),
    /// The plugin answered with an error (SPEC.md 1.1.0, "Error").
    #[error("plugin {plugin} failed with code {code}: {msg}{}{details}", if details.is_empty() { "" } else { "; " })]
    Plugin {
        /// The plugin's type.
        plugin: String,
        /// CNI's error code.
        code: u64,
        /// One line.
        msg: String,
        /// More, or empty.
        details: String,
        /// The version that the error claims to be of.
        cni_version: String,
    },
    /// The plugin failed without an error that can be read.
    #[error(
        "plugin {plugin} ended with {status} and no CNI error; stdout {stdout:?}, stderr {stderr:?}"
    )]
    Crashed {
        /// The plugin's type.
        plugin: String,
        /// How it ended.
        status: ExitStatus,
        /// The beginning of what it printed.
        stdout: String,
        /// The beginning of what it logged.
        stderr: String,
    },
    /// The plugin succeeded and its result cannot be read.
    #[error("plugin {plugin} succeeded with a result that cannot be decoded: {stdout:?}")]
    Result {
        /// The plugin's type.
        plugin: String,
        /// The beginning of what it printed.
        stdout: String,
        /// The parser's error, with line and column.
        #[source]
        source: serde_json::Error,
    },
    /// The plugin was killed: it took too long.
    #[error("plugin {plugin} did not end within {limit:?}")]
    TimedOut {
        /// The plugin's type.
        plugin: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The configuration's version has no such command.
    #[error("CNI {cni_version} has no {command}")]
    NoSuchCommand {
        /// The version of the list.
        cni_version: String,
        /// CNI's command: `CHECK`, `GC`, `STATUS`.
        command: &'static str,
    },
}

impl RuntimeError {
    /// CNI's error code, where a plugin answered with one.
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Plugin { code, .. } => Some(*code),
            Self::NoPlugin { .. }
            | Self::Exec { .. }
            | Self::Netns(_)
            | Self::Crashed { .. }
            | Self::Result { .. }
            | Self::TimedOut { .. }
            | Self::NoSuchCommand { .. } => None,
        }
    }
}
