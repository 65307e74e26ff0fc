//! The model from the tree, with the place of whatever does not fit.

use std::fmt;

use serde::de::{
    self, DeserializeSeed, Deserializer, IntoDeserializer, MapAccess, SeqAccess, Visitor,
    value::StrDeserializer,
};

use super::{Node, Span, Value};

/// Why a tree is not of the model's shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShapeError {
    /// Where, once known.
    pub span: Option<Span>,
    /// What was found and what is wanted.
    pub message: String,
}

impl ShapeError {
    /// The innermost place wins.
    fn at(mut self, span: Span) -> Self {
        self.span.get_or_insert(span);
        self
    }
}

impl fmt::Display for ShapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for ShapeError {}

impl de::Error for ShapeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            span: None,
            message: message.to_string(),
        }
    }
}

/// Makes a `T` of a tree.
///
/// # Errors
/// [`ShapeError`], whose place is always known.
pub fn from_node<'de, T: de::Deserialize<'de>>(node: &'de Node<'_>) -> Result<T, ShapeError> {
    T::deserialize(In(node)).map_err(|e| e.at(node.span))
}

/// A node that is being deserialized.
#[derive(Clone, Copy)]
struct In<'de, 't>(&'de Node<'t>);

impl<'de> In<'de, '_> {
    fn is_null(self) -> bool {
        matches!(&self.0.value, Value::Scalar { text, plain: true }
            if matches!(text.as_ref(), "" | "~" | "null" | "Null" | "NULL"))
    }

    fn wrong(self, wanted: &dyn de::Expected) -> ShapeError {
        // Serde's words for types are not those of people who write YAML.
        let wanted = match wanted.to_string() {
            list if list == "a sequence" => "a list".to_owned(),
            word if word == "a string" || word.starts_with("enum ") => "a word".to_owned(),
            parts if parts == "a map" || parts.starts_with("struct ") => "a mapping".to_owned(),
            other => other,
        };
        self.not(&wanted)
    }

    fn not(self, wanted: &str) -> ShapeError {
        let found = match &self.0.value {
            Value::Sequence(_) => "a list".to_owned(),
            Value::Mapping(_) => "a mapping".to_owned(),
            Value::Scalar { .. } if self.is_null() => "nothing".to_owned(),
            Value::Scalar { text, .. } => format!("`{text}`"),
        };
        <ShapeError as de::Error>::custom(format!("{wanted} is wanted here, not {found}"))
            .at(self.0.span)
    }

    /// A number from `least` to `most`, without quotes.
    fn number<T>(self, least: T, most: T) -> Result<T, ShapeError>
    where
        T: std::str::FromStr + fmt::Display + Copy,
    {
        let wanted = || format!("a number from {least} to {most}");
        match &self.0.value {
            Value::Scalar { text, plain: true } => text.parse().map_err(|_| self.not(&wanted())),
            _ => Err(self.not(&wanted())),
        }
    }
}

macro_rules! numbers {
    ($($method:ident $visit:ident $type:ty;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
            let number: $type = self.number(<$type>::MIN, <$type>::MAX)?;
            visitor.$visit(number).map_err(|e: ShapeError| e.at(self.0.span))
        }
    )*};
}

impl<'de> Deserializer<'de> for In<'de, '_> {
    type Error = ShapeError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        let span = self.0.span;
        match &self.0.value {
            Value::Sequence(items) => visitor.visit_seq(Items(items.iter())),
            Value::Mapping(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
            }),
            Value::Scalar { .. } if self.is_null() => visitor.visit_unit(),
            Value::Scalar { text, plain: true } => match text.as_ref() {
                "true" | "True" | "TRUE" => visitor.visit_bool(true),
                "false" | "False" | "FALSE" => visitor.visit_bool(false),
                other => match other.parse::<i64>() {
                    Ok(number) => visitor.visit_i64(number),
                    Err(_) => visitor.visit_borrowed_str(text),
                },
            },
            Value::Scalar { text, .. } => visitor.visit_borrowed_str(text),
        }
        .map_err(|e: ShapeError| e.at(span))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
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
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.0.value {
            Value::Scalar { text, .. } if !self.is_null() => visitor
                .visit_borrowed_str(text)
                .map_err(|e: ShapeError| e.at(self.0.span)),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        if self.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
        .map_err(|e: ShapeError| e.at(self.0.span))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.0.value {
            Value::Sequence(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        match &self.0.value {
            Value::Mapping(_) => self.deserialize_any(visitor),
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        self.deserialize_map(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|e: ShapeError| e.at(self.0.span))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ShapeError> {
        match &self.0.value {
            Value::Scalar { text, .. } if !self.is_null() => {
                let word: StrDeserializer<'_, ShapeError> = text.as_ref().into_deserializer();
                visitor
                    .visit_enum(word)
                    .map_err(|e: ShapeError| e.at(self.0.span))
            }
            _ => Err(self.wrong(&visitor)),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ShapeError> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        <V: Visitor<'de>>
        bytes byte_buf unit unit_struct tuple tuple_struct
    }
}

struct Items<'de, 't>(std::slice::Iter<'de, Node<'t>>);

impl<'de> SeqAccess<'de> for Items<'de, '_> {
    type Error = ShapeError;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ShapeError> {
        self.0
            .next()
            .map(|node| seed.deserialize(In(node)).map_err(|e| e.at(node.span)))
            .transpose()
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.0.len())
    }
}

struct Entries<'de, 't> {
    rest: std::slice::Iter<'de, (Node<'t>, Node<'t>)>,
    value: Option<&'de Node<'t>>,
}

impl<'de> MapAccess<'de> for Entries<'de, '_> {
    type Error = ShapeError;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, ShapeError> {
        let Some((key, value)) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(value);
        seed.deserialize(In(key))
            .map(Some)
            .map_err(|e| e.at(key.span))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<S::Value, ShapeError> {
        let node = self
            .value
            .take()
            .ok_or_else(|| <ShapeError as de::Error>::custom("a value without its key"))?;
        seed.deserialize(In(node)).map_err(|e| e.at(node.span))
    }
}
