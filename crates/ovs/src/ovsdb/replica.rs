//! A copy of chosen tables, kept equal to the server's by its notifications.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use thiserror::Error;
use uuid::Uuid;

use super::row::{Row, RowError};
use super::schema::{ColumnType, Schema};
use super::value::Datum;

/// Which tables and columns a session copies.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MonitorSpec {
    tables: BTreeMap<String, Vec<String>>,
    optional: BTreeMap<String, Vec<String>>,
    optional_tables: BTreeMap<String, Vec<String>>,
}

impl MonitorSpec {
    /// Nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a table with these of its columns.
    #[must_use]
    pub fn table<C: Into<String>>(
        mut self,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        self.tables
            .insert(table.into(), columns.into_iter().map(Into::into).collect());
        self
    }

    /// Adds columns of a table of the spec that not every version of the database has: where
    /// one is unknown, rows are without it.
    #[must_use]
    pub fn where_known<C: Into<String>>(
        mut self,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        let known = self.optional.entry(table.into()).or_default();
        known.extend(columns.into_iter().map(Into::into));
        self
    }

    /// Adds a table that not every version of the database has: where it is unknown, or one of these
    /// columns is, the copy is without it ([`Replica::has_table`]).
    #[must_use]
    pub fn table_where_known<C: Into<String>>(
        mut self,
        table: impl Into<String>,
        columns: impl IntoIterator<Item = C>,
    ) -> Self {
        let columns = columns.into_iter().map(Into::into).collect();
        self.optional_tables.insert(table.into(), columns);
        self
    }

    /// The same for a database of this schema: what it does not know and need not know is left
    /// out.
    pub(crate) fn under(&self, schema: &Schema) -> Self {
        let mut tables = self.tables.clone();
        for (table, columns) in &self.optional_tables {
            let known = schema.table(table);
            if known.is_some_and(|known| columns.iter().all(|c| known.contains_key(c))) {
                tables.insert(table.clone(), columns.clone());
            }
        }
        for (table, columns) in &self.optional {
            if let (Some(known), Some(wanted)) = (schema.table(table), tables.get_mut(table)) {
                wanted.extend(columns.iter().filter(|c| known.contains_key(*c)).cloned());
            }
        }
        Self {
            tables,
            ..Self::default()
        }
    }

    /// Whether the column is asked for, be it that the database has it.
    pub fn contains(&self, table: &str, column: &str) -> bool {
        [&self.tables, &self.optional, &self.optional_tables]
            .into_iter()
            .filter_map(|tables| tables.get(table))
            .any(|columns| columns.iter().any(|c| c == column))
    }

    /// The tables and columns.
    pub fn tables(&self) -> impl Iterator<Item = (&str, &[String])> {
        self.tables.iter().map(|(t, c)| (t.as_str(), c.as_slice()))
    }
}

/// A copy of the parts of the database that were asked for.
///
/// Guarantees: it shows the database as of one transaction, never a part of one; a row has
/// all the columns that were asked for, defaults included. While the connection is down it
/// stays as it was last, and [`Replica::synced`] is false.
#[derive(Debug, Default)]
pub struct Replica {
    tables: HashMap<String, Table>,
    synced: bool,
}

#[derive(Debug, Default)]
struct Table {
    columns: BTreeMap<String, ColumnType>,
    rows: HashMap<Uuid, Row>,
}

impl Replica {
    /// An empty copy, for `spec` under `schema`.
    pub(crate) fn new(spec: &MonitorSpec, schema: &Schema) -> Result<Self, ReplicaError> {
        let mut tables = HashMap::new();
        for (name, wanted) in spec.tables() {
            let known = schema
                .table(name)
                .ok_or_else(|| ReplicaError::UnknownTable {
                    table: name.to_owned(),
                })?;
            let columns = wanted
                .iter()
                .map(|column| match known.get(column) {
                    Some(ty) => Ok((column.clone(), ty.clone())),
                    None => Err(ReplicaError::UnknownColumn {
                        table: name.to_owned(),
                        column: column.clone(),
                    }),
                })
                .collect::<Result<_, _>>()?;
            let rows = HashMap::new();
            tables.insert(name.to_owned(), Table { columns, rows });
        }
        Ok(Self {
            tables,
            synced: true,
        })
    }

    pub(crate) fn set_synced(&mut self, synced: bool) {
        self.synced = synced;
    }

    /// Whether it follows the server at the moment.
    pub fn synced(&self) -> bool {
        self.synced
    }

    /// Whether the table is copied: the database has it, and it was asked for.
    pub fn has_table(&self, table: &str) -> bool {
        self.tables.contains_key(table)
    }

    /// The row of this UUID.
    pub fn row(&self, table: &str, uuid: Uuid) -> Option<&Row> {
        self.tables.get(table)?.rows.get(&uuid)
    }

    /// All rows of a table, in no order.
    pub fn rows(&self, table: &str) -> impl Iterator<Item = (Uuid, &Row)> {
        self.tables
            .get(table)
            .into_iter()
            .flat_map(|t| t.rows.iter().map(|(id, row)| (*id, row)))
    }

    /// How many rows a table has.
    pub fn count(&self, table: &str) -> usize {
        self.tables.get(table).map_or(0, |t| t.rows.len())
    }

