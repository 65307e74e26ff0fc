//! One writer holds the store. The lock is a file of its own beside the database, since
//! the database is closed and opened again after a failed write, and between the two
//! nobody else may come in.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// What the kernel calls this boot: with another boot, no attachment of before lives.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The most bytes of a lock's file that are read.
const TEXT_MAX: u64 = 256;

/// The lock, held for as long as this lives, and let go by the kernel if the process dies.
///
/// Its file has one line, or two: the process that holds it, and the boot in which there was a
/// store. So a store that is gone is told from one that never was.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// A store was there, in this boot.
    kept: bool,
}

impl Lock {
    /// Takes the lock that belongs to the store `path`, and leaves this process's number
    /// in it for whoever comes second.
    pub(crate) fn take(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Read {
            path: path.to_owned(),
            doing: "lock",
            source,
        };
        let io = |source: std::io::Error| failed(source.into());
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(beside(path, "lock"))
            .map_err(io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let text = text_of(&file).unwrap_or_default();
                return Err(StoreError::Held {
                    path: path.to_owned(),
                    pid: text.lines().next().and_then(|line| line.parse().ok()),
                });
            }
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        let boot = boot_id();
        let text = text_of(&file).map_err(io)?;
        let kept = boot.is_some() && text.lines().nth(1).map(str::to_owned) == boot;
        let mut lock = Self { file, kept };
        lock.write(boot.filter(|_| kept)).map_err(io)?;
        Ok(lock)
    }

    /// Whether a store was there in this boot, so that there must be one.
    pub(crate) fn says_kept(&self) -> bool {
        self.kept
    }

    /// Remembers that there is a store.
    pub(crate) fn keep(&mut self) -> io::Result<()> {
        if !self.kept {
            self.write(boot_id())?;
            self.kept = true;
        }
        Ok(())
    }

    fn write(&mut self, boot: Option<String>) -> io::Result<()> {
        let boot = boot.map_or_else(String::new, |boot| format!("{boot}\n"));
        self.file.set_len(0)?;
        self.file.rewind()?;
        write!(self.file, "{}\n{boot}", std::process::id())
    }
}

fn text_of(mut file: &File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.take(TEXT_MAX).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn boot_id() -> Option<String> {
    let text = std::fs::read_to_string(BOOT_ID).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// `path` with `.suffix` after its whole name.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
