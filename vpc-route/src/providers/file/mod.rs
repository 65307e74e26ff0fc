//! A configuration file for a router that a person administers.

mod statics;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use flatnet_files::replace_shared;

use super::{Capabilities, ErrorKind, Failure, Provider, ProviderError, TableScope};
use crate::diff::Op;
use crate::model::{Entry, Table};
pub use statics::{Statics, StaticsError};

/// Why a file's routes could not be read or written. A file is replaced whole or not at all, and
/// an error of it does not pass by itself.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum FileError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file holds a line of ours that cannot be understood.
    #[error("{}", path.display())]
    Statics {
        path: PathBuf,
        /// Which, and why.
        #[source]
        source: StaticsError,
    },
}

impl From<FileError> for ProviderError {
    fn from(error: FileError) -> Self {
        Self::new(ErrorKind::Refused, error)
    }
}

/// Keeps the static routes of one file; the rest of the file is left as it is.
#[derive(Debug, Clone)]
pub struct FileRouter {
    path: PathBuf,
}

impl FileRouter {
    /// The router whose routes are in this file, which need not be there yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    fn read(&self) -> Result<Statics, FileError> {
        let bytes = flatnet_files::read_if_there(&self.path, flatnet_files::STATE_MAX);
        let text = bytes.and_then(|bytes| flatnet_files::text(bytes.unwrap_or_default()));
        let text = text.map_err(|source| FileError::Io {
            doing: "read",
            path: self.path.clone(),
            source,
        })?;
        Statics::parse(&text).map_err(|source| FileError::Statics {
            path: self.path.clone(),
            source,
        })
    }

    fn change(&self, change: impl FnOnce(&mut Statics)) -> Result<(), FileError> {
        let mut statics = self.read()?;
        change(&mut statics);
        replace_shared(&self.path, statics.render().as_bytes()).map_err(|source| FileError::Io {
            doing: "write",
            path: self.path.clone(),
            source,
        })
    }
}

impl Provider for FileRouter {
    fn capabilities(&self, _table: &TableScope) -> Capabilities {
        Capabilities::default()
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let statics = self.read()?;
        let listed = statics
            .table(&table.id)
            .map_err(|source| FileError::Statics {
                path: self.path.clone(),
                source,
            });
        Ok(listed?)
    }

    async fn write(&self, _table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        self.change(|statics| ops.iter().for_each(|op| statics.apply(op)))?;
        Ok(Vec::new())
    }

    async fn rename(&self, _: &TableScope, entry: &Entry, name: &str) -> Result<(), ProviderError> {
        Ok(self.change(|statics| statics.rename(entry.destination, name))?)
    }
}
