//! The protocol on the unix socket of an FRR daemon, as `vtysh` speaks it.
//!
//! ```text
//!   ─▶ configure terminal \0
//!   ◀─ what the daemon says … \0 \0 \0 <code>      (lib/vty.c: vtysh_flush, vtysh_read)
//! ```
//!
//! One command, one answer; the code is a `CMD_…` of `lib/command.h`, 0 for success.

use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::error::{Daemon, FrrError};

/// How long an answer may take: a daemon has one thread, and may be at a large table.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest answer, in bytes: some hundred thousand static routes.
const LARGEST: usize = 64 << 20;
/// What ends an answer, before the code.
const END: [u8; 3] = [0, 0, 0];

/// A conversation with one daemon, in enable mode.
#[derive(Debug)]
pub(super) struct Vty {
    daemon: Daemon,
    stream: UnixStream,
}

impl Vty {
    /// Connects to a daemon's socket in a directory.
    ///
    /// # Errors
    /// It does not run, or this user may not.
    pub(super) async fn connect(sockets: &Path, daemon: Daemon) -> Result<Self, FrrError> {
        let path = sockets.join(format!("{daemon}.vty"));
        let stream = match UnixStream::connect(&path).await {
            Ok(stream) => stream,
            Err(error) => {
                return Err(match error.kind() {
                    ErrorKind::NotFound | ErrorKind::ConnectionRefused => {
                        FrrError::NotRunning { daemon, path }
                    }
                    ErrorKind::PermissionDenied => FrrError::Permission { daemon, path },
                    _ => FrrError::Io {
                        daemon,
                        command: format!("connect to {}", path.display()),
                        source: error,
                    },
                });
            }
        };
        let mut vty = Self { daemon, stream };
        vty.run("enable").await?;
        Ok(vty)
    }

    /// Runs a command; what the daemon said.
    ///
    /// # Errors
    /// It refused, or did not answer; then nothing more may be asked of this conversation.
    pub(super) async fn run(&mut self, command: &str) -> Result<String, FrrError> {
        let (said, code) = self.answer(command).await?;
        if code == 0 {
            return Ok(said);
        }
        Err(FrrError::Refused {
            daemon: self.daemon,
            command: command.to_owned(),
            said: said.split_whitespace().collect::<Vec<_>>().join(" "),
            code,
        })
    }

    async fn answer(&mut self, command: &str) -> Result<(String, u8), FrrError> {
        let daemon = self.daemon;
        let io = |source| FrrError::Io {
            daemon,
            command: command.to_owned(),
            source,
        };
        let exchange = async {
            let mut line = command.as_bytes().to_vec();
            line.push(0);
            self.stream.write_all(&line).await.map_err(io)?;
            let mut heard = Vec::new();
            loop {
                if let [said @ .., a, b, c, code] = heard.as_slice()
                    && [*a, *b, *c] == END
                {
                    return Ok((String::from_utf8_lossy(said).into_owned(), *code));
                }
                if heard.len() > LARGEST {
                    return Err(io(std::io::Error::other("the answer has no end")));
                }
                match self.stream.read_buf(&mut heard).await {
                    Ok(0) => {
                        return Err(FrrError::Closed {
                            daemon,
                            command: command.to_owned(),
                        });
                    }
                    Ok(_) => {}
                    Err(error) if is_end(error.kind()) => {
                        return Err(FrrError::Closed {
                            daemon,
                            command: command.to_owned(),
                        });
                    }
                    Err(error) => return Err(io(error)),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(FrrError::Silent {
                daemon,
                command: command.to_owned(),
                after: PATIENCE,
            }),
        }
    }
}

fn is_end(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}
