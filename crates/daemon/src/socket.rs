//! A unix socket for root of this machine.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use thiserror::Error;
use tokio::net::UnixListener;

/// Why the socket cannot be served.
#[derive(Debug, Error)]
pub enum BindError {
    /// Somebody who lives answers on it.
    #[error("another {daemon} serves {path}: stop it first")]
    InUse {
        /// What listens there as a rule.
        daemon: &'static str,
        /// The socket.
        path: PathBuf,
    },
    /// The file cannot be made.
    #[error("cannot listen on {path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Listens on `path`, mode 0600. A socket file that a dead `daemon` left is replaced.
///
/// # Errors
/// [`BindError`].
pub fn bind(daemon: &'static str, path: &Path) -> Result<UnixListener, BindError> {
    let io = |source| BindError::Io {
        path: path.to_owned(),
        source,
    };
    if let Some(dir) = path.parent() {
        std::fs::create_dir_all(dir).map_err(io)?;
    }
    if UnixStream::connect(path).is_ok() {
        return Err(BindError::InUse {
            daemon,
            path: path.to_owned(),
        });
    }
    // Bound under another name and then moved: nobody meets it with a wider mode, and nobody
    // misses it in between.
    let fresh = path.with_extension("new");
    match std::fs::remove_file(&fresh) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(io(e)),
        Ok(()) | Err(_) => {}
    }
    let listener = UnixListener::bind(&fresh).map_err(io)?;
    std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600)).map_err(io)?;
    std::fs::rename(&fresh, path).map_err(io)?;
    Ok(listener)
}

/// The user at the other end of a connection, because a socket's mode can be changed by
/// mistake.
#[derive(Debug, Clone, Copy)]
pub struct Peer(Option<u32>);

impl Peer {
    /// Whether it is root. Who cannot be known is not.
    pub fn is_root(self) -> bool {
        self.0 == Some(0)
    }
}

impl Connected<IncomingStream<'_, UnixListener>> for Peer {
    fn connect_info(stream: IncomingStream<'_, UnixListener>) -> Self {
        Self(stream.io().peer_cred().ok().map(|peer| peer.uid()))
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
}
