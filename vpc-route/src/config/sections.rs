//! Reads a document while passing over sections that others read, each key by its owner.
//!
//! A structure with `deny_unknown_fields` cannot have `flatten`ed fields, and flattened ones lose
//! their place in the text. So the sections' keys are taken out of the map while it is read.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, Visitor,
};
use serde::forward_to_deserialize_any;

/// Reads a document without the sections of those keys.
///
/// # Errors
/// The document is not a `T`; a key that is neither a field nor one of `keys` is an error with
/// its place.
pub(super) fn without<T: DeserializeOwned>(
    text: &str,
    keys: &[&str],
) -> Result<T, serde_norway::Error> {
    T::deserialize(Without {
        inner: serde_norway::Deserializer::from_str(text),
        keys,
    })
}

/// A document whose keys of `keys` are passed over: the clouds' sections, read by who knows them.
struct Without<'k, D> {
    inner: D,
    keys: &'k [&'k str],
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Without<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.inner.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.inner.deserialize_map(Fields {
            visitor,
            fields,
            keys: self.keys,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// The structure's visitor, and later its map.
struct Fields<'k, V> {
    visitor: V,
    fields: &'static [&'static str],
    keys: &'k [&'k str],
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Fields<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Map {
            map,
            fields: self.fields,
            keys: self.keys,
        })
    }
}

/// The document's map without the sections.
struct Map<'k, A> {
    map: A,
    fields: &'static [&'static str],
    keys: &'k [&'k str],
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Map<'_, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        mut seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        loop {
            let key = Key {
                seed,
                fields: self.fields,
                keys: self.keys,
            };
            match self.map.next_key_seed(key)? {
                None => return Ok(None),
                Some(Found::Field(field)) => return Ok(Some(field)),
                Some(Found::Section(back)) => {
                    self.map.next_value::<IgnoredAny>()?;
                    seed = back;
                }
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

/// One key of the map.
struct Key<'k, K> {
    seed: K,
    fields: &'static [&'static str],
    keys: &'k [&'k str],
}

/// What a key is: a field of the structure, or a section; then the seed is for the next key.
enum Found<T, K> {
    Field(T),
    Section(K),
}

impl<'de, K: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, K> {
    type Value = Found<K::Value, K>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, K: DeserializeSeed<'de>> Visitor<'de> for Key<'_, K> {
    type Value = Found<K::Value, K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        if self.keys.contains(&key) {
            return Ok(Found::Section(self.seed));
        }
        if !self.fields.contains(&key) {
            let all = self.fields.iter().chain(self.keys);
            let all: Vec<String> = all.map(|known| format!("`{known}`")).collect();
            return Err(E::custom(format_args!(
                "unknown field `{key}`, expected one of {}",
                all.join(", ")
            )));
        }
        // Here, so that an error of the key bears the key's place.
        let field = self.seed.deserialize(StrDeserializer::new(key))?;
        Ok(Found::Field(field))
    }
}
