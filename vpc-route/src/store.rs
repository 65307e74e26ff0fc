//! What is kept between two runs: since when orphans are known, and the states of our entries
//! before each change, to go back to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use flatnet_files::replace_shared;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::diff::Sightings;
use crate::model::{DesiredTable, TableId, Timestamp};

/// So many states are kept.
const KEPT: usize = 100;

/// Our entries of every table, as they were at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Its number; they count up.
    pub number: u64,
    /// Time of the round that recorded it.
    pub at: Timestamp,
    /// What was ours in each table.
    pub tables: Vec<DesiredTable>,
}

/// Why something cannot be kept or found again.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum StoreError {
    /// A file.
    #[error("cannot {doing} {}", path.display())]
    Io {
        /// `read`, `write`, `list` or `remove`.
        doing: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A file that is not what was written: cut off, altered, or of a newer version.
    #[error(
        "{} is damaged or of a newer version, and is left as it is: put a copy back, or move it \
         away (docs/vpc-route.md says what is lost with it)",
        path.display()
    )]
    Damaged {
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The numbers have come to their end.
    #[error("{} has the highest number that there is: move it away", path.display())]
    NoNumber {
        /// The record.
        path: PathBuf,
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

/// Since when each orphan of each table is known.
pub type OrphanSightings = BTreeMap<TableId, Sightings>;

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
    pub fn orphans(&self) -> Result<OrphanSightings, StoreError> {
        Ok(read(&self.directory.join("orphans.json"))?.unwrap_or_default())
    }

    /// Keeps since when orphans are known, for later processes.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn keep_orphans(&self, seen: &OrphanSightings) -> Result<(), StoreError> {
        write(&self.directory.join("orphans.json"), seen)
    }

    /// Records a state; the oldest go.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn record(&self, at: Timestamp, tables: Vec<DesiredTable>) -> Result<u64, StoreError> {
        let numbers = self.numbers()?;
        let last = numbers.last().copied().unwrap_or(0);
        let number = last.checked_add(1).ok_or_else(|| StoreError::NoNumber {
            path: self.path(last),
        })?;
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
            // `+7` and `07` are numbers too, and not names of ours.
            let number = number.and_then(|n| n.parse::<u64>().ok().filter(|p| p.to_string() == n));
            found.extend(number);
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
    let text = flatnet_files::read_if_there(path, flatnet_files::STATE_MAX);
    let Some(text) = text.map_err(|e| error("read", path, e))? else {
        return Ok(None);
    };
    let value = serde_json::from_slice(&text);
    value.map(Some).map_err(|source| StoreError::Damaged {
        path: path.to_owned(),
        source,
    })
}

/// Writes a JSON file whole, or not at all.
pub(crate) fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), StoreError> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| error("write", path, e.into()))?;
    replace_shared(path, &text).map_err(|e| error("write", path, e))
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
    fn known_orphans_and_the_pin_are_found_again() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let sightings = Sightings::from([("10.0.0.0/24".parse().unwrap(), Timestamp(7))]);
        let seen = OrphanSightings::from([(TableId("vtb-1".into()), sightings)]);
        store.keep_orphans(&seen).unwrap();
        assert_eq!(store.orphans().unwrap(), seen);
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

    #[test]
    fn what_is_damaged_is_named_and_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        store.record(Timestamp(1), Vec::new()).unwrap();
        let pin = store.load(None).unwrap();
        store.pin(Some(&pin)).unwrap();
        let path = directory.path().join("pinned.json");
        let whole = std::fs::read(&path).unwrap();
        for end in 0..whole.len() {
            std::fs::write(&path, &whole[..end]).unwrap();
            let error = store.pinned().unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error:?}");
            assert!(error.to_string().contains("pinned.json"), "{error}");
            assert_eq!(std::fs::read(&path).unwrap(), whole[..end]);
        }
        let newer = r#"{"number": 1, "at": 1, "tables": [], "more": 1}"#;
        std::fs::write(&path, newer).unwrap();
        let error = store.pinned().unwrap_err().to_string();
        assert!(error.contains("newer version"), "{error}");
        for target in ["/mnt/not-mounted/pinned.json", "/dev/zero", "/"] {
            std::fs::remove_file(&path).unwrap();
            std::os::unix::fs::symlink(target, &path).unwrap();
            assert!(store.pinned().is_err(), "{target} is taken for no pin");
        }
    }

    #[test]
    fn names_that_are_no_records_and_the_highest_number_do_no_harm() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let records = directory.path().join("records");
        for name in ["+7.json", "007.json", "-1.json", "x.json", "9"] {
            std::fs::write(records.join(name), "{").unwrap();
        }
        assert_eq!(store.record(Timestamp(1), Vec::new()).unwrap(), 1);
        std::fs::write(records.join(format!("{}.json", u64::MAX)), "{").unwrap();
        let error = store.record(Timestamp(2), Vec::new()).unwrap_err();
        assert!(
            error.to_string().contains("18446744073709551615.json"),
            "{error}"
        );
    }
}
