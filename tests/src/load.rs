//! Traffic between two namespaces: a stream, round trips of one byte, and many short flows.
//!
//! Sockets belong to the namespace that they were made in, so a thread enters one only to make
//! them; blocking calls alone, as a program in a container makes them.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use nix::sys::socket::{setsockopt, sockopt};
use nix::sys::time::{TimeVal, TimeValLike};

use crate::netns;

/// How long a connection or an answer may take: a switch that starts to forward, or a guest whose
/// one processor is busy.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a datagram without an answer is sent again.
const AGAIN: Duration = Duration::from_millis(500);
/// What a client of short connections sends for one more, and for the last one.
const MORE: u8 = b'm';
const LAST: u8 = b'l';

/// Where from and where to.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way<'a> {
    /// The client's namespace.
    pub(crate) from: &'a Path,
    /// The server's namespace.
    pub(crate) to: &'a Path,
    /// The server's address.
    pub(crate) at: IpAddr,
}

impl Way<'_> {
    fn listen(&self) -> Result<(TcpListener, SocketAddr)> {
        let listener = netns::enter(self.to, || TcpListener::bind((self.at, 0)))?;
        let listener = listener.with_context(|| format!("listen at {}", self.at))?;
        // accept(2) keeps to it: who never connects is told of and not waited for.
        setsockopt(&listener, sockopt::ReceiveTimeout, &time(PATIENCE))?;
        let at = listener.local_addr()?;
        Ok((listener, at))
    }

    /// A connection, and the server's end of it.
    fn connected(&self) -> Result<(TcpStream, TcpStream)> {
        let (listener, at) = self.listen()?;
        let near = netns::enter(self.from, || TcpStream::connect_timeout(&at, PATIENCE))?;
        let near = near.with_context(|| format!("connect to {at}"))?;
        let (far, _) = listener.accept().with_context(|| format!("accept {at}"))?;
        for end in [&near, &far] {
            end.set_read_timeout(Some(PATIENCE))?;
            end.set_write_timeout(Some(PATIENCE))?;
        }
        Ok((near, far))
    }
}

/// Sends as fast as TCP allows; gives the bits a second that arrive.
///
/// # Errors
/// If there is no connection, it breaks, or stands still for [`PATIENCE`].
pub(crate) fn stream(way: Way<'_>, window: Duration) -> Result<f64> {
    let (mut near, mut far) = way.connected()?;
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let send = scope.spawn(move || -> Result<()> {
            let chunk = vec![0x5a; 128 * 1024];
            while begun.elapsed() < window {
                near.write_all(&chunk).context("send")?;
            }
            // Dropped here, which ends the reader.
            Ok(())
        });
        let mut buffer = vec![0; 256 * 1024];
        let mut kilobits = 0.0;
        let mut last = begun;
        loop {
            match far.read(&mut buffer).context("receive")? {
                0 => break,
                n => {
                    kilobits += f64::from(u32::try_from(n * 8)?) / 1e3;
                    last = Instant::now();
                }
            }
        }
        send.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(kilobits * 1e3 / (last - begun).as_secs_f64().max(1e-9))
    })
}

/// Sends one byte and waits for it to come back, again and again; gives the time at the median.
///
/// # Errors
/// If there is no connection, it breaks, or no byte comes back for [`PATIENCE`].
pub(crate) fn round_trips(way: Way<'_>, window: Duration) -> Result<Duration> {
    let (mut near, mut far) = way.connected()?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    std::thread::scope(|scope| {
        let echo = scope.spawn(move || -> Result<()> {
            let mut byte = [0];
            while far.read(&mut byte).context("receive")? == 1 {
                far.write_all(&byte).context("answer")?;
            }
            Ok(())
        });
        let mut times = Vec::new();
        let (begun, mut byte) = (Instant::now(), [0]);
        while times.is_empty() || begun.elapsed() < window {
            let sent = Instant::now();
            near.write_all(&byte).context("send")?;
            near.read_exact(&mut byte).context("answer")?;
            times.push(sent.elapsed());
        }
        drop(near);
        echo.join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        times.sort_unstable();
        Ok(times[times.len() / 2])
    })
}

/// How many connections are made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Many {
    /// As many as one after the other are possible in this time.
    For(Duration),
    /// This number.
    Count(u32),
}

impl Many {
    fn is_over(self, made: u32, begun: Instant) -> bool {
        match self {
            Self::For(window) => begun.elapsed() >= window,
            Self::Count(count) => made >= count,
        }
    }
}

