//! Atoms and data: the values of OVSDB's columns (RFC 7047 §5.1).
//!
//! The types of the `ovsdb` crate are not used at run time: their deserialisers panic on
//! truncated values (`["set"]`), and its UUID has no order, which a set needs for equality.
//! They serve as an independent judge in this module's tests.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeSeq, SerializeTuple, Serializer};
use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

/// A real number with a total order, so that it can be a member of a set.
#[derive(Debug, Clone, Copy)]
pub struct Real(pub f64);

impl PartialEq for Real {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Real {}

impl PartialOrd for Real {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Real {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

/// One value (RFC 7047 §5.1, `<atom>`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Atom {
    /// A 64-bit integer.
    Integer(i64),
    /// A real number.
    Real(Real),
    /// A Boolean.
    Boolean(bool),
    /// A string.
    String(String),
    /// A row's UUID: `["uuid", …]`.
    Uuid(Uuid),
    /// The row that an `insert` of the same transaction names: `["named-uuid", …]`.
    NamedUuid(String),
}

impl Atom {
    /// A reference to the row that an insert of the same transaction calls `name`.
    pub fn named(name: impl Into<String>) -> Self {
        Self::NamedUuid(name.into())
    }
}

impl From<i64> for Atom {
    fn from(n: i64) -> Self {
        Self::Integer(n)
    }
}

impl From<f64> for Atom {
    fn from(n: f64) -> Self {
        Self::Real(Real(n))
    }
}

impl From<bool> for Atom {
    fn from(b: bool) -> Self {
        Self::Boolean(b)
    }
}

impl From<&str> for Atom {
    fn from(s: &str) -> Self {
        Self::String(s.to_owned())
    }
}

impl From<String> for Atom {
    fn from(s: String) -> Self {
        Self::String(s)
    }
}

impl From<Uuid> for Atom {
    fn from(u: Uuid) -> Self {
        Self::Uuid(u)
    }
}

/// A column's value (RFC 7047 §5.1, `<value>`): a set, which is what a scalar and an
/// optional are too, or a map.
///
/// Guarantee: a set is sorted and holds nothing twice, so equal values compare equal.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Datum {
    /// A set; a scalar has one member, an empty optional none.
    Set(Vec<Atom>),
    /// A map.
    Map(BTreeMap<Atom, Atom>),
}

impl Datum {
    /// The empty set.
    pub fn empty() -> Self {
        Self::Set(Vec::new())
    }

    /// A set of `atoms`, in any order, with or without repetition.
    pub fn set<A: Into<Atom>>(atoms: impl IntoIterator<Item = A>) -> Self {
        let mut atoms: Vec<Atom> = atoms.into_iter().map(Into::into).collect();
        atoms.sort_unstable();
        atoms.dedup();
        Self::Set(atoms)
    }

    /// A map; of two equal keys the later one counts.
    pub fn map<K: Into<Atom>, V: Into<Atom>>(pairs: impl IntoIterator<Item = (K, V)>) -> Self {
        Self::Map(
            pairs
                .into_iter()
                .map(|(k, v)| (k.into(), v.into()))
                .collect(),
        )
    }

    /// The only member of a set of one: a scalar, or an optional that is there.
    pub fn scalar(&self) -> Option<&Atom> {
        match self {
            Self::Set(atoms) => match atoms.as_slice() {
                [atom] => Some(atom),
                _ => None,
            },
            Self::Map(_) => None,
        }
    }

    /// The members, none for a map.
    pub fn atoms(&self) -> &[Atom] {
        match self {
            Self::Set(atoms) => atoms,
            Self::Map(_) => &[],
        }
    }

