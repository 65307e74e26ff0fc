//! The store in a redb file. One commit is one fsync, whatever the batch holds.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{
    Database, ReadableDatabase, ReadableTable, StorageError, TableDefinition, TableError,
    WriteTransaction,
};

use super::lock::Lock;
use super::{Backend, Change, ReleasedRow, SCHEMA, Snapshot, StoreError, file};
use crate::range::{Family, bits_of, ip_of};
use crate::record::Record;
use crate::time::Timestamp;

/// `schema`, `ceiling`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Generation → the record in JSON, which a person can read and an older or newer version
/// can extend.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Release number → (family 4 or 6, address, ms since the epoch, slot, generation).
const RELEASED: TableDefinition<'_, u64, (u8, u128, u64, u16, u64)> =
    TableDefinition::new("released");

/// The durable store: a redb file of mode 0600, and a lock file beside it.
#[derive(Debug)]
pub struct RedbBackend {
    path: PathBuf,
    /// `None` after a failed write, until the next load.
    database: Option<Database>,
    // Dropped last: the database is closed before the lock goes.
    _lock: Lock,
}

impl RedbBackend {
    /// Opens the store at `path`, or makes it if there is no file. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Held`] if somebody else has it open, [`StoreError::NewerSchema`],
    /// [`StoreError::Corrupt`], [`StoreError::Read`]. A damaged file is never replaced.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let database = file::open_or_create(path, |database| create_tables(path, database))?;
        Ok(Self {
            path: path.to_owned(),
            database: Some(database),
            _lock: lock,
        })
    }

    fn corrupt(&self, detail: impl std::fmt::Display) -> StoreError {
        StoreError::Corrupt {
            path: self.path.clone(),
            detail: detail.to_string(),
        }
    }

    fn reading(&self, source: impl Into<redb::Error>) -> StoreError {
        match source.into() {
            redb::Error::Corrupted(detail) => self.corrupt(detail),
            source @ (redb::Error::TableDoesNotExist(_)
            | redb::Error::TableTypeMismatch { .. }
            | redb::Error::TableIsMultimap(_)
            | redb::Error::TypeDefinitionChanged { .. }) => self.corrupt(source),
            source => StoreError::Read {
                path: self.path.clone(),
                doing: "read",
                source: source.into(),
            },
        }
    }

    fn read(&self, database: &Database) -> Result<Snapshot, StoreError> {
        let storage = |source: StorageError| self.reading(source);
        let table = |source: TableError| self.reading(source);
        let txn = database.begin_read().map_err(|e| self.reading(e))?;

        // The schema comes first: a newer one may have other tables.
        let meta = txn.open_table(META).map_err(table)?;
        let number = |name| -> Result<u64, StoreError> {
            let value = meta.get(name).map_err(storage)?;
            let missing = || self.corrupt(format_args!("{name} is missing"));
            value.map(|v| v.value()).ok_or_else(missing)
        };
        let found = number("schema")?;
        if found > SCHEMA {
            return Err(StoreError::NewerSchema {
                path: self.path.clone(),
                found,
                supported: SCHEMA,
            });
        }
        let ceiling = number("ceiling")?;

        let mut records = BTreeMap::new();
        for row in txn
            .open_table(RECORDS)
            .map_err(table)?
            .iter()
            .map_err(storage)?
        {
            let (generation, json) = row.map_err(storage)?;
            let generation = generation.value();
            let record: Record = serde_json::from_slice(json.value())
                .map_err(|e| self.corrupt(format_args!("record {generation}: {e}")))?;
            if record.generation != generation {
                return Err(self.corrupt(format_args!(
                    "record {generation} says that it is {}",
                    record.generation
                )));
            }
            records.insert(generation, Arc::new(record));
        }
        let mut released = BTreeMap::new();
        for row in txn
            .open_table(RELEASED)
            .map_err(table)?
            .iter()
            .map_err(storage)?
        {
            let (seq, value) = row.map_err(storage)?;
            let (seq, value) = (seq.value(), value.value());
            released.insert(seq, decode(seq, value).map_err(|e| self.corrupt(e))?);
        }
        Ok(Snapshot {
            records,
            released,
            ceiling,
        })
    }
}

impl Backend for RedbBackend {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        let database = match self.database.take() {
            Some(database) => database,
            None => file::open(&self.path)?,
        };
        let snapshot = self.read(&database)?;
        self.database = Some(database);
        Ok(snapshot)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        // redb refuses everything after an I/O error until it is opened again, so a failed
        // write lets go of the database and the next load opens it.
        let Some(database) = self.database.take() else {
            return Err(StoreError::Write {
                path: self.path.clone(),
                source: "it is closed after a failed write".into(),
            });
        };
        write(&database, changes).map_err(|source| StoreError::Write {
            path: self.path.clone(),
            source,
        })?;
        self.database = Some(database);
        Ok(())
    }
}

type WriteError = Box<dyn std::error::Error + Send + Sync>;

fn write(database: &Database, changes: &[Change]) -> Result<(), WriteError> {
    let txn = database.begin_write()?;
    write_all(&txn, changes)?;
    txn.commit()?;
    Ok(())
}

fn write_all(txn: &WriteTransaction, changes: &[Change]) -> Result<(), WriteError> {
    let mut meta = txn.open_table(META)?;
    let mut records = txn.open_table(RECORDS)?;
    let mut released = txn.open_table(RELEASED)?;
    for change in changes {
        match change {
            Change::Put(record) => {
                let json = serde_json::to_vec(&**record)?;
                records.insert(record.generation, json.as_slice())?;
            }
            Change::Remove(generation) => {
                records.remove(generation)?;
            }
            Change::Released(row) => {
                released.insert(row.seq, encode(row))?;
            }
            Change::Forgotten(seq) => {
                released.remove(seq)?;
            }
            Change::Ceiling(ceiling) => {
                meta.insert("ceiling", ceiling)?;
            }
        }
    }
    Ok(())
}

fn create_tables(path: &Path, database: &Database) -> Result<(), StoreError> {
    let create = || -> Result<(), WriteError> {
        let txn = database.begin_write()?;
        {
            let mut meta = txn.open_table(META)?;
            meta.insert("schema", SCHEMA)?;
            meta.insert("ceiling", 1)?;
            txn.open_table(RECORDS)?;
            txn.open_table(RELEASED)?;
        }
        txn.commit()?;
        Ok(())
    };
    create().map_err(|source| StoreError::Write {
        path: path.to_owned(),
        source,
    })
}

fn encode(row: &ReleasedRow) -> (u8, u128, u64, u16, u64) {
    let family = match row.ip {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 6,
    };
    let at = row.at.as_millis();
    (family, bits_of(row.ip), at, row.slot, row.generation)
}

fn decode(seq: u64, row: (u8, u128, u64, u16, u64)) -> Result<ReleasedRow, String> {
    let (family, bits, at, slot, generation) = row;
    let family = match family {
        4 if bits <= u128::from(u32::MAX) => Family::V4,
        6 => Family::V6,
        _ => return Err(format!("release {seq} is of no address")),
    };
    Ok(ReleasedRow {
        seq,
        ip: ip_of(family, bits),
        at: Timestamp::from_millis(at),
        slot,
        generation,
    })
}
