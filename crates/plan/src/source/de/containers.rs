//! Lists and mappings that are being deserialized.

use serde::de::value::StrDeserializer;
use serde::de::{self, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess};

use super::error::Place;
use super::filler::Filler;
use super::{ReadError, Reader, element};
use crate::source::Span;
use crate::source::events::Begin;

/// What an open container still has in it.
struct Rest<'e, 't> {
    reader: &'e mut Reader<'t>,
    ended: bool,
}

impl<'e, 't> Rest<'e, 't> {
    fn of(reader: &'e mut Reader<'t>) -> Self {
        Self {
            reader,
            ended: false,
        }
    }

    fn next(&mut self) -> Result<Option<Begin<'t>>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let next = self.reader.events.next()?;
        self.ended = next.is_none();
        Ok(next)
    }

    /// Goes past what nobody asked for.
    fn skip(&mut self) -> Result<(), ReadError> {
        while let Some(begun) = self.next()? {
            self.reader.events.skip(&begun)?;
        }
        Ok(())
    }
}

/// A list.
pub(super) struct Items<'e, 't>(Rest<'e, 't>);

impl<'e, 't> Items<'e, 't> {
    pub(super) fn of(reader: &'e mut Reader<'t>) -> Self {
        Self(Rest::of(reader))
    }

    /// Goes to the list's end.
    pub(super) fn end(mut self) -> Result<(), ReadError> {
        self.0.skip()
    }
}

impl<'t> SeqAccess<'t> for Items<'_, 't> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        while let Some(begun) = self.0.next()? {
            let reader = &mut *self.0.reader;
            if reader.repairs.value(&begun).is_none() {
                return element(begun, reader, seed).map(Some);
            }
            reader.events.skip(&begun)?;
        }
        Ok(None)
    }

    /// How many follow is not known. A host's lists have one item as a rule; without a word
    /// they would be made with room for four.
    fn size_hint(&self) -> Option<usize> {
        (!self.0.ended).then_some(1)
    }
}

/// A mapping.
pub(super) struct Entries<'e, 't> {
    rest: Rest<'e, 't>,
    /// Where it begins.
    span: Span,
    /// A key was given out, and what stands under it was not.
    value_is_next: bool,
    /// How many fields were given out that the text does not have.
    filled: usize,
    /// The filler of the last of them, which was not given out.
    filler: Option<(Place, usize)>,
}

impl<'e, 't> Entries<'e, 't> {
    pub(super) fn of(reader: &'e mut Reader<'t>, span: Span) -> Self {
        Self {
            rest: Rest::of(reader),
            span,
            value_is_next: false,
            filled: 0,
            filler: None,
        }
    }

    /// Goes to the mapping's end.
    pub(super) fn end(mut self) -> Result<(), ReadError> {
        self.rest.skip()
    }

    /// The next field that is filled in.
    fn next_filled<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        let repairs = &self.rest.reader.repairs;
        let Some((name, place, index)) = repairs.field(self.span, self.filled) else {
            return Ok(None);
        };
        self.filled += 1;
        self.filler = Some((place, index));
        read_as(name, seed).map(Some)
    }
}

/// A key that is not as it is written.
fn read_as<'t, S: DeserializeSeed<'t>>(name: &str, seed: S) -> Result<S::Value, ReadError> {
    let name: StrDeserializer<'_, ReadError> = name.into_deserializer();
    seed.deserialize(name)
}

fn fill<'t, S: DeserializeSeed<'t>>(
    seed: S,
    (place, index): (Place, usize),
) -> Result<S::Value, ReadError> {
    let filler = Filler::with(index)
        .ok_or_else(|| <ReadError as de::Error>::custom("there is no filler for this"));
    let value = filler.and_then(|filler| seed.deserialize(filler));
    value.map_err(|e| e.of_filler(place))
}

impl<'t> MapAccess<'t> for Entries<'_, 't> {
    type Error = ReadError;

    fn next_key_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        if std::mem::take(&mut self.value_is_next)
            && let Some(unwanted) = self.rest.next()?
        {
            self.rest.reader.events.skip(&unwanted)?;
        }
        while let Some(key) = self.rest.next()? {
            let reader = &mut *self.rest.reader;
            self.value_is_next = true;
            match reader.repairs.key(&key) {
                None => {
                    let key = element(key, reader, seed).map(Some);
                    return key.map_err(ReadError::of_key);
                }
                Some(Some(name)) => return read_as(name, seed).map(Some),
                Some(None) => {
                    self.value_is_next = false;
                    if let Some(value) = self.rest.next()? {
                        self.rest.reader.events.skip(&value)?;
                    }
                }
            }
        }
        self.next_filled(seed)
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        if let Some(filler) = self.filler.take() {
            return fill(seed, filler);
        }
        let value = match std::mem::take(&mut self.value_is_next) {
            true => self.rest.next()?,
            false => None,
        };
        let value =
            value.ok_or_else(|| <ReadError as de::Error>::custom("a value without its key"))?;
        let reader = &mut *self.rest.reader;
        match reader.repairs.value(&value) {
            None => element(value, reader, seed),
            Some(filler) => {
                reader.events.skip(&value)?;
                fill(seed, filler).map_err(|e| e.at(value.span))
            }
        }
    }
}
