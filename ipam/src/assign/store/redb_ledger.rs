//! The ledger in a redb file. One commit is one fsync, whatever the batch holds, and one
//! more for the mark.

use std::path::Path;

use redb::{
    ReadTransaction, ReadableTable, StorageError, TableDefinition, TableError, WriteTransaction,
};

use super::mark::{self, Mark};
use super::{Entry, LEDGER_SCHEMA, LedgerSaved, LedgerStore, Start, Trust};
use crate::assign::keys::{key_of, overlap};
use crate::range::Family;
use crate::store::{Lock, ReadErrors, RedbFile, StoreError, WriteError};
use flatnet_types::ipamd::{Incarnation, Lease};

/// `schema`, `sequence`.
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("ledger");
/// (Family 4 or 6, first address) → the lease in JSON.
const LEASES: TableDefinition<'_, (u8, u128), &[u8]> = TableDefinition::new("leases");
/// Start → (incarnation, the sequence at which it began).
const STARTS: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("starts");

/// The durable ledger: a redb file of mode 0600, a lock and a mark beside it.
#[derive(Debug)]
pub struct RedbLedger {
    mark: Mark,
    trust: Trust,
    // Dropped last: its lock goes when all else is closed.
    file: RedbFile,
}

impl RedbLedger {
    /// Creates a ledger at `path`, where there must be none. `trust` is stored until the first
    /// start: [`Trust::New`] for a new cluster, [`Trust::RestoredFromBackup`] after a loss.
    ///
    /// # Errors
    /// [`StoreError`]; [`StoreError::Exists`] if there is a ledger.
    pub fn create(path: &Path, trust: Trust) -> Result<(), StoreError> {
        let lock = Lock::take(path)?;
        let reading = |source: std::io::Error| StoreError::Read {
            path: path.to_owned(),
            doing: "create",
            source: source.into(),
        };
        if flatnet_files::is_there(path).map_err(reading)? {
            return Err(StoreError::Exists {
                path: path.to_owned(),
            });
        }
        // A mark without its ledger is of a ledger that was lost: hosts hold ranges.
        let left = mark::read(path).map_err(reading)?;
        let distrusted =
            trust == Trust::RestoredFromBackup || left.is_some_and(|sequence| sequence > 0);
        let _file = RedbFile::open_or_create(path, lock, |txn| create_tables(txn, distrusted))?;
        Mark::open(path).map_err(reading)?;
        Ok(())
    }

    /// Opens the ledger at `path`, which must be there. Blocks.
    ///
    /// # Errors
    /// [`StoreError::Held`], [`StoreError::NewerSchema`], [`StoreError::Corrupt`],
    /// [`StoreError::Read`], also for a file that is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let lock = Lock::take(path)?;
        let mut file = RedbFile::open(path, lock)?;
        let reading = |source: std::io::Error| StoreError::Read {
            path: path.to_owned(),
            doing: "open the mark of",
            source: source.into(),
        };
        let marked = mark::read(path).map_err(reading)?;
        let mark = Mark::open(path).map_err(reading)?;
        let saved = file.load(read)?;
        let trust = match marked {
            // A ledger without its mark, or behind it, is a copy.
            None => Trust::RestoredFromBackup,
            Some(marked) if marked > saved.sequence => Trust::RestoredFromBackup,
            Some(_) if saved.distrusted => Trust::RestoredFromBackup,
            Some(_) if saved.starts.is_empty() => Trust::New,
            Some(_) => Trust::Current,
        };
        Ok(Self { mark, trust, file })
    }

    /// Whether it is up to date.
    pub fn trust(&self) -> Trust {
        self.trust
    }
}

fn read(txn: &ReadTransaction, reading: ReadErrors<'_>) -> Result<LedgerSaved, StoreError> {
    let storage = |source: StorageError| reading.failed(source);
    let table = |source: TableError| reading.failed(source);
    let meta = txn.open_table(META).map_err(table)?;
    reading.schema(&meta, LEDGER_SCHEMA)?;
    let sequence = reading.number(&meta, "sequence")?;
    let distrusted = reading.number(&meta, "trust")? == DISTRUSTED;
    let mut leases: Vec<Lease> = Vec::new();
    for row in txn
        .open_table(LEASES)
        .map_err(table)?
        .iter()
        .map_err(storage)?
    {
        let (_, json) = row.map_err(storage)?;
        let lease: Lease = serde_json::from_slice(json.value())
            .map_err(|e| reading.corrupt(format_args!("a lease cannot be read: {e}")))?;
        if let Some(before) = leases.last()
            && overlap(before.prefix, lease.prefix)
        {
            let (a, b) = (before.prefix, lease.prefix);
            return Err(reading.corrupt(format_args!("two leases overlap: {a} and {b}")));
        }
        leases.push(lease);
    }
    let mut starts = Vec::new();
    for row in txn
        .open_table(STARTS)
        .map_err(table)?
        .iter()
        .map_err(storage)?
    {
        let (number, value) = row.map_err(storage)?;
        let (incarnation, first) = value.value();
        starts.push(Start {
            number: number.value(),
            incarnation: Incarnation(incarnation),
            first,
        });
    }
    Ok(LedgerSaved {
        leases,
        starts,
        sequence,
        distrusted,
    })
}

/// Value of `trust` in a ledger that is an older copy or was created after a loss.
const DISTRUSTED: u64 = 1;

impl LedgerStore for RedbLedger {
    fn load(&mut self) -> Result<LedgerSaved, StoreError> {
        self.file.load(read)
    }

    fn apply(&mut self, entries: &[Entry]) -> Result<(), StoreError> {
        let mark = &mut self.mark;
        self.file.write(
            |txn| write(txn, entries),
            |sequence| match sequence {
                Some(sequence) => Ok(mark.write(sequence)?),
                None => Ok(()),
            },
        )
    }
}

fn write(txn: &WriteTransaction, entries: &[Entry]) -> Result<Option<u64>, WriteError> {
    let mut meta = txn.open_table(META)?;
    let mut leases = txn.open_table(LEASES)?;
    let mut starts = txn.open_table(STARTS)?;
    let mut last = None;
    for entry in entries {
        match entry {
            Entry::Put(lease) => {
                let json = serde_json::to_vec(lease)?;
                leases.insert(row_of(lease.prefix), json.as_slice())?;
            }
            Entry::Remove(prefix) => {
                leases.remove(row_of(*prefix))?;
            }
            Entry::Started(start) => {
                starts.insert(start.number, (start.incarnation.0, start.first))?;
            }
            Entry::Sequence(sequence) => {
                meta.insert("sequence", sequence)?;
                last = Some(*sequence);
            }
            Entry::Trusted(trusted) => {
                meta.insert("trust", if *trusted { 0 } else { DISTRUSTED })?;
            }
        }
    }
    Ok(last)
}

fn row_of(prefix: ipnetwork::IpNetwork) -> (u8, u128) {
    match key_of(prefix) {
        (Family::V4, first) => (4, first),
        (Family::V6, first) => (6, first),
    }
}

fn create_tables(txn: &WriteTransaction, distrusted: bool) -> Result<(), WriteError> {
    let mut meta = txn.open_table(META)?;
    meta.insert("schema", LEDGER_SCHEMA)?;
    meta.insert("sequence", 0)?;
    meta.insert("trust", if distrusted { DISTRUSTED } else { 0 })?;
    txn.open_table(LEASES)?;
    txn.open_table(STARTS)?;
    Ok(())
}
