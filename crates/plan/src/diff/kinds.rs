//! Kinds of steps that several parts of a plan have.

use super::Phase;
use super::notice::{Done, Kind};

pub(super) const NEW: Kind = Kind::new(Phase::Carry, Done::Carried);
pub(super) const GONE: Kind = Kind::new(Phase::Clear, Done::Unused).mind("after nobody uses it");
pub(super) const NOTED: Kind = Kind::new(Phase::Record, Done::Noted);
/// What netd does differently.
pub(super) const TAKEN: Kind = Kind::new(Phase::Give, Done::Taken);
