//! A value of whatever type is asked for, in the stead of one that does not fit.

use serde::de::value::{MapDeserializer, SeqDeserializer, StrDeserializer};
use serde::de::{Deserializer, IntoDeserializer, Visitor};

use super::ReadError;

/// Words of which each text of the model takes one: names, prefixes, MAC addresses, days.
const WORDS: [&str; 4] = ["10.0.0.1", "10.0.0.0/24", "02:00:00:00:00:01", "2026-01-01"];
/// A number that every field takes: a VLAN ID, an MTU, a percentage, a length, a count.
const NUMBER: u64 = 100;

/// Gives a value of whatever type is asked for: lists are empty, options are none, mappings have
/// all their fields.
#[derive(Debug, Clone, Copy)]
pub(super) struct Filler {
    word: &'static str,
}

impl Filler {
    /// The filler with the word of that index; none where there are no more.
    pub(super) fn with(index: usize) -> Option<Self> {
        Some(Self {
            word: WORDS.get(index)?,
        })
    }
}

impl<'de> IntoDeserializer<'de, ReadError> for Filler {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! numbers {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.visit_u64(NUMBER)
        }
    )*};
}

macro_rules! words {
    ($($method:ident)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
            visitor.visit_str(self.word)
        }
    )*};
}

impl<'de> Deserializer<'de> for Filler {
    type Error = ReadError;

    numbers! {
        deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64
        deserialize_f32 deserialize_f64
    }

    words! {
        deserialize_any deserialize_char deserialize_str deserialize_string
        deserialize_identifier
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_bool(false)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_seq(SeqDeserializer::new(std::iter::empty::<Self>()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ReadError> {
        visitor.visit_map(MapDeserializer::new(std::iter::empty::<(&str, Self)>()))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let all = fields.iter().map(|field| (*field, self));
        visitor.visit_map(MapDeserializer::new(all))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ReadError> {
        let first = variants.first().copied().unwrap_or_default();
        let word: StrDeserializer<'_, ReadError> = first.into_deserializer();
        visitor.visit_enum(word)
    }

    serde::forward_to_deserialize_any! {
        bytes byte_buf unit unit_struct tuple tuple_struct ignored_any
    }
}
