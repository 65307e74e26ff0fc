//! The blocking client on netd's unix socket.

use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use flatnet_types::api::{
    AddReply, AddRequest, CheckReply, CheckRequest, DelReply, DelRequest, ErrorReply, GcReply,
    GcRequest, StatusReply, StatusRequest,
};
use nix::sys::socket::{
    AddressFamily, SockFlag, SockType, UnixAddr, connect, getsockopt, setsockopt, socket, sockopt,
};
use nix::sys::time::{TimeVal, TimeValLike};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::http::{self, HttpError, Response};
use crate::{Netd, NetdError};

/// Client of netd's unix socket: one connection for each call. The fields are timeouts.
#[derive(Debug, Clone, Copy)]
pub struct UnixNetd {
    /// For a place in the listener's queue. Connecting itself does not block: without a listener it
    /// fails at once.
    pub connect: Duration,
    /// Of ADD and GC, from the connection to the answer's last byte.
    pub slow: Duration,
    /// Of DEL and CHECK.
    pub quick: Duration,
    /// Of STATUS, which runtimes call every five seconds.
    pub status: Duration,
}

impl Default for UnixNetd {
    /// kubelet gives a sandbox two minutes (`runtimeRequestTimeout`) for all of its plugins.
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(2),
            slow: Duration::from_secs(60),
            quick: Duration::from_secs(30),
            status: Duration::from_secs(4),
        }
    }
}

impl Netd for UnixNetd {
    fn add(&self, socket: &Path, request: &AddRequest) -> Result<AddReply, NetdError> {
        self.call(socket, "/v1/cni/add", request, self.slow)
    }

    fn del(&self, socket: &Path, request: &DelRequest) -> Result<DelReply, NetdError> {
        self.call(socket, "/v1/cni/del", request, self.quick)
    }

    fn check(&self, socket: &Path, request: &CheckRequest) -> Result<CheckReply, NetdError> {
        self.call(socket, "/v1/cni/check", request, self.quick)
    }

    fn gc(&self, socket: &Path, request: &GcRequest) -> Result<GcReply, NetdError> {
        self.call(socket, "/v1/cni/gc", request, self.slow)
    }

    fn status(&self, socket: &Path, request: &StatusRequest) -> Result<StatusReply, NetdError> {
        self.call(socket, "/v1/cni/status", request, self.status)
    }
}

impl UnixNetd {
    fn call<T: DeserializeOwned>(
        &self,
        socket: &Path,
        path: &str,
        request: &impl Serialize,
        limit: Duration,
    ) -> Result<T, NetdError> {
        let body = serde_json::to_vec(request).map_err(|e| NetdError::Interrupted {
            source: io::Error::other(e),
        })?;
        let stream = open(socket, self.connect).map_err(|source| NetdError::Unreachable {
            socket: socket.to_owned(),
            source,
        })?;
        let mut stream = Deadline {
            stream,
            at: Instant::now() + limit,
        };
        match http::post(&mut stream, path, &body) {
            Ok(response) => message(&response),
            Err(HttpError::Io(e)) if is_timeout(&e) => Err(NetdError::TimedOut { after: limit }),
            Err(HttpError::Io(source)) => Err(NetdError::Interrupted { source }),
            Err(source) => Err(NetdError::NotHttp { source }),
        }
    }
}

/// The message in an answer: the reply with 200, else an [`ErrorReply`].
fn message<T: DeserializeOwned>(response: &Response) -> Result<T, NetdError> {
    let status = response.status;
    let not_a_message = |source| NetdError::NotAMessage { status, source };
    if status == 200 {
        return serde_json::from_slice(&response.body).map_err(not_a_message);
    }
    serde_json::from_slice::<ErrorReply>(&response.body).map_or_else(
        |e| Err(not_a_message(e)),
        |reply| Err(NetdError::Refused(reply)),
    )
}

/// Connects within `timeout`. The standard library's `connect` blocks without limit if the
/// listener's queue is full; the kernel bounds that by the socket's send timeout (unix(7)).
fn open(path: &Path, timeout: Duration) -> io::Result<UnixStream> {
    let fd = socket(
        AddressFamily::Unix,
        SockType::Stream,
        SockFlag::SOCK_CLOEXEC,
        None,
    )?;
    let micros = i64::try_from(timeout.as_micros())
        .unwrap_or(i64::MAX)
        .max(1);
    setsockopt(&fd, sockopt::SendTimeout, &TimeVal::microseconds(micros))?;
    connect(fd.as_raw_fd(), &UnixAddr::new(path)?)?;
    check_listener(getsockopt(&fd, sockopt::PeerCredentials)?.uid())?;
    Ok(UnixStream::from(fd))
}

/// Fails unless the listener runs as root or as this process's user. Another user's process on the
/// socket's path could report that a container has an address, or that a DEL was done.
fn check_listener(listener: u32) -> io::Result<()> {
    if listener == 0 || listener == nix::unistd::geteuid().as_raw() {
        return Ok(());
    }
    let words = format!("a process of user {listener} listens there, and netd is root's");
    Err(io::Error::new(io::ErrorKind::PermissionDenied, words))
}

/// A stream with one deadline for all its reads and writes.
struct Deadline {
    stream: UnixStream,
    at: Instant,
}

impl Deadline {
    fn left(&self) -> io::Result<Duration> {
        let left = self.at.saturating_duration_since(Instant::now());
        if left.is_zero() {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            Ok(left)
        }
    }
}

impl Read for Deadline {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(self.left()?))?;
        self.stream.read(buffer)
    }
}

impl Write for Deadline {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(self.left()?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// The kernel reports a socket's timeout as EAGAIN (socket(7), `SO_RCVTIMEO`); [`Deadline`] as
/// `TimedOut`.
fn is_timeout(e: &io::Error) -> bool {
    matches!(
        e.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut
    )
}

#[cfg(test)]
mod tests;
