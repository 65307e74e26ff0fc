//! What a transaction's operations answer, and how they fail (RFC 7047 §4.1.3, §5.2).

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use super::op::Op;
use super::row::Row;
use super::value::{Atom, Datum};

/// What one operation answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OpResult {
    /// `insert`: the new row's UUID.
    Inserted(Uuid),
    /// `select`: the rows.
    Rows(Vec<Row>),
    /// `update`, `mutate`, `delete`: how many rows matched.
    Count(u64),
    /// The operations without a result.
    Empty,
}

impl OpResult {
    /// The UUID that an `insert` gave.
    pub fn uuid(&self) -> Option<Uuid> {
        match self {
            Self::Inserted(uuid) => Some(*uuid),
            _ => None,
        }
    }

    /// The rows that a `select` found; none for another operation.
    pub fn rows(&self) -> &[Row] {
        match self {
            Self::Rows(rows) => rows,
            _ => &[],
        }
    }

    /// How many rows matched; 0 for an operation that does not count.
    pub fn count(&self) -> u64 {
        match self {
            Self::Count(n) => *n,
            _ => 0,
        }
    }
}

/// The errors that RFC 7047 §4.1.3 and §5.2 name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpErrorKind {
    /// `referential integrity violation`: a strong reference to no row, or a row that is
    /// still referred to.
    ReferentialIntegrity,
    /// `constraint violation`: a column's or the schema's bounds, or a unique index.
    Constraint,
    /// `resources exhausted`: the server lacks memory or the like.
    ResourcesExhausted,
    /// `I/O error`: the transaction could not be made durable.
    Io,
    /// `duplicate uuid-name`: two inserts of one name.
    DuplicateName,
    /// `domain error`: a division by zero.
    Domain,
    /// `range error`: a mutation's result does not fit.
    Range,
    /// `timed out`: a `wait` did not come true.
    TimedOut,
    /// `not supported`: a `wait` that is refused, or `durable` without durability.
    NotSupported,
    /// `aborted`: by `abort`.
    Aborted,
    /// `not owner`: `assert` of a lock that this session does not hold.
    NotOwner,
    /// `unknown database`.
    UnknownDatabase,
    /// `canceled`: by the client, after its own time-out.
    Canceled,
    /// `not allowed`: the server is not the leader of its cluster, or read-only.
    NotAllowed,
    /// Another; the tag tells.
    Other,
}

impl OpErrorKind {
    fn from_tag(tag: &str) -> Self {
        match tag {
            "referential integrity violation" => Self::ReferentialIntegrity,
            "constraint violation" => Self::Constraint,
            "resources exhausted" => Self::ResourcesExhausted,
            "I/O error" => Self::Io,
            "duplicate uuid-name" | "duplicate uuid name" => Self::DuplicateName,
            "domain error" => Self::Domain,
            "range error" => Self::Range,
            "timed out" => Self::TimedOut,
            "not supported" => Self::NotSupported,
            "aborted" => Self::Aborted,
            "not owner" => Self::NotOwner,
            "unknown database" => Self::UnknownDatabase,
            "canceled" => Self::Canceled,
            "not allowed" | "not leader" => Self::NotAllowed,
            _ => Self::Other,
        }
    }

    /// Whether the same transaction may succeed later, with nothing changed by its sender.
    pub fn is_retryable(self) -> bool {
        match self {
            Self::ResourcesExhausted
            | Self::Io
            | Self::TimedOut
            | Self::NotOwner
            | Self::Canceled => true,
            Self::ReferentialIntegrity
            | Self::Constraint
            | Self::DuplicateName
            | Self::Domain
            | Self::Range
            | Self::NotSupported
            | Self::Aborted
            | Self::UnknownDatabase
            | Self::NotAllowed
            | Self::Other => false,
        }
    }
}

/// An error as the server words it (RFC 7047 §3.1, `<error>`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerError {
    /// What the tag means.
    pub kind: OpErrorKind,
    /// The tag, which the RFC fixes.
    pub tag: String,
    /// The server's explanation, for people.
    pub details: Option<String>,
}

impl std::fmt::Display for ServerError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.tag)?;
        match &self.details {
            Some(details) => write!(f, " ({details})"),
            None => Ok(()),
        }
    }
}

impl ServerError {
    /// Reads an `<error>` object; also a bare string, which older servers send as the
    /// error of a whole request.
    fn from_json(value: &Value) -> Option<Self> {
        let tag = value.as_str().or_else(|| value.get("error")?.as_str())?;
        Some(Self {
            kind: OpErrorKind::from_tag(tag),
            tag: tag.to_owned(),
            details: value
                .get("details")
                .and_then(Value::as_str)
                .map(str::to_owned),
        })
    }
}

