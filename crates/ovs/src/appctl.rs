//! Open vSwitch's control socket: one command, one answer (ovs-appctl(8), unixctl).
//!
//! JSON-RPC 1.0 on `<daemon>.<pid>.ctl` beside the daemon's PID file, without framing. Each
//! call is a connection of its own: this is for questions that people ask.

mod features;
mod limits;
mod revalidation;
pub mod trace;

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

pub use features::features;
pub use limits::{
    Limits, ZoneLimit, conntrack_limits, delete_conntrack_limits, flush_conntrack,
    set_conntrack_limits, take_any_sequence,
};
pub use revalidation::revalidated;

/// How long an answer may take: tracing a packet takes well under a millisecond.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer in bytes.
const ANSWER_MAX: usize = 1 << 20;

/// Why a command has no answer.
#[derive(Debug, Error)]
pub enum AppctlError {
    /// The daemon does not run here.
    #[error("{daemon} does not run: it has no control socket in {path}")]
    NotRunning {
        /// Name of the daemon's program.
        daemon: &'static str,
        /// Where it should be.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// Its socket fails.
    #[error("{path}")]
    Io {
        /// Path of the UNIX socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// It takes too long.
    #[error("{path} has not answered for {} s", PATIENCE.as_secs())]
    TimedOut {
        /// Path of the UNIX socket.
        path: PathBuf,
    },
    /// It is not the answer of such a daemon.
    #[error("{path} does not speak unixctl: {reason}")]
    Foreign {
        /// Path of the UNIX socket.
        path: PathBuf,
        /// What in its answer is not unixctl.
        reason: String,
    },
    /// The daemon says no.
    #[error("{command}: {message}")]
    Refused {
        /// The command that was sent, `dpctl/show`.
        command: String,
        /// The daemon's message.
        message: String,
    },
}

#[derive(Deserialize)]
struct Reply {
    result: Option<String>,
    error: Option<String>,
}

/// Gives the `ovs-vswitchd` whose sockets are in `rundir` a command.
///
/// # Errors
/// [`AppctlError`].
pub async fn vswitchd(
    rundir: &Path,
    command: &str,
    arguments: &[&str],
) -> Result<String, AppctlError> {
    let path = socket(rundir)?;
    match tokio::time::timeout(PATIENCE, call(&path, command, arguments)).await {
        Ok(answer) => answer,
        Err(_) => Err(AppctlError::TimedOut { path }),
    }
}

/// The control socket: that of the PID file, or, where somebody named it (`--unixctl`), the
/// one whose name says whose it is.
fn socket(rundir: &Path) -> Result<PathBuf, AppctlError> {
    const DAEMON: &str = "ovs-vswitchd";
    // A few bytes on a tmpfs: no reason for a thread.
    let pid = std::fs::read_to_string(rundir.join(format!("{DAEMON}.pid")));
    if let Ok(pid) = &pid {
        return Ok(rundir.join(format!("{DAEMON}.{}.ctl", pid.trim())));
    }
    let not_running = |source| AppctlError::NotRunning {
        daemon: DAEMON,
        path: rundir.to_owned(),
        source,
    };
    let files = std::fs::read_dir(rundir).map_err(not_running)?;
    let mut named = files.flatten().map(|f| f.path()).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.contains("vswitchd") && name.ends_with(".ctl")
    });
    named
        .next()
        .ok_or_else(|| not_running(ErrorKind::NotFound.into()))
}

async fn call(path: &Path, command: &str, arguments: &[&str]) -> Result<String, AppctlError> {
    let io = |source| AppctlError::Io {
        path: path.to_owned(),
        source,
    };
    let foreign = |reason: String| AppctlError::Foreign {
        path: path.to_owned(),
        reason,
    };
    let mut stream = UnixStream::connect(path).await.map_err(io)?;
    let request = json!({"id": 0, "method": command, "params": arguments});
    stream
        .write_all(request.to_string().as_bytes())
        .await
        .map_err(io)?;
    let mut text = Vec::new();
    loop {
        // An object may come in pieces, and nothing but its own end says that it is whole.
        match serde_json::from_slice::<Reply>(&text) {
            Ok(Reply {
                error: Some(message),
                ..
            }) => {
                return Err(AppctlError::Refused {
                    command: command.to_owned(),
                    message: message.trim().to_owned(),
                });
            }
            Ok(reply) => return Ok(reply.result.unwrap_or_default()),
            Err(e) if e.is_eof() && text.len() < ANSWER_MAX => {}
            Err(e) => return Err(foreign(e.to_string())),
        }
        if stream.read_buf(&mut text).await.map_err(io)? == 0 {
            return Err(io(ErrorKind::UnexpectedEof.into()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A daemon that answers one call in these pieces; what it was asked.
    async fn answered(pieces: &'static [&'static str]) -> (Result<String, AppctlError>, String) {
        let dir = tempfile::tempdir().expect("a directory");
        std::fs::write(dir.path().join("ovs-vswitchd.pid"), "77\n").expect("a PID file");
        let socket = dir.path().join("ovs-vswitchd.77.ctl");
        let listener = tokio::net::UnixListener::bind(socket).expect("a socket");
        let daemon = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut asked = vec![0; 1024];
            let n = stream.read(&mut asked).await.expect("a request");
            for piece in pieces {
                stream.write_all(piece.as_bytes()).await.expect("written");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            String::from_utf8_lossy(&asked[..n]).into_owned()
        });
        let answer = vswitchd(dir.path(), "ofproto/trace", &["br", "ip"]).await;
        (answer, daemon.await.expect("its end"))
    }

    #[tokio::test]
    async fn an_answer_may_come_in_pieces() {
        let (answer, asked) =
            answered(&["{\"id\":0,\"resu", "lt\":\"a\\nb\",\"error\":null}"]).await;
        assert_eq!(answer.expect("an answer"), "a\nb");
        let asked: serde_json::Value = serde_json::from_str(&asked).expect("JSON");
        assert_eq!(asked["params"], json!(["br", "ip"]));
    }

    #[tokio::test]
    async fn a_refusal_and_nonsense_are_errors() {
        let (answer, _) =
            answered(&["{\"id\":0,\"result\":null,\"error\":\"no bridge\\n\"}"]).await;
        assert_eq!(
            answer.expect_err("refused").to_string(),
            "ofproto/trace: no bridge"
        );
        let (answer, _) = answered(&["hello"]).await;
        assert!(matches!(answer, Err(AppctlError::Foreign { .. })));
        let (answer, _) = answered(&["{"]).await;
        assert!(matches!(answer, Err(AppctlError::Io { .. })));
    }

    #[test]
    fn a_socket_that_somebody_named_is_found() {
        let dir = tempfile::tempdir().expect("a directory");
        assert!(socket(dir.path()).is_err());
        for name in ["ovsdb.ctl", "vswitchd.ctl", "vswitchd.pid"] {
            std::fs::write(dir.path().join(name), "77\n").expect("a file");
        }
        let found = socket(dir.path()).expect("a socket");
        assert_eq!(found, dir.path().join("vswitchd.ctl"));
    }

    #[tokio::test]
    async fn a_daemon_that_does_not_run_is_named() {
        let error = vswitchd(Path::new("/no/such"), "x", &[])
            .await
            .expect_err("none");
        assert!(error.to_string().starts_with("ovs-vswitchd does not run"));
    }
}
