//! Aliyun's VPC API, version 2016-04-28, as far as route tables go.
//!
//! ```text
//!   [table]  Table, ops ◀──▶ typed calls
//!   [client]                    │ action + parameters
//!   [sign]     V1 or V3  ◀──────┤
//!   [credentials] ◀─────────────┤  static, file, environment, instance metadata; renewed
//!   [http]     POST  ◀──────────┘  a time limit on each
//! ```
//!
//! One call here is one request, or two where the first found its credentials expired: what is
//! worth repeating is decided above, by [`CallError::is_retryable`] and
//! [`CallError::is_ambiguous`].

pub mod client;
pub mod credentials;
mod encode;
pub mod error;
pub mod http;
pub mod metadata;
mod provider;
pub mod sign;
pub mod table;

#[cfg(test)]
mod tests;

pub use client::{Client, ClientConfig};
pub use credentials::{Credential, CredentialError, Credentials, Secret, Source};
pub use error::{CallError, Code};
pub use http::{Http, HttpError};
pub use metadata::Metadata;
pub use sign::SignatureVersion;
