//! Reading untrusted JSON: rejects repeated keys, and each error has the path of its key.

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use super::InputError;
use super::args::AskedIp;
use super::value::{ValueError, shorten};

/// Parses an object, and keeps the keys for which `known` is true. Foreign keys are skipped without
/// building their values.
///
/// # Errors
/// Not UTF-8, not JSON, nested deeper than serde_json's 128 levels, not an object, or a key twice
/// in one of the objects that are kept: programs differ in which of the two they use, and would
/// disagree about the owner of an address.
pub(super) fn parse_object(
    bytes: &[u8],
    known: fn(&str) -> bool,
) -> Result<Map<String, Value>, InputError> {
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(InputError::Empty);
    }
    let text = std::str::from_utf8(bytes).map_err(|e| InputError::NotUtf8 {
        at: e.valid_up_to(),
    })?;
    let mut reader = serde_json::Deserializer::from_str(text);
    let object = reader
        .deserialize_any(KnownKeys(known))
        .and_then(|object| reader.end().map(|()| object));
    object.map_err(|source| InputError::Json { source })
}

/// Visits the outermost object.
struct KnownKeys(fn(&str) -> bool);

impl<'de> Visitor<'de> for KnownKeys {
    type Value = Map<String, Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            if (self.0)(&key) {
                insert_once(&mut map, key, &mut access)?;
            } else {
                access.next_value::<IgnoredAny>()?;
            }
        }
        Ok(map)
    }

    // The default messages of the other kinds would repeat the value: it may be a secret.
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(E::invalid_type(de::Unexpected::Other("string"), &self))
    }
}

fn insert_once<'de, A: MapAccess<'de>>(
    map: &mut Map<String, Value>,
    key: String,
    access: &mut A,
) -> Result<(), A::Error> {
    if map.contains_key(&key) {
        let key = shorten(&key);
        return Err(de::Error::custom(format_args!(
            "the key {key:?} appears twice"
        )));
    }
    let Strict(value) = access.next_value()?;
    map.insert(key, value);
    Ok(())
}

/// A JSON value without repeated keys.
struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(Strict(value)) = access.next_element()? {
            items.push(value);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut map = Map::new();
        while let Some(key) = access.next_key::<String>()? {
            insert_once(&mut map, key, &mut access)?;
        }
        Ok(Value::Object(map))
    }
}

/// The JSON type of a value, in words.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(n) if n.is_u64() => "a whole number",
        Value::Number(n) if n.is_i64() => "a negative number",
        Value::Number(_) => "a fraction, or too large a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

/// A value and the path of the key that it was found under.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    path: String,
    value: &'a Value,
}

impl<'a> Node<'a> {
    /// The value of the outermost object's `key`. `null` counts as absent: Go prints nil as `null`.
    pub(super) fn root(map: &'a Map<String, Value>, key: &str) -> Option<Self> {
        let value = map.get(key).filter(|v| !v.is_null())?;
        Some(Self {
            path: key.to_owned(),
            value,
        })
    }

