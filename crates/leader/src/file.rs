//! A lease in a file, for daemons that share a directory.
//!
//! The decision is pure ([`decide`]); the file is read, decided on and replaced under a lock,
//! so that two never take it at once.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use flatnet_files::replace_shared;
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

/// The most bytes of a lease that are read.
const LEASE_MAX: u64 = 64 << 10;

/// A lease, as it is in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// Who leads.
    pub holder: String,
    /// Counts the holders.
    pub epoch: u64,
    /// Until when, in milliseconds since 1970.
    pub expires: u64,
}

/// What there is to do about a lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It is ours: write this.
    Take(Lease),
    /// It is another's, for so many more milliseconds.
    Wait {
        /// Who leads.
        holder: String,
        /// For how long at least, in milliseconds.
        millis: u64,
    },
}

/// Takes or renews a lease, if nobody else has it. `at_least` is the lowest epoch to write.
pub fn decide(found: Option<&Lease>, me: &str, now: u64, ttl: u64, at_least: u64) -> Decision {
    let epoch = match found {
        Some(lease) if lease.holder == me => lease.epoch,
        Some(lease) if lease.expires > now => {
            return Decision::Wait {
                holder: lease.holder.clone(),
                millis: lease.expires - now,
            };
        }
        Some(lease) => lease.epoch.saturating_add(1),
        None => 1,
    };
    Decision::Take(Lease {
        holder: me.to_owned(),
        epoch: epoch.max(at_least),
        expires: now.saturating_add(ttl),
    })
}

/// Why a lease cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {doing} the lease {}", path.display())]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub struct FileError {
    /// `open`, `lock`, `read` or `write`.
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: std::io::Error,
}

/// A lease that is a locked JSON file, for processes of one machine.
#[derive(Debug, Clone)]
pub struct LeaseFile {
    path: PathBuf,
    me: String,
    ttl: u64,
}

impl LeaseFile {
    /// A lease in this file, for this holder.
    pub fn new(path: impl Into<PathBuf>, me: impl Into<String>, ttl: Duration) -> Self {
        Self {
            path: path.into(),
            me: me.into(),
            ttl: u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX),
        }
    }

    /// Takes or renews it.
    ///
    /// # Errors
    /// [`FileError`]; an unreadable lease counts as none that is ours, so it is one too.
    pub fn try_take(&self, now: SystemTime, at_least: u64) -> Result<Decision, FileError> {
        let _guard = self.lock()?;
        let found = self.read()?;
        let decision = decide(found.as_ref(), &self.me, millis(now), self.ttl, at_least);
        if let Decision::Take(lease) = &decision {
            self.write(lease)?;
        }
        Ok(decision)
    }

    /// Gives it back, so that a standby need not wait.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn resign(&self, now: SystemTime) -> Result<(), FileError> {
        let _guard = self.lock()?;
        match self.read()? {
            Some(lease) if lease.holder == self.me => self.write(&Lease {
                expires: millis(now),
                holder: String::new(),
                ..lease
            }),
            _ => Ok(()),
        }
    }

    /// The lease as it is.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn read(&self) -> Result<Option<Lease>, FileError> {
        let text = flatnet_files::read_if_there(&self.path, LEASE_MAX);
        let text = text.map_err(|e| self.error("read", e))?;
        let lease = text.map(|text| serde_json::from_slice(&text)).transpose();
        lease.map_err(|e| self.error("read", e.into()))
    }

    fn write(&self, lease: &Lease) -> Result<(), FileError> {
        let text = serde_json::to_vec(lease).map_err(|e| self.error("write", e.into()))?;
        replace_shared(&self.path, &text).map_err(|e| self.error("write", e))
    }

    /// The file itself is replaced, so the lock is on one beside it.
    fn lock(&self) -> Result<Flock<File>, FileError> {
        let path: &Path = &self.path.with_extension("lock");
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            // Who cannot open it cannot hold its lock.
            .mode(0o600)
            .open(path)
            .map_err(|e| self.error("open", e))?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, e)| self.error("lock", e.into()))
    }

    fn error(&self, doing: &'static str, source: std::io::Error) -> FileError {
        FileError {
            doing,
            path: self.path.clone(),
            source,
        }
    }
}

/// Who this process is in a lease's file: the host and the process.
pub fn holder() -> String {
    let host = nix::unistd::gethostname().unwrap_or_default();
    format!("{}/{}", host.to_string_lossy(), std::process::id())
}

/// Milliseconds since 1970.
pub fn millis(at: SystemTime) -> u64 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lease(holder: &str, epoch: u64, expires: u64) -> Lease {
        Lease {
            holder: holder.into(),
            epoch,
            expires,
        }
    }

    #[test]
    fn a_standby_waits_until_the_lease_has_expired_and_then_counts_up() {
        let held = lease("a", 4, 1_000);
        let wait = Decision::Wait {
            holder: "a".into(),
            millis: 1,
        };
        assert_eq!(decide(Some(&held), "b", 999, 500, 0), wait);
        let taken = Decision::Take(lease("b", 5, 1_500));
        assert_eq!(decide(Some(&held), "b", 1_000, 500, 0), taken);
    }

    #[test]
    fn a_leader_that_renews_keeps_its_epoch() {
        let held = lease("a", 4, 1_000);
        let renewed = Decision::Take(lease("a", 4, 1_400));
        assert_eq!(decide(Some(&held), "a", 900, 500, 0), renewed);
    }

    #[test]
    fn an_epoch_is_never_below_what_the_tables_have_seen() {
        assert_eq!(
            decide(None, "a", 0, 500, 9),
            Decision::Take(lease("a", 9, 500))
        );
    }

    #[test]
    fn of_two_only_one_leads_and_what_is_given_back_can_be_taken_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lease.json");
        let ttl = Duration::from_secs(10);
        let (a, b) = (
            LeaseFile::new(&path, "a", ttl),
            LeaseFile::new(&path, "b", ttl),
        );
        let now = SystemTime::now();
        assert!(matches!(a.try_take(now, 0).unwrap(), Decision::Take(l) if l.epoch == 1));
        assert!(matches!(
            b.try_take(now, 0).unwrap(),
            Decision::Wait { millis: 10_000, .. }
        ));
        a.resign(now).unwrap();
        assert!(matches!(b.try_take(now, 0).unwrap(), Decision::Take(l) if l.epoch == 2));
        // What is not ours is not ours to give back.
        a.resign(now).unwrap();
        assert_eq!(b.read().unwrap().unwrap().holder, "b");
    }

    #[test]
    fn a_lease_that_cannot_be_read_is_an_error_and_nobody_leads() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lease.json");
        std::fs::write(&path, "{").unwrap();
        let file = LeaseFile::new(&path, "a", Duration::from_secs(10));
        assert!(file.try_take(SystemTime::now(), 0).is_err());
    }
}
