//! What can go wrong in the lab.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

/// Why the lab could not do what it was asked.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// This machine lacks something; each line says what to do about it.
    #[error("the lab cannot run here:\n{}", bullets(.0))]
    Preconditions(Vec<String>),
    /// The plan's document is invalid.
    #[error(transparent)]
    Plan(#[from] flatnet_plan::LoadError),
    /// The plan cannot be written.
    #[error("the plan cannot be written as YAML: {0}")]
    Yaml(String),
    /// A plan that the lab cannot build.
    #[error("the lab cannot build this plan: {0}")]
    Unsupported(String),
    /// A node's part of the plan cannot be derived.
    #[error(transparent)]
    Node(#[from] flatnet_plan::NodeError),
    /// Another plan is running.
    #[error("the lab runs another plan ({0}); `flatnet-lab down` first, or `flatnet-lab replan`")]
    AnotherPlan(PathBuf),
    /// The lab that is up has the other datapath.
    #[error(
        "the lab runs with the {running} datapath, and {wanted} was asked for; `flatnet-lab down` \
         first, or leave --datapath out"
    )]
    AnotherDatapath {
        /// The one that it has.
        running: &'static str,
        /// The one that was asked for.
        wanted: &'static str,
    },
    /// No lab is up.
    #[error("the lab is not up ({0} is missing); `flatnet-lab up` raises it")]
    NotUp(PathBuf),
    /// There is no such member.
    #[error("the lab has no {name:?}; it has {known}")]
    UnknownMember {
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A file or directory.
    #[error("cannot {doing} {path}: {source}")]
    Io {
        /// What was attempted, as an infinitive: `read`.
        doing: &'static str,
        /// Path of the file or directory.
        path: PathBuf,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program that cannot be started.
    #[error("cannot start `{command}`: {source}")]
    Spawn {
        /// Its command line.
        command: String,
        /// The system's answer.
        #[source]
        source: io::Error,
    },
    /// A program that failed.
    #[error("`{command}` failed ({status}): {stderr}")]
    Command {
        /// Its command line.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it said.
        stderr: String,
    },
    /// Output or a file that should be JSON.
    #[error("{what} is not the JSON that was expected: {source}")]
    Json {
        /// What was read.
        what: String,
        /// What is wrong with it.
        #[source]
        source: serde_json::Error,
    },
    /// An HTTP exchange over a unix socket.
    #[error("netd at {socket} gave no answer that can be read: {reason}")]
    Http {
        /// Path of netd's UNIX socket.
        socket: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// Something did not come about in time.
    #[error("{what} did not come about within {after:?}; {hint}")]
    Timeout {
        /// What was waited for.
        what: String,
        /// How long.
        after: Duration,
        /// Where to look.
        hint: String,
    },
    /// Somebody else is at work.
    #[error("the lab is in use by {holder} since {after:?} ({path}); wait for it or end it")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// Who holds it, as the holder wrote it.
        holder: String,
        /// How long was waited.
        after: Duration,
    },
    /// `down` would end the very process that called it.
    #[error("this is inside the lab's namespace {0}; run it from outside")]
    Inside(String),
    /// A process is not there that should be.
    #[error("{0} is not running")]
    NotRunning(String),
    /// Several things, after doing what could be done.
    #[error("{} thing(s) failed:\n{}", .0.len(), bullets(&.0.iter().map(ToString::to_string).collect::<Vec<_>>()))]
    Several(Vec<Error>),
}

/// The lab's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn io(
        doing: &'static str,
        path: impl Into<PathBuf>,
    ) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io {
            doing,
            path,
            source,
        }
    }

    /// One error of many, or none.
    pub(crate) fn all(mut errors: Vec<Self>) -> Result<()> {
        match errors.len() {
            0 => Ok(()),
            1 => Err(errors.remove(0)),
            _ => Err(Self::Several(errors)),
        }
    }
}

fn bullets(lines: &[String]) -> String {
    lines
        .iter()
        .map(|l| format!("  - {l}"))
        .collect::<Vec<_>>()
        .join("\n")
}
