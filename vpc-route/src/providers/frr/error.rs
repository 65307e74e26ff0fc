//! Why FRR did not do something, each with what to do about it.

use std::path::PathBuf;
use std::time::Duration;

use super::running::RunningError;
use crate::providers::{Call, ErrorKind, ProviderError};

/// What of FRR is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Daemon {
    /// Holds the routing table and writes the kernel's.
    Zebra,
    /// Holds the static routes' configuration.
    Staticd,
}

impl Daemon {
    /// Its name, of the process as of its socket.
    pub fn name(self) -> &'static str {
        match self {
            Self::Zebra => "zebra",
            Self::Staticd => "staticd",
        }
    }
}

impl std::fmt::Display for Daemon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Why FRR's routes could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum FrrError {
    /// Nobody listens at its socket.
    #[error(
        "{daemon} is not running: nobody listens at {}; start FRR with {daemon} (`systemctl \
         start frr`), or set `sockets` to the directory of its .vty sockets",
        path.display()
    )]
    NotRunning {
        /// Which daemon.
        daemon: Daemon,
        /// Its socket.
        path: PathBuf,
    },
    /// This user may not speak to it.
    #[error(
        "no permission to speak to {daemon} at {}: run vpc-route as root or in the group frrvty",
        path.display()
    )]
    Permission {
        /// Which daemon.
        daemon: Daemon,
        /// Its socket.
        path: PathBuf,
    },
    /// The connection failed.
    #[error("the connection to {daemon}, at `{command}`")]
    Io {
        /// Which daemon.
        daemon: Daemon,
        command: String,
        #[source]
        source: std::io::Error,
    },
    /// It closed the connection instead of an answer.
    #[error("{daemon} ended, or closed the connection, at `{command}`")]
    Closed {
        /// Which daemon.
        daemon: Daemon,
        command: String,
    },
    /// It gave no answer in time.
    #[error("{daemon} gives no answer to `{command}` in {} s: is it stopped?", after.as_secs())]
    Silent {
        /// Which daemon.
        daemon: Daemon,
        command: String,
        /// How long it was waited for.
        after: Duration,
    },
    /// It refused a command.
    #[error("{daemon} refuses `{command}`: {said}{}", hint(said))]
    Refused {
        /// Which daemon.
        daemon: Daemon,
        command: String,
        /// Its words.
        said: String,
        /// Its code (`CMD_…` in FRR's `lib/command.h`).
        code: u8,
    },
    /// Its configuration cannot be understood.
    #[error("staticd's running configuration")]
    Running(#[from] RunningError),
    /// Its routing table cannot be understood.
    #[error("zebra's answer to `{command}`")]
    Rib {
        /// What it was asked.
        command: &'static str,
        #[source]
        source: serde_json::Error,
    },
    /// Its configuration could not be saved; the routes are in force.
    #[error(
        "`{command}` did not save FRR's configuration: {said}; until it is saved, a restart of FRR forgets the routes"
    )]
    Save {
        /// What was run.
        command: String,
        /// What it said.
        said: String,
    },
}

impl FrrError {
    /// Whether the same may fare better later: a daemon that restarts is back in seconds.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NotRunning { .. } | Self::Closed { .. } | Self::Silent { .. } => true,
            Self::Io { .. } => true,
            Self::Refused { said, .. } => said.contains("lock"),
            Self::Permission { .. } | Self::Running(_) | Self::Rib { .. } | Self::Save { .. } => {
                false
            }
        }
    }

    /// Whether a write may have had its effect all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Closed { .. } | Self::Silent { .. } => true,
            Self::NotRunning { .. }
            | Self::Permission { .. }
            | Self::Refused { .. }
            | Self::Running(_)
            | Self::Rib { .. }
            | Self::Save { .. } => false,
        }
    }
}

impl FrrError {
    /// The neutral error, for a call of that kind.
    pub(super) fn neutral(self, call: Call) -> ProviderError {
        let kind = if call == Call::Write && self.is_ambiguous() {
            ErrorKind::Ambiguous
        } else if self.is_retryable() {
            ErrorKind::Transient
        } else if matches!(self, Self::Permission { .. }) {
            ErrorKind::Authentication
        } else {
            ErrorKind::Refused
        };
        ProviderError::new(kind, self)
    }
}

/// What a refusal means where FRR's own words do not say it.
fn hint(said: &str) -> &'static str {
    if said.contains("Unknown command") {
        " (Debian 12's FRR 8.4 takes it; since FRR 9, static routes are mgmtd's, which this \
         version of vpc-route does not speak to)"
    } else {
        ""
    }
}
