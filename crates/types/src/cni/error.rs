//! What is wrong with an input, and CNI's error object.

use serde::Serialize;
use thiserror::Error;

use super::args::ArgsError;
use super::value::ValueError;
use super::version::{CniVersion, VersionError};
use crate::api::{ErrorReply, code};

/// What is wrong with what the runtime sent on stdin or in `CNI_ARGS`.
#[derive(Debug, Error)]
pub enum InputError {
    /// More bytes than are read.
    #[error("the network configuration is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Nothing came.
    #[error("the network configuration is empty")]
    Empty,
    /// Not UTF-8, as JSON must be (RFC 8259 §8.1).
    #[error("the network configuration is not UTF-8: byte {at} is wrong")]
    NotUtf8 {
        /// Offset of the first wrong byte.
        at: usize,
    },
    /// Not JSON, nested too deeply, or with a known key twice in one object.
    #[error("the network configuration cannot be decoded: {source}")]
    Json {
        /// Where and why; serde_json tells positions, not contents.
        #[source]
        source: serde_json::Error,
    },
    /// The version is not a string, so nothing after it can be understood.
    #[error("`cniVersion` must be a string, but is {found}")]
    VersionType {
        /// The JSON type that it has.
        found: &'static str,
    },
    /// A version that is not spoken here.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The version has no such command.
    #[error("CNI version {version} has no {command}: it came with {since}")]
    CommandTooNew {
        /// CNI's command: `GC`, `STATUS`.
        command: &'static str,
        /// The configuration's version.
        version: CniVersion,
        /// The first version with the command.
        since: CniVersion,
    },
    /// A known key has the wrong JSON type.
    #[error("`{key}` must be {wanted}, but is {found}")]
    WrongType {
        /// The key's path.
        key: String,
        /// The type that it must have, in words.
        wanted: &'static str,
        /// The type that it has, in words.
        found: &'static str,
    },
    /// A key that must be there is not.
    #[error("`{key}` is missing")]
    Missing {
        /// The key's path.
        key: String,
    },
    /// The value of a known key is not allowed.
    #[error("`{key}` is not valid: {source}")]
    Value {
        /// The key's path.
        key: String,
        /// What is wrong with it.
        #[source]
        source: ValueError,
    },
    /// A key that is understood, whose wish Flatnet does not grant.
    #[error("`{key}` = {value} is not supported: {why}")]
    Unsupported {
        /// The key's path.
        key: String,
        /// Its value, shortened.
        value: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// `CNI_ARGS` cannot be understood.
    #[error("CNI_ARGS: {reason}")]
    Args {
        /// What is wrong.
        #[source]
        reason: ArgsError,
    },
}

impl From<ArgsError> for InputError {
    fn from(reason: ArgsError) -> Self {
        Self::Args { reason }
    }
}

impl InputError {
    /// CNI's code for it (SPEC.md 1.1.0, "Error").
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::Version { .. } | Self::CommandTooNew { .. } => code::INCOMPATIBLE_VERSION,
            Self::Unsupported { .. } => code::UNSUPPORTED_FIELD,
            Self::Args { .. } => code::INVALID_ENVIRONMENT,
            Self::TooLarge { .. }
            | Self::Empty
            | Self::NotUtf8 { .. }
            | Self::Json { .. }
            | Self::VersionType { .. } => code::DECODE,
            Self::WrongType { .. } | Self::Missing { .. } | Self::Value { .. } => {
                code::INVALID_CONFIG
            }
        }
    }
}

/// CNI's error object, printed on stdout (SPEC.md 1.1.0, "Error").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CniError {
    /// The protocol version in use.
    #[serde(rename = "cniVersion")]
    pub cni_version: &'static str,
    /// One of [`code`].
    pub code: u32,
    /// One line: what failed.
    pub msg: String,
    /// More about it; empty: left out.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub details: String,
}

impl CniError {
    /// An error object in `version`.
    pub fn new(version: CniVersion, error: ErrorReply) -> Self {
        Self {
            cni_version: version.as_str(),
            code: error.code,
            msg: error.msg,
            details: error.details,
        }
    }
}

impl From<InputError> for ErrorReply {
    fn from(error: InputError) -> Self {
        let details = match &error {
            InputError::Version { .. } => {
                let all: Vec<_> = CniVersion::ALL.iter().map(|v| v.as_str()).collect();
                format!("supported versions: {}", all.join(", "))
            }
            _ => String::new(),
        };
        Self {
            code: error.cni_code(),
            msg: error.to_string(),
            details,
        }
    }
}
