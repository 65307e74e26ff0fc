//! The lab has one fixed place: whoever changes or uses it holds a lock.
//!
//! Two locks, so that a suite that holds the lab for an hour can still call `up` and
//! `down`: [`COMMAND`] for the moment of a change, [`USE`] for as long as a suite runs.
//! The kernel frees them when their holder dies, however it dies, and the files are
//! unlinked under the lock, so that nothing is left behind.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::process::poll;

/// Held while the lab is raised, repaired or taken down.
pub const COMMAND: &str = "/run/flatnet-lab.lock";
/// Held as long as a suite counts on the lab.
pub const USE: &str = "/run/flatnet-lab.use.lock";

/// A lock that is held; dropping it frees it and removes its file.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes a lock, waiting up to `patience`; `waiting` is called once if it has to, with
    /// the holder as it wrote itself down.
    ///
    /// # Errors
    /// [`Error::Locked`] when it is not free in time; [`Error::Io`].
    pub fn take(path: &Path, patience: Duration, mut waiting: impl FnMut(&str)) -> Result<Self> {
        let mut told = false;
        let taken = poll(patience, || match Self::attempt(path) {
            Ok(None) => {
                if !told {
                    waiting(&holder(path));
                    told = true;
                }
                None
            }
            Ok(Some(lock)) => Some(Ok(lock)),
            Err(e) => Some(Err(e)),
        });
        taken.unwrap_or_else(|| {
            Err(Error::Locked {
                path: path.to_owned(),
                holder: holder(path),
                after: patience,
            })
        })
    }

    fn attempt(path: &Path) -> Result<Option<Self>> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)
            .map_err(Error::io("open", path))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Ok(None),
            Err(fs::TryLockError::Error(e)) => return Err(Error::io("lock", path)(e)),
        }
        // The holder before may have unlinked the file between our open and our lock.
        let same = |m: &fs::Metadata, n: &fs::Metadata| (m.dev(), m.ino()) == (n.dev(), n.ino());
        let ours = file.metadata().map_err(Error::io("stat", path))?;
        if !fs::metadata(path).is_ok_and(|now| same(&now, &ours)) {
            return Ok(None);
        }
        let name = std::env::args().next().unwrap_or_default();
        let name = Path::new(&name).file_name().unwrap_or_default();
        let line = format!("{} (pid {})\n", name.to_string_lossy(), std::process::id());
        file.set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| file.write_all(line.as_bytes()))
            .map_err(Error::io("write", path))?;
        Ok(Some(Self {
            path: path.to_owned(),
            _file: file,
        }))
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Unlinked while still locked: the next one finds no file or a new one.
        let _ = fs::remove_file(&self.path);
    }
}

fn holder(path: &Path) -> String {
    let mut text = String::new();
    let read = File::open(path).and_then(|f| f.take(128).read_to_string(&mut text));
    match (read, text.trim()) {
        (Ok(_), name) if !name.is_empty() => name.to_owned(),
        _ => "another process".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_taker_waits_and_is_told_for_whom() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("lock");
        let first = Lock::take(&path, Duration::ZERO, |_| ()).expect("free");
        let mut told = Vec::new();
        let err = Lock::take(&path, Duration::from_millis(20), |h| {
            told.push(h.to_owned())
        });
        assert!(matches!(err, Err(Error::Locked { .. })));
        assert_eq!(told.len(), 1);
        assert!(
            told[0].contains(&std::process::id().to_string()),
            "{told:?}"
        );
        drop(first);
        assert!(!path.exists(), "nothing is left");
        Lock::take(&path, Duration::ZERO, |_| ()).expect("free again");
    }

    #[test]
    fn many_takers_are_never_two_at_once() {
        let dir = tempfile::tempdir().expect("dir");
        let path = dir.path().join("lock");
        let inside = std::sync::atomic::AtomicI32::new(0);
        std::thread::scope(|s| {
            for _ in 0..4 {
                s.spawn(|| {
                    for _ in 0..50 {
                        let lock =
                            Lock::take(&path, Duration::from_secs(20), |_| ()).expect("taken");
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
        });
    }
}
