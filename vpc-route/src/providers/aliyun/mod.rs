//! Aliyun's VPC API, version 2016-04-28, as far as route tables go.
//!
//! ```text
//!   [listing] Table ◀── JSON, read leniently
//!   [table]  Table, ops ◀──▶ typed calls
//!   [client]                    │ action + parameters
//!   [sign]     V1 or V3  ◀──────┤
//!   [credentials] ◀─────────────┤  static, file, environment, instance metadata, OIDC; renewed
//!   [http]     POST  ◀──────────┘  a time limit on each
//! ```
//!
//! One call here is one request, or two where the first found its credentials expired: what is
//! worth repeating is decided above, by the [`ErrorKind`](super::ErrorKind) that
//! [`CallError::neutral`] makes of an error.

pub mod client;
mod config;
pub mod credentials;
mod encode;
pub mod error;
pub mod http;
mod key;
mod listing;
pub mod metadata;
pub mod oidc;
mod provider;
pub mod sign;
pub mod table;

#[cfg(test)]
mod tests;

pub use client::{Client, ClientConfig};
pub use config::{Aliyun, AliyunConfig, CredentialsConfig};
pub use credentials::{Credential, CredentialError, Credentials, Secret, Source};
pub use error::{CallError, Class, Code};
pub use http::{Http, HttpError};
pub use metadata::Metadata;
pub use oidc::Oidc;
pub use sign::SignatureVersion;
