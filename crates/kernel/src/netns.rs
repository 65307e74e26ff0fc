//! Network namespaces as open descriptors.

use std::fmt;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use flatnet_types::NetnsPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::libc;
use nix::sys::stat::Mode;
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use crate::error::{Fault, NetnsError};
use crate::identity::{NetnsId, THREAD_NETNS};
use crate::ioctl;
use crate::pool::Worker;
use crate::socket::RouteSocket;

/// The namespace of the process's main thread.
const PROCESS_NETNS: &str = "/proc/self/ns/net";

/// A container's network namespace, held open: it exists as long as this does, and any
/// number of clones of it may be used at once.
///
/// It also keeps a netlink socket that was born inside the namespace, so that it is
/// entered once and not for each request.
#[derive(Clone)]
pub struct Netns(Arc<Inner>);

struct Inner {
    path: NetnsPath,
    id: NetnsId,
    fd: OwnedFd,
    socket: Mutex<Option<RouteSocket>>,
}

impl fmt::Debug for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Netns")
            .field("path", &self.0.path.as_str())
            .field("id", &self.0.id)
            .finish()
    }
}

impl Netns {
    /// Opens the network namespace at `path`. Takes a few microseconds; opening has no side
    /// effect whatever the path leads to.
    ///
    /// # Errors
    /// [`NetnsError`]: nothing is there; a file that is no namespace; a namespace of
    /// another kind; the namespace of this process or thread.
    pub fn open(path: &NetnsPath) -> Result<Self, NetnsError> {
        let at = || path.as_path().to_path_buf();
        let io = |during| {
            move |errno| NetnsError::Io {
                path: at(),
                during,
                errno,
            }
        };
        // O_PATH opens nothing yet: a FIFO would block, and a device could act.
        let found = open(
            path.as_path(),
            OFlag::O_PATH | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(|e| refused(path.as_path(), e))?;
        if fstatfs(&found).map_err(io("statfs"))?.filesystem_type() != NSFS_MAGIC {
            return Err(NetnsError::NotANamespace { path: at() });
        }
        let again = PathBuf::from(format!("/proc/self/fd/{}", found.as_raw_fd()));
        let fd = open(&again, OFlag::O_RDONLY | OFlag::O_CLOEXEC, Mode::empty())
            .map_err(|e| refused(path.as_path(), e))?;
        let kind = ioctl::namespace_kind(&fd).map_err(io("asking for the kind of"))?;
        if kind != libc::CLONE_NEWNET {
            return Err(NetnsError::WrongKind {
                path: at(),
                kind: kind_name(kind),
            });
        }
        let id = NetnsId::of(&fd).map_err(io("stat"))?;
        for own in [THREAD_NETNS, PROCESS_NETNS] {
            if NetnsId::at(own).map_err(io("comparing with the own namespace"))? == id {
                return Err(NetnsError::OwnNamespace { path: at() });
            }
        }
        Ok(Self(Arc::new(Inner {
            path: path.clone(),
            id,
            fd,
            socket: Mutex::new(None),
        })))
    }

    /// The device and inode.
    pub fn id(&self) -> NetnsId {
        self.0.id
    }

    /// Where it was opened.
    pub fn path(&self) -> &NetnsPath {
        &self.0.path
    }

    /// Whether the path still leads to this namespace. When a sandbox was removed, the
    /// namespace lives on for as long as this holds it, and what is made in it is lost.
    pub fn is_still_at_its_path(&self) -> bool {
        NetnsId::at(self.0.path.as_str()) == Ok(self.0.id)
    }

    /// Whether a process runs in it. Reads the namespace of every process in `/proc`: some
    /// milliseconds on a full node, and blocking. Processes that this one's `/proc` does not
    /// show (without the host's PID namespace) are not seen.
    pub fn is_inhabited(&self) -> bool {
        let Ok(processes) = std::fs::read_dir("/proc") else {
            return false;
        };
        processes
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name.bytes().all(|b| b.is_ascii_digit()))
            .any(|pid| NetnsId::at(&format!("/proc/{pid}/ns/net")) == Ok(self.0.id))
    }