    /// The JSON value.
    pub(super) fn value(&self) -> &'a Value {
        self.value
    }

    fn wrong_type(&self, wanted: &'static str) -> InputError {
        InputError::WrongType {
            key: self.path.clone(),
            wanted,
            found: kind(self.value),
        }
    }

    /// The error that this key's value is not allowed.
    pub(super) fn invalid(&self, source: impl Into<ValueError>) -> InputError {
        InputError::Value {
            key: self.path.clone(),
            source: source.into(),
        }
    }

    /// The error that this key's value is not supported.
    pub(super) fn unsupported(&self, why: &'static str) -> InputError {
        let value = shorten(&self.value.to_string());
        InputError::Unsupported {
            key: self.path.clone(),
            value,
            why,
        }
    }

    /// The error that `key` is missing in here.
    pub(super) fn missing(&self, key: &str) -> InputError {
        InputError::Missing {
            key: format!("{}.{key}", self.path),
        }
    }

    /// The value of a key of this object; `null` counts as absent.
    pub(super) fn get(&self, key: &str) -> Result<Option<Self>, InputError> {
        let map = self
            .value
            .as_object()
            .ok_or_else(|| self.wrong_type("an object"))?;
        let value = map.get(key).filter(|v| !v.is_null());
        Ok(value.map(|value| Self {
            path: format!("{}.{key}", self.path),
            value,
        }))
    }

    /// The value of a key of this object, called `path` in errors; `null` counts as absent.
    pub(super) fn named(&self, key: &str, path: &str) -> Result<Option<Self>, InputError> {
        Ok(self.get(key)?.map(|node| Self {
            path: path.to_owned(),
            ..node
        }))
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str) -> Result<Self, InputError> {
        self.get(key)?.ok_or_else(|| self.missing(key))
    }

    /// The items of this list.
    pub(super) fn items(&self) -> Result<Vec<Self>, InputError> {
        /// Bounds the cost of a hostile list: each entry allocates its path.
        const LONGEST: usize = 65536;
        let items = self
            .value
            .as_array()
            .ok_or_else(|| self.wrong_type("a list"))?;
        if items.len() > LONGEST {
            return Err(self.invalid(ValueError::TooMany {
                count: items.len(),
                max: LONGEST,
            }));
        }
        let path = |at: usize| format!("{}[{at}]", self.path);
        Ok(items
            .iter()
            .enumerate()
            .map(|(at, value)| Self {
                path: path(at),
                value,
            })
            .collect())
    }

    /// The value as a string.
    pub(super) fn string(&self) -> Result<&'a str, InputError> {
        self.value
            .as_str()
            .ok_or_else(|| self.wrong_type("a string"))
    }

    /// The number, zero or more.
    pub(super) fn number(&self) -> Result<u64, InputError> {
        self.value
            .as_u64()
            .ok_or_else(|| self.wrong_type("a whole number"))
    }

    /// The value as a boolean.
    pub(super) fn boolean(&self) -> Result<bool, InputError> {
        self.value
            .as_bool()
            .ok_or_else(|| self.wrong_type("a boolean"))
    }

    /// The string as something that parses from one.
    pub(super) fn parse<T>(&self) -> Result<T, InputError>
    where
        T: std::str::FromStr,
        ValueError: From<T::Err>,
    {
        self.string()?.parse().map_err(|e: T::Err| self.invalid(e))
    }

    /// An IP address. A prefix length after it is checked and discarded, since the plan defines the
    /// length (CONVENTIONS.md, `ips`: `<ip>[/<prefix>]`).
    pub(super) fn address(&self) -> Result<IpAddr, InputError> {
        let text = self.string()?;
        super::args::address(text).map_err(|e| self.invalid(e))
    }

    /// A requested address, with or without a prefix length.
    pub(super) fn asked_ip(&self) -> Result<AskedIp, InputError> {
        let text = self.string()?;
        super::args::asked_ip(text, &self.path).map_err(|e| self.invalid(e))
    }

    /// An address with a prefix length.
    pub(super) fn prefix(&self) -> Result<IpNetwork, InputError> {
        let text = self.string()?;
        text.parse()
            .map_err(|e| self.invalid(ValueError::prefix(text, &e)))
    }

    /// The strings of this list.
    pub(super) fn strings(&self) -> Result<Vec<String>, InputError> {
        self.items()?
            .iter()
            .map(|item| item.string().map(str::to_owned))
            .collect()
    }
}

/// The optional string under `key`, empty where absent.
pub(super) fn string_or_empty(node: &Node<'_>, key: &str) -> Result<String, InputError> {
    Ok(node
        .get(key)?
        .map(|n| n.string())
        .transpose()?
        .unwrap_or_default()
        .to_owned())
}

/// The optional number under `key`.
pub(super) fn number_opt(node: &Node<'_>, key: &str) -> Result<Option<u64>, InputError> {
    node.get(key)?.map(|n| n.number()).transpose()
}

/// The optional address under `key`; the empty string counts as absent.
pub(super) fn address_opt(node: &Node<'_>, key: &str) -> Result<Option<IpAddr>, InputError> {
    match node.get(key)? {
        Some(n) if n.string()?.is_empty() => Ok(None),
        Some(n) => n.address().map(Some),
        None => Ok(None),
    }
}
