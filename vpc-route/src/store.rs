//! What is kept between two runs: since when orphans are known, and the states of our entries
//! before each change, to go back to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::diff::Sightings;
use crate::model::{DesiredTable, TableId, Timestamp};
use crate::router::replace;

/// So many states are kept.
const KEPT: usize = 100;

/// Our entries of every table, as they were at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number; they count up.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// What was ours in each table.
    pub tables: Vec<DesiredTable>,
}

/// Why something cannot be kept or found again.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `read`, `write`, `list` or `remove`.
        doing: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// No such record.
    #[error("there is no recorded state {number}; there are {}", list(there))]
    NoRecord {
        /// The one asked for.
        number: u64,
        /// Those that are there.
        there: Vec<u64>,
    },
}

fn list(numbers: &[u64]) -> String {
    let text: Vec<String> = numbers.iter().map(u64::to_string).collect();
    if text.is_empty() {
        "none".to_owned()
    } else {
        text.join(", ")
    }
}

/// A directory.
#[derive(Debug, Clone)]
pub struct Store {
    directory: PathBuf,
}

/// The orphans of each table.
pub type Seen = BTreeMap<TableId, Sightings>;

impl Store {
    /// A store in this directory, which is made where it is not there.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let records = directory.join("records");
        std::fs::create_dir_all(&records).map_err(|e| error("write", &records, e))?;
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// Since when orphans are known.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn seen(&self) -> Result<Seen, StoreError> {
        Ok(read(&self.directory.join("orphans.json"))?.unwrap_or_default())
    }

    /// Remembers since when orphans are known.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn remember(&self, seen: &Seen) -> Result<(), StoreError> {
        write(&self.directory.join("orphans.json"), seen)
    }

    /// Records a state; the oldest go.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn record(&self, at: Timestamp, tables: Vec<DesiredTable>) -> Result<u64, StoreError> {
        let numbers = self.numbers()?;
        let number = numbers.last().map_or(1, |last| last + 1);
        write(&self.path(number), &Record { number, at, tables })?;
        for old in numbers.iter().rev().skip(KEPT - 1) {
            let path = self.path(*old);
            std::fs::remove_file(&path).map_err(|e| error("remove", &path, e))?;
        }
        Ok(number)
    }

    /// The numbers of the recorded states, sorted.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn numbers(&self) -> Result<Vec<u64>, StoreError> {
        let directory = self.directory.join("records");
        let fail = |e| error("list", &directory, e);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&directory).map_err(fail)? {
            let name = entry.map_err(fail)?.file_name();
            let number = name.to_str().and_then(|n| n.strip_suffix(".json"));
            found.extend(number.and_then(|n| n.parse::<u64>().ok()));
        }
        found.sort_unstable();
        Ok(found)
    }

    /// A recorded state; without a number, the last.
    ///
    /// # Errors
    /// [`StoreError`].
    pub fn load(&self, number: Option<u64>) -> Result<Record, StoreError> {
        let there = self.numbers()?;
        let number = number.or(there.last().copied()).unwrap_or(0);
        let record = read(&self.path(number))?;
        record.ok_or(StoreError::NoRecord { number, there })
    }

    /// The state that is held to instead of the plan, after a rollback.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn pinned(&self) -> Result<Option<Record>, StoreError> {
        read(&self.directory.join("pinned.json"))
    }

    /// Holds to a state, or to the plan again.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn pin(&self, record: Option<&Record>) -> Result<(), StoreError> {
        let path = self.directory.join("pinned.json");
        match record {
            Some(record) => write(&path, record),
            None => match std::fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    Err(error("remove", &path, e))
                }
                _ => Ok(()),
            },
        }
    }

    fn path(&self, number: u64) -> PathBuf {
        self.directory.join(format!("records/{number}.json"))
    }
}

/// A JSON file; none where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(error("read", path, e)),
    };
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|e| error("read", path, e.into()))
}

/// Writes a JSON file whole, or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| error("write", path, e.into()))?;
    replace(path, &text).map_err(|e| error("write", path, e))
}

fn error(doing: &'static str, path: &Path, source: std::io::Error) -> StoreError {
    StoreError::Io {
        doing,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_count_up_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        for n in 1..=103 {
            assert_eq!(store.record(Timestamp(n), Vec::new()).unwrap(), n);
        }
        let numbers = store.numbers().unwrap();
        assert_eq!((numbers.len(), numbers[0]), (100, 4));
        assert_eq!(store.load(None).unwrap().at, Timestamp(103));
        let error = store.load(Some(2)).unwrap_err().to_string();
        assert!(
            error.starts_with("there is no recorded state 2; there are 4, 5"),
            "{error}"
        );
    }

    #[test]
    fn what_was_seen_and_pinned_is_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let sightings = Sightings::from([("10.0.0.0/24".parse().unwrap(), Timestamp(7))]);
        let seen = Seen::from([(TableId("vtb-1".into()), sightings)]);
        store.remember(&seen).unwrap();
        assert_eq!(store.seen().unwrap(), seen);
        let record = Record {
            number: 1,
            at: Timestamp(1),
            tables: Vec::new(),
        };
        store.pin(Some(&record)).unwrap();
        assert_eq!(store.pinned().unwrap(), Some(record));
        store.pin(None).unwrap();
        store.pin(None).unwrap();
        assert_eq!(store.pinned().unwrap(), None);
    }
}
