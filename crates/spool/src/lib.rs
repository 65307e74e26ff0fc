//! The spool: a directory of DELs that were answered as done while netd was down, and that netd does
//! later.
//!
//! ```text
//!   runtime ── DEL ──▶ flatnet ──✗── netd (down)
//!                         └──▶ <spool>/<hash of the key>.json ──▶ netd, at its next start
//!
//!   flatnet: write <hash>.tmp, fsync, rename to <hash>.json, fsync the directory ─ answer
//!   netd:    read_after ─▶ for each, oldest first: applies_to? detach ─▶ remove
//! ```
//!
//! **An entry must not delete a later attachment.** A runtime may attach the same container and
//! interface again while a DEL is in the spool. netd does an entry only if
//! [`SpooledDel::applies_to`], and drops it otherwise.
//!
//! **Guarantees.** After [`Spool::write`] the entry survives a crash of the host. A crash
//! before that leaves at most a `.tmp`, which nobody reads and the next
//! [`Spool::read_after`] deletes. [`Spool::remove`] removes only what was read: a DEL that was
//! spooled in the meantime stays. Writers and readers exclude each other by a lock on the
//! directory (flock(2)), which the kernel releases if its process dies; waiting for it times out.
//!
//! **The directory and its entries belong to root.** Any other file in it (a symbolic link, a FIFO,
//! another user's file, one that is too long or no entry) is not followed and never blocks; it is
//! renamed to `*.bad` and reported, and the entries are done nevertheless. Reading is bounded: a
//! page of entries at a time, and [`ENTRY_LIMIT`] bytes of a file.
//!
//! All functions block: an async daemon calls them on a separate thread. netd replays the spool at
//! its start, before it serves, and periodically: a plugin also spools if a running netd did not
//! answer in time.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_types::AttachmentKey;
use thiserror::Error;

mod bad;
mod format;
mod ownership;

use bad::{is_bad, rename_bad};
use format::{SUFFIX, TEMP_SUFFIX, stem};
use ownership::read_entry;

pub use format::{ENTRY_LIMIT, FORMAT, SpooledDel};

/// The most entries of a page. With [`ENTRY_LIMIT`] bytes each, a page has 32 MiB.
const PAGE: usize = 512;

/// How long a writer waits for the lock: on a slow disk a hundred DELs sync one after another.
const LOCK_TIMEOUT: Duration = Duration::from_secs(20);

/// A spool directory, which need not exist yet.
#[derive(Debug, Clone)]
pub struct Spool {
    dir: PathBuf,
    lock_timeout: Duration,
}

/// A failed operation on the spool.
#[derive(Debug, Error)]
#[error("cannot {doing} {}: {source}", .path.display())]
pub struct SpoolError {
    /// The operation, as a verb: `write`, `sync`.
    pub doing: &'static str,
    /// The file or directory.
    pub path: PathBuf,
    /// The system's error.
    #[source]
    pub source: io::Error,
}