/// Makes connections one after the other, each from a port of its own: a byte goes to the server,
/// which closes. Gives how many there were a second.
///
/// # Errors
/// If one is not made within [`PATIENCE`], or breaks.
pub(crate) fn connections(way: Way<'_>, many: Many) -> Result<f64> {
    let (listener, at) = way.listen()?;
    std::thread::scope(|scope| {
        let serve = scope.spawn(move || serve(&listener));
        let made = netns::enter(way.from, || call(at, many));
        let served = serve
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        // What the client says comes first: a server that nobody calls is no cause.
        let rate = made??;
        served?;
        Ok(rate)
    })
}

fn serve(listener: &TcpListener) -> Result<()> {
    let mut byte = [MORE];
    while byte[0] != LAST {
        let (mut stream, _) = listener.accept().context("accept")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.read_exact(&mut byte).context("receive")?;
    }
    Ok(())
}

fn call(at: SocketAddr, many: Many) -> Result<f64> {
    let begun = Instant::now();
    let mut made = 0;
    loop {
        let mut stream = TcpStream::connect_timeout(&at, PATIENCE)
            .with_context(|| format!("connection {made} to {at}"))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        made += 1;
        let last = many.is_over(made, begun);
        stream.write_all(&[if last { LAST } else { MORE }])?;
        let read = stream.read(&mut [0]).context("the server's end")?;
        ensure!(read == 0, "the server sent something");
        if last {
            return Ok(f64::from(made) / begun.elapsed().as_secs_f64().max(1e-9));
        }
    }
}

/// The first port that [`datagrams`] sends from: below those that a kernel gives out by itself.
const FIRST_PORT: u16 = 20_000;

/// Sends a datagram from each of `count` ports and waits for each answer before the next one.
///
/// # Errors
/// If no answer comes within [`PATIENCE`].
pub(crate) fn datagrams(way: Way<'_>, count: u16) -> Result<()> {
    let server = netns::enter(way.to, || UdpSocket::bind((way.at, 0)))??;
    let at = server.local_addr()?;
    server.set_read_timeout(Some(AGAIN))?;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let echo = scope.spawn(|| -> Result<()> {
            let mut number = [0; 2];
            while !done.load(Ordering::Relaxed) {
                match server.recv_from(&mut number) {
                    Ok((_, from)) => {
                        server.send_to(&number, from).context("answer")?;
                    }
                    Err(e) if is_timeout(&e) => {}
                    Err(e) => return Err(e).context("receive"),
                }
            }
            Ok(())
        });
        let any: IpAddr = match way.at {
            IpAddr::V4(_) => std::net::Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => std::net::Ipv6Addr::UNSPECIFIED.into(),
        };
        let asked = netns::enter(way.from, || {
            (0..count).try_for_each(|number| {
                let socket = UdpSocket::bind((any, FIRST_PORT + number))?;
                ask(&socket, at, number).with_context(|| format!("datagram {number} to {at}"))
            })
        });
        done.store(true, Ordering::Relaxed);
        let echoed = echo
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        asked??;
        echoed
    })
}

fn ask(socket: &UdpSocket, at: SocketAddr, number: u16) -> Result<()> {
    socket.set_read_timeout(Some(AGAIN))?;
    let begun = Instant::now();
    loop {
        socket.send_to(&number.to_be_bytes(), at)?;
        let mut answer = [0; 2];
        match socket.recv(&mut answer) {
            Ok(2) if answer == number.to_be_bytes() => return Ok(()),
            Ok(_) => {}
            Err(e) if is_timeout(&e) && begun.elapsed() < PATIENCE => {}
            Err(e) => return Err(e).context("no answer"),
        }
    }
}

fn is_timeout(e: &std::io::Error) -> bool {
    matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut)
}

fn time(duration: Duration) -> TimeVal {
    TimeVal::milliseconds(duration.as_millis().try_into().unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// This thread's own namespace, whose loopback does.
    fn home() -> Way<'static> {
        Way {
            from: Path::new("/proc/thread-self/ns/net"),
            to: Path::new("/proc/thread-self/ns/net"),
            at: std::net::Ipv4Addr::LOCALHOST.into(),
        }
    }

    #[test]
    fn a_number_of_connections_is_made_and_not_one_more() {
        assert!(Many::Count(3).is_over(3, Instant::now()));
        assert!(!Many::Count(3).is_over(2, Instant::now()));
        assert!(Many::For(Duration::ZERO).is_over(0, Instant::now()));
    }

    #[test]
    fn each_kind_of_traffic_passes_where_a_namespace_can_be_entered() {
        if std::env::var_os("FLATNET_ROOT_TESTS").is_none() {
            return;
        }
        let window = Duration::from_millis(20);
        assert!(stream(home(), window).expect("a stream") > 0.0);
        assert!(round_trips(home(), window).expect("round trips") > Duration::ZERO);
        assert!(connections(home(), Many::Count(5)).expect("five") > 0.0);
        datagrams(home(), 5).expect("five datagrams");
    }
}
