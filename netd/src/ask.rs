//! One question on the socket of a running netd, for the commands beside `run`. It blocks.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use thiserror::Error;

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How much of an answer is read, in bytes: a node's view with thousands of ranges has less.
const ANSWER_MAX: u64 = 16 << 20;

/// What netd answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    /// HTTP's status.
    pub(crate) status: u16,
    /// The text below the head.
    pub(crate) body: String,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum AskError {
    /// Nobody listens, or not in time.
    #[error("netd does not answer on {}: {source}", socket.display())]
    Socket {
        socket: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// Somebody else listens.
    #[error("what listens on {} is not netd: its answer is not HTTP", socket.display())]
    NotHttp { socket: PathBuf },
}

/// `GET path`.
///
/// # Errors
/// [`AskError`].
pub(crate) fn get(socket: &Path, path: &str) -> Result<Answer, AskError> {
    let text = exchange(socket, path).map_err(|source| AskError::Socket {
        socket: socket.to_owned(),
        source,
    })?;
    parse(&text).ok_or_else(|| AskError::NotHttp {
        socket: socket.to_owned(),
    })
}

fn exchange(socket: &Path, path: &str) -> std::io::Result<String> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: netd\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    stream.take(ANSWER_MAX).read_to_string(&mut text)?;
    Ok(text)
}

/// A status line, a head, a body to the end of the connection (RFC 9112 §6.3, rule 8).
fn parse(text: &str) -> Option<Answer> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let line = head.lines().next()?.strip_prefix("HTTP/1.1 ")?;
    Some(Answer {
        status: line.split(' ').next()?.parse().ok()?,
        body: body.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_its_status_and_its_body() {
        let answer = parse("HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno");
        let wanted = Answer {
            status: 503,
            body: "no".to_owned(),
        };
        assert_eq!(answer, Some(wanted));
        assert_eq!(parse("SSH-2.0-x\r\n\r\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn nobody_at_the_socket_is_told_with_its_path() {
        let error = get(Path::new("/nowhere/netd.sock"), "/readyz").expect_err("nobody is there");
        assert!(error.to_string().contains("/nowhere/netd.sock"), "{error}");
    }
}
