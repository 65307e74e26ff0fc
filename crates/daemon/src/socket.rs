//! A unix socket for root of this machine.

use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, UnixAddr, connect, socket};
use thiserror::Error;
use tokio::net::UnixListener;

use crate::serve::Caller;

/// The socket cannot be bound.
#[derive(Debug, Error)]
pub enum BindError {
    /// A running process listens on it.
    #[error("another {daemon} serves {path}: stop it first")]
    InUse {
        /// Name of the daemon whose socket it is.
        daemon: &'static str,
        /// Path of the UNIX socket.
        path: PathBuf,
    },
    /// A file that is no socket has its path.
    #[error(
        "cannot listen on {path}: {what} has that name, and is left as it is; move it away, or name \
         another socket"
    )]
    Taken {
        /// Path of the UNIX socket.
        path: PathBuf,
        /// Its file type, in words.
        what: &'static str,
    },
    /// The socket file cannot be created.
    #[error("cannot listen on {path}: {source}")]
    Io {
        /// Path of the UNIX socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: io::Error,
    },
}

/// Listens on `path`, mode 0600. Replaces the socket file of a `daemon` that has ended, and no
/// other file; follows no symbolic link.
///
/// # Errors
/// [`BindError`].
pub fn bind(daemon: &'static str, path: &Path) -> Result<UnixListener, BindError> {
    let io = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(io)?;
    }
    is_free(daemon, path)?;
    // Bound under another name and renamed: the socket never has a wider mode, and `path` always
    // exists.
    let fresh = path.with_extension("new");
    if is_socket(&fresh)? {
        fs::remove_file(&fresh).map_err(io)?;
    }
    let listener = UnixListener::bind(&fresh).map_err(io)?;
    fs::set_permissions(&fresh, fs::Permissions::from_mode(0o600)).map_err(io)?;
    fs::rename(&fresh, path).map_err(io)?;
    Ok(listener)
}

/// Fails if another `daemon` serves `path`, or a file that is no socket has this path. For a daemon
/// that must change nothing while another one runs.
///
/// # Errors
/// [`BindError`].
pub fn is_free(daemon: &'static str, path: &Path) -> Result<(), BindError> {
    let served = is_socket(path)?
        && is_served(path).map_err(|source| BindError::Io {
            path: path.to_owned(),
            source,
        })?;
    match served {
        false => Ok(()),
        true => Err(BindError::InUse {
            daemon,
            path: path.to_owned(),
        }),
    }
}

/// Whether a socket file exists at `path`; another type of file is an error.
fn is_socket(path: &Path) -> Result<bool, BindError> {
    let kind = match fs::symlink_metadata(path) {
        Ok(status) => status.file_type(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(source) => {
            return Err(BindError::Io {
                path: path.to_owned(),
                source,
            });
        }
    };
    let what = match kind {
        kind if kind.is_socket() => return Ok(true),
        kind if kind.is_symlink() => "a symbolic link",
        kind if kind.is_dir() => "a directory",
        kind if kind.is_file() => "a file",
        _ => "a FIFO or a device",
    };
    Err(BindError::Taken {
        path: path.to_owned(),
        what,
    })
}

/// Whether a process listens, also one whose queue is full because it does not accept.
fn is_served(path: &Path) -> io::Result<bool> {
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None)?;
    match connect(fd.as_raw_fd(), &UnixAddr::new(path)?) {
        Ok(()) | Err(Errno::EAGAIN) => Ok(true),
        Err(Errno::ECONNREFUSED | Errno::ENOENT) => Ok(false),
        Err(e) => Err(e.into()),
    }
}

/// UID of the process at the other end of a connection. Checked although the socket has mode 0600,
/// because its mode can be changed by mistake.
#[derive(Debug, Clone, Copy)]
pub struct Peer(Option<u32>);

impl Peer {
    /// Whether it is root; `false` if it is unknown.
    pub fn is_root(self) -> bool {
        self.0 == Some(0)
    }
}

impl Peer {
    /// The peer of `stream`.
    pub fn of(stream: &tokio::net::UnixStream) -> Self {
        Self(stream.peer_cred().ok().map(|peer| peer.uid()))
    }
}

impl Caller for Peer {
    fn is_unauthorized(&self) -> bool {
        !self.is_root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_socket_is_roots_alone_and_a_dead_ones_file_is_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("run/test.sock");
        let first = bind("testd", &path).expect("bound");
        let mode = std::fs::metadata(&path)
            .expect("a file")
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600);
        let refused = bind("testd", &path).expect_err("it is served").to_string();
        assert!(refused.contains("another testd serves"), "{refused}");
        drop(first);
        assert!(path.exists(), "a socket's file outlives it");
        bind("testd", &path).expect("replaced");
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_is_not_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let at = |name: &str| dir.path().join(name);
        fs::write(at("plan.yaml"), "kept").expect("writes");
        std::os::unix::fs::symlink(at("plan.yaml"), at("link.sock")).expect("links");
        std::os::unix::fs::symlink(at("nothing"), at("dangling.sock")).expect("links");
        fs::create_dir(at("directory.sock")).expect("made");
        fs::write(at("new.new"), "kept").expect("writes");
        for (name, what) in [
            ("plan.yaml", "a file"),
            ("link.sock", "a symbolic link"),
            ("dangling.sock", "a symbolic link"),
            ("directory.sock", "a directory"),
            // Where the socket is made before it is moved.
            ("new.sock", "a file"),
        ] {
            let refused = bind("testd", &at(name)).expect_err(name).to_string();
            assert!(refused.contains(what), "{name}: {refused}");
        }
        for name in ["plan.yaml", "new.new", "link.sock"] {
            assert_eq!(fs::read_to_string(at(name)).expect("reads"), "kept");
        }
        assert!(
            fs::symlink_metadata(at("dangling.sock"))
                .expect("there")
                .is_symlink()
        );
    }

    #[tokio::test]
    async fn a_daemon_that_listens_and_does_not_accept_is_not_replaced() {
        let dir = tempfile::tempdir().expect("directory");
        let path = dir.path().join("full.sock");
        let _hung = bind("testd", &path).expect("bound");
        let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
        let mut queue = Vec::new();
        loop {
            let fd = socket(AddressFamily::Unix, SockType::Stream, flags, None).expect("a socket");
            match connect(fd.as_raw_fd(), &UnixAddr::new(&path).expect("a path")) {
                Ok(()) => queue.push(fd),
                Err(Errno::EAGAIN) => break,
                Err(e) => panic!("{e}"),
            }
        }
        let refused = bind("testd", &path).expect_err("it is served").to_string();
        assert!(refused.contains("another testd serves"), "{refused}");
    }
}