    /// Reads a `<value>`.
    ///
    /// # Errors
    /// [`DatumError`] if it is not one; nothing in it can cause a panic.
    pub fn from_json(value: Value) -> Result<Self, DatumError> {
        let Value::Array(mut parts) = value else {
            return Ok(Self::Set(vec![atom(value)?]));
        };
        match (parts.first().and_then(Value::as_str), parts.len()) {
            (Some("set"), 2) => match parts.pop() {
                Some(Value::Array(members)) => Ok(Self::set(
                    members
                        .into_iter()
                        .map(atom)
                        .collect::<Result<Vec<_>, _>>()?,
                )),
                _ => Err(DatumError::Set),
            },
            (Some("map"), 2) => match parts.pop() {
                Some(Value::Array(pairs)) => pairs
                    .into_iter()
                    .map(pair)
                    .collect::<Result<_, _>>()
                    .map(Self::Map),
                _ => Err(DatumError::Map),
            },
            _ => Ok(Self::Set(vec![atom(Value::Array(parts))?])),
        }
    }
}

impl<A: Into<Atom>> From<A> for Datum {
    fn from(atom: A) -> Self {
        Self::Set(vec![atom.into()])
    }
}

/// Why a JSON value is no value of a column.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DatumError {
    /// No `<atom>`.
    #[error("not an atom of RFC 7047 §5.1")]
    Atom,
    /// `["uuid", …]` without a UUID.
    #[error("not a UUID")]
    Uuid,
    /// `["set", …]` without an array.
    #[error("not a set of RFC 7047 §5.1")]
    Set,
    /// `["map", …]` without an array of pairs.
    #[error("not a map of RFC 7047 §5.1")]
    Map,
}

fn atom(value: Value) -> Result<Atom, DatumError> {
    match value {
        Value::String(s) => Ok(Atom::String(s)),
        Value::Bool(b) => Ok(Atom::Boolean(b)),
        Value::Number(n) => match n.as_i64() {
            Some(i) => Ok(Atom::Integer(i)),
            None => n.as_f64().map(Atom::from).ok_or(DatumError::Atom),
        },
        Value::Array(parts) => match parts.as_slice() {
            [Value::String(tag), Value::String(id)] if tag == "uuid" => Uuid::parse_str(id)
                .map(Atom::Uuid)
                .map_err(|_| DatumError::Uuid),
            [Value::String(tag), Value::String(name)] if tag == "named-uuid" => {
                Ok(Atom::NamedUuid(name.clone()))
            }
            _ => Err(DatumError::Atom),
        },
        Value::Null | Value::Object(_) => Err(DatumError::Atom),
    }
}

fn pair(value: Value) -> Result<(Atom, Atom), DatumError> {
    match value {
        Value::Array(mut parts) if parts.len() == 2 => {
            let (second, first) = (parts.pop(), parts.pop());
            match (first, second) {
                (Some(k), Some(v)) => Ok((atom(k)?, atom(v)?)),
                _ => Err(DatumError::Map),
            }
        }
        _ => Err(DatumError::Map),
    }
}

impl Serialize for Atom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Integer(n) => serializer.serialize_i64(*n),
            Self::Real(Real(n)) => serializer.serialize_f64(*n),
            Self::Boolean(b) => serializer.serialize_bool(*b),
            Self::String(s) => serializer.serialize_str(s),
            Self::Uuid(u) => tagged(serializer, "uuid", u),
            Self::NamedUuid(name) => tagged(serializer, "named-uuid", name),
        }
    }
}

impl Serialize for Datum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Set(atoms) => match atoms.as_slice() {
                [one] => one.serialize(serializer),
                many => tagged(serializer, "set", many),
            },
            Self::Map(map) => tagged(serializer, "map", &Pairs(map)),
        }
    }
}

fn tagged<S: Serializer, T: Serialize + ?Sized>(
    serializer: S,
    tag: &str,
    value: &T,
) -> Result<S::Ok, S::Error> {
    let mut tuple = serializer.serialize_tuple(2)?;
    tuple.serialize_element(tag)?;
    tuple.serialize_element(value)?;
    tuple.end()
}

struct Pairs<'a>(&'a BTreeMap<Atom, Atom>);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pairs = serializer.serialize_seq(Some(self.0.len()))?;
        for pair in self.0 {
            pairs.serialize_element(&pair)?;
        }
        pairs.end()
    }
}

#[cfg(test)]
#[path = "value/tests.rs"]
mod tests;
