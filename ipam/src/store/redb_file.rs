//! An open redb file: read as a whole, written one commit at a time, closed after a failed write.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use redb::{Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::{Lock, StoreError, file};

/// The error of a write transaction. Nothing of the transaction is stored.
pub(crate) type WriteError = Box<dyn std::error::Error + Send + Sync>;

/// An open database and the lock beside it.
#[derive(Debug)]
pub(crate) struct RedbFile {
    path: PathBuf,
    /// `None` after a failed write, until the next load.
    database: Option<Database>,
    // Dropped last: the database is closed before the lock goes.
    lock: Lock,
}

impl RedbFile {
    /// Opens the file, which has to be there.
    ///
    /// # Errors
    /// As [`file::open`].
    pub(crate) fn open(path: &Path, lock: Lock) -> Result<Self, StoreError> {
        let database = file::open(path)?;
        Ok(Self::of(path, lock, database))
    }

    /// Opens the file, or creates it with the tables that `fill` writes.
    ///
    /// # Errors
    /// As [`file::open_or_create`].
    pub(crate) fn open_or_create(
        path: &Path,
        lock: Lock,
        fill: impl FnOnce(&WriteTransaction) -> Result<(), WriteError>,
    ) -> Result<Self, StoreError> {
        let database = file::open_or_create(path, |new| {
            commit(new, fill).map_err(|source| StoreError::Write {
                path: path.to_owned(),
                source,
            })
        })?;
        Ok(Self::of(path, lock, database))
    }

    fn of(path: &Path, lock: Lock, database: Database) -> Self {
        Self {
            path: path.to_owned(),
            database: Some(database),
            lock,
        }
    }

    /// The lock beside it.
    pub(crate) fn lock(&mut self) -> &mut Lock {
        &mut self.lock
    }

    /// Reads in one transaction. Opens the file again if a failed write has closed it.
    ///
    /// # Errors
    /// The error of `read`, or [`StoreError::Read`].
    pub(crate) fn load<T>(
        &mut self,
        read: impl FnOnce(&ReadTransaction, ReadErrors<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => file::open(&self.path)?,
        };
        let reading = ReadErrors { path: &self.path };
        let txn = database.begin_read().map_err(|e| reading.failed(e))?;
        let found = read(&txn, reading)?;
        drop(txn);
        self.database = Some(database);
        Ok(found)
    }

    /// Writes in one commit, then calls `after`. If either fails, the file is closed: after an I/O
    /// error redb refuses everything until the file is opened again, which the next load does.
    ///
    /// # Errors
    /// [`StoreError::Write`], also while the file is closed.
    pub(crate) fn write<T>(
        &mut self,
        change: impl FnOnce(&WriteTransaction) -> Result<T, WriteError>,
        after: impl FnOnce(T) -> Result<(), WriteError>,
    ) -> Result<(), StoreError> {
        let written = match self.database.take() {
            None => Err("it is closed after a failed write".into()),
            Some(database) => commit(&database, change)
                .and_then(after)
                .map(|()| self.database = Some(database)),
        };
        written.map_err(|source| StoreError::Write {
            path: self.path.clone(),
            source,
        })
    }
}

fn commit<T>(
    database: &Database,
    change: impl FnOnce(&WriteTransaction) -> Result<T, WriteError>,
) -> Result<T, WriteError> {
    let txn = database.begin_write()?;
    let changed = change(&txn)?;
    txn.commit()?;
    Ok(changed)
}

/// Builds the errors of reading a file: a damaged file ([`StoreError::Corrupt`]), or an error that
/// may not occur again ([`StoreError::Read`]).
#[derive(Debug, Clone, Copy)]
pub(crate) struct ReadErrors<'p> {
    path: &'p Path,
}

impl ReadErrors<'_> {
    /// The file is damaged.
    pub(crate) fn corrupt(&self, detail: impl Display) -> StoreError {
        StoreError::Corrupt {
            path: self.path.to_owned(),
            detail: detail.to_string(),
        }
    }

    /// The error for one of redb's.
    pub(crate) fn failed(&self, source: impl Into<redb::Error>) -> StoreError {
        match source.into() {
            redb::Error::Corrupted(detail) => self.corrupt(detail),
            source @ (redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }) => self.corrupt(source),
            source => StoreError::Read {
                path: self.path.to_owned(),
                doing: "read",
                source: source.into(),
            },
        }
    }

    /// The number `name` of the table `meta`.
    pub(crate) fn number(
        &self,
        meta: &impl redb::ReadableTable<&'static str, u64>,
        name: &str,
    ) -> Result<u64, StoreError> {
        let value = meta.get(name).map_err(|e| self.failed(e))?;
        let missing = || self.corrupt(format_args!("{name} is missing"));
        value.map(|v| v.value()).ok_or_else(missing)
    }

    /// Fails with [`StoreError::NewerSchema`] if this release does not know the file's schema.
    pub(crate) fn schema(
        &self,
        meta: &impl redb::ReadableTable<&'static str, u64>,
        supported: u64,
    ) -> Result<(), StoreError> {
        let found = self.number(meta, "schema")?;
        if found > supported {
            return Err(StoreError::NewerSchema {
                path: self.path.to_owned(),
                found,
                supported,
            });
        }
        Ok(())
    }
}
