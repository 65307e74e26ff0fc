//! The operations of a transaction (RFC 7047 §5.2), each with its builder.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::row::Row;
use super::value::Datum;

/// A table's or column's name.
pub type Name = Cow<'static, str>;

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub enum Op {
    /// Adds a row (§5.2.1).
    Insert(Insert),
    /// Reads rows (§5.2.2).
    Select(Select),
    /// Overwrites columns of rows (§5.2.3).
    Update(Update),
    /// Changes columns of rows in place (§5.2.4).
    Mutate(Mutate),
    /// Deletes rows (§5.2.5).
    Delete(Delete),
    /// Waits for, or insists on, the content of rows (§5.2.6).
    Wait(Wait),
    /// Asks that the transaction be durable before it is answered (§5.2.7).
    Commit {
        /// Whether it is to be on disk first.
        durable: bool,
    },
    /// Fails the transaction (§5.2.8).
    Abort {},
    /// A remark for the database's log (§5.2.9).
    Comment {
        /// The remark's text.
        comment: String,
    },
    /// Fails the transaction unless this session holds the lock (§5.2.10).
    Assert {
        /// The lock's name.
        lock: String,
    },
}

impl Op {
    /// Adds `row` to `table`; columns that it lacks get their defaults.
    pub fn insert(table: impl Into<Name>, row: Row) -> Insert {
        Insert {
            table: table.into(),
            row,
            name: None,
        }
    }

    /// Reads all columns of all rows of `table`, unless narrowed.
    pub fn select(table: impl Into<Name>) -> Select {
        Select {
            table: table.into(),
            conditions: Vec::new(),
            columns: None,
        }
    }

    /// Overwrites the columns of `row` in **all** rows of `table`, unless narrowed.
    pub fn update(table: impl Into<Name>, row: Row) -> Update {
        Update {
            table: table.into(),
            conditions: Vec::new(),
            row,
        }
    }

    /// Changes columns in **all** rows of `table`, unless narrowed.
    pub fn mutate(table: impl Into<Name>) -> Mutate {
        Mutate {
            table: table.into(),
            conditions: Vec::new(),
            mutations: Vec::new(),
        }
    }

    /// Deletes **all** rows of `table`, unless narrowed.
    pub fn delete(table: impl Into<Name>) -> Delete {
        Delete {
            table: table.into(),
            conditions: Vec::new(),
        }
    }

    /// Waits until the rows of `table` are (with [`Wait::until_eq`]) or are no longer (with
    /// [`Wait::until_ne`]) the given ones.
    pub fn wait(table: impl Into<Name>) -> Wait {
        Wait {
            timeout: None,
            table: table.into(),
            conditions: Vec::new(),
            columns: Vec::new(),
            until: Until::Equal,
            rows: Vec::new(),
        }
    }

    /// See [`Op::Commit`].
    pub fn commit(durable: bool) -> Self {
        Self::Commit { durable }
    }

    /// See [`Op::Abort`].
    pub fn abort() -> Self {
        Self::Abort {}
    }

    /// See [`Op::Comment`].
    pub fn comment(comment: impl Into<String>) -> Self {
        Self::Comment {
            comment: comment.into(),
        }
    }

    /// See [`Op::Assert`].
    pub fn assert(lock: impl Into<String>) -> Self {
        Self::Assert { lock: lock.into() }
    }
}

/// How a condition compares (RFC 7047 §5.1, `<function>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Function {
    /// Less than; numbers only.
    #[serde(rename = "<")]
    Lt,
    /// At most; numbers only.
    #[serde(rename = "<=")]
    Le,
    /// Equal.
    #[serde(rename = "==")]
    Eq,
    /// Not equal.
    #[serde(rename = "!=")]
    Ne,
    /// At least; numbers only.
    #[serde(rename = ">=")]
    Ge,
    /// Greater than; numbers only.
    #[serde(rename = ">")]
    Gt,
    /// The column holds all of the value's members.
    #[serde(rename = "includes")]
    Includes,
    /// The column holds none of the value's members.
    #[serde(rename = "excludes")]
    Excludes,
}

/// Which rows an operation is about: `[column, function, value]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Condition(Name, Function, Datum);

impl Condition {
    /// A condition on a column.
    pub fn new(column: impl Into<Name>, function: Function, value: impl Into<Datum>) -> Self {
        Self(column.into(), function, value.into())
    }

