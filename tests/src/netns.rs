//! Network namespaces: their names, entering them, and who is inside.

use std::collections::HashMap;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::mount::{MntFlags, umount2};
use nix::sched::{CloneFlags, setns};
use nix::sys::statfs::{FsType, statfs};

use crate::error::{Error, Result};
use crate::paths::{NETNS_DIR, is_ours, netns_path};
use crate::process::{ProcessId, all_pids};

/// `NSFS_MAGIC` of `linux/magic.h`.
const NSFS: FsType = FsType(0x6e73_6673);

/// Runs `work` inside a namespace, on an OS thread of its own, so that no other thread is
/// ever moved. Programs that `work` starts are in the namespace too.
///
/// # Errors
/// [`Error::Io`] where the namespace cannot be entered.
///
/// # Panics
/// If `work` panics.
pub fn enter<T: Send>(netns: &Path, work: impl FnOnce() -> T + Send) -> Result<T> {
    let handle = File::open(netns).map_err(Error::io("open", netns))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| {
            setns(&handle, CloneFlags::CLONE_NEWNET)
                .map_err(|e| Error::io("enter", netns)(e.into()))?;
            Ok(work())
        });
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// What a name in `/run/netns` stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Name {
    /// A namespace.
    Namespace,
    /// A file without one, such as a crash between its creation and its mount leaves.
    Stale,
}

/// Every name of the lab and what it stands for, sorted.
pub(crate) fn names() -> Vec<(String, Name)> {
    let Ok(entries) = fs::read_dir(NETNS_DIR) else {
        return Vec::new();
    };
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|e| e.file_name().into_string().ok())
        .filter(|name| is_ours(name))
        .map(|name| {
            let kind = match statfs(&netns_path(&name)) {
                Ok(fs) if fs.filesystem_type() == NSFS => Name::Namespace,
                _ => Name::Stale,
            };
            (name, kind)
        })
        .collect();
    names.sort();
    names
}

/// Takes a name away; the namespace itself goes when nobody is inside any more.
///
/// # Errors
/// [`Error::Io`]; that it is gone already is no error.
pub(crate) fn remove(name: &str) -> Result<()> {
    let path = netns_path(name);
    // Several mounts may lie upon each other; a stale file bears none.
    while umount2(&path, MntFlags::MNT_DETACH).is_ok() {}
    match fs::remove_file(&path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(e)),
        _ => Ok(()),
    }
}

/// Who is inside the lab's namespaces, with the namespace's name.
pub(crate) fn processes_inside() -> Vec<(String, ProcessId)> {
    let ours: HashMap<(u64, u64), String> = names()
        .into_iter()
        .filter(|(_, kind)| *kind == Name::Namespace)
        .filter_map(|(name, _)| Some((identity(&netns_path(&name))?, name)))
        .collect();
    if ours.is_empty() {
        return Vec::new();
    }
    all_pids()
        .into_iter()
        .filter_map(|pid| {
            let name = ours.get(&identity_of(pid)?)?;
            Some((name.clone(), ProcessId::of(pid)?))
        })
        .collect()
}

/// Whether a process is inside a namespace.
pub(crate) fn contains(name: &str, process: ProcessId) -> bool {
    identity(&netns_path(name)).is_some_and(|id| identity_of(process.pid) == Some(id))
}

fn identity_of(pid: i32) -> Option<(u64, u64)> {
    identity(Path::new(&format!("/proc/{pid}/ns/net")))
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    let meta = fs::metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}
