//! A client of the release platform's API.
//!
//! ```text
//!   [Place] (URL, authority, token; kept in a file) ─▶ [Client] ─▶ calls: message or [Error]
//!                                                         └─────▶ [Events]: server-sent events that resume
//! ```

mod call;
mod events;
mod place;

pub use call::{Client, Error};
pub use events::{Event, Events};
pub use place::{Place, PlaceError};
