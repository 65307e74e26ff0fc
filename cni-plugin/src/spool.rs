//! The spool's files: DELs that wait for netd. The form of an entry, and the rule that
//! keeps a later attachment from it, are in [`flatnet_types::spool`].
//!
//! ```text
//!   flatnet: write <hash>.tmp, fsync, rename to <hash>.json, fsync the directory ─ answer
//!   netd:    read_all ─▶ for each, oldest first: applies_to? detach ─▶ remove
//! ```
//!
//! **Guarantees.** After [`Spool::write`] the entry survives a crash of the host. A crash
//! before that leaves at most a `.tmp`, which nobody reads and the next
//! [`Spool::read_all`] deletes. [`Spool::remove`] removes only what was read: a DEL that was
//! spooled in the meantime stays. Writers and readers exclude each other by a lock on the
//! directory, which a process that dies lets go.
//!
//! Everything here blocks: an async daemon calls it on a thread of its own. netd replays at
//! its start, before it serves, and now and then later: a plugin spools also when a netd
//! that runs did not answer in time.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use flatnet_types::spool::{
    BAD_SUFFIX, ENTRY_LIMIT, FORMAT, SUFFIX, SpooledDel, TEMP_SUFFIX, stem,
};
use thiserror::Error;

/// A spool directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
}

/// Why the spool could not be used.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {source}", .path.display())]
pub struct SpoolError {
    /// What was tried.
    pub doing: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the system said.
    #[source]
    pub source: io::Error,
}

/// Why one file of the spool is no entry.
#[derive(Debug, Error)]
pub enum BadEntryError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// Not a regular file.
    #[error("it is not a regular file")]
    NotAFile,
    /// Longer than an entry is.
    #[error("it is longer than {ENTRY_LIMIT} bytes")]
    TooLong,
    /// Not an entry's JSON.
    #[error("it is not an entry: {0}")]
    Json(#[from] serde_json::Error),
    /// Written by a newer plugin.
    #[error("its format {found} is not known here, only {FORMAT}")]
    Format {
        /// The format that it names.
        found: u32,
    },
}

/// An entry, and the file that holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What to do.
    pub del: SpooledDel,
    path: PathBuf,
}

/// A file that is no entry.
#[derive(Debug)]
pub struct BadEntry {
    /// Where it was moved to, or, if that failed too, where it still is.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: BadEntryError,
}

/// What is in a spool.
#[derive(Debug, Default)]
pub struct Listing {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Moved aside: worth a warning each.
    pub bad: Vec<BadEntry>,
}

/// What came of a [`Spool::replay`].
#[derive(Debug)]
pub struct Replay<E> {
    /// How many were done, and removed.
    pub done: usize,
    /// Those that failed, which stay.
    pub failed: Vec<(Entry, E)>,
    /// Those that were done and could not be removed: they will be done again.
    pub kept: Vec<SpoolError>,
    /// Files that were moved aside.
    pub bad: Vec<BadEntry>,
}

