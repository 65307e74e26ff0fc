//! The one error that the rest of vpc-route knows of providers.

use std::error::Error;
use std::fmt;

use crate::model::TableId;

/// What an error means for whoever called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorKind {
    /// Too many calls: the same later, and all calls further apart.
    Throttled,
    /// A write may have had its effect: list before anything else.
    Ambiguous,
    /// One entry is wrong; the others of the batch may be right.
    EntryRejected {
        /// The provider's code.
        code: String,
        /// The provider's message.
        message: String,
    },
    /// There is no such table, any more or ever.
    TableGone,
    /// The credentials are wrong or may not do this.
    Authentication,
    /// Something passes by itself: the same call later.
    Transient,
    /// The same call would fail again, for another reason.
    Refused,
}

/// Which call an adapter's error came from: a listing is never ambiguous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// [`Provider::list`](super::Provider::list).
    List,
    /// [`Provider::write`](super::Provider::write) or [`Provider::rename`](super::Provider::rename).
    Write,
}

/// Why a provider could not do something. It reads as the adapter's own error does.
#[derive(Debug)]
pub struct ProviderError {
    kind: ErrorKind,
    source: Box<dyn Error + Send + Sync>,
}

impl ProviderError {
    /// An adapter's error, and what it means.
    pub fn new(kind: ErrorKind, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            kind,
            source: Box::new(source),
        }
    }

    /// What it means.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// The adapter's own error.
    pub fn cause(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.source
    }

    /// Whether the same call may succeed later.
    pub fn is_retryable(&self) -> bool {
        match self.kind {
            ErrorKind::Throttled | ErrorKind::Ambiguous | ErrorKind::Transient => true,
            ErrorKind::EntryRejected { .. }
            | ErrorKind::TableGone
            | ErrorKind::Authentication
            | ErrorKind::Refused => false,
        }
    }

    /// Whether a write may have had its effect.
    pub fn is_ambiguous(&self) -> bool {
        self.kind == ErrorKind::Ambiguous
    }

    /// Whether fewer calls are asked for.
    pub fn is_throttling(&self) -> bool {
        self.kind == ErrorKind::Throttled
    }
}

impl fmt::Display for ProviderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.fmt(f)
    }
}

impl Error for ProviderError {
    // The adapter's error is what is displayed, so the chain goes on with its cause.
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

/// The plan names a table that no provider is configured for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no provider is configured for the table {table}")]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub struct NotConfigured {
    pub table: TableId,
}
