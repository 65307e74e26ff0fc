//! The mark: the ledger's sequence, in a file beside the ledger (`ledger.redb.mark`).
//!
//! The ledger is written first, then the mark, and only then is an answer published. So a mark that
//! is ahead of its ledger proves that the ledger is an older copy.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::store::with_suffix;

/// Decimal digits of a mark, with leading zeros. All are overwritten in place each time.
const DIGITS: usize = 20;

/// The most bytes of a mark's file that are read.
const MARK_MAX: u64 = 64;

/// The sequence in the mark of the ledger at `path`; `None` if there is no mark.
///
/// # Errors
/// If it cannot be read or holds no number.
pub fn read(path: &Path) -> io::Result<Option<u64>> {
    let Some(bytes) = flatnet_files::read_if_there(&mark_of(path), MARK_MAX)? else {
        return Ok(None);
    };
    let text = flatnet_files::text(bytes)?;
    let damaged = |_| {
        let mark = mark_of(path);
        let words = format!(
            "the mark {} holds no number: it is left as it is; put a copy back, or remove it, and \
             nothing new is granted until every host has reported what it holds",
            mark.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, words)
    };
    text.trim().parse().map(Some).map_err(damaged)
}

fn mark_of(path: &Path) -> PathBuf {
    with_suffix(path, "mark")
}

/// The mark, open for writing.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of the ledger at `path`, or creates it with the sequence 0.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let at = mark_of(path);
        if !at.try_exists()? {
            // Written under another name and renamed: an empty mark would count as damaged.
            flatnet_files::replace(&at, digits(0).as_bytes())?;
        }
        Ok(Self(OpenOptions::new().write(true).open(at)?))
    }

    /// Writes `sequence` and waits until the disk has it. The 21 bytes are within one
    /// sector, which disks write whole or not at all.
    pub(super) fn write(&self, sequence: u64) -> io::Result<()> {
        self.0.write_all_at(digits(sequence).as_bytes(), 0)?;
        self.0.sync_data()
    }
}

fn digits(sequence: u64) -> String {
    format!("{sequence:0DIGITS$}\n")
}
