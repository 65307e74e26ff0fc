//! The spool's files: DELs that wait for netd. The form of an entry, and the rule that
//! keeps a later attachment from it, are in [`flatnet_types::spool`].
//!
//! ```text
//!   flatnet: write <hash>.tmp, fsync, rename to <hash>.json, fsync the directory ─ answer
//!   netd:    read_after ─▶ for each, oldest first: applies_to? detach ─▶ remove
//! ```
//!
//! **Guarantees.** After [`Spool::write`] the entry survives a crash of the host. A crash
//! before that leaves at most a `.tmp`, which nobody reads and the next
//! [`Spool::read_after`] deletes. [`Spool::remove`] removes only what was read: a DEL that was
//! spooled in the meantime stays. Writers and readers exclude each other by a lock on the
//! directory, which a process that dies lets go; who cannot have it in time says so.
//!
//! **The directory is root's alone**, and so is an entry. What else is in it (a symbolic link, a
//! FIFO, another user's file, one that is too long or no entry) is neither followed nor waited
//! for, is renamed to `*.bad` and named, and keeps no entry from being done. Nothing is read
//! without a bound: a page at a time, and of a file [`ENTRY_LIMIT`] bytes.
//!
//! Everything here blocks: an async daemon calls it on a thread of its own. netd replays at
//! its start, before it serves, and now and then later: a plugin spools also when a netd
//! that runs did not answer in time.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_types::AttachmentKey;
use flatnet_types::spool::{ENTRY_LIMIT, FORMAT, SUFFIX, SpooledDel, TEMP_SUFFIX, stem};
use thiserror::Error;

mod aside;
mod own;

use aside::{is_aside, move_aside};
use own::read_entry;

/// Files of a page: with [`ENTRY_LIMIT`] bytes in each, 32 MiB.
const PAGE: usize = 512;

/// How long a writer waits for the lock: a hundred DELs that sync to a slow disk take it in turns.
const PATIENCE: Duration = Duration::from_secs(20);