    /// The first row found whose `column` equals `value`; takes time linear in the rows.
    pub fn find(&self, table: &str, column: &str, value: impl Into<Datum>) -> Option<(Uuid, &Row)> {
        let value = value.into();
        self.rows(table)
            .find(|(_, row)| row.get(column) == Some(&value))
    }

    /// Applies `<table-updates2>` (ovsdb-server(7) §4.1.14).
    ///
    /// # Errors
    /// [`ReplicaError`]: the copy is then of no use any more, and must be made anew.
    pub(crate) fn apply(&mut self, updates: Value) -> Result<Vec<RowChange>, ReplicaError> {
        let Value::Object(updates) = updates else {
            return Err(ReplicaError::Malformed);
        };
        let mut changes = Vec::new();
        for (name, rows) in updates {
            let Value::Object(rows) = rows else {
                return Err(ReplicaError::Malformed);
            };
            let table = self
                .tables
                .get_mut(&name)
                .ok_or_else(|| ReplicaError::UnknownTable {
                    table: name.clone(),
                })?;
            for (id, update) in rows {
                let uuid = Uuid::parse_str(&id).map_err(|_| ReplicaError::Malformed)?;
                changes.push(RowChange {
                    table: name.clone(),
                    uuid,
                    kind: table.apply(uuid, update)?,
                });
            }
        }
        Ok(changes)
    }
}

impl Table {
    fn apply(&mut self, uuid: Uuid, update: Value) -> Result<ChangeKind, ReplicaError> {
        let Value::Object(update) = update else {
            return Err(ReplicaError::Malformed);
        };
        let (kind, row) = update.into_iter().next().ok_or(ReplicaError::Malformed)?;
        match kind.as_str() {
            "initial" | "insert" => {
                let row = self.complete(Row::from_json(row)?)?;
                self.rows.insert(uuid, row);
                Ok(ChangeKind::Inserted)
            }
            "delete" => match self.rows.remove(&uuid) {
                Some(old) => Ok(ChangeKind::Deleted { old }),
                None => Err(ReplicaError::UnknownRow { uuid }),
            },
            "modify" => {
                let target = self
                    .rows
                    .get_mut(&uuid)
                    .ok_or(ReplicaError::UnknownRow { uuid })?;
                let mut columns = Vec::new();
                for (column, difference) in Row::from_json(row)? {
                    let (Some(ty), Some(value)) =
                        (self.columns.get(&column), target.get_mut(&column))
                    else {
                        return Err(ReplicaError::Malformed);
                    };
                    if ty.is_composite() {
                        apply_difference(value, difference)?;
                    } else {
                        *value = difference;
                    }
                    columns.push(column);
                }
                Ok(ChangeKind::Modified { columns })
            }
            _ => Err(ReplicaError::Malformed),
        }
    }

    fn complete(&self, mut sent: Row) -> Result<Row, ReplicaError> {
        let row: Row = self
            .columns
            .iter()
            .map(|(column, ty)| {
                let value = sent
                    .get_mut(column)
                    .map(|v| std::mem::replace(v, Datum::empty()));
                (
                    column.clone(),
                    value.unwrap_or_else(|| ty.default().clone()),
                )
            })
            .collect();
        match sent.iter().find(|(c, _)| !self.columns.contains_key(*c)) {
            Some(_) => Err(ReplicaError::Malformed),
            None => Ok(row),
        }
    }
}

/// Sets: what is in exactly one of both. Maps: a pair that is there goes, another comes or
/// takes its key's place.
fn apply_difference(value: &mut Datum, difference: Datum) -> Result<(), ReplicaError> {
    match (value, difference) {
        (Datum::Set(members), Datum::Set(changed)) => {
            for atom in changed {
                match members.binary_search(&atom) {
                    Ok(at) => {
                        members.remove(at);
                    }
                    Err(at) => members.insert(at, atom),
                }
            }
            Ok(())
        }
        (Datum::Map(map), Datum::Map(changed)) => {
            for (k, v) in changed {
                if map.get(&k) == Some(&v) {
                    map.remove(&k);
                } else {
                    map.insert(k, v);
                }
            }
            Ok(())
        }
        _ => Err(ReplicaError::Malformed),
    }
}

/// What one update did to one row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowChange {
    /// The row's table.
    pub table: String,
    /// The row's UUID.
    pub uuid: Uuid,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened to a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// It is new.
    Inserted,
    /// Some of its columns changed.
    Modified {
        /// Names of the columns that changed.
        columns: Vec<String>,
    },
    /// It is gone.
    Deleted {
        /// What it was last.
        old: Row,
    },
}

/// Why a copy cannot be made or kept.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReplicaError {
    /// The database has no such table, or the server sent one that was not asked for.
    #[error("the database has no table {table:?}")]
    UnknownTable {
        /// Name of the table.
        table: String,
    },
    /// The table has no such column.
    #[error("table {table:?} has no column {column:?}")]
    UnknownColumn {
        /// Name of the table.
        table: String,
        /// Name of the column.
        column: String,
    },
    /// A change of a row that is not in the copy.
    #[error("an update is about row {uuid}, which is not known")]
    UnknownRow {
        /// The row's UUID.
        uuid: Uuid,
    },
    /// A row that cannot be read.
    #[error(transparent)]
    Row(#[from] RowError),
    /// Not what ovsdb-server(7) §4.1.14 says.
    #[error("an update is malformed")]
    Malformed,
}

#[cfg(test)]
#[path = "replica/tests.rs"]
mod tests;
