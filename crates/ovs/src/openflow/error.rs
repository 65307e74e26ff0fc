//! Errors of the switch and of the connection to it (OpenFlow 1.4.1 §7.5.4).

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use thiserror::Error;

use super::wire::{DecodeError, Reader};

/// What kind of request the switch objects to (OpenFlow 1.4.1 §7.5.4, `ofp_error_type`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// OFPET_HELLO_FAILED: no version in common.
    HelloFailed,
    /// OFPET_BAD_REQUEST.
    BadRequest,
    /// OFPET_BAD_ACTION.
    BadAction,
    /// OFPET_BAD_INSTRUCTION.
    BadInstruction,
    /// OFPET_BAD_MATCH.
    BadMatch,
    /// OFPET_FLOW_MOD_FAILED.
    FlowModFailed,
    /// OFPET_METER_MOD_FAILED.
    MeterModFailed,
    /// OFPET_BUNDLE_FAILED.
    BundleFailed,
    /// Another; the numbers tell.
    Other,
}

/// An error message of the switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorReply {
    /// What `error_type` means.
    pub kind: ErrorKind,
    /// `type` on the wire.
    pub error_type: u16,
    /// `code` on the wire.
    pub code: u16,
    /// The first bytes of the request.
    pub data: Bytes,
}

impl ErrorReply {
    pub(crate) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let (error_type, code) = (r.u16()?, r.u16()?);
        let kind = match error_type {
            0 => ErrorKind::HelloFailed,
            1 => ErrorKind::BadRequest,
            2 => ErrorKind::BadAction,
            3 => ErrorKind::BadInstruction,
            4 => ErrorKind::BadMatch,
            5 => ErrorKind::FlowModFailed,
            12 => ErrorKind::MeterModFailed,
            17 => ErrorKind::BundleFailed,
            _ => ErrorKind::Other,
        };
        Ok(Self {
            kind,
            error_type,
            code,
            data: body.slice(4..),
        })
    }

    /// OFPMMFC_METER_EXISTS: an addition that was made before.
    pub fn is_meter_exists(&self) -> bool {
        (self.kind, self.code) == (ErrorKind::MeterModFailed, 1)
    }

    /// OFPMMFC_UNKNOWN_METER: the meter to change is not there.
    pub fn is_unknown_meter(&self) -> bool {
        (self.kind, self.code) == (ErrorKind::MeterModFailed, 3)
    }

    /// The specification's name of the code, for those that a mistake of ours would cause.
    fn name(&self) -> Option<&'static str> {
        Some(match (self.kind, self.code) {
            (ErrorKind::HelloFailed, 0) => "OFPHFC_INCOMPATIBLE",
            (ErrorKind::BadRequest, 1) => "OFPBRC_BAD_TYPE",
            (ErrorKind::BadRequest, 5) => "OFPBRC_EPERM",
            (ErrorKind::BadRequest, 6) => "OFPBRC_BAD_LEN",
            (ErrorKind::BadAction, 4) => "OFPBAC_BAD_OUT_PORT",
            (ErrorKind::BadAction, 5) => "OFPBAC_BAD_ARGUMENT",
            (ErrorKind::BadAction, 10) => "OFPBAC_MATCH_INCONSISTENT",
            (ErrorKind::BadAction, 13) => "OFPBAC_BAD_SET_TYPE",
            (ErrorKind::BadAction, 14) => "OFPBAC_BAD_SET_LEN",
            (ErrorKind::BadAction, 15) => "OFPBAC_BAD_SET_ARGUMENT",
            (ErrorKind::BadInstruction, 2) => "OFPBIC_BAD_TABLE_ID",
            (ErrorKind::BadMatch, 6) => "OFPBMC_BAD_FIELD",
            (ErrorKind::BadMatch, 7) => "OFPBMC_BAD_VALUE",
            (ErrorKind::BadMatch, 8) => "OFPBMC_BAD_MASK",
            (ErrorKind::BadMatch, 9) => "OFPBMC_BAD_PREREQ",
            (ErrorKind::BadMatch, 10) => "OFPBMC_DUP_FIELD",
            (ErrorKind::FlowModFailed, 1) => "OFPFMFC_TABLE_FULL",
            (ErrorKind::FlowModFailed, 2) => "OFPFMFC_BAD_TABLE_ID",
            (ErrorKind::MeterModFailed, 1) => "OFPMMFC_METER_EXISTS",
            (ErrorKind::MeterModFailed, 2) => "OFPMMFC_INVALID_METER",
            (ErrorKind::MeterModFailed, 3) => "OFPMMFC_UNKNOWN_METER",
            (ErrorKind::MeterModFailed, 10) => "OFPMMFC_OUT_OF_METERS",
            (ErrorKind::BundleFailed, 9) => "OFPBFC_MSG_UNSUP",
            (ErrorKind::BundleFailed, 12) => "OFPBFC_MSG_FAILED",
            (ErrorKind::BundleFailed, 13) => "OFPBFC_TIMEOUT",
            _ => return None,
        })
    }
}

impl fmt::Display for ErrorReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "error type {} code {}", self.error_type, self.code),
        }
    }
}

/// One message of a batch that the switch refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which message of the batch, from 0; `None` for the bundle around it.
    pub index: Option<usize>,
    /// What the switch says.
    pub error: ErrorReply,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "message {index}: {}", self.error),
            None => write!(f, "the bundle: {}", self.error),
        }
    }
}

/// Why a request is not known to have been done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenFlowError {
    /// The switch refused messages. The others of a plain batch were done; of an atomic one
    /// nothing was.
    #[error("the switch refused {} of the messages; {}", failures.len(), failures.first().map(Failure::to_string).unwrap_or_default())]
    Rejected {
        /// Which, and why; at least one.
        failures: Vec<Failure>,
    },
    /// The connection was down, or broke before the answer came.
    #[error("not connected to the switch; the request {}", if *maybe_applied { "may have been done" } else { "was not done" })]
    Disconnected {
        /// Whether the switch may have received the whole request.
        maybe_applied: bool,
    },
    /// No answer in time.
    #[error("no answer in {after:?}; the request may have been done")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// More requests are queued than the connection takes; this one was not sent.
    #[error("too many requests are queued; this one was not done")]
    QueueFull,
    /// The answer cannot be read.
    #[error("the answer cannot be read")]
    BadReply(#[source] DecodeError),
    /// The answer is larger than allowed.
    #[error("the answer is longer than {limit} bytes")]
    TooLong {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The connection's task has ended.
    #[error("the connection is closed")]
    Closed,
}

impl OpenFlowError {
    /// Whether doing the same again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Disconnected { .. } | Self::TimedOut { .. } | Self::QueueFull => true,
            Self::Rejected { .. } | Self::BadReply(_) | Self::TooLong { .. } | Self::Closed => {
                false
            }
        }
    }
}
