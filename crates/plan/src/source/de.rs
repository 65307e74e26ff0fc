//! The model from the text, with the place of whatever does not fit.
//!
//! It is made while the text is read: there is never a tree of a text that fits.

use std::borrow::Cow;
use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};
use thiserror::Error;

use super::events::{Begin, Events, What};
use super::{Span, SyntaxError};

/// Why a text gives no value.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReadError {
    /// It is no document, at least from here on.
    #[error(transparent)]
    Syntax(#[from] SyntaxError),
    /// What stands here does not fit. Nothing is said of what comes after it, which may be no
    /// document at all.
    #[error(transparent)]
    Shape(#[from] ShapeError),
}

/// What is not of the model's shape.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{message}")]
pub struct ShapeError {
    /// Where, once known.
    pub span: Option<Span>,
    /// What was found and what is wanted.
    pub message: String,
}

impl ReadError {
    /// The innermost place wins.
    fn at(mut self, span: Span) -> Self {
        if let Self::Shape(shape) = &mut self {
            shape.span.get_or_insert(span);
        }
        self
    }
}

impl de::Error for ReadError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Shape(ShapeError {
            span: None,
            message: message.to_string(),
        })
    }
}

/// Makes a `T` of a text.
///
/// # Errors
/// [`ReadError`], whose place is always known.
pub fn from_text<'t, T: de::Deserialize<'t>>(text: &'t str) -> Result<T, ReadError> {
    let mut events = Events::of(text);
    let begun = events.next()?.ok_or(SyntaxError::Empty)?;
    let value = element(begun, &mut events, std::marker::PhantomData)?;
    events.finish()?;
    Ok(value)
}

/// What a seed makes of a node that has begun.
fn element<'t, S: DeserializeSeed<'t>>(
    begun: Begin<'t>,
    events: &mut Events<'t>,
    seed: S,
) -> Result<S::Value, ReadError> {
    let span = begun.span;
    seed.deserialize(In { begun, events })
        .map_err(|e| e.at(span))
}

/// A node that is being deserialized: its beginning, and the text after it.
struct In<'e, 't> {
    begun: Begin<'t>,
    events: &'e mut Events<'t>,
}

fn is_null(what: &What<'_>) -> bool {
    matches!(what, What::Scalar { text, plain: true }
        if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
}

fn wrong(found: &Begin<'_>, wanted: &dyn de::Expected) -> ReadError {
    // Serde's words for types are not those of people who write YAML.
    let wanted = match wanted.to_string() {
        list if list == "a sequence" => "a list".to_owned(),
        word if word == "a string" || word.starts_with("enum ") => "a word".to_owned(),
        parts if parts == "a map" || parts.starts_with("struct ") => "a mapping".to_owned(),
        other => other,
    };
    not(found, &wanted)
}

fn not(found: &Begin<'_>, wanted: &str) -> ReadError {
    let what = match &found.what {
        What::Sequence => "a list".to_owned(),
        What::Mapping => "a mapping".to_owned(),
        null if is_null(null) => "nothing".to_owned(),
        What::Scalar { text, .. } => format!("`{text}`"),
    };
    <ReadError as de::Error>::custom(format!("{wanted} is wanted here, not {what}")).at(found.span)
}

/// A number from `least` to `most`, without quotes.
fn number<T>(found: &Begin<'_>, least: T, most: T) -> Result<T, ReadError>
where
    T: std::str::FromStr + fmt::Display + Copy,
{
    let wanted = || format!("a number from {least} to {most}");
    match &found.what {
        What::Scalar { text, plain: true } => text.parse().map_err(|_| not(found, &wanted())),
        _ => Err(not(found, &wanted())),
    }
}

/// A word. The model keeps many of them for long, each in a room of its own size; what the
/// parser gives has room to spare.
fn word<'t, V: Visitor<'t>>(text: Cow<'t, str>, visitor: V) -> Result<V::Value, ReadError> {
    match text {
        Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
        Cow::Owned(text) => visitor.visit_str(&text),
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let number: $type = number(&self.begun, <$type>::MIN, <$type>::MAX)?;
            visitor.$visit(number).map_err(|e: ReadError| e.at(self.begun.span))
        }
    )*};
}

