//! Routers that are not in a cloud: their tables have no API, no states and no quota.

mod file;
mod frr;
mod linux;
mod statics;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

pub use file::FileRouter;
pub(crate) use file::replace;
pub use frr::{Daemon as FrrDaemon, FrrConfig, FrrError, FrrRouter, RunningError, Save};
pub use linux::{LinuxRouter, PROTOCOL};
pub use statics::{Statics, StaticsError};

use crate::model::Prefix;

/// Why a router's table could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum RouterError {
    /// The file cannot be read or written.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `read`, `write` or `enter`.
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
    /// The kernel's routes cannot be read.
    #[error("netlink: {message}")]
    Netlink {
        /// Why not, in the kernel adapter's words.
        message: String,
        /// Whether it may fare better later.
        retryable: bool,
    },
    /// FRR's routes cannot be read or written.
    #[error(transparent)]
    Frr(#[from] FrrError),
    /// A kernel's routes have a protocol and no names.
    #[error("{destination}: a kernel's route cannot be taken over: delete it, and it is made anew")]
    NoNames {
        /// The destination.
        destination: Prefix,
    },
}

impl RouterError {
    /// Whether the same may fare better later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Netlink { retryable, .. } => *retryable,
            Self::Frr(error) => error.is_retryable(),
            Self::Io { .. } | Self::Statics { .. } | Self::NoNames { .. } => false,
        }
    }

    /// Whether a write may have had its effect all the same.
    pub fn is_ambiguous(&self) -> bool {
        match self {
            Self::Frr(error) => error.is_ambiguous(),
            // A file is replaced whole or not at all; a kernel answers each route.
            Self::Io { .. }
            | Self::Statics { .. }
            | Self::Netlink { .. }
            | Self::NoNames { .. } => false,
        }
    }
}
