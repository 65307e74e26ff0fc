//! What tells one network namespace from another.

use std::fmt;
use std::os::fd::AsFd;

use nix::sys::stat::{fstat, stat};

/// The namespace of the calling thread.
pub(crate) const THREAD_NETNS: &str = "/proc/thread-self/ns/net";

/// What identifies a namespace while it exists: the device and inode of its nsfs file
/// (namespaces(7)). The kernel may give the inode to another one afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NetnsId {
    /// The device of nsfs.
    pub dev: u64,
    /// The inode within it.
    pub inode: u64,
}

impl fmt::Display for NetnsId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.dev, self.inode)
    }
}

impl NetnsId {
    /// The identity of an open nsfs file.
    pub(crate) fn of(fd: impl AsFd) -> nix::Result<Self> {
        let s = fstat(fd)?;
        Ok(Self {
            dev: s.st_dev,
            inode: s.st_ino,
        })
    }

    /// The identity of the nsfs file at `path`.
    pub(crate) fn at(path: &str) -> nix::Result<Self> {
        let s = stat(path)?;
        Ok(Self {
            dev: s.st_dev,
            inode: s.st_ino,
        })
    }
}
