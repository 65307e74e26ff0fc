//! A server that says who called, and its callers.

use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::server::Server;
use crate::netns;

/// How long a server that nobody calls waits until it looks again.
const LOOK: Duration = Duration::from_millis(5);

/// Listens in a namespace until it is dropped, and tells each caller its address.
#[derive(Debug)]
pub(in crate::suites) struct Greeter {
    _server: Server,
}

impl Greeter {
    /// Listens at a port, in both families.
    ///
    /// # Errors
    /// If the port is taken.
    pub(in crate::suites) fn start(netns: &Path, port: u16) -> Result<Self> {
        let any = (Ipv6Addr::UNSPECIFIED, port);
        let listener = netns::enter(netns, || TcpListener::bind(any))?;
        let listener = listener.with_context(|| format!("listen at port {port}"))?;
        listener.set_nonblocking(true)?;
        let server = Server::start(move || match listener.accept() {
            Ok((mut stream, peer)) => {
                // A caller that went away is none of the server's business.
                let _ = write!(stream, "{}", peer.ip().to_canonical());
            }
            Err(_) => std::thread::sleep(LOOK),
        });
        Ok(Self { _server: server })
    }
}

/// Calls a [`Greeter`] from a namespace; gives the address by which it knows the caller.
///
/// # Errors
/// If nobody answers in time.
pub(in crate::suites) fn ask(from: &Path, at: SocketAddr, limit: Duration) -> Result<IpAddr> {
    let stream = netns::enter(from, || TcpStream::connect_timeout(&at, limit))?;
    let mut stream = stream.with_context(|| format!("connect to {at}"))?;
    stream.set_read_timeout(Some(limit))?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .with_context(|| format!("answer of {at}"))?;
    answer
        .parse()
        .with_context(|| format!("{at} answers {answer:?}"))
}