    /// The column equals the value.
    pub fn eq(column: impl Into<Name>, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Eq, value)
    }

    /// The column (a set or a map) holds the value's members.
    pub fn includes(column: impl Into<Name>, value: impl Into<Datum>) -> Self {
        Self::new(column, Function::Includes, value)
    }

    /// The one row with this UUID.
    pub fn uuid(uuid: Uuid) -> Self {
        Self::eq("_uuid", uuid)
    }
}

/// How a mutation changes a column (RFC 7047 §5.1, `<mutator>`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Mutator {
    /// Adds a number to each member.
    #[serde(rename = "+=")]
    Add,
    /// Subtracts.
    #[serde(rename = "-=")]
    Subtract,
    /// Multiplies.
    #[serde(rename = "*=")]
    Multiply,
    /// Divides.
    #[serde(rename = "/=")]
    Divide,
    /// Takes the remainder; integers only.
    #[serde(rename = "%=")]
    Remainder,
    /// Adds members; a map's existing keys keep their values.
    #[serde(rename = "insert")]
    Insert,
    /// Removes members; from a map also by a set of keys.
    #[serde(rename = "delete")]
    Delete,
}

/// `insert`; see [`Op::insert`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Insert {
    table: Name,
    row: Row,
    #[serde(rename = "uuid-name", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Insert {
    /// Gives the new row a name for the rest of the transaction, where
    /// [`Atom::named`](super::Atom::named) refers to it. It must be an `<id>`: letters,
    /// digits and `_`, no digit first.
    #[must_use]
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }
}

/// `select`; see [`Op::select`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Select {
    table: Name,
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<Name>>,
}

impl Select {
    /// Only these columns.
    #[must_use]
    pub fn columns<C: Into<Name>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = Some(columns.into_iter().map(Into::into).collect());
        self
    }
}

/// `update`; see [`Op::update`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Update {
    table: Name,
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    row: Row,
}

/// `mutate`; see [`Op::mutate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Mutate {
    table: Name,
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    mutations: Vec<(Name, Mutator, Datum)>,
}

impl Mutate {
    /// One more mutation; they are done in the order given.
    #[must_use]
    pub fn mutation(
        mut self,
        column: impl Into<Name>,
        mutator: Mutator,
        value: impl Into<Datum>,
    ) -> Self {
        self.mutations.push((column.into(), mutator, value.into()));
        self
    }

    /// Adds members to a set or pairs to a map.
    #[must_use]
    pub fn insert(self, column: impl Into<Name>, members: impl Into<Datum>) -> Self {
        self.mutation(column, Mutator::Insert, members)
    }

    /// Removes members from a set, or pairs or keys from a map.
    #[must_use]
    pub fn delete(self, column: impl Into<Name>, members: impl Into<Datum>) -> Self {
        self.mutation(column, Mutator::Delete, members)
    }
}

/// `delete`; see [`Op::delete`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delete {
    table: Name,
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
enum Until {
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    Unequal,
}

/// `wait`; see [`Op::wait`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wait {
    /// In milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    table: Name,
    #[serde(rename = "where")]
    conditions: Vec<Condition>,
    columns: Vec<Name>,
    until: Until,
    rows: Vec<Row>,
}

impl Wait {
    /// The columns that are compared.
    #[must_use]
    pub fn columns<C: Into<Name>>(mut self, columns: impl IntoIterator<Item = C>) -> Self {
        self.columns = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Until the rows are exactly these.
    #[must_use]
    pub fn until_eq(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.until = Until::Equal;
        self.rows = rows.into_iter().collect();
        self
    }

    /// Until the rows are anything but these.
    #[must_use]
    pub fn until_ne(mut self, rows: impl IntoIterator<Item = Row>) -> Self {
        self.until = Until::Unequal;
        self.rows = rows.into_iter().collect();
        self
    }

    /// Fails with `timed out` after this long, in whole milliseconds; zero checks once,
    /// which makes the operation a guard. Without it the server waits for ever.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX));
        self
    }
}

/// Gives each operation that selects rows its `only`, and all of them `Into<Op>`.
macro_rules! into_op {
    ($($ty:ident),*) => {$(
        impl From<$ty> for Op {
            fn from(op: $ty) -> Op {
                Op::$ty(op)
            }
        }
    )*};
}

macro_rules! narrowed {
    ($($ty:ident),*) => {$(
        impl $ty {
            /// Only the rows that meet this condition, and those given before.
            #[must_use]
            pub fn only(mut self, condition: Condition) -> Self {
                self.conditions.push(condition);
                self
            }
        }
    )*};
}

into_op!(Insert, Select, Update, Mutate, Delete, Wait);
narrowed!(Select, Update, Mutate, Delete, Wait);

#[cfg(test)]
#[path = "op/tests.rs"]
mod tests;
