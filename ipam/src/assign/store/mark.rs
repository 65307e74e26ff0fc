//! The mark beside the ledger: how far it had come, in a file of its own.
//!
//! The ledger is written first and the mark after it, before anybody is told. So a mark that
//! is ahead of its ledger means one thing only: the ledger is an older copy.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::store::beside;

/// Digits of a mark: all are written in place each time.
const DIGITS: usize = 20;

/// The most bytes of a mark that are read.
const MARK_MAX: u64 = 64;

/// The sequence that the mark of the ledger at `path` says; none where there is no mark.
///
/// # Errors
/// If it cannot be read or is no mark.
pub fn read(path: &Path) -> io::Result<Option<u64>> {
    let Some(bytes) = flatnet_files::read_if_there(&mark_of(path), MARK_MAX)? else {
        return Ok(None);
    };
    let text = flatnet_files::text(bytes)?;
    let damaged = |_| {
        let mark = mark_of(path);
        let words = format!(
            "the mark {} holds no number: it is left as it is; put a copy back, or remove it, and \
             nothing new is granted until every host has said what it holds",
            mark.display()
        );
        io::Error::new(io::ErrorKind::InvalidData, words)
    };
    text.trim().parse().map(Some).map_err(damaged)
}

fn mark_of(path: &Path) -> PathBuf {
    beside(path, "mark")
}

/// The mark, open for writing.
#[derive(Debug)]
pub(super) struct Mark(File);

impl Mark {
    /// Opens the mark of the ledger at `path`, or makes it.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let at = mark_of(path);
        if !at.try_exists()? {
            // Born whole: a mark of no digits would be damage.
            let unborn = beside(path, "mark.new");
            let mut file = OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&unborn)?;
            file.write_all(digits(0).as_bytes())?;
            file.sync_all()?;
            fs::rename(&unborn, &at)?;
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
