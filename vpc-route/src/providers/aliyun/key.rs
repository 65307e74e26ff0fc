//! An access key, and why there is none. Its secrets are never printed.

use std::fmt;
use std::path::PathBuf;
use std::time::SystemTime;

use serde::Deserialize;

use super::http::HttpError;

/// A text that is shown as `•••`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// A secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret itself: to sign with, or to send.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("•••")
    }
}

/// An access key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// `AccessKeyId`.
    pub key_id: String,
    /// `AccessKeySecret`.
    pub secret: Secret,
    /// `SecurityToken`, with STS.
    pub token: Option<Secret>,
    /// Until when it is good; `None` for ever.
    pub expires: Option<SystemTime>,
}

/// Why there is no access key.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum CredentialError {
    /// The file cannot be read.
    #[error("cannot read the access key file {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The file is not what it should be. What is in it is not repeated.
    #[error(
        "the access key file {} is not JSON with accessKeyId and accessKeySecret (line {line})",
        path.display()
    )]
    Form {
        path: PathBuf,
        /// Line of the file, from 1.
        line: usize,
    },
    /// A variable is missing.
    #[error("the environment has no {variable}")]
    Environment {
        /// Its name.
        variable: &'static str,
    },
    /// A time that is none.
    #[error("`{given}` is no time such as 2026-01-31T12:00:00Z")]
    Expiration {
        /// What was given.
        given: String,
    },
    /// The metadata service did not answer.
    #[error("the metadata service did not give the instance's role")]
    Metadata(#[source] HttpError),
    /// The metadata service answered something else.
    #[error(
        "the metadata service answered {status} for {path}: is a RAM role bound to the instance?"
    )]
    NoRole {
        /// What was asked for.
        path: String,
        /// The HTTP status.
        status: u16,
    },
    /// The metadata service's answer cannot be read.
    #[error("the metadata service's answer for {path} is no credential: {why}")]
    NotACredential {
        /// What was asked for.
        path: String,
        /// What is wrong with it; never what is in it.
        why: String,
    },
    /// The token of the service account cannot be read.
    #[error(
        "cannot read the service account's token {}: mount one of the audience sts.aliyuncs.com there",
        path.display()
    )]
    Token {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// STS did not answer.
    #[error("STS did not give the role's key")]
    Sts(#[source] HttpError),
    /// STS refused.
    #[error(
        "STS refuses the role (HTTP {status}, {code}): {message}; do the role's trust policy and its OIDC \
         provider name this cluster's issuer and this service account?"
    )]
    RoleRefused {
        /// The HTTP status.
        status: u16,
        /// STS's code; empty where its answer is none of its own.
        code: String,
        /// Its words.
        message: String,
    },
    /// STS answered something else.
    #[error("STS's answer is no credential (line {line}): is the endpoint STS's?")]
    NotOfSts {
        /// Line of the answer, from 1.
        line: usize,
    },
    /// It has expired, and no new one came.
    #[error("the access key expired; its source has no newer one")]
    Expired,
}

/// A time in the form of RFC 3339.
pub(super) fn parse_time(text: &str) -> Result<SystemTime, CredentialError> {
    humantime::parse_rfc3339(text).map_err(|_| CredentialError::Expiration {
        given: text.to_owned(),
    })
}