/// A file of the spool that is no entry.
#[derive(Debug, Error)]
pub enum BadEntryError {
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(#[from] io::Error),
    /// It is not a regular file.
    #[error("it is not a regular file")]
    NotAFile,
    /// Another user wrote it: who may not attach may not detach.
    #[error("it belongs to user {uid}, and the spool is user {ours}'s")]
    Owner {
        /// UID of its owner.
        uid: u32,
        /// UID of this process.
        ours: u32,
    },
    /// Its name is not that of its key: a later DEL of the key would not replace it.
    #[error("its name is not the one of its attachment, {expected}")]
    Name {
        /// The name of its key.
        expected: String,
    },
    /// It is longer than [`ENTRY_LIMIT`].
    #[error("it is longer than {ENTRY_LIMIT} bytes")]
    TooLong,
    /// It is not the JSON of an entry.
    #[error("it is not an entry: {0}")]
    Json(#[from] serde_json::Error),
    /// A newer plugin wrote it.
    #[error("its format {found} is not known here, only {FORMAT}")]
    Format {
        /// Its format.
        found: u32,
    },
}

/// An entry and its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The spooled DEL.
    pub del: SpooledDel,
    path: PathBuf,
}

/// A file that is no entry.
#[derive(Debug)]
pub struct BadEntry {
    /// Its path after it was renamed; its former path if that failed.
    pub path: PathBuf,
    /// Why it is no entry.
    pub reason: BadEntryError,
}

/// A page of a spool.
#[derive(Debug, Default)]
pub struct Listing {
    /// Oldest first.
    pub entries: Vec<Entry>,
    /// Files that are no entries, which were renamed: each deserves a warning.
    pub bad: Vec<BadEntry>,
    /// The next page begins after this name; `None` for the last page.
    pub next: Option<OsString>,
    /// Number of `*.bad` files, earlier ones included.
    pub bad_total: usize,
    /// Path of one of them.
    pub bad_example: Option<PathBuf>,
}

/// The result of [`Spool::replay`].
#[derive(Debug)]
pub struct Replay<E> {
    /// Number of entries that were done and removed.
    pub done: usize,
    /// Entries that failed. They stay.
    pub failed: Vec<(Entry, E)>,
    /// Errors of entries that were done and could not be removed: they will be done again.
    pub kept: Vec<SpoolError>,
    /// Files that are no entries, which were renamed.
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
            lock_timeout: LOCK_TIMEOUT,
        }
    }

    /// The same spool with another timeout for its lock.
    #[must_use]
    pub fn with_lock_timeout(self, lock_timeout: Duration) -> Self {
        Self {
            lock_timeout,
            ..self
        }
    }

    /// The directory of the entries.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Records a DEL durably; one of the same key is replaced. Creates the directory
    /// (mode 0700) if it is missing. Entries have mode 0600.
    ///
    /// # Errors
    /// [`SpoolError`]: the DEL may be lost, so it must not be answered as done.
    pub fn write(&self, del: &SpooledDel) -> Result<(), SpoolError> {
        self.create_dir(&self.dir)?;
        let dir = self.lock()?;
        let temp = self
            .dir
            .join(format!("{}{TEMP_SUFFIX}", stem(&del.request.key)));
        let path = self.dir.join(del.file_name());
        // A leftover of a writer that died: the lock excludes others.
        clear(&temp)?;
        let written = write_new(&temp, del).and_then(|()| fs::rename(&temp, &path));
        if let Err(e) = written {
            // The first error is the one to report.
            let _ = fs::remove_file(&temp);
            return Err(SpoolError::at("write", &path)(e));
        }
        dir.sync_all().map_err(SpoolError::at("sync", &self.dir))
    }

    /// A page of entries, oldest first: those whose file names come after `after`. Each key has one
    /// entry, so the order of pages does not matter. Files that are no entries are renamed to
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
            if is_bad(&name) {
                listing.bad_total += 1;
                listing
                    .bad_example
                    .get_or_insert_with(|| self.dir.join(&name));
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
                    listing.bad_total += 1;
                    let bad = rename_bad(path, reason);
                    listing.bad_example.get_or_insert_with(|| bad.path.clone());
                    listing.bad.push(bad);
                }
            }
        }
        listing
            .entries
            .sort_by(|a, b| (a.del.spooled_at, &a.path).cmp(&(b.del.spooled_at, &b.path)));
        Ok(listing)
    }

    /// All pages in one, oldest first: for small spools.
    ///
    /// # Errors
    /// As [`Spool::read_after`].
    pub fn read_all(&self) -> Result<Listing, SpoolError> {
        let mut all = self.read_after(None)?;
        while let Some(after) = all.next.take() {
            let page = self.read_after(Some(&after))?;
            all.entries.extend(page.entries);
            all.bad.extend(page.bad);
            (all.next, all.bad_total) = (page.next, page.bad_total);
        }
        let age = |e: &Entry| (e.del.spooled_at, e.path.clone());
        all.entries.sort_by_key(age);
        Ok(all)
    }

    /// The entry of a key, if there is one. Renames no files.
    pub fn find(&self, key: &AttachmentKey) -> Option<SpooledDel> {
        let path = self.dir.join(format!("{}{SUFFIX}", stem(key)));
        read_entry(&path).ok()
    }

    /// Removes an entry that was done, unless it was replaced in the meantime. Returns whether it
    /// was removed.
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

    /// Creates `dir` and its missing parents, and syncs the parent of each.
    fn create_dir(&self, dir: &Path) -> Result<(), SpoolError> {
        if is_there(dir)? {
            return Ok(());
        }
        let parent = dir.parent().unwrap_or(Path::new("/"));
        self.create_dir(parent)?;
        match DirBuilder::new().mode(0o700).create(dir) {
            // A concurrent call created it.
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {}
            created => created.map_err(SpoolError::at("create", dir))?,
        }
        File::open(parent)
            .and_then(|d| d.sync_all())
            .map_err(SpoolError::at("sync", parent))
    }

    /// Opens and locks the directory; dropping the file releases the lock. Its mode is set to 0700:
    /// who can open it can hold its lock.
    fn lock(&self) -> Result<File, SpoolError> {
        let dir = ownership::directory(&self.dir).map_err(SpoolError::at("open", &self.dir))?;
        ownership::lock(&dir, self.lock_timeout).map_err(SpoolError::at("lock", &self.dir))?;
        Ok(dir)
    }
}

/// Whether the spool exists. A dangling symbolic link is an error: its target may be a disk that is
/// not mounted.
fn is_there(dir: &Path) -> Result<bool, SpoolError> {
    match fs::symlink_metadata(dir) {
        Ok(_) => fs::metadata(dir).map(|_| true),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
    .map_err(SpoolError::at("open", dir))
}

/// Removes a temporary file; what cannot be removed, such as a directory, is renamed.
fn clear(temp: &Path) -> Result<(), SpoolError> {
    let Err(e) = remove_if_there(temp) else {
        return Ok(());
    };
    let bad = rename_bad(temp.to_owned(), BadEntryError::NotAFile);
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
