//! CNI 1.1 without I/O: the call, the configuration, the result in every version, the error.
//!
//! ```text
//!  environment ─▶ [env]  Call ──────────────┐
//!  CNI_ARGS ────▶ [args] CniArgs ───────────┤
//!  stdin ───────▶ [conf] Document ─▶ NetConf┼─▶ a message of crate::api
//!                            └─▶ prevResult │
//!  stdout ◀─── [result] CniResult::print ◀──┴── the reply
//!  stdout ◀─── [error]  CniError ◀── whatever failed
//! ```
//!
//! A runtime's input is untrusted. Every error is an [`InputError`] that names the key and contains
//! no more of the configuration than the shortened value of that key: a configuration may hold
//! secrets.
//!
//! Source: the CNI specification 1.1.0 (SPEC.md) and CONVENTIONS.md of the same repository.

mod annotations;
pub mod args;
pub mod conf;
pub mod env;
pub mod error;
mod json;
pub mod result;
pub mod runtime;
pub mod value;
pub mod version;

pub use args::{AskedIp, CniArgs};
pub use conf::{AttachConf, Document, NetConf};
pub use env::{Call, Command, EnvError};
pub use error::{CniError, InputError};
pub use result::{CniResult, Dns, Interface, IpEntry, RouteEntry};
pub use runtime::RuntimeConf;
pub use value::ValueError;
pub use version::CniVersion;

#[cfg(test)]
mod tests;
