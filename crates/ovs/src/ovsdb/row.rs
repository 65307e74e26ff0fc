//! Rows, with typed access to their columns.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::value::{Atom, Datum, DatumError};

/// Columns and their values (RFC 7047 §5.1, `<row>`).
///
/// The typed accessors give `None` (or nothing) for a column that is absent, that is an
/// empty optional, or that has another type: to the reader they are the same.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
#[serde(transparent)]
pub struct Row(BTreeMap<String, Datum>);

impl Row {
    /// A row without columns.
    pub fn new() -> Self {
        Self::default()
    }

    /// The row with one column more.
    #[must_use]
    pub fn with(mut self, column: impl Into<String>, value: impl Into<Datum>) -> Self {
        self.set(column, value);
        self
    }

    /// Sets a column.
    pub fn set(&mut self, column: impl Into<String>, value: impl Into<Datum>) {
        self.0.insert(column.into(), value.into());
    }

    /// A column's value.
    pub fn get(&self, column: &str) -> Option<&Datum> {
        self.0.get(column)
    }

    pub(crate) fn get_mut(&mut self, column: &str) -> Option<&mut Datum> {
        self.0.get_mut(column)
    }

    /// All columns, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Datum)> {
        self.0.iter().map(|(c, v)| (c.as_str(), v))
    }

    /// Whether there is no column.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn scalar(&self, column: &str) -> Option<&Atom> {
        self.get(column).and_then(Datum::scalar)
    }

    fn atoms(&self, column: &str) -> &[Atom] {
        self.get(column).map_or(&[], Datum::atoms)
    }

    /// A string.
    pub fn str(&self, column: &str) -> Option<&str> {
        match self.scalar(column) {
            Some(Atom::String(s)) => Some(s),
            _ => None,
        }
    }

    /// An integer.
    pub fn int(&self, column: &str) -> Option<i64> {
        match self.scalar(column) {
            Some(Atom::Integer(n)) => Some(*n),
            _ => None,
        }
    }

    /// A Boolean.
    pub fn bool(&self, column: &str) -> Option<bool> {
        match self.scalar(column) {
            Some(Atom::Boolean(b)) => Some(*b),
            _ => None,
        }
    }

    /// A real number; an integer serves as one, as JSON does not tell 1 from 1.0.
    pub fn real(&self, column: &str) -> Option<f64> {
        match self.scalar(column) {
            Some(Atom::Real(n)) => Some(n.0),
            // Beyond 2^53 the nearest real is what the server has too.
            Some(Atom::Integer(n)) => Some(*n as f64),
            _ => None,
        }
    }

    /// A reference to one row.
    pub fn uuid(&self, column: &str) -> Option<Uuid> {
        match self.scalar(column) {
            Some(Atom::Uuid(u)) => Some(*u),
            _ => None,
        }
    }

    /// The members of a set of references.
    pub fn uuids(&self, column: &str) -> impl Iterator<Item = Uuid> {
        self.atoms(column).iter().filter_map(|a| match a {
            Atom::Uuid(u) => Some(*u),
            _ => None,
        })
    }

    /// The members of a set of strings.
    pub fn strs(&self, column: &str) -> impl Iterator<Item = &str> {
        self.atoms(column).iter().filter_map(|a| match a {
            Atom::String(s) => Some(s.as_str()),
            _ => None,
        })
    }

    /// The members of a set of integers.
    pub fn ints(&self, column: &str) -> impl Iterator<Item = i64> {
        self.atoms(column).iter().filter_map(|a| match a {
            Atom::Integer(n) => Some(*n),
            _ => None,
        })
    }

    /// The pairs of a map from strings to strings, such as `external_ids`.
    pub fn map(&self, column: &str) -> impl Iterator<Item = (&str, &str)> {
        let map = match self.get(column) {
            Some(Datum::Map(map)) => Some(map),
            _ => None,
        };
        map.into_iter().flatten().filter_map(|(k, v)| match (k, v) {
            (Atom::String(k), Atom::String(v)) => Some((k.as_str(), v.as_str())),
            _ => None,
        })
    }

    /// The value that a map from strings to strings has for `key`.
    pub fn map_get(&self, column: &str, key: &str) -> Option<&str> {
        self.map(column).find(|(k, _)| *k == key).map(|(_, v)| v)
    }

    /// Reads a `<row>`.
    ///
    /// # Errors
    /// The column that could not be read, and why; the column is empty if `value` is no
    /// object.
    pub fn from_json(value: Value) -> Result<Self, RowError> {
        let Value::Object(columns) = value else {
            return Err(RowError {
                column: String::new(),
                source: DatumError::Map,
            });
        };
        columns
            .into_iter()
            .map(|(column, v)| match Datum::from_json(v) {
                Ok(datum) => Ok((column, datum)),
                Err(source) => Err(RowError { column, source }),
            })
            .collect::<Result<_, _>>()
            .map(Self)
    }
}

impl FromIterator<(String, Datum)> for Row {
    fn from_iter<I: IntoIterator<Item = (String, Datum)>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl IntoIterator for Row {
    type Item = (String, Datum);
    type IntoIter = std::collections::btree_map::IntoIter<String, Datum>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// A row that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column:?} cannot be read")]
pub struct RowError {
    /// Name of the column.
    pub column: String,
    /// What is wrong with its value.
    #[source]
    pub source: DatumError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn columns_are_read_by_type() {
        let id = Uuid::from_u128(7);
        let row = Row::from_json(json!({
            "name": "veth0", "ofport": 5, "admin": true, "speed": 1.5,
            "port": ["uuid", id], "ports": ["set", [["uuid", id]]],
            "none": ["set", []], "tags": ["set", [3, 1]],
            "external_ids": ["map", [["a", "1"], ["b", "2"]]],
        }))
        .expect("a row");
        assert_eq!(row.str("name"), Some("veth0"));
        assert_eq!(row.int("ofport"), Some(5));
        assert_eq!(row.bool("admin"), Some(true));
        assert_eq!(row.real("speed"), Some(1.5));
        assert_eq!(row.uuid("port"), Some(id));
        assert_eq!(row.uuids("ports").collect::<Vec<_>>(), [id]);
        assert_eq!(row.ints("tags").collect::<Vec<_>>(), [1, 3]);
        assert_eq!(row.map("external_ids").count(), 2);
        assert_eq!(row.map_get("external_ids", "b"), Some("2"));
        assert_eq!(row.int("none"), None);
        assert_eq!(row.int("absent"), None);
        assert_eq!(row.str("ofport"), None, "another type is no value");
    }

    #[test]
    fn an_error_names_its_column() {
        let error = Row::from_json(json!({"good": 1, "bad": null})).expect_err("null");
        assert_eq!(error.column, "bad");
        assert!(Row::from_json(json!([])).is_err());
    }
}
