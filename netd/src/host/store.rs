//! Whether the store's file is still there and writable. Checked without writing.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use flatnet_kernel::Kernel;
use nix::sys::statvfs::{FsFlags, statvfs};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::marks;
use crate::problems::Problem;

/// In octets. With less free space the next transaction may fail.
const LEAST_FREE: u64 = 1 << 20;

/// Timeout of `stat` and `statvfs`, which are usually answered from memory. With a poll each
/// second, a disk that hangs is reported within two.
const DISK_TIMEOUT: Duration = Duration::from_millis(800);

/// The file that netd has open.
#[derive(Debug, Clone)]
pub struct StoreFile {
    directory: PathBuf,
    path: PathBuf,
    /// Device and inode when it was opened; `None` if it could not be read.
    opened: Option<(u64, u64)>,
}

/// Fails where there is no store but links of containers: the containers live, and only the missing
/// store knows their addresses. With an empty store netd would delete their links.
///
/// # Errors
/// The store is missing and containers' links exist; or the disk or the kernel cannot be read.
pub(crate) async fn ensure_store_present(
    directory: &Path,
    name: &str,
    kernel: &Kernel,
) -> Result<()> {
    let path = directory.join(name);
    let there = flatnet_files::is_there(&path);
    if there.with_context(|| format!("look for the store {}", path.display()))? {
        return Ok(());
    }
    let links = kernel.links().await.context("read the links")?;
    let of_containers: Vec<String> = links
        .into_iter()
        .filter(|link| marks::is_of_container(link.name.as_str(), link.alias.as_deref()))
        .map(|link| link.name.to_string())
        .collect();
    let Some(first) = of_containers.first() else {
        return Ok(());
    };
    bail!(
        "there is no store at {}, and this host has {} links of containers, one of them {first}: \
         an empty store would take their addresses for free. Put the store back, or mount what it \
         is on; or drain this node and reboot, and an empty store is right. Where none of these \
         containers lives, delete the links (`ip link delete {first}`)",
        path.display(),
        of_containers.len()
    )
}

/// The state of the store's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreState {
    /// The file is in place, on a writable file system with free space.
    Healthy,
    /// The path of the file that netd has open does not exist, or is another file.
    Lost,
    /// The file system is mounted read-only.
    ReadOnly,
    /// Less than 1 MiB is free; the number of free octets.
    Full(u64),
    /// `stat` or `statvfs` failed or timed out; the error.
    Unreachable(String),
}

impl StoreFile {
    /// Records the file's identity. To be called just after it was opened.
    pub(super) fn of(directory: PathBuf, name: &str) -> Self {
        let path = directory.join(name);
        let opened = identity(&path).ok();
        Self {
            directory,
            path,
            opened,
        }
    }

    /// Reads the file's state.
    pub(super) fn state(&self) -> StoreState {
        match identity(&self.path) {
            Ok(now) if self.opened.is_none_or(|then| then == now) => {}
            Ok(_) => return StoreState::Lost,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return StoreState::Lost,
            Err(e) => return StoreState::Unreachable(e.to_string()),
        }
        match statvfs(&self.directory) {
            Err(e) => StoreState::Unreachable(e.to_string()),
            Ok(fs) if fs.flags().contains(FsFlags::ST_RDONLY) => StoreState::ReadOnly,
            Ok(fs) => {
                let free = fs.blocks_available().saturating_mul(fs.fragment_size());
                match free < LEAST_FREE {
                    true => StoreState::Full(free),
                    false => StoreState::Healthy,
                }
            }
        }
    }

