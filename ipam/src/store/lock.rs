//! The lock of the store: one process has it open. It is a separate file beside the database,
//! because the database is closed and opened again after a failed write, and must not be opened by
//! another process in between.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The kernel's ID of this boot. No attachment outlives its boot.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

/// The most bytes of a lock file that are read.
const TEXT_MAX: u64 = 256;

/// The lock (flock(2)), held as long as this value exists; the kernel releases it if the process
/// dies.
///
/// The file has one or two lines: the PID of the process that holds the lock, and the ID of the
/// boot in which there was a store. The second line distinguishes a store that was lost from one
/// that never existed.
#[derive(Debug)]
pub(crate) struct Lock {
    file: File,
    /// Whether the file records that there was a store in this boot.
    store_existed: bool,
}

impl Lock {
    /// Takes the lock of the store at `path`, and writes this process's PID into it, for the error
    /// message of another process that tries.
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
            .open(with_suffix(path, "lock"))
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
        let store_existed = boot.is_some() && text.lines().nth(1).map(str::to_owned) == boot;
        let mut lock = Self {
            file,
            store_existed,
        };
        lock.write(boot.filter(|_| store_existed)).map_err(io)?;
        Ok(lock)
    }

    /// Whether there was a store in this boot.
    pub(crate) fn store_existed(&self) -> bool {
        self.store_existed
    }

    /// Records that there is a store.
    pub(crate) fn record_store(&mut self) -> io::Result<()> {
        if !self.store_existed {
            self.write(boot_id())?;
            self.store_existed = true;
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
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".");
    name.push(suffix);
    name.into()
}
