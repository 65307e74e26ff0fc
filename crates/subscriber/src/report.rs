//! What a person is told while a set is followed.

use std::fmt;

use flatnet_k8s_client::ClusterError;

use crate::merge::Untaken;
use crate::state::StateError;
use crate::target::TargetError;

/// What a person is told.
#[derive(Debug)]
pub enum Report {
    /// A list is in force at all targets.
    Written {
        /// The generation of each cluster.
        generations: Vec<i64>,
        /// How many addresses there are in all; 0 where the set says that it is empty.
        addresses: usize,
    },
    /// The list could not be written; it is tried again.
    NotWritten(TargetError),
    /// A target held something else; it is written again.
    Changed(String),
    /// What a cluster says is not taken.
    Untaken {
        /// Its API server.
        server: String,
        /// Why.
        why: Untaken,
    },
    /// The set is not there. Its last list stays in force.
    Absent {
        /// The API server.
        server: String,
    },
    /// An API server gives no answer, or refuses. Its last list stays in force.
    Away {
        /// The API server.
        server: String,
        /// What failed.
        error: ClusterError,
    },
    /// It answers again.
    Back {
        /// The API server.
        server: String,
    },
    /// The set does not know this subscriber, so that nobody waits for it.
    Undeclared {
        /// The API server.
        server: String,
        /// This subscriber.
        name: String,
    },
    /// A generation was acknowledged.
    Acknowledged {
        /// The API server.
        server: String,
        /// Which one.
        generation: i64,
    },
    /// The state file cannot be written: a restart while an API server is away would wait for it.
    NotKept(StateError),
}

impl Report {
    /// Whether it is something that a person should look at.
    pub fn is_trouble(&self) -> bool {
        !matches!(
            self,
            Self::Written { .. } | Self::Back { .. } | Self::Acknowledged { .. }
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Written {
                generations,
                addresses,
            } => {
                let all: Vec<String> = generations.iter().map(i64::to_string).collect();
                write!(
                    f,
                    "generation {}: {addresses} addresses are in force",
                    all.join(", ")
                )?;
                match addresses {
                    0 => f.write_str("; the set is empty, and nobody is let in"),
                    _ => Ok(()),
                }
            }
            Self::NotWritten(error) => {
                write!(f, "not in force, and tried again: {}", chain(error))?;
                error
                    .hint()
                    .map_or(Ok(()), |hint| write!(f, "; next: {hint}"))
            }
            Self::Changed(target) => write!(f, "{target} was changed, and is written again"),
            Self::Untaken { server, why } => {
                write!(f, "{server}: {why}; what was accepted last stays in force")
            }
            Self::Absent { server } => {
                write!(
                    f,
                    "{server}: there is no such set; what was accepted last stays in force"
                )
            }
            Self::Away { server, error } => {
                write!(
                    f,
                    "{server}: {}; what was accepted last stays in force",
                    chain(error)
                )?;
                error
                    .hint()
                    .map_or(Ok(()), |hint| write!(f, "; next: {hint}"))
            }
            Self::Back { server } => write!(f, "{server} answers again"),
            Self::Undeclared { server, name } => write!(
                f,
                "{server}: the set has no subscriber {name}, so that nobody waits for it; next: add it to \
                 `spec.subscribers`"
            ),
            Self::Acknowledged { server, generation } => {
                write!(f, "generation {generation} is acknowledged at {server}")
            }
            Self::NotKept(error) => f.write_str(&chain(error)),
        }
    }
}

fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}