impl SpoolError {
    fn at<'a>(doing: &'static str, path: &'a Path) -> impl FnOnce(io::Error) -> Self + 'a {
        move |source| Self {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

impl Spool {
    /// The spool in `dir`.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// Records a DEL durably; one of the same key is replaced. Creates the directory
    /// (mode 0700) if it is missing. Entries have mode 0600.
    ///
    /// # Errors
    /// [`SpoolError`]: then nothing may be promised.
    pub fn write(&self, del: &SpooledDel) -> Result<(), SpoolError> {
        self.create_dir(&self.dir)?;
        let dir = self.lock()?;
        let temp = self
            .dir
            .join(format!("{}{TEMP_SUFFIX}", stem(&del.request.key)));
        let path = self.dir.join(del.file_name());
        // Left by a writer that died: nobody else is in here.
        remove_if_there(&temp)?;
        let written = write_new(&temp, del).and_then(|()| fs::rename(&temp, &path));
        if let Err(e) = written {
            // The error that matters is the first one.
            let _ = fs::remove_file(&temp);
            return Err(SpoolError::at("write", &path)(e));
        }
        dir.sync_all().map_err(SpoolError::at("sync", &self.dir))
    }

    /// Every entry, oldest first. What is no entry is renamed to `*.bad` and reported;
    /// leftovers of a crash are deleted. A spool that does not exist is empty.
    ///
    /// # Errors
    /// [`SpoolError`] if the directory cannot be read.
    pub fn read_all(&self) -> Result<Listing, SpoolError> {
        if !self.dir.exists() {
            return Ok(Listing::default());
        }
        let _lock = self.lock()?;
        let mut listing = Listing::default();
        let read = SpoolError::at("read", &self.dir);
        let files = fs::read_dir(&self.dir).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        for file in files.map_err(read)? {
            let path = file.path();
            let name = file.file_name();
            let name = name.to_string_lossy();
            if name.ends_with(TEMP_SUFFIX) {
                remove_if_there(&path)?;
            } else if name.ends_with(SUFFIX) {
                match read_entry(&path) {
                    Ok(del) => listing.entries.push(Entry { del, path }),
                    Err(reason) => listing.bad.push(move_aside(path, reason)),
                }
            }
        }
        listing
            .entries
            .sort_by(|a, b| (a.del.spooled_at_ms, &a.path).cmp(&(b.del.spooled_at_ms, &b.path)));
        Ok(listing)
    }

    /// Removes an entry that was done, unless its file holds another one by now. Returns
    /// whether it was removed.
    ///
    /// # Errors
    /// [`SpoolError`] if the file cannot be removed: the entry will be read again, and a DEL
    /// may be repeated.
    pub fn remove(&self, entry: &Entry) -> Result<bool, SpoolError> {
        let dir = self.lock()?;
        match read_entry(&entry.path) {
            Ok(del) if del == entry.del => {
                remove_if_there(&entry.path)?;
                dir.sync_all().map_err(SpoolError::at("sync", &self.dir))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// Does every entry, oldest first, and removes each that succeeded. `detach` decides by
    /// [`SpooledDel::applies_to`]; an entry that does not apply is done by doing nothing.
    ///
    /// # Errors
    /// [`SpoolError`] if the directory cannot be read; nothing was done then.
    pub fn replay<E>(
        &self,
        mut detach: impl FnMut(&SpooledDel) -> Result<(), E>,
    ) -> Result<Replay<E>, SpoolError> {
        let Listing { entries, bad } = self.read_all()?;
        let mut replay = Replay {
            done: 0,
            failed: Vec::new(),
            kept: Vec::new(),
            bad,
        };
        for entry in entries {
            match detach(&entry.del) {
                Err(e) => replay.failed.push((entry, e)),
                Ok(()) => match self.remove(&entry) {
                    Ok(_) => replay.done += 1,
                    Err(e) => replay.kept.push(e),
                },
            }
        }
        Ok(replay)
    }

    /// Creates what is missing of `dir`, and makes each new name durable.
    fn create_dir(&self, dir: &Path) -> Result<(), SpoolError> {
        if dir.is_dir() {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        self.create_dir(parent)?;
        match DirBuilder::new().mode(0o700).create(dir) {
            // Another call was quicker.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            created => created.map_err(SpoolError::at("create", dir))?,
        }
        File::open(parent)
            .and_then(|d| d.sync_all())
            .map_err(SpoolError::at("sync", parent))
    }

    /// The directory, locked until it is dropped (flock(2)).
    fn lock(&self) -> Result<File, SpoolError> {
        let dir = File::open(&self.dir).map_err(SpoolError::at("open", &self.dir))?;
        dir.lock().map_err(SpoolError::at("lock", &self.dir))?;
        Ok(dir)
    }
}

fn write_new(path: &Path, del: &SpooledDel) -> io::Result<()> {
    let text = serde_json::to_vec(del)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(&text)?;
    file.sync_all()
}

fn read_entry(path: &Path) -> Result<SpooledDel, BadEntryError> {
    // Not followed and not opened if it is something else: a FIFO would block.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(BadEntryError::NotAFile);
    }
    let mut text = Vec::new();
    File::open(path)?
        .take(ENTRY_LIMIT + 1)
        .read_to_end(&mut text)?;
    if text.len() as u64 > ENTRY_LIMIT {
        return Err(BadEntryError::TooLong);
    }
    let del: SpooledDel = serde_json::from_slice(&text)?;
    if del.format != FORMAT {
        return Err(BadEntryError::Format { found: del.format });
    }
    Ok(del)
}

fn move_aside(path: PathBuf, reason: BadEntryError) -> BadEntry {
    let mut aside = path.clone().into_os_string();
    aside.push(BAD_SUFFIX);
    let aside = PathBuf::from(aside);
    match fs::rename(&path, &aside) {
        Ok(()) => BadEntry {
            path: aside,
            reason,
        },
        Err(_) => BadEntry { path, reason },
    }
}

fn remove_if_there(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SpoolError::at("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