impl<'t> Deserializer<'t> for In<'_, 't> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Self { begun, events } = self;
        let span = begun.span;
        let value = match begun.what {
            What::Sequence => {
                let mut items = Items(Rest::of(events));
                let value = visitor.visit_seq(&mut items);
                value.and_then(|value| items.0.skip().map(|()| value))
            }
            What::Mapping => {
                let mut entries = Entries {
                    rest: Rest::of(events),
                    value_is_next: false,
                };
                let value = visitor.visit_map(&mut entries);
                value.and_then(|value| entries.rest.skip().map(|()| value))
            }
            null if is_null(&null) => visitor.visit_unit(),
            What::Scalar { text, plain: true } => match text.as_ref() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                other => match other.parse::<i64>() {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => word(text, visitor),
                },
            },
            What::Scalar { text, .. } => word(text, visitor),
        };
        value.map_err(|e| e.at(span))
    }

    fn deserialize_bool<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_any(visitor)
    }

    numbers! {
        deserialize_i8 visit_i8 i8;
        deserialize_i16 visit_i16 i16;
        deserialize_i32 visit_i32 i32;
        deserialize_i64 visit_i64 i64;
        deserialize_u8 visit_u8 u8;
        deserialize_u16 visit_u16 u16;
        deserialize_u32 visit_u32 u32;
        deserialize_u64 visit_u64 u64;
        deserialize_f32 visit_f32 f32;
        deserialize_f64 visit_f64 f64;
    }

    /// A word may look like a number: a rack called 7 is `7`.
    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (span, null) = (self.begun.span, is_null(&self.begun.what));
        match self.begun.what {
            What::Scalar { text, .. } if !null => word(text, visitor).map_err(|e| e.at(span)),
            what => Err(wrong(&Begin { span, what }, &visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let span = self.begun.span;
        if is_null(&self.begun.what) {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
        .map_err(|e: ReadError| e.at(span))
    }

    fn deserialize_seq<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.begun.what {
            What::Sequence => self.deserialize_any(visitor),
            _ => Err(wrong(&self.begun, &visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        match &self.begun.what {
            What::Mapping => self.deserialize_any(visitor),
            _ => Err(wrong(&self.begun, &visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'t>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let span = self.begun.span;
        visitor
            .visit_newtype_struct(self)
            .map_err(|e: ReadError| e.at(span))
    }

    fn deserialize_enum<V: Visitor<'t>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        match &self.begun.what {
            What::Scalar { text, .. } if !is_null(&self.begun.what) => {
                let word: StrDeserializer<'_, ReadError> = text.as_ref().into_deserializer();
                visitor
                    .visit_enum(word)
                    .map_err(|e: ReadError| e.at(self.begun.span))
            }
            _ => Err(wrong(&self.begun, &visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        self.events.skip(&self.begun)?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'t>>
        bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

/// What an open container still has in it.
struct Rest<'e, 't> {
    events: &'e mut Events<'t>,
    ended: bool,
}

impl<'e, 't> Rest<'e, 't> {
    fn of(events: &'e mut Events<'t>) -> Self {
        Self {
            events,
            ended: false,
        }
    }

    fn next(&mut self) -> Result<Option<Begin<'t>>, ReadError> {
        if self.ended {
            return Ok(None);
        }
        let next = self.events.next()?;
        self.ended = next.is_none();
        Ok(next)
    }

    /// Goes past what nobody asked for.
    fn skip(&mut self) -> Result<(), ReadError> {
        while let Some(begun) = self.next()? {
            self.events.skip(&begun)?;
        }
        Ok(())
    }
}

struct Items<'e, 't>(Rest<'e, 't>);

impl<'t> SeqAccess<'t> for Items<'_, 't> {
    type Error = ReadError;

    fn next_element_seed<S: DeserializeSeed<'t>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ReadError> {
        let begun = self.0.next()?;
        begun
            .map(|begun| element(begun, self.0.events, seed))
            .transpose()
    }

    /// How many follow is not known. A host's lists have one item as a rule; without a word
    /// they would be made with room for four.
    fn size_hint(&self) -> Option<usize> {
        (!self.0.ended).then_some(1)
    }
}

struct Entries<'e, 't> {
    rest: Rest<'e, 't>,
    /// A key was given out, and what stands under it was not.
    value_is_next: bool,
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
            self.rest.events.skip(&unwanted)?;
        }
        let key = self.rest.next()?;
        self.value_is_next = key.is_some();
        key.map(|key| element(key, self.rest.events, seed))
            .transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'t>>(&mut self, seed: S) -> Result<S::Value, ReadError> {
        let value = match std::mem::take(&mut self.value_is_next) {
            true => self.rest.next()?,
            false => None,
        };
        let value =
            value.ok_or_else(|| <ReadError as de::Error>::custom("a value without its key"))?;
        element(value, self.rest.events, seed)
    }
}
