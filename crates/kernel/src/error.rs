//! What can go wrong, for each operation: what was attempted, the errno, and the kernel's
//! own words (the extended acknowledgement of netlink) where it gave any.

mod attach;
mod node;

use std::time::Duration;

use nix::errno::Errno;
use thiserror::Error;

pub use attach::{ConfigureError, LinkError, NetnsError};
pub use node::{AddressError, PacketError, RouteError, SysctlError};

/// Why one request to the kernel failed, without what it was for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The kernel answered with an errno.
    #[error("the kernel refused: {errno}{}", said(text.as_deref()))]
    Refused {
        /// The errno of the kernel's answer.
        errno: Errno,
        /// The extended acknowledgement's text, if the kernel gave one.
        text: Option<String>,
    },
    /// A system call on the way failed.
    #[error("{during} failed: {errno}")]
    Syscall {
        /// What was attempted, in the words of the message.
        during: &'static str,
        /// The errno of the failed system call.
        errno: Errno,
    },
    /// The calling thread could not enter the namespace.
    #[error("the network namespace could not be entered: {errno}")]
    Namespace {
        /// The errno of `setns`.
        errno: Errno,
    },
    /// The answer does not follow the protocol.
    #[error("the kernel's answer was not understood: {reason}")]
    Undecodable {
        /// What is wrong with it.
        reason: String,
    },
    /// No answer came.
    #[error("no answer came within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// A list changed whenever it was read.
    #[error("the list changed each of the {0} times that it was read")]
    Unstable(u32),
    /// More requests wait than are allowed to.
    #[error("{0} requests wait already")]
    Busy(usize),
    /// The adapter was stopped, or the worker that had the request died.
    #[error("the worker that had the request is gone")]
    Stopped,
}

/// The kernel's words in parentheses, or nothing.
fn said(text: Option<&str>) -> String {
    text.map(|t| format!(" ({t})")).unwrap_or_default()
}

impl Fault {
    /// Whether the same request may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { errno, .. } | Self::Syscall { errno, .. } => matches!(
                errno,
                Errno::EAGAIN
                    | Errno::EBUSY
                    | Errno::EINTR
                    | Errno::ENOBUFS
                    | Errno::ENOMEM
                    | Errno::EMFILE
                    | Errno::ENFILE
            ),
            Self::NoAnswer(_) | Self::Unstable(_) | Self::Busy(_) => true,
            Self::Namespace { .. } | Self::Undecodable { .. } | Self::Stopped => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. }
            | Self::Syscall { errno, .. }
            | Self::Namespace { errno } => Some(*errno as i32),
            _ => None,
        }
    }

    /// The errno, if it was the kernel's answer to the request itself.
    pub(crate) fn refusal(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// A request that failed, and what it was for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{attempted}: {fault}")]
pub struct RequestError {
    /// What was attempted, in words, with the names and addresses.
    pub attempted: String,
    /// Why it failed.
    pub fault: Fault,
}

impl RequestError {
    /// Whether the same request may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.fault.is_retryable()
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        self.fault.errno()
    }
}

/// Names what a fallible step was for.
pub(crate) trait Attempt<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, RequestError>;
}

impl<T> Attempt<T> for Result<T, Fault> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, RequestError> {
        self.map_err(|fault| RequestError {
            attempted: what(),
            fault,
        })
    }
}

/// Why the adapter did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The namespace that the calling thread is in could not be opened.
    #[error("opening {path:?}: {errno}")]
    Home {
        /// Path of the namespace's file below `/proc`.
        path: &'static str,
        /// The errno of the failed system call.
        errno: Errno,
    },
    /// A netlink socket could not be opened or joined to its groups.
    #[error("the monitor of links, addresses and routes: {0}")]
    Monitor(Fault),
    /// An OS thread could not be started.
    #[error("starting a thread: {errno}")]
    Thread {
        /// The errno of the failed system call.
        errno: Errno,
    },
}

/// Why the kernel's state could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct ObserveError(#[from] pub RequestError);

impl ObserveError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno()
    }
}
