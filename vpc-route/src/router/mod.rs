//! Routers that are not in a cloud: their tables have no API, no states and no quota.

mod file;
mod statics;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use file::FileRouter;
pub(crate) use file::replace;
pub use statics::{Statics, StaticsError};

/// Why a router's table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `read` or `write`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file holds a line of ours that cannot be understood.
    #[error("{}", path.display())]
    Statics {
        /// The file.
        path: PathBuf,
        /// Which, and why.
        #[source]
        source: StaticsError,
    },
}

impl RouterError {
    /// Whether the same may fare better later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { .. } | Self::Statics { .. } => false,
        }
    }

    /// Whether a write may have had its effect all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            // A file is replaced whole or not at all.
            Self::Io { .. } | Self::Statics { .. } => false,
        }
    }
}
