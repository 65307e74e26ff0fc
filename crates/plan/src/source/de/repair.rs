//! Reading on behind what does not fit.
//!
//! Serde stops at the first misfit: a value that does not fit leaves nothing to make the rest of
//! its mapping with. So the text is read again with the misfit repaired: a key that no field has is
//! read as the field that was meant or passed over, an item of a list is passed over, and for a
//! value that does not fit or is missing there is a [`Filler`]. What is made of such a text is
//! thrown away; each reading tells the next misfit, until there is none.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::error::{At, Kind, Place};
use super::filler::Filler;
use super::{ReadError, ShapeError, read_repaired};
use crate::source::Span;
use crate::source::events::Begin;

/// The most misfits that are told of one text.
const MOST: usize = 20;
/// The most that is read for it, in bytes: a plan of 10,000 written-out hosts twenty times.
const MOST_READ: usize = 128 << 20;

fn at(span: Span) -> At {
    (span.line, span.column)
}

/// What of a text is read in another way than it is written. Keys, values and mappings are apart: a
/// mapping begins where its first key does.
#[derive(Debug, Default)]
pub(super) struct Repairs {
    /// Keys that are read as this field; none: passed over, with what stands under them.
    keys: BTreeMap<At, Option<&'static str>>,
    /// Values that are passed over; those of fields are filled, with the filler of this index.
    values: BTreeMap<At, usize>,
    /// Fields that mappings lack, with the index of their filler.
    fields: BTreeMap<At, Vec<(&'static str, usize)>>,
}

impl Repairs {
    /// How a key is read, if not as it is written.
    pub(super) fn key(&self, key: &Begin<'_>) -> Option<Option<&'static str>> {
        self.keys.get(&at(key.span)).copied()
    }

    /// The filler for a value, and its place, if the value is not read as it is written.
    pub(super) fn value(&self, value: &Begin<'_>) -> Option<(Place, usize)> {
        let at = at(value.span);
        self.values.get(&at).map(|index| (Place::Value(at), *index))
    }

    /// The n-th field that a mapping is given more than it has, and its filler's index.
    pub(super) fn field(&self, mapping: Span, n: usize) -> Option<(&'static str, Place, usize)> {
        let at = at(mapping);
        let (name, index) = self.fields.get(&at)?.get(n)?;
        Some((name, Place::Field(at, name), *index))
    }

    /// Repairs one misfit more; whether the next reading can go past it.
    fn add(&mut self, misfit: &ShapeError) -> bool {
        let Some(span) = misfit.span else {
            return false;
        };
        let here = at(span);
        match &misfit.kind {
            Kind::Value => self.values.insert(here, 0).is_none(),
            Kind::Key(meant) => self.keys.insert(here, *meant).is_none(),
            Kind::Missing(field) => {
                let fields = self.fields.entry(here).or_default();
                let lacking = fields.iter().all(|(name, _)| name != field);
                fields.push((field, 0));
                lacking
            }
            Kind::Twice(field) => {
                // The mapping has the field that the key was read as.
                let mut keys = self.keys.values_mut().rev();
                let read_as = keys.find(|read_as| **read_as == Some(*field));
                read_as.is_some_and(|read_as| read_as.take().is_some())
            }
            Kind::Filler(Place::Value(at)) => self.values.get_mut(at).is_some_and(next),
            Kind::Filler(Place::Field(at, field)) => {
                let fields = self.fields.get_mut(at).into_iter().flatten();
                let mut known = fields.filter(|(name, _)| name == field);
                known.next().is_some_and(|(_, index)| next(index))
            }
        }
    }
}

/// Goes to the next filler, if there is one.
fn next(index: &mut usize) -> bool {
    *index += 1;
    Filler::with(*index).is_some()
}

/// All that does not fit in a text, of which `first` is the first; the last says so where there may
/// be more than `MOST` or than is read in good time.
pub fn misfits<'t, T: Deserialize<'t>>(text: &'t str, first: ShapeError) -> Vec<ShapeError> {
    let mut repairs = Repairs::default();
    let mut found: Vec<ShapeError> = Vec::new();
    let mut misfit = first;
    let mut left = MOST_READ;
    loop {
        // A key that is read as another one, and fillers, are of no interest to anybody.
        let told = !matches!(misfit.kind, Kind::Twice(_) | Kind::Filler(_));
        let goes_on = repairs.add(&misfit);
        if told && !found.contains(&misfit) {
            found.push(misfit);
        }
        let rest = left.checked_sub(text.len());
        let Some(rest) = rest.filter(|_| goes_on && found.len() < MOST) else {
            break;
        };
        left = rest;
        let read;
        (read, repairs) = read_repaired::<T>(text, repairs);
        match read {
            Err(ReadError::Shape(next)) => misfit = next,
            Ok(_) | Err(ReadError::Syntax(_)) => return found,
        }
    }
    if let Some(last) = found.iter_mut().max_by_key(|misfit| misfit.span) {
        last.message.push_str(" (what follows is not judged yet)");
    }
    found
}