    /// Runs `f` with the socket that was born inside; requests of one namespace follow one
    /// another. After a failure of the socket itself the next call gets a new one.
    pub(crate) fn with_socket<T>(
        &self,
        worker: &mut Worker,
        f: impl FnOnce(&mut RouteSocket) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let mut slot = self.0.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let mut socket = match slot.take() {
            Some(socket) => socket,
            None => worker.visit(self.as_fd(), RouteSocket::open)??,
        };
        let result = f(&mut socket);
        if result.as_ref().err().is_none_or(|e| e.refusal().is_some()) {
            *slot = Some(socket);
        }
        result
    }
}

impl AsFd for Netns {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.fd.as_fd()
    }
}

fn refused(path: &Path, errno: Errno) -> NetnsError {
    let path = path.to_path_buf();
    match errno {
        Errno::ENOENT | Errno::ENOTDIR => NetnsError::NotFound { path },
        Errno::EACCES | Errno::EPERM => NetnsError::NotPermitted { path, errno },
        errno => NetnsError::Io {
            path,
            during: "opening",
            errno,
        },
    }
}

/// The name of a kind of namespace, as `/proc/PID/ns` writes it.
fn kind_name(kind: libc::c_int) -> &'static str {
    match kind {
        libc::CLONE_NEWNS => "mnt",
        libc::CLONE_NEWUTS => "uts",
        libc::CLONE_NEWIPC => "ipc",
        libc::CLONE_NEWUSER => "user",
        libc::CLONE_NEWPID => "pid",
        libc::CLONE_NEWCGROUP => "cgroup",
        libc::CLONE_NEWNET => "net",
        libc::CLONE_NEWTIME => "time",
        _ => "unknown",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A namespace that is not our own, made without privileges if the kernel lets us.
    pub(crate) fn any_other_namespace() -> Option<Netns> {
        let born = std::thread::spawn(|| {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET).ok()?;
            open(
                THREAD_NETNS,
                OFlag::O_RDONLY | OFlag::O_CLOEXEC,
                Mode::empty(),
            )
            .ok()
        });
        let fd = born.join().ok().flatten()?;
        let p = path(&format!("/proc/self/fd/{}", fd.as_raw_fd()));
        Netns::open(&p).ok()
    }

    fn path(p: &str) -> NetnsPath {
        NetnsPath::new(p).expect("a sound path")
    }

    #[test]
    fn a_missing_path_is_told_apart() {
        let e = Netns::open(&path("/nowhere/at/all")).expect_err("nothing is there");
        assert!(matches!(e, NetnsError::NotFound { .. }), "{e}");
        let e = Netns::open(&path("/proc/version/x")).expect_err("not a directory");
        assert!(matches!(e, NetnsError::NotFound { .. }), "{e}");
    }

    #[test]
    fn a_file_of_another_kind_is_no_namespace() {
        for p in ["/proc/version", "/dev/null", "/proc", "/etc/passwd"] {
            let e = Netns::open(&path(p)).expect_err("no namespace");
            assert!(matches!(e, NetnsError::NotANamespace { .. }), "{p}: {e}");
        }
    }

    #[test]
    fn a_namespace_of_another_kind_is_named() {
        for kind in ["pid", "mnt", "uts", "ipc"] {
            let e = Netns::open(&path(&format!("/proc/self/ns/{kind}"))).expect_err("no netns");
            match e {
                NetnsError::WrongKind { kind: said, .. } => assert_eq!(said, kind),
                other => panic!("{kind}: {other}"),
            }
        }
    }

    #[test]
    fn the_own_namespace_is_refused() {
        for p in [PROCESS_NETNS, THREAD_NETNS] {
            let e = Netns::open(&path(p)).expect_err("our own");
            assert!(matches!(e, NetnsError::OwnNamespace { .. }), "{e}");
            assert!(!e.is_retryable());
        }
    }
}