/// A spool directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
    patience: Duration,
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
    /// Somebody else wrote it: who may not attach may not detach.
    #[error("it belongs to user {uid}, and the spool is user {ours}'s")]
    Owner {
        /// Whose it is.
        uid: u32,
        /// Who reads it.
        ours: u32,
    },
    /// Its name is not that of its key: another DEL of this key has another file.
    #[error("its name is not the one of its attachment, {expected}")]
    Name {
        /// The name that it should have.
        expected: String,
    },
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
    /// Where to go on; none where this was the last page.
    pub next: Option<OsString>,
    /// How many files were moved aside, by now or before, and wait for somebody to look at them.
    pub aside: usize,
    /// One of them.
    pub an_aside: Option<PathBuf>,
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
        Self {
            dir: dir.into(),
            patience: PATIENCE,
        }
    }

    /// The same, for one that waits so long for the lock.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The directory that the entries are files of.
    pub fn dir(&self) -> &Path {
        &self.dir
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
        clear(&temp)?;
        let written = write_new(&temp, del).and_then(|()| fs::rename(&temp, &path));
        if let Err(e) = written {
            // The error that matters is the first one.
            let _ = fs::remove_file(&temp);
            return Err(SpoolError::at("write", &path)(e));
        }
        dir.sync_all().map_err(SpoolError::at("sync", &self.dir))
    }

    /// A page of entries, oldest first: those whose files' names come after `after`. Of a key
    /// there is one entry, so the order of pages is of no matter. What is no entry is renamed to
    /// `*.bad` and reported; leftovers of a crash are deleted. A spool that does not exist is
    /// empty.
    ///
    /// # Errors
    /// [`SpoolError`] if the directory cannot be read.
    pub fn read_after(&self, after: Option<&OsStr>) -> Result<Listing, SpoolError> {
        if !is_there(&self.dir)? {
            return Ok(Listing::default());
        }
        let _lock = self.lock()?;
        let mut listing = Listing::default();
        let mut page = BTreeSet::new();
        let files = fs::read_dir(&self.dir).map_err(SpoolError::at("read", &self.dir))?;
        for file in files {
            let name = file.map_err(SpoolError::at("read", &self.dir))?.file_name();
            let ends_with = |suffix: &str| name.as_encoded_bytes().ends_with(suffix.as_bytes());
            if is_aside(&name) {
                listing.aside += 1;
                listing.an_aside.get_or_insert_with(|| self.dir.join(&name));
            } else if (ends_with(TEMP_SUFFIX) || ends_with(SUFFIX))
                && after.is_none_or(|after| *name > *after)
            {
                page.insert(name);
                if page.len() > PAGE {
                    page.pop_last();
                    listing.next.get_or_insert_default();
                }
            }
        }
        if let Some(next) = &mut listing.next {
            *next = page.last().cloned().unwrap_or_default();
        }
        for name in page {
            let path = self.dir.join(&name);
            let found = if name.as_encoded_bytes().ends_with(TEMP_SUFFIX.as_bytes()) {
                match remove_if_there(&path) {
                    Ok(()) => continue,
                    Err(e) => Err(BadEntryError::Io(e.source)),
                }
            } else {
                read_entry(&path)
            };
            match found {
                Ok(del) => listing.entries.push(Entry { del, path }),
                Err(reason) => {
                    listing.aside += 1;
                    let bad = move_aside(path, reason);
                    listing.an_aside.get_or_insert_with(|| bad.path.clone());
                    listing.bad.push(bad);
                }
            }
        }
        listing
            .entries
            .sort_by(|a, b| (a.del.spooled_at_ms, &a.path).cmp(&(b.del.spooled_at_ms, &b.path)));
        Ok(listing)
    }

    /// All pages in one, oldest first: for a spool that is known to be small.
    ///
    /// # Errors
    /// As [`Spool::read_after`].
    pub fn read_all(&self) -> Result<Listing, SpoolError> {
        let mut all = self.read_after(None)?;
        while let Some(after) = all.next.take() {
            let page = self.read_after(Some(&after))?;
            all.entries.extend(page.entries);
            all.bad.extend(page.bad);
            (all.next, all.aside) = (page.next, page.aside);
        }
        let age = |e: &Entry| (e.del.spooled_at_ms, e.path.clone());
        all.entries.sort_by_key(age);
        Ok(all)
    }

    /// The entry of a key, where one waits. Nothing is moved aside: that is for who reads pages.
    pub fn find(&self, key: &AttachmentKey) -> Option<SpooledDel> {
        let path = self.dir.join(format!("{}{SUFFIX}", stem(key)));
        read_entry(&path).ok()
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
        let Listing { entries, bad, .. } = self.read_all()?;
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
        if is_there(dir)? {
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

    /// The directory, locked until it is dropped (flock(2)); nobody else's, and closed to others:
    /// who can open it can hold its lock.
    fn lock(&self) -> Result<File, SpoolError> {
        let dir = own::directory(&self.dir).map_err(SpoolError::at("open", &self.dir))?;
        own::lock(&dir, self.patience).map_err(SpoolError::at("lock", &self.dir))?;
        Ok(dir)
    }
}

/// Whether something has the name of a spool. What leads nowhere is an error: it is not the spool
/// that was.
fn is_there(dir: &Path) -> Result<bool, SpoolError> {
    match fs::symlink_metadata(dir) {
        Ok(_) => fs::metadata(dir).map(|_| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
    .map_err(SpoolError::at("open", dir))
}

/// Makes room for a temporary file: what cannot be removed, such as a directory, is moved.
fn clear(temp: &Path) -> Result<(), SpoolError> {
    let Err(e) = remove_if_there(temp) else {
        return Ok(());
    };
    let bad = move_aside(temp.to_owned(), BadEntryError::NotAFile);
    if bad.path == temp { Err(e) } else { Ok(()) }
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

fn remove_if_there(path: &Path) -> Result<(), SpoolError> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(SpoolError::at("remove", path)(e)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;
