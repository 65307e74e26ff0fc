//! Speaking with the simulator from inside the VPC router's namespace.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::Duration;

use super::PORT;
use crate::error::{Error, Result};
use crate::lab::Lab;
use crate::netd::parse_answer;
use crate::netns;
use crate::paths::VPC_ROUTER;

/// How long the simulator may take to answer.
const ANSWER: Duration = Duration::from_secs(5);
/// More than any lab's log.
const ANSWER_MAX: u64 = 64 << 20;

/// Asks the lab's simulator: `GET /_sim/log`, `POST /_sim/faults`, … The status and the
/// body.
///
/// # Errors
/// [`Error::UnknownMember`] in a lab without a VPC; [`Error::Io`] where nobody listens;
/// [`Error::Http`] for an answer that is not HTTP.
pub fn ask(lab: &Lab, method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let router = lab.member(VPC_ROUTER)?;
    netns::enter(&router.netns_path(), || ask_here(method, path, body))?
}

/// The same in the calling thread's namespace.
pub(super) fn ask_here(method: &str, path: &str, body: &str) -> Result<(u16, String)> {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, PORT));
    let named = || PathBuf::from(address.to_string());
    let failed = |source| Error::Io {
        doing: "speak with the simulator at",
        path: named(),
        source,
    };
    let mut stream = TcpStream::connect_timeout(&address, ANSWER).map_err(failed)?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nHost: sim\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut answer = String::new();
    stream
        .set_read_timeout(Some(ANSWER))
        .and_then(|()| stream.write_all(request.as_bytes()))
        .and_then(|()| stream.take(ANSWER_MAX).read_to_string(&mut answer))
        .map_err(failed)?;
    parse_answer(&answer).map_err(|reason| Error::Http {
        socket: named(),
        reason: reason.to_owned(),
    })
}
