//! What the plugin needs of netd, and how that can fail.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_types::api::{
    AddReply, AddRequest, CheckReply, CheckRequest, DelReply, DelRequest, ErrorReply, GcReply,
    GcRequest, StatusReply, StatusRequest,
};
use thiserror::Error;

/// netd, as the plugin sees it. The socket comes from the configuration, hence with each call.
///
/// # Errors
/// Every call fails with [`NetdError`].
pub trait Netd {
    /// Attach.
    fn add(&self, socket: &Path, request: &AddRequest) -> Result<AddReply, NetdError>;
    /// Detach.
    fn del(&self, socket: &Path, request: &DelRequest) -> Result<DelReply, NetdError>;
    /// Compare.
    fn check(&self, socket: &Path, request: &CheckRequest) -> Result<CheckReply, NetdError>;
    /// Collect garbage.
    fn gc(&self, socket: &Path, request: &GcRequest) -> Result<GcReply, NetdError>;
    /// Ask for readiness.
    fn status(&self, socket: &Path, request: &StatusRequest) -> Result<StatusReply, NetdError>;
}

/// Why netd did not do what it was asked.
#[derive(Debug, Error)]
pub enum NetdError {
    /// Nobody listens: no socket, or a connection refused.
    #[error("netd does not answer on {}: {source}", .socket.display())]
    Unreachable {
        /// Path of netd's UNIX socket.
        socket: PathBuf,
        /// What connecting said.
        #[source]
        source: io::Error,
    },
    /// The connection ended, or failed, before the answer was whole.
    #[error("netd's answer broke off: {source}")]
    Cut {
        /// What reading or writing said.
        #[source]
        source: io::Error,
    },
    /// No whole answer in time.
    #[error("netd did not answer within {} s", .after.as_secs_f32())]
    TimedOut {
        /// How long it was waited for.
        after: Duration,
    },
    /// An answer that is not HTTP, or longer than is read.
    #[error("netd's answer is not understood: {source}")]
    NotHttp {
        /// What is wrong with it.
        #[source]
        source: crate::http::HttpError,
    },
    /// An answer whose body is not the message that belongs there.
    #[error("netd's answer (HTTP status {status}) is not understood: {source}")]
    NotAMessage {
        /// The HTTP status.
        status: u16,
        /// What is wrong with the body.
        #[source]
        source: serde_json::Error,
    },
    /// netd's own answer that it cannot, or will not.
    #[error("{}", .0.msg)]
    Refused(ErrorReply),
}

impl NetdError {
    /// What netd itself answered, if it did.
    ///
    /// Everything else means that nobody who knows our messages was there: whether netd did
    /// something before it went away is unknown.
    pub fn refusal(&self) -> Option<&ErrorReply> {
        match self {
            Self::Refused(reply) => Some(reply),
            Self::Unreachable { .. }
            | Self::Cut { .. }
            | Self::TimedOut { .. }
            | Self::NotHttp { .. }
            | Self::NotAMessage { .. } => None,
        }
    }

    /// Whether the same call may succeed later without anybody mending anything but netd's
    /// being down.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Cut { .. } | Self::TimedOut { .. } => true,
            Self::NotHttp { .. } | Self::NotAMessage { .. } | Self::Refused(_) => false,
        }
    }
}
