//! The model from the text, with the place of whatever does not fit.
//!
//! ```text
//!   events ─▶ In (a node) ─▶ Items, Entries (what is in it) ─▶ the model
//!                 │
//!                 └─▶ ShapeError ─▶ [repair]: the text again, and the next misfit
//! ```
//!
//! It is made while the text is read: there is never a tree of a text that fits.

mod containers;
mod error;
mod filler;
mod repair;
mod words;

use std::borrow::Cow;
use std::marker::PhantomData;

use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, Visitor, value::StrDeserializer,
};

use super::SyntaxError;
use super::events::{Begin, Events, What};
use containers::{Entries, Items};
pub(crate) use error::likeliest;
pub use error::{ReadError, ShapeError};
use repair::Repairs;
pub use repair::misfits;
use words::{is_empty, is_null, number, truth, wrong};

/// Makes a `T` of a text.
///
/// # Errors
/// [`ReadError`], whose place is always known.
pub fn from_text<'t, T: de::Deserialize<'t>>(text: &'t str) -> Result<T, ReadError> {
    read_repaired(text, Repairs::default()).0
}

/// Makes a `T` of a text that is read with repairs, which are given back.
fn read_repaired<'t, T: de::Deserialize<'t>>(
    text: &'t str,
    repairs: Repairs,
) -> (Result<T, ReadError>, Repairs) {
    let mut reader = Reader {
        events: Events::of(text),
        repairs,
    };
    (reader.whole(), reader.repairs)
}

/// A text that is being read.
struct Reader<'t> {
    events: Events<'t>,
    /// What is not read as it is written; nothing, but to find misfits behind the first.
    repairs: Repairs,
}

impl<'t> Reader<'t> {
    fn whole<T: de::Deserialize<'t>>(&mut self) -> Result<T, ReadError> {
        let begun = self.events.next()?.ok_or(SyntaxError::Empty)?;
        let value = element(begun, self, PhantomData)?;
        self.events.finish()?;
        Ok(value)
    }
}

/// What a seed makes of a node that has begun.
fn element<'t, S: DeserializeSeed<'t>>(
    begun: Begin<'t>,
    reader: &mut Reader<'t>,
    seed: S,
) -> Result<S::Value, ReadError> {
    let span = begun.span;
    seed.deserialize(In { begun, reader })
        .map_err(|e| e.at(span))
}

/// A node that is being deserialized: its beginning, and the text after it.
struct In<'e, 't> {
    begun: Begin<'t>,
    reader: &'e mut Reader<'t>,
}

/// A word. The model keeps many of them for long, each in a room of its own size; what the
/// parser gives has room to spare.
fn word<'t, V: Visitor<'t>>(text: Cow<'t, str>, visitor: V) -> Result<V::Value, ReadError> {
    match text {
        Cow::Borrowed(text) => {
            let made: Result<_, ReadError> = visitor.visit_borrowed_str(text);
            made.map_err(|e| words::of_address(e, text))
        }
        Cow::Owned(text) => {
            let made: Result<_, ReadError> = visitor.visit_str(&text);
            made.map_err(|e| words::of_address(e, &text))
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
            let bounds = (<$type>::MIN, <$type>::MAX);
            let number: $type = number(&self.begun, bounds, &visitor)?;
            visitor.$visit(number).map_err(|e: ReadError| e.at(self.begun.span))
        }
    )*};
}

impl<'t> Deserializer<'t> for In<'_, 't> {
    type Error = ReadError;

    fn deserialize_any<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let Self { begun, reader } = self;
        let span = begun.span;
        let value = match begun.what {
            What::Sequence => {
                let mut items = Items::of(reader);
                let value = visitor.visit_seq(&mut items);
                value.and_then(|value| items.end().map(|()| value))
            }
            What::Mapping => {
                let mut entries = Entries::of(reader, span);
                let value = visitor.visit_map(&mut entries);
                value.and_then(|value| entries.end().map(|()| value))
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
        visitor.visit_bool(truth(&self.begun)?)
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

    /// A word may look like a whole number: a rack called 7 is `7`.
    fn deserialize_str<V: Visitor<'t>>(self, visitor: V) -> Result<V::Value, ReadError> {
        let (span, null) = (self.begun.span, is_null(&self.begun.what));
        match self.begun.what {
            What::Scalar { text, plain } if !null => words::is_word((&text, plain), &visitor)
                .and_then(|()| word(text, visitor))
                .map_err(|e| e.at(span)),
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
        if is_empty(&self.begun.what) {
            // Behind `port: #12` there is a comment, and behind `port:` nothing yet.
            let message = "nothing stands here: write a value (in quotes, if it begins with #), or take \
                           the field out";
            Err(<ReadError as de::Error>::custom(message))
        } else if is_null(&self.begun.what) {
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
        self.reader.events.skip(&self.begun)?;
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'t>>
        bytes byte_buf unit unit_struct tuple tuple_struct
    }
}
