//! ipamd as a process, and who calls it: for its tests and its benchmark.
#![allow(dead_code, reason = "each uses its part")]

pub(crate) mod certs;

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use flatnet_client::Client;
use flatnet_types::ipamd::{Held, HostRanges};

/// The token of callers without a certificate.
pub(crate) const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A daemon that dies with its test: by SIGKILL, as in a power cut.
pub(crate) struct Process(Child);

impl Process {
    pub(crate) fn spawn(command: &mut Command) -> io::Result<Self> {
        Ok(Self(command.spawn()?))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be dead already: that is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `ipamd run` with the plan, the ledger and the unix socket in `dir`, which listens on `port`
/// of this machine. The options of authentication are to be added.
pub(crate) fn command(program: &Path, dir: &Path, port: u16) -> Command {
    let mut command = Command::new(program);
    command
        .arg("run")
        .arg("--plan")
        .arg(dir.join("plan.yaml"))
        .arg("--state")
        .arg(dir.join("state"))
        .arg("--socket")
        .arg(dir.join("ipamd.sock"))
        .arg("--listen")
        .arg(format!("127.0.0.1:{port}"))
        .env("RUST_LOG", "warn")
        .stdin(Stdio::null());
    command
}

/// A free TCP port.
pub(crate) fn port() -> io::Result<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    Ok(listener.local_addr()?.port())
}

/// Until it takes connections; whether it did within 20 s.
pub(crate) async fn serves(client: &Client) -> bool {
    let begun = Instant::now();
    while client.connect().await.is_err() {
        if begun.elapsed() > Duration::from_secs(20) {
            return false;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    true
}

/// A host's report of its ranges.
pub(crate) fn held(ranges: &HostRanges, used: u64, capacity: u64) -> Vec<Held> {
    let held = ranges.ranges.iter().map(|grant| grant.held(used, capacity));
    held.collect()
}
