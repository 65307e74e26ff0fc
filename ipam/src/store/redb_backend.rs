//! The store in a redb file. Each batch is one commit, hence one fsync.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;

use redb::{
    ReadTransaction, ReadableTable, StorageError, TableDefinition, TableError, WriteTransaction,
};

use super::{
    Backend, Change, Lock, ReadErrors, RedbFile, ReleasedRow, SCHEMA, Snapshot, StoreError,
    WriteError, with_suffix,
};
use crate::range::{Family, bits_of, ip_of};
use crate::record::Record;
use flatnet_types::Timestamp;

/// `schema`, `ceiling`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");
/// Generation → the record in JSON, to which later versions can add fields.
const RECORDS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("records");
/// Release number → (family 4 or 6, address, ms since the epoch, slot, generation).
const RELEASED: TableDefinition<'_, u64, (u8, u128, u64, u16, u64)> =
    TableDefinition::new("released");

/// The durable store: a redb file of mode 0600, and a lock file beside it.
#[derive(Debug)]
pub struct RedbBackend(RedbFile);

impl RedbBackend {
    /// Opens the store at `path`, or creates it if there is no file. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Held`] if another process has it open, [`StoreError::NewerSchema`],
    /// [`StoreError::Corrupt`], [`StoreError::Read`]; [`StoreError::Lost`] where there was a store
    /// in this boot and it is gone. A damaged file is never replaced, nor one that is lost.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let failed = |source: std::io::Error| StoreError::Read {
            path: path.to_owned(),
            doing: "find",
            source: source.into(),
        };
        if lock.store_existed() && !flatnet_files::is_there(path).map_err(failed)? {
            return Err(StoreError::Lost {
                path: path.to_owned(),
                lock: with_suffix(path, "lock"),
            });
        }
        let mut file = RedbFile::open_or_create(path, lock, create_tables)?;
        file.lock().record_store().map_err(failed)?;
        Ok(Self(file))
    }
}

impl Backend for RedbBackend {
    fn load(&mut self) -> Result<Snapshot, StoreError> {
        self.0.load(read)
    }

    fn apply(&mut self, changes: &[Change]) -> Result<(), StoreError> {
        self.0.write(|txn| write(txn, changes), Ok)
    }
}

fn read(txn: &ReadTransaction, reading: ReadErrors<'_>) -> Result<Snapshot, StoreError> {
    let storage = |source: StorageError| reading.failed(source);
    let table = |source: TableError| reading.failed(source);
    // The schema comes first: a newer one may have other tables.
    let meta = txn.open_table(META).map_err(table)?;
    reading.schema(&meta, SCHEMA)?;
    let ceiling = reading.number(&meta, "ceiling")?;

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
            .map_err(|e| reading.corrupt(format_args!("record {generation}: {e}")))?;
        if record.generation != generation {
            return Err(reading.corrupt(format_args!(
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
        released.insert(seq, decode(seq, value).map_err(|e| reading.corrupt(e))?);
    }
    Ok(Snapshot {
        records,
        released,
        ceiling,
    })
}

fn write(txn: &WriteTransaction, changes: &[Change]) -> Result<(), WriteError> {
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

fn create_tables(txn: &WriteTransaction) -> Result<(), WriteError> {
    let mut meta = txn.open_table(META)?;
    meta.insert("schema", SCHEMA)?;
    meta.insert("ceiling", 1)?;
    txn.open_table(RECORDS)?;
    txn.open_table(RELEASED)?;
    Ok(())
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
