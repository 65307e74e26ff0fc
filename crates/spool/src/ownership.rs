//! Opening the directory and its files: checks their owner, follows no symbolic links, and never
//! blocks without a timeout.

use std::fs::{self, File, Metadata, OpenOptions, Permissions, TryLockError};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;

use crate::BadEntryError;
use crate::format::{ENTRY_LIMIT, FORMAT, SpooledDel};

/// Interval of the attempts to lock.
const RETRY_EVERY: Duration = Duration::from_millis(5);

fn effective_uid() -> u32 {
    nix::unistd::geteuid().as_raw()
}

/// Opens the directory, which must be this user's, and sets its mode to 0700.
pub(super) fn directory(path: &Path) -> io::Result<File> {
    let dir = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_DIRECTORY | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    let status = dir.metadata()?;
    if status.uid() != effective_uid() {
        let path = path.display();
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!(
                "it belongs to user {}, who could take DELs out of it: look at what is in it, then \
                 `chown -R {} {path}`",
                status.uid(),
                effective_uid()
            ),
        ));
    }
    if status.mode() & 0o077 != 0 {
        dir.set_permissions(Permissions::from_mode(0o700))?;
    }
    Ok(dir)
}

/// Locks the directory (flock(2)).
///
/// # Errors
/// `TimedOut` if another process holds the lock for `timeout`.
pub(super) fn lock(dir: &File, timeout: Duration) -> io::Result<()> {
    let end = Instant::now() + timeout;
    loop {
        match dir.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
            Err(TryLockError::WouldBlock) if Instant::now() >= end => {
                let words = format!(
                    "another process has held its lock for {} s: `lsof +d` with this directory \
                     names it",
                    timeout.as_secs_f32()
                );
                return Err(io::Error::new(io::ErrorKind::TimedOut, words));
            }
            Err(TryLockError::WouldBlock) => std::thread::sleep(RETRY_EVERY),
        }
    }
}

/// Reads a file as an entry.
pub(super) fn read_entry(path: &Path) -> Result<SpooledDel, BadEntryError> {
    // Checked before it is opened: opening some devices has side effects.
    usable(&fs::symlink_metadata(path)?)?;
    let file = OpenOptions::new()
        .read(true)
        .custom_flags((OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).bits())
        .open(path)?;
    // Checked again: another file may have replaced it.
    usable(&file.metadata()?)?;
    let mut text = Vec::new();
    file.take(ENTRY_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > ENTRY_LIMIT {
        return Err(BadEntryError::TooLong);
    }
    let del: SpooledDel = serde_json::from_slice(&text)?;
    if del.format != FORMAT {
        return Err(BadEntryError::Format { found: del.format });
    }
    let expected = del.file_name();
    if path.file_name().is_none_or(|name| *name != *expected) {
        return Err(BadEntryError::Name { expected });
    }
    Ok(del)
}

fn usable(status: &Metadata) -> Result<(), BadEntryError> {
    if !status.is_file() {
        return Err(BadEntryError::NotAFile);
    }
    if status.uid() != effective_uid() {
        return Err(BadEntryError::Owner {
            uid: status.uid(),
            ours: effective_uid(),
        });
    }
    if status.len() > ENTRY_LIMIT {
        return Err(BadEntryError::TooLong);
    }
    Ok(())
}
