//! Errors of the input, and CNI's error object.

use serde::Serialize;
use thiserror::Error;

use super::args::ArgsError;
use super::value::ValueError;
use super::version::{CniVersion, VersionError};
use crate::api::{ErrorReply, code};

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
    /// The configuration goes by pod annotations, and the runtime handed none over.
    #[error(
        "the runtime handed no pod annotations over, which the configuration goes by: give it the \
         capability \"io.kubernetes.cri.pod-annotations\", which containerd and CRI-O serve, or \
         take `podAnnotations` out of it"
    )]
    NoAnnotations,
    /// The configuration goes by pod annotations, and admission did not see the pod.
    #[error(
        "the pod has no annotation flatnet.io/admitted, so Flatnet's admission policies did not see \
         it: apply deploy/kubernetes/admission.yaml and create the pod anew; a static pod's \
         manifest has to have the annotation (\"v1\")"
    )]
    NotAdmitted,
    /// The pod was admitted by policies of another version.
    #[error(
        "the pod's annotation flatnet.io/admitted is {version:?}, and this plugin knows \"v1\": \
         use the admission policies and the plugin of one version"
    )]
    AdmittedByAnother {
        /// The annotation's value, shortened.
        version: String,
    },
    /// Invalid `CNI_ARGS`.
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
            Self::NoAnnotations | Self::NotAdmitted | Self::AdmittedByAnother { .. } => {
                code::TRY_AGAIN_LATER
            }
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
