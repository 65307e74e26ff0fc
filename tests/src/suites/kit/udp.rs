//! A server that sends back what it gets by UDP, and its callers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::server::Server;
use crate::netns;

/// The largest datagram.
const DATAGRAM_MAX: usize = 65_535;
/// How soon a server notices that it is dropped.
const LOOK: Duration = Duration::from_millis(50);

/// Answers in a namespace until it is dropped.
#[derive(Debug)]
pub(in crate::suites) struct Echo {
    _server: Server,
}

impl Echo {
    /// Answers at a port, in both families.
    ///
    /// # Errors
    /// If the port is taken.
    pub(in crate::suites) fn start(netns: &Path, port: u16) -> Result<Self> {
        let any = (Ipv6Addr::UNSPECIFIED, port);
        let socket = netns::enter(netns, || UdpSocket::bind(any))?;
        let socket = socket.with_context(|| format!("bind to port {port}"))?;
        socket.set_read_timeout(Some(LOOK))?;
        let mut buffer = vec![0; DATAGRAM_MAX];
        let server = Server::start(move || {
            if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                // Whether it arrives is what the caller looks at.
                let _ = socket.send_to(&buffer[..length], peer);
            }
        });
        Ok(Self { _server: server })
    }
}

/// A socket of a namespace with a port of its own, which takes answers of the address that it asks
/// alone.
#[derive(Debug)]
pub(in crate::suites) struct Caller {
    socket: UdpSocket,
    at: SocketAddr,
}

impl Caller {
    /// A new one, for an [`Echo`].
    ///
    /// # Errors
    /// If the namespace is gone, or has no way there.
    pub(in crate::suites) fn new(from: &Path, at: SocketAddr) -> Result<Self> {
        let any: IpAddr = match at {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = netns::enter(from, || UdpSocket::bind((any, 0)))??;
        socket.connect(at)?;
        Ok(Self { socket, at })
    }

    /// Sends one datagram of so many bytes, and waits for it to come back.
    ///
    /// # Errors
    /// If the answer does not come in time, or is another.
    pub(in crate::suites) fn call(&self, bytes: usize, limit: Duration) -> Result<()> {
        let at = self.at;
        self.socket.set_read_timeout(Some(limit))?;
        let sent: Vec<u8> = (0..=u8::MAX).cycle().take(bytes).collect();
        self.socket.send(&sent)?;
        let mut buffer = vec![0; DATAGRAM_MAX];
        let length = self
            .socket
            .recv(&mut buffer)
            .with_context(|| format!("{bytes} bytes to {at}: no answer"))?;
        ensure!(buffer[..length] == sent, "{at} sends other bytes back");
        Ok(())
    }

    /// Sends one datagram, whatever becomes of it.
    ///
    /// # Errors
    /// If it cannot be sent.
    pub(in crate::suites) fn send(&self) -> Result<()> {
        self.socket.send(b"?")?;
        Ok(())
    }
}

/// One call of a new [`Caller`].
///
/// # Errors
/// As [`Caller::call`].
pub(in crate::suites) fn call(
    from: &Path,
    at: SocketAddr,
    bytes: usize,
    limit: Duration,
) -> Result<()> {
    Caller::new(from, at)?.call(bytes, limit)
}
