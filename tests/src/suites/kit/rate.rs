//! How many bits a second get from one namespace to another.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::{Datapath, Lab, netns};

/// How long is sent.
const SENT_FOR: Duration = Duration::from_secs(3);
/// The rate is that of what arrives in this time after the beginning, behind bursts.
const BEHIND_BURST: Duration = Duration::from_millis(500);
/// Nothing comes for so long: it is over.
const QUIET: Duration = Duration::from_secs(1);
/// Waiting for the first.
const PATIENCE: Duration = Duration::from_secs(10);
/// Of a datagram.
const PAYLOAD: usize = 1400;
/// Ethernet, IPv4 and UDP: what a limit counts as well.
const HEADERS: usize = 42;

/// The limit that checks of limits set, in bits a second; they offer three times as much.
///
/// The kernel's datapath may be in a guest with one slow processor: there a sender of more would
/// leave the receiver no time, and what is measured would be the processor.
pub(in crate::suites) fn limit(lab: &Lab) -> u32 {
    match lab.datapath() {
        Datapath::User => 20_000_000,
        Datapath::Kernel => 4_000_000,
    }
}

/// Where from and where to.
#[derive(Debug, Clone, Copy)]
pub(in crate::suites) struct Way<'a> {
    /// The sender's namespace.
    pub(in crate::suites) from: &'a Path,
    /// The receiver's namespace.
    pub(in crate::suites) to: &'a Path,
    /// The receiver's address.
    pub(in crate::suites) at: IpAddr,
}

/// What arrived, and when.
#[derive(Debug, Default)]
struct Arrivals(Vec<(Instant, usize)>);

impl Arrivals {
    /// Bits a second between [`BEHIND_BURST`] and the end of sending.
    fn rate(&self, begun: Instant) -> Result<f64> {
        let (from, until) = (begun + BEHIND_BURST, begun + SENT_FOR);
        let within = self.0.iter().filter(|(at, _)| (from..until).contains(at));
        let octets: usize = within.map(|(_, n)| n).sum();
        // In kilobits, which are few enough for a `f64` to hold each number of them exactly.
        let kilobits = u32::try_from(octets * 8 / 1000).context("more than 4 Tbit")?;
        Ok(f64::from(kilobits) * 1000.0 / (SENT_FOR - BEHIND_BURST).as_secs_f64())
    }
}

/// Sends datagrams at a rate in bits a second; gives the rate at which frames arrive.
///
/// # Errors
/// If a socket cannot be had, or nothing arrives at all.
pub(in crate::suites) fn udp(way: Way<'_>, rate: u32) -> Result<f64> {
    let receiver = netns::enter(way.to, || UdpSocket::bind((way.at, 0)))??;
    let target = receiver.local_addr()?;
    let any: SocketAddr = match way.at {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let sender = netns::enter(way.from, || UdpSocket::bind(any))??;
    receiver.set_read_timeout(Some(PATIENCE))?;
    let begun = Instant::now();
    let arrivals = std::thread::scope(|scope| -> Result<Arrivals> {
        let receive = scope.spawn(move || datagrams(&receiver));
        send_datagrams(&sender, target, rate, begun)?;
        receive
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    arrivals.rate(begun)
}

fn send_datagrams(sender: &UdpSocket, to: SocketAddr, rate: u32, begun: Instant) -> Result<()> {
    let payload = [0x5a; PAYLOAD];
    let bits = f64::from(u32::try_from((PAYLOAD + HEADERS) * 8)?);
    let mut sent = 0_f64;
    loop {
        let elapsed = begun.elapsed();
        if elapsed >= SENT_FOR {
            return Ok(());
        }
        while sent * bits < elapsed.as_secs_f64() * f64::from(rate) {
            match sender.send_to(&payload, to) {
                Ok(_) => {}
                // A queue that is full drops, as a limit is to.
                Err(e) if e.raw_os_error() == Some(nix::errno::Errno::ENOBUFS as i32) => {}
                Err(e) => return Err(e).with_context(|| format!("send to {to}")),
            }
            sent += 1.0;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn datagrams(receiver: &UdpSocket) -> Result<Arrivals> {
    let mut arrivals = Arrivals::default();
    let mut buffer = [0; 2 * PAYLOAD];
    loop {
        match receiver.recv(&mut buffer) {
            Ok(n) => {
                if arrivals.0.is_empty() {
                    receiver.set_read_timeout(Some(QUIET))?;
                }
                arrivals.0.push((Instant::now(), n + HEADERS));
            }
            Err(e) if is_timeout(&e) && !arrivals.0.is_empty() => return Ok(arrivals),
            Err(e) => return Err(e).context("no datagram arrived"),
        }
    }
}

/// Sends as fast as TCP allows; gives the rate of what arrives.
///
/// # Errors
/// If there is no connection, or it breaks.
pub(in crate::suites) fn tcp(way: Way<'_>) -> Result<f64> {
    let listener = netns::enter(way.to, || TcpListener::bind((way.at, 0)))??;
    let target = listener.local_addr()?;
    let stream = netns::enter(way.from, || TcpStream::connect_timeout(&target, PATIENCE))?;
    let mut stream = stream.with_context(|| format!("connect to {target}"))?;
    let (accepted, _) = listener.accept()?;
    accepted.set_read_timeout(Some(QUIET))?;
    stream.set_write_timeout(Some(Duration::from_millis(100)))?;
    let begun = Instant::now();
    let arrivals = std::thread::scope(|scope| -> Result<Arrivals> {
        let receive = scope.spawn(move || octets(accepted, begun));
        let chunk = [0x5a; 32 * 1024];
        while begun.elapsed() < SENT_FOR {
            match stream.write(&chunk) {
                Ok(_) => {}
                Err(e) if is_timeout(&e) => {}
                // The receiver's time was over a moment earlier.
                Err(e) if is_end(&e) => break,
                Err(e) => return Err(e).with_context(|| format!("send to {target}")),
            }
        }
        receive
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    arrivals.rate(begun)
}

/// Reads until sending is over.
fn octets(mut stream: TcpStream, begun: Instant) -> Result<Arrivals> {
    let mut arrivals = Arrivals::default();
    let mut buffer = vec![0; 64 * 1024];
    while begun.elapsed() < SENT_FOR {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => arrivals.0.push((Instant::now(), n)),
            // A loss at a low rate stalls a connection for as long.
            Err(e) if is_timeout(&e) => {}
            Err(e) => return Err(e).context("receive"),
        }
    }
    Ok(arrivals)
}

fn is_timeout(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn is_end(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_burst_and_the_tail_are_not_counted() {
        let begun = Instant::now();
        let at = |ms: u64| begun + Duration::from_millis(ms);
        let arrivals = Arrivals(vec![(at(100), 1000), (at(600), 1250), (at(3100), 1000)]);
        let rate = arrivals.rate(begun).expect("a rate");
        assert!((rate - 4000.0).abs() < 1e-6, "{rate}");
    }
}
