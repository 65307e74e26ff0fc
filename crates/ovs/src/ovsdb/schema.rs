//! The part of a database's schema that a replica needs: what a column is when it is not
//! sent, and how to apply a difference to it (RFC 7047 §3.2).

use std::collections::BTreeMap;

use serde_json::Value;

use super::value::{Atom, Datum};

/// The schema's tables by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub(crate) struct Schema {
    tables: BTreeMap<String, BTreeMap<String, ColumnType>>,
}

/// A column's type (RFC 7047 §3.2, `<type>`).
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnType {
    default: Datum,
    multiple: bool,
}

impl ColumnType {
    /// What the column holds when the server leaves it out of an `initial` or `insert`
    /// (ovsdb-server(7) §4.1.14).
    pub(crate) fn default(&self) -> &Datum {
        &self.default
    }

    /// Whether a `modify` brings a difference, rather than the new value.
    pub(crate) fn is_composite(&self) -> bool {
        self.multiple
    }
}

impl Schema {
    /// Reads the answer to `get_schema`. `None` if it is no `<database-schema>`.
    pub(crate) fn from_json(value: &Value) -> Option<Self> {
        let mut tables = BTreeMap::new();
        for (name, table) in value.get("tables")?.as_object()? {
            let mut columns = BTreeMap::new();
            for (column, spec) in table.get("columns")?.as_object()? {
                columns.insert(column.clone(), column_type(spec.get("type")?)?);
            }
            tables.insert(name.clone(), columns);
        }
        Some(Self { tables })
    }

    pub(crate) fn table(&self, name: &str) -> Option<&BTreeMap<String, ColumnType>> {
        self.tables.get(name)
    }
}

fn column_type(spec: &Value) -> Option<ColumnType> {
    if let Some(name) = spec.as_str() {
        return Some(ColumnType {
            default: zero(name)?.into(),
            multiple: false,
        });
    }
    let key = base(spec.get("key")?)?;
    let min = spec.get("min").map_or(Some(1), Value::as_u64)?;
    let multiple = match spec.get("max") {
        None => false,
        Some(Value::String(s)) if s == "unlimited" => true,
        Some(max) => max.as_u64()? > 1,
    };
    let default = match (spec.get("value"), min) {
        (None, 0) => Datum::empty(),
        (None, _) => zero(key)?.into(),
        (Some(_), 0) => Datum::Map(BTreeMap::new()),
        (Some(value), _) => Datum::map([(zero(key)?, zero(base(value)?)?)]),
    };
    Some(ColumnType { default, multiple })
}

/// `<base-type>`: a name, or an object whose `type` is one.
fn base(spec: &Value) -> Option<&str> {
    spec.as_str().or_else(|| spec.get("type")?.as_str())
}

/// The default of each `<atomic-type>` (RFC 7047 §5.2.1).
fn zero(name: &str) -> Option<Atom> {
    match name {
        "integer" => Some(Atom::from(0)),
        "real" => Some(Atom::from(0.0)),
        "boolean" => Some(Atom::from(false)),
        "string" => Some(Atom::from("")),
        "uuid" => Some(Atom::from(uuid::Uuid::nil())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ty(spec: &Value) -> Option<(Datum, bool)> {
        column_type(spec).map(|t| (t.default, t.multiple))
    }

    #[test]
    fn the_kinds_of_columns_have_their_defaults() {
        assert_eq!(ty(&json!("string")), Some((Datum::from(""), false)));
        assert_eq!(
            ty(&json!({"key": {"type": "integer", "maxInteger": 4095}, "min": 0, "max": 1})),
            Some((Datum::empty(), false))
        );
        assert_eq!(
            ty(&json!({"key": {"type": "uuid", "refTable": "Port"}, "min": 0, "max": "unlimited"})),
            Some((Datum::empty(), true))
        );
        assert_eq!(
            ty(&json!({"key": "string", "value": "string", "min": 0, "max": "unlimited"})),
            Some((Datum::Map(BTreeMap::new()), true))
        );
        assert_eq!(
            ty(&json!({"key": "boolean"})),
            Some((Datum::from(false), false))
        );
    }

    #[test]
    fn what_is_no_schema_is_none() {
        for hostile in [
            json!(null),
            json!({"tables": []}),
            json!({"tables": {"T": {}}}),
            json!({"tables": {"T": {"columns": {"c": {}}}}}),
            json!({"tables": {"T": {"columns": {"c": {"type": "quux"}}}}}),
            json!({"tables": {"T": {"columns": {"c": {"type": {"key": "string", "max": -1}}}}}}),
        ] {
            assert_eq!(Schema::from_json(&hostile), None, "{hostile}");
        }
    }
}
