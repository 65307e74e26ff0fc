//! What writes route tables: the one trait that the controller knows of them.

use std::future::Future;

use crate::aliyun::CallError;
use crate::diff::Op;
use crate::model::{Entry, Prefix, Table, TableId};
use crate::router::RouterError;

/// Lists and writes route tables.
pub trait Provider: Send + Sync {
    /// The most ops that one write takes.
    fn batch(&self) -> usize;

    /// Whether an op may share a write with others of its kind.
    fn shares(&self, op: &Op) -> bool;

    /// Every entry of a table.
    ///
    /// # Errors
    /// The table cannot be listed whole.
    fn list(&self, table: &TableId) -> impl Future<Output = Result<Table, ProviderError>> + Send;

    /// Writes ops of one kind that do not overlap. What failed of them is the result; the rest
    /// was accepted, and is in force when a listing says so.
    ///
    /// # Errors
    /// Nothing was accepted, unless [`ProviderError::is_ambiguous`].
    fn write(
        &self,
        table: &TableId,
        ops: &[Op],
    ) -> impl Future<Output = Result<Vec<Failure>, ProviderError>> + Send;

    /// Gives an entry another name and leaves where it leads.
    ///
    /// # Errors
    /// The entry keeps its name, unless [`ProviderError::is_ambiguous`].
    fn rename(
        &self,
        table: &TableId,
        entry: &Entry,
        name: &str,
    ) -> impl Future<Output = Result<(), ProviderError>> + Send;
}

/// One op of a batch that was not done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The destination, as the provider named it.
    pub destination: Option<Prefix>,
    /// The next hop's ID, as the provider named it.
    pub next_hop: String,
    /// The provider's code.
    pub code: String,
    /// The provider's words.
    pub message: String,
    /// Whether it may fare better later.
    pub retryable: bool,
}

/// Why a provider could not do something.
#[derive(Debug, thiserror::Error)]
pub enum ProviderError {
    /// Aliyun's API.
    #[error(transparent)]
    Aliyun(#[from] CallError),
    /// A router.
    #[error(transparent)]
    Router(#[from] RouterError),
    /// The plan names a table that no provider is configured for.
    #[error("no provider is configured for the table {table}")]
    NotConfigured {
        /// The table.
        table: TableId,
    },
}

impl ProviderError {
    /// Whether the same may fare better later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Aliyun(error) => error.is_retryable(),
            Self::Router(error) => error.is_retryable(),
            Self::NotConfigured { .. } => false,
        }
    }

    /// Whether a write may have had its effect all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Aliyun(error) => error.is_ambiguous(),
            Self::Router(error) => error.is_ambiguous(),
            Self::NotConfigured { .. } => false,
        }
    }

    /// Whether fewer calls are asked for.
    pub fn is_throttling(&self) -> bool {
        match self {
            Self::Aliyun(error) => error.is_throttling(),
            Self::Router(_) | Self::NotConfigured { .. } => false,
        }
    }
}
