//! One question by HTTP from inside of a namespace.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::netns;

/// How long a connection or an answer may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The body of `GET path`, asked from inside of a namespace.
///
/// # Errors
/// If there is no answer with status 200.
pub(super) fn get(netns: &Path, to: (IpAddr, u16), path: &str) -> Result<String> {
    let asked = netns::enter(netns, || exchange(to.into(), path))?;
    let text = asked.with_context(|| format!("GET {path} of {} port {}", to.0, to.1))?;
    let (head, body) = text.split_once("\r\n\r\n").context("no head")?;
    ensure!(head.contains(" 200 "), "it answers {head}");
    Ok(body.trim().to_owned())
}

fn exchange(to: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\nHost: pod\r\n\r\n").as_bytes())?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}
