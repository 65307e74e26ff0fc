//! Errors of the input, and CNI's error object.

use std::net::AddrParseError;

use ipnetwork::IpNetworkError;
use serde::Serialize;
use thiserror::Error;

use super::CniVersion;
use crate::api::{ErrorReply, code};
use crate::{NameError, NetError};

/// Shortens a value of any length for an error message.
pub(super) fn shorten(value: &str) -> String {
    const SHOWN: usize = 64;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Invalid value of the right JSON type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Invalid name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A MAC, VLAN ID or MTU is out of bounds.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Not an IP address.
    #[error("{value:?} is not an IP address")]
    Address {
        /// The value, shortened.
        value: String,
    },
    /// Not an address with a prefix length.
    #[error("{value:?} is not an IP address with a prefix length")]
    Prefix {
        /// The value, shortened.
        value: String,
    },
    /// Address and next hop are of different families.
    #[error("the next hop {gateway} is not of the family of {dst}")]
    FamilyMismatch {
        /// The route's destination prefix.
        dst: ipnetwork::IpNetwork,
        /// The next hop.
        gateway: std::net::IpAddr,
    },
    /// Not an absolute path that a socket or directory may have.
    #[error("{value:?} is not an absolute path of at most {max} bytes without NUL")]
    Path {
        /// The value, shortened.
        value: String,
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// A number beyond what is allowed there.
    #[error("{value} is out of bounds: {min} to {max} are allowed")]
    OutOfBounds {
        /// The number as it was given.
        value: u64,
        /// The lowest number that is allowed.
        min: u64,
        /// The highest number that is allowed.
        max: u64,
    },
    /// A rate without a burst or a burst without a rate.
    #[error("rate and burst belong together: give both, or neither")]
    HalfRate,
    /// The first VLAN of a range is above its last.
    #[error("minID {min} is above maxID {max}")]
    EmptyVlanRange {
        /// `minID`.
        min: u16,
        /// `maxID`.
        max: u16,
    },
    /// Neither a VLAN ID nor a range.
    #[error("it must be a VLAN ID, {{\"id\":N}}, or {{\"minID\":N,\"maxID\":M}}")]
    NotATrunkEntry,
    /// The index is beyond the list of interfaces.
    #[error("there is no interface {index}: the list has {count}")]
    NoSuchInterface {
        /// The index that was given, from 0.
        index: u64,
        /// Number of interfaces.
        count: usize,
    },
    /// A list that is longer than allowed.
    #[error("it has {count} entries: at most {max} are allowed")]
    TooMany {
        /// Number of entries.
        count: usize,
        /// The largest allowed number.
        max: usize,
    },
}

impl ValueError {
    /// The error of a value that does not parse as an address.
    pub(super) fn address(value: &str, _: &AddrParseError) -> Self {
        Self::Address {
            value: shorten(value),
        }
    }

    /// The error of a value that does not parse as a prefix.
    pub(super) fn prefix(value: &str, _: &IpNetworkError) -> Self {
        Self::Prefix {
            value: shorten(value),
        }
    }
}

/// Invalid stdin or `CNI_ARGS`.
#[derive(Debug, Error)]
pub enum InputError {
    /// Stdin is longer than the limit.
    #[error("the network configuration is longer than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// Stdin is empty.
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
        /// Position and reason; serde_json's messages do not contain the document.
        #[source]
        source: serde_json::Error,
    },
    /// `cniVersion` is not a string.
    #[error("`cniVersion` must be a string, but is {found}")]
    VersionType {
        /// The JSON type that it has.
        found: &'static str,
    },
    /// The version is not supported.
    #[error("CNI version {asked:?} is not supported")]
    Version {
        /// The requested version, shortened.
        asked: String,
    },
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
    /// A key that is known, with a value that Flatnet does not support.
    #[error("`{key}` = {value} is not supported: {why}")]
    Unsupported {
        /// The key's path.
        key: String,
        /// Its value, shortened.
        value: String,
        /// Why, and what to do.
        why: &'static str,
    },
    /// Invalid `CNI_ARGS`.
    #[error("CNI_ARGS: {reason}")]
    Args {
        /// What is wrong.
        #[source]
        reason: super::args::ArgsError,
    },
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
    /// Further details; omitted if empty.
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
