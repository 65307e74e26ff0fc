//! Kinds of steps that several parts of a plan have.

use super::Phase;
use super::notice::{Done, Kind};

pub(super) const NEW: Kind = Kind::new(Phase::Carry, Done::Carried);
pub(super) const GONE: Kind = Kind::new(Phase::Clear, Done::Unused).mind("after nobody uses it");
pub(super) const NOTED: Kind = Kind::new(Phase::Record, Done::Noted);
/// What netd does differently.
pub(super) const TAKEN: Kind = Kind::new(Phase::Give, Done::Taken);

/// A change's name without those of the plan.
pub(super) fn general(what: &str) -> String {
    let named = [
        ("range of ", "NETWORK"),
        ("slice of ", "NETWORK"),
        ("add to ", "TABLE"),
        ("delete from ", "TABLE"),
        ("lead elsewhere in ", "TABLE"),
        ("leave ", "TABLE"),
    ];
    let hit = named.iter().find_map(|(stem, name)| {
        let (before, _) = what.split_once(stem)?;
        Some(format!("{before}{stem}{name}"))
    });
    hit.unwrap_or_else(|| what.to_owned())
}