    /// The problem of a state, which blocks readiness: no ADD could be made durable.
    pub(super) fn problem(&self, state: &StoreState) -> Option<Problem> {
        let path = self.path.display();
        let directory = self.directory.display();
        Some(match state {
            StoreState::Healthy => return None,
            StoreState::Lost => Problem::blocking(
                "store-lost",
                format!(
                    "the store {path} was deleted or replaced while netd has it open: with netd's \
                     next start every attachment would be lost; put back the file that is open"
                ),
            )
            .repaired_by(self.recovery_command()),
            StoreState::ReadOnly => Problem::blocking(
                "store-read-only",
                format!("the store {path} is on a file system that is read-only: nothing is kept"),
            )
            .repaired_by(format!(
                "mount -o remount,rw \"$(findmnt -nT {directory} -o TARGET)\""
            )),
            StoreState::Full(free) => Problem::blocking(
                "store-full",
                format!(
                    "the store {path} has {} KiB of disk left: an ADD could not be kept; make room",
                    free / 1024
                ),
            )
            .repaired_by(format!("df -h {directory}")),
            StoreState::Unreachable(why) => Problem::blocking(
                "store-unreachable",
                format!("the store {path} cannot be looked at: {why}"),
            ),
        })
    }

    /// The command that copies the deleted file back from netd's descriptor and restarts netd.
    fn recovery_command(&self) -> String {
        let descriptor = fs::read_dir("/proc/self/fd")
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .find(|entry| {
                let open = fs::metadata(entry.path()).ok().map(|m| (m.dev(), m.ino()));
                open.is_some() && open == self.opened
            });
        let descriptor = descriptor.map_or_else(
            || "N".to_owned(),
            |d| d.file_name().to_string_lossy().into_owned(),
        );
        let pid = std::process::id();
        let path = self.path.display();
        format!("cp /proc/{pid}/fd/{descriptor} {path} && kill {pid}")
    }
}

/// Reads a store's state on a thread of its own, so that a disk that hangs blocks nothing else.
#[derive(Debug, Default)]
pub(super) struct StateQuery {
    /// The query that was not answered yet. Only one runs at a time.
    pending: Option<JoinHandle<StoreState>>,
}

impl StateQuery {
    /// The result of `read_state`, or `Unreachable` after [`DISK_TIMEOUT`]. Cancel safe.
    pub(super) async fn state(
        &mut self,
        read_state: impl FnOnce() -> StoreState + Send + 'static,
    ) -> StoreState {
        let pending = self
            .pending
            .get_or_insert_with(|| tokio::task::spawn_blocking(read_state));
        let Ok(ended) = timeout(DISK_TIMEOUT, pending).await else {
            return StoreState::Unreachable("its disk does not answer".to_owned());
        };
        self.pending = None;
        ended.unwrap_or_else(|e| StoreState::Unreachable(e.to_string()))
    }
}

fn identity(path: &Path) -> std::io::Result<(u64, u64)> {
    fs::metadata(path).map(|m| (m.dev(), m.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_disk_that_hangs_is_reported_until_it_answers() {
        let mut query = StateQuery::default();
        let (answer, hangs) = std::sync::mpsc::channel();
        let read_state = move || hangs.recv().unwrap_or(StoreState::ReadOnly);
        let hung = StoreState::Unreachable("its disk does not answer".to_owned());
        assert_eq!(query.state(read_state).await, hung);
        // It still hangs; no second query is started.
        assert_eq!(query.state(|| unreachable!("asked twice")).await, hung);
        answer.send(StoreState::Healthy).expect("it waits");
        assert_eq!(
            query.state(|| unreachable!("asked twice")).await,
            StoreState::Healthy
        );
        assert_eq!(query.state(|| StoreState::Lost).await, StoreState::Lost);
    }

    #[test]
    fn a_store_that_was_deleted_or_replaced_is_lost_and_can_be_copied_back() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("s.redb");
        let open = fs::File::create(&path).expect("made");
        let store = StoreFile::of(dir.path().to_owned(), "s.redb");
        assert_eq!(store.state(), StoreState::Healthy);
        fs::remove_file(&path).expect("removed");
        assert_eq!(store.state(), StoreState::Lost);
        let problem = store.problem(&StoreState::Lost).expect("a problem");
        let command = problem.repair.expect("a command");
        assert!(!command.contains("fd/N"), "{command}");
        fs::write(&path, "another").expect("written");
        assert_eq!(store.state(), StoreState::Lost);
        drop(open);
    }
}
