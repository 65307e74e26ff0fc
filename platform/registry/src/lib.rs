//! Who may push and pull which images.
//!
//! ```text
//!   controller ─ [credential::Credential] as a password ─▶ builder ─┐
//!   administrator ─ the same for a cluster ─▶ its nodes ────────────┼─▶ platformd serve: GET /registry/token ─ [token] ─▶ registry
//!   people: their accounts' passwords ──────────────────────────────┘
//! ```
//!
//! One key signs both: the registry knows its certificate (`auth.token.rootcertbundle`), and the hub has it in a
//! Secret. Nothing here reads or writes anything.
//!
//! # Guarantees
//! - An image's repository is `TEAM/APP`. A builder pushes to that of its application alone, and until its build's
//!   deadline; a cluster pushes nothing.
//! - Neither a key nor a password is in an error or a `Debug` text.

pub mod credential;
pub mod keys;
pub mod scope;
pub mod token;

pub use credential::{Credential, Holder};
pub use keys::{KeyError, Keys};
pub use scope::{Action, Scope};
pub use token::Access;
