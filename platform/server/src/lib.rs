//! The release platform's API, `/api/v1`.
//!
//! ```text
//!   request ─▶ [identify] who asks (session, OIDC, a token of the hub) ─▶ [rights] SubjectAccessReview ─▶ [routes]
//!      reads ◀─ [projection]: the hub's objects, listed and watched          members' pods and nodes, when asked ◀─ [members]
//!      writes ─▶ [audit] begun ─▶ the hub's API server ─▶ [audit] done, failed
//!   the registry's clients ─▶ `GET /registry/token` ─▶ [registry]: who pulls, who pushes
//! ```
//!
//! # Guarantees
//! - Nothing is decided here: a write is a write of an object, and the controller acts on it.
//! - Rights are the hub's: who may do something here may do it by `kubectl`, and the other way round.
//! - A change that is not in the audit log was not made.
//! - No secret is in an answer, an error, the log or the audit log.

mod accounts;
mod audit;
mod body;
mod caller;
pub mod cli;
mod console;
mod context;
mod fetch;
mod gates;
mod git;
mod health;
mod identify;
mod members;
mod objects;
mod oidc;
mod problem;
mod projection;
mod registry;
mod rights;
mod routes;
pub mod run;
mod session;

pub use cli::{Cli, Tool};
pub use routes::document;
pub use run::{main, tool};
