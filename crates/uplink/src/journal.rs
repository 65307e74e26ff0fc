//! The journal on disk: what is being moved, and how far the decision is.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flatnet_files::sealed;
use flatnet_kernel::LinkId;
use nix::fcntl::{Flock, FlockArg};
use nix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::gate::Gate;
use crate::plan::Move;
use crate::step::Step;

/// The journal's file in netd's state directory.
pub const JOURNAL_FILE: &str = "uplink.json";
/// Who holds its lock is changing the uplink.
const LOCK_FILE: &str = "uplink.lock";
/// The version of the journal's form.
const VERSION: u32 = 1;

/// How far a move is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Steps are being taken, or the gates are being asked.
    Moving,
    /// All answer; the administrator is to confirm.
    Waiting,
    /// Everything is being undone.
    RollingBack {
        /// The reason, in a sentence.
        reason: String,
    },
    /// The move is made.
    Kept,
    /// Everything was undone.
    RolledBack {
        /// The reason, in a sentence.
        reason: String,
    },
}

impl Phase {
    /// Whether somebody is at it, or must finish it.
    pub fn is_unfinished(&self) -> bool {
        match self {
            Self::Moving | Self::Waiting | Self::RollingBack { .. } => true,
            Self::Kept | Self::RolledBack { .. } => false,
        }
    }
}

/// A move, as it is written to disk before it begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Journal {
    /// The version of this form.
    pub version: u32,
    /// The boot in which it was begun: what the kernel had is gone with it.
    pub boot_id: String,
    /// How far it is.
    pub phase: Phase,
    /// The process that makes it.
    pub pid: i32,
    /// The device that bore the addresses.
    pub from: String,
    /// Its interface index, by which a device of the same name is told from it.
    pub from_ifindex: u32,
    /// Name of the plan's uplink.
    pub nic: String,
    /// Name of the bridge.
    pub bridge: String,
    /// The host's port.
    pub host_port: String,
    /// All steps, in order.
    pub steps: Vec<Step>,
    /// What must answer.
    pub gates: Vec<Gate>,
    /// When everything is undone unless it is kept by then, in milliseconds since the boot.
    pub deadline_ms: u64,
    /// How long the administrator has to confirm, in seconds.
    pub confirm_s: Option<u64>,
    /// A move was kept once and not taken back since: netd makes it again after a boot.
    #[serde(default)]
    pub recorded: bool,
}

impl Journal {
    /// A journal of a move that begins now.
    pub fn new(plan: &Move, bridge: &str, boot_id: &str) -> Self {
        Self {
            version: VERSION,
            boot_id: boot_id.to_owned(),
            phase: Phase::Moving,
            pid: nix::unistd::getpid().as_raw(),
            from: plan.from.name.clone(),
            from_ifindex: plan.from.ifindex,
            nic: plan.nic.clone(),
            bridge: bridge.to_owned(),
            host_port: plan.to.clone(),
            steps: plan.steps.clone(),
            gates: plan.gates.clone(),
            deadline_ms: 0,
            confirm_s: None,
            recorded: false,
        }
    }

    /// The device that bore the addresses.
    pub fn source(&self) -> LinkId {
        LinkId {
            name: self.from.clone(),
            ifindex: self.from_ifindex,
        }
    }
}

/// Why the journal cannot be read, written or locked.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A file operation failed.
    #[error("{attempted} {path}: {source}")]
    Io {
        /// What was attempted.
        attempted: &'static str,
        /// On which file.
        path: PathBuf,
        /// What came back.
        #[source]
        source: io::Error,
    },
    /// It is not one that this version reads.
    #[error(
        "{path} is not a journal of version {VERSION}: {reason}; finish with the netd that wrote \
         it, or restore the uplink by hand and remove the file"
    )]
    Form {
        /// Path of the journal.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process changes the uplink.
    #[error("another netd changes the uplink now: see `netd uplink status`")]
    Locked,
}

/// The journal's place: netd's state directory.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// The store in a state directory.
    pub fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
        }
    }

    /// netd's state directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    fn path(&self) -> PathBuf {
        self.dir.join(JOURNAL_FILE)
    }

    /// The journal, if there is one.
    ///
    /// # Errors
    /// [`JournalError::Io`], [`JournalError::Form`].
    pub fn load(&self) -> Result<Option<Journal>, JournalError> {
        let path = self.path();
        let text = match flatnet_files::read_if_there(&path, flatnet_files::STATE_MAX) {
            Ok(Some(text)) => text,
            Ok(None) => return Ok(None),
            Err(source) => {
                let attempted = "read";
                return Err(JournalError::Io {
                    attempted,
                    path,
                    source,
                });
            }
        };
        let form = |reason: String| JournalError::Form {
            path: path.clone(),
            reason,
        };
        let journal: Journal = sealed::from_slice(&text).map_err(|e| form(e.to_string()))?;
        if journal.version != VERSION {
            return Err(form(format!("its version is {}", journal.version)));
        }
        Ok(Some(journal))
    }

    /// Writes it. When this returns it survives a power cut.
    ///
    /// # Errors
    /// [`JournalError::Io`].
    pub fn save(&self, journal: &Journal) -> Result<(), JournalError> {
        let path = self.path();
        sealed::save(&path, journal).map_err(|source| JournalError::Io {
            attempted: "write",
            path: path.clone(),
            source,
        })
    }

    /// The right to change the uplink, until it is dropped or the process dies.
    ///
    /// # Errors
    /// [`JournalError::Locked`]; [`JournalError::Io`].
    pub fn lock(&self) -> Result<Flock<File>, JournalError> {
        let path = self.dir.join(LOCK_FILE);
        let io = |source| JournalError::Io {
            attempted: "lock",
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io)?;
        Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, errno)| match errno {
            nix::errno::Errno::EAGAIN => JournalError::Locked,
            errno => io(errno.into()),
        })
    }
}

/// Whether a move is unfinished in this boot: netd then leaves the uplink, the host's port and the
/// host's addresses and routes alone.
///
/// # Errors
/// Where the journal cannot be read: a move may be unfinished.
pub fn unfinished(state_dir: &Path) -> Result<bool, JournalError> {
    let Some(journal) = Store::new(state_dir).load()? else {
        return Ok(false);
    };
    Ok(journal.phase.is_unfinished() && boot_id().is_ok_and(|id| id == journal.boot_id))
}

/// The kernel's identity of this boot.
///
/// # Errors
/// If it cannot be read.
pub fn boot_id() -> io::Result<String> {
    Ok(fs::read_to_string("/proc/sys/kernel/random/boot_id")?
        .trim()
        .to_owned())
}

/// The time since the boot, that of suspensions included.
pub fn since_boot() -> Duration {
    clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from)
}
