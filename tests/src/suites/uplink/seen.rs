//! What is seen of a host from its router: pings, a connection, an announcement.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;

use anyhow::{Context, Result, bail, ensure};

/// A tcpdump that ends with the first frame.
pub(in crate::suites) struct Announcement(pub(super) Child);

impl Announcement {
    /// Whether it came.
    pub(in crate::suites) fn came(&mut self) -> Result<()> {
        let ended = self.0.try_wait()?;
        ensure!(
            ended.is_some_and(|status| status.success()),
            "nobody announced the address: {ended:?}"
        );
        Ok(())
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Pings that run.
pub(in crate::suites) struct Pings(pub(super) Child);

impl Pings {
    /// Ends them, and says how many were lost.
    pub(in crate::suites) fn lost(mut self) -> Result<u64> {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id())?);
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT)?;
        let mut text = String::new();
        if let Some(mut out) = self.0.stdout.take() {
            out.read_to_string(&mut text)?;
        }
        self.0.wait()?;
        // "412 packets transmitted, 410 received, …"
        let line = text.lines().find(|l| l.contains("packets transmitted"));
        let numbers: Vec<u64> = line
            .with_context(|| format!("ping said {text}"))?
            .split_whitespace()
            .filter_map(|w| w.parse().ok())
            .collect();
        match numbers.as_slice() {
            [sent, received, ..] => Ok(sent.saturating_sub(*received)),
            _ => bail!("ping said {text}"),
        }
    }
}

/// Both ends of a connection.
pub(in crate::suites) struct Stream {
    pub(super) there: TcpStream,
    pub(super) here: TcpStream,
}

impl Stream {
    /// Whether it still carries what is written, both ways.
    pub(in crate::suites) fn finish(mut self) -> Result<()> {
        let mut buffer = [0; 5];
        self.there.write_all(b"hello")?;
        self.here.read_exact(&mut buffer)?;
        self.here.write_all(&buffer)?;
        self.there.read_exact(&mut buffer)?;
        ensure!(&buffer == b"hello", "it carried {buffer:?}");
        Ok(())
    }
}
