//! The plugin's interface to netd, and its errors.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_types::api::{
    AddReply, AddRequest, CheckReply, CheckRequest, DelReply, DelRequest, ErrorReply, GcReply,
    GcRequest, StatusReply, StatusRequest,
};
use thiserror::Error;

/// The calls to netd. The socket's path is from the configuration, so each call has it.
///
/// # Errors
/// Every call fails with [`NetdError`].
pub trait Netd {
    /// ADD.
    fn add(&self, socket: &Path, request: &AddRequest) -> Result<AddReply, NetdError>;
    /// DEL.
    fn del(&self, socket: &Path, request: &DelRequest) -> Result<DelReply, NetdError>;
    /// CHECK.
    fn check(&self, socket: &Path, request: &CheckRequest) -> Result<CheckReply, NetdError>;
    /// GC.
    fn gc(&self, socket: &Path, request: &GcRequest) -> Result<GcReply, NetdError>;
    /// STATUS.
    fn status(&self, socket: &Path, request: &StatusRequest) -> Result<StatusReply, NetdError>;
}

/// A failed call to netd.
#[derive(Debug, Error)]
pub enum NetdError {
    /// Nothing listens: there is no socket, or the connection was refused.
    #[error("netd does not answer on {}: {source}", .socket.display())]
    Unreachable {
        /// Path of netd's UNIX socket.
        socket: PathBuf,
        /// The error of connecting.
        #[source]
        source: io::Error,
    },
    /// The connection ended or failed before the answer was complete.
    #[error("netd's answer broke off: {source}")]
    Interrupted {
        /// The error of reading or writing.
        #[source]
        source: io::Error,
    },
    /// No complete answer before the timeout.
    #[error("netd did not answer within {} s", .after.as_secs_f32())]
    TimedOut {
        /// Time since the request was sent.
        after: Duration,
    },
    /// The answer is not HTTP, or too long.
    #[error("netd's answer is not understood: {source}")]
    NotHttp {
        /// What is wrong with it.
        #[source]
        source: crate::http::HttpError,
    },
    /// The body of the answer is not the expected message.
    #[error("netd's answer (HTTP status {status}) is not understood: {source}")]
    NotAMessage {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the body.
        #[source]
        source: serde_json::Error,
    },
    /// netd answered with an error.
    #[error("{}", .0.msg)]
    Refused(ErrorReply),
}

impl NetdError {
    /// netd's error, if it answered.
    ///
    /// After any other error it is unknown whether netd did something before.
    pub fn refusal(&self) -> Option<&ErrorReply> {
        match self {
            Self::Refused(reply) => Some(reply),
            Self::Unreachable { .. }
            | Self::Interrupted { .. }
            | Self::TimedOut { .. }
            | Self::NotHttp { .. }
            | Self::NotAMessage { .. } => None,
        }
    }

    /// Whether netd is down or does not answer: the same call may succeed when it runs again.
    pub fn is_unavailable(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::TimedOut { .. } => true,
            Self::NotHttp { .. } | Self::NotAMessage { .. } | Self::Refused(_) => false,
        }
    }
}