/// Why a transaction is not known to have been done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TransactError {
    /// An operation failed; nothing of the transaction was done.
    #[error("operation {op_index} failed: {error}")]
    Op {
        /// Which one, from 0.
        op_index: usize,
        /// The server's error, with its details.
        error: ServerError,
    },
    /// The operations succeeded and the commit did not, for instance because a constraint
    /// holds at its end only; nothing was done (RFC 7047 §4.1.3).
    #[error("commit failed: {error}")]
    Commit {
        /// The server's error, with its details.
        error: ServerError,
    },
    /// The request as a whole was refused; nothing was done.
    #[error("the request was refused: {error}")]
    Rejected {
        /// The server's error, with its details.
        error: ServerError,
    },
    /// The connection was down, or broke before the answer came.
    #[error("not connected to the database; the transaction {}", if *maybe_applied { "may have been done" } else { "was not done" })]
    Disconnected {
        /// Whether the server may have received the whole request. If so, look at the
        /// replica after the next synchronisation before doing it again.
        maybe_applied: bool,
    },
    /// No answer in time; the server was asked to cancel, and may have done it already.
    #[error("no answer in {after:?}; the transaction may have been done")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// More requests are queued than the session takes; this one was not sent.
    #[error("too many transactions are queued; this one was not done")]
    QueueFull,
    /// The server answered, but not what RFC 7047 §4.1.3 says. What it did is not known.
    #[error("the answer is malformed: {what}")]
    BadReply {
        /// What is wrong with it.
        what: &'static str,
    },
    /// The session's task has ended: the runtime is shutting down.
    #[error("the session is closed")]
    Closed,
}

impl TransactError {
    /// Whether doing the same again can help. After [`maybe_applied`](Self::maybe_applied)
    /// the caller must look first.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Op { error, .. } | Self::Commit { error } | Self::Rejected { error } => {
                error.kind.is_retryable()
            }
            Self::Disconnected { .. } | Self::TimedOut { .. } | Self::QueueFull => true,
            Self::BadReply { .. } | Self::Closed => false,
        }
    }

    /// Whether the transaction may have been done in spite of the error.
    pub fn maybe_applied(&self) -> bool {
        match self {
            Self::Disconnected { maybe_applied } => *maybe_applied,
            Self::TimedOut { .. } | Self::BadReply { .. } => true,
            Self::Op { .. }
            | Self::Commit { .. }
            | Self::Rejected { .. }
            | Self::QueueFull
            | Self::Closed => false,
        }
    }
}

/// The form that an operation's answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Uuid,
    Rows,
    Count,
    Empty,
}

impl From<&Op> for Answer {
    fn from(op: &Op) -> Self {
        match op {
            Op::Insert(_) => Self::Uuid,
            Op::Select(_) => Self::Rows,
            Op::Update(_) | Op::Mutate(_) | Op::Delete(_) => Self::Count,
            Op::Wait(_)
            | Op::Commit { .. }
            | Op::Abort {}
            | Op::Comment { .. }
            | Op::Assert { .. } => Self::Empty,
        }
    }
}

/// Reads the answer to a `transact` of operations that answer `expected`.
pub(crate) fn read_reply(
    expected: &[Answer],
    result: Value,
    error: &Value,
) -> Result<Vec<OpResult>, TransactError> {
    if !error.is_null() {
        let error = ServerError::from_json(error).ok_or(TransactError::BadReply {
            what: "its error has no tag",
        })?;
        return Err(TransactError::Rejected { error });
    }
    let Value::Array(results) = result else {
        return Err(TransactError::BadReply {
            what: "its result is no array",
        });
    };
    // A failure wins over the form of the answers before it.
    if let Some((op_index, error)) = results
        .iter()
        .enumerate()
        .find_map(|(i, r)| Some((i, ServerError::from_json(r)?)))
    {
        return Err(if op_index < expected.len() {
            TransactError::Op { op_index, error }
        } else {
            TransactError::Commit { error }
        });
    }
    if results.len() != expected.len() {
        return Err(TransactError::BadReply {
            what: "it has not one result for each operation",
        });
    }
    expected
        .iter()
        .zip(results)
        .map(|(expected, result)| read_result(*expected, result))
        .collect()
}

fn read_result(expected: Answer, mut result: Value) -> Result<OpResult, TransactError> {
    let mut member = |name| result.get_mut(name).map(Value::take);
    let bad = |what| TransactError::BadReply { what };
    match expected {
        Answer::Empty => Ok(OpResult::Empty),
        Answer::Uuid => member("uuid")
            .and_then(|v| match Datum::from_json(v) {
                Ok(datum) => match datum.scalar() {
                    Some(Atom::Uuid(uuid)) => Some(OpResult::Inserted(*uuid)),
                    _ => None,
                },
                Err(_) => None,
            })
            .ok_or(bad("an insert's result has no UUID")),
        Answer::Count => member("count")
            .and_then(|v| v.as_u64())
            .map(OpResult::Count)
            .ok_or(bad("a result has no count")),
        Answer::Rows => match member("rows") {
            Some(Value::Array(rows)) => rows
                .into_iter()
                .map(Row::from_json)
                .collect::<Result<_, _>>()
                .map(OpResult::Rows)
                .map_err(|_| bad("a selected row cannot be read")),
            _ => Err(bad("a select's result has no rows")),
        },
    }
}

#[cfg(test)]
#[path = "outcome/tests.rs"]
mod tests;
