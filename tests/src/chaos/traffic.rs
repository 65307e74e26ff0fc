//! Datagrams between all containers, each of which is answered: what was lost when, and what came
//! to somebody whom it was not meant for.
//!
//! One thread sends and one receives, by sockets that were made inside the containers'
//! namespaces: a process for each pair would cost more than the network that is tried.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::mesh::Mesh;
use crate::Datapath;
use crate::netns;

const PORT: u16 = 9_999;
/// A datagram that is not answered by then is lost.
pub(super) const LOST_AFTER: Duration = Duration::from_secs(1);
/// The pause between two of one container's datagrams. The kernel's datapath may be in a guest with
/// one slow processor, which a hundred containers that send as often would take up by themselves.
fn pause(datapath: Datapath) -> Duration {
    match datapath {
        Datapath::User => Duration::from_millis(200),
        Datapath::Kernel => Duration::from_secs(2),
    }
}
const MAGIC: u32 = 0x666e_6368;
/// Magic, kind, sender, receiver, number.
const LENGTH: usize = 4 + 1 + 4 + 4 + 8;

/// An address of a container, with its place among all.
#[derive(Debug, Clone)]
pub(super) struct Peer {
    pub(super) container: u32,
    pub(super) name: String,
    pub(super) netns: PathBuf,
    pub(super) address: IpAddr,
}

/// What came of the datagrams of some time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) sent: usize,
    pub(super) lost: usize,
}

/// One datagram that was sent.
#[derive(Debug, Clone, Copy)]
struct Probe {
    at: Instant,
    from: u32,
    to: u32,
    answered: bool,
}

#[derive(Debug, Default)]
struct Log {
    probes: Mutex<Vec<Probe>>,
    wrong: Mutex<Vec<String>>,
    wrongs: AtomicUsize,
}

/// Traffic that runs until it is dropped.
#[derive(Debug)]
pub(super) struct Traffic {
    log: Arc<Log>,
    peers: Arc<Vec<Peer>>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Datagram {
    is_answer: bool,
    from: u32,
    to: u32,
    number: u64,
}

impl Datagram {
    fn write(self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[..4].copy_from_slice(&MAGIC.to_be_bytes());
        bytes[4] = u8::from(self.is_answer);
        bytes[5..9].copy_from_slice(&self.from.to_be_bytes());
        bytes[9..13].copy_from_slice(&self.to.to_be_bytes());
        bytes[13..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; LENGTH] = bytes.try_into().ok()?;
        let word = |at: usize| Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
        (word(0)? == MAGIC).then_some(())?;
        Some(Self {
            is_answer: bytes[4] == 1,
            from: word(5)?,
            to: word(9)?,
            number: u64::from_be_bytes(bytes.get(13..)?.try_into().ok()?),
        })
    }
}

impl Traffic {
    /// Begins. Each peer sends to those of its family that the mesh names, in turn.
    ///
    /// # Errors
    /// If a socket cannot be made inside a namespace.
    pub(super) fn start(peers: Vec<Peer>, mesh: &Mesh, datapath: Datapath) -> Result<Self> {
        let mut sockets = Vec::new();
        for peer in &peers {
            let at = SocketAddr::new(peer.address, PORT);
            let socket = netns::enter(&peer.netns, || UdpSocket::bind(at))?;
            let socket = socket.with_context(|| format!("{}: bind {at}", peer.name))?;
            socket.set_nonblocking(true)?;
            sockets.push(socket);
        }
        let partners: Vec<Vec<usize>> = peers
            .iter()
            .map(|peer| partners(peer, &peers, mesh))
            .collect();
        let partners = Arc::new(partners);
        let (log, peers) = (Arc::new(Log::default()), Arc::new(peers));
        let stop = Arc::new(AtomicBool::new(false));
        let sockets = Arc::new(sockets);
        let share = pause(datapath) / u32::try_from(peers.len().max(1)).unwrap_or(u32::MAX);
        let threads = [Some(share), None].map(|share| {
            let (sockets, peers) = (Arc::clone(&sockets), Arc::clone(&peers));
            let (log, stop) = (Arc::clone(&log), Arc::clone(&stop));
            let partners = Arc::clone(&partners);
            std::thread::spawn(move || match share {
                Some(share) => send_all(&sockets, &peers, &partners, share, &log, &stop),
                None => receive_all(&sockets, &peers, &log, &stop),
            })
        });
        Ok(Self {
            log,
            peers,
            stop,
            threads: threads.into(),
        })
    }

    /// What was sent between two times, the later of which is [`LOST_AFTER`] ago, and how much
    /// of it was not answered.
    pub(super) fn between(&self, from: Instant, to: Instant) -> Lost {
        let probes = self
            .log
            .probes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = probes.partition_point(|p| p.at < from);
        let within = probes[first..].iter().take_while(|p| p.at <= to);
        let mut lost = Lost::default();
        for probe in within {
            lost.sent += 1;
            lost.lost += usize::from(!probe.answered);
        }
        lost
    }

    /// The pairs that lost most between two times, for people.
    pub(super) fn worst_pairs(&self, from: Instant, to: Instant) -> Vec<String> {
        const SHOWN: usize = 3;
        let probes = self
            .log
            .probes
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let first = probes.partition_point(|p| p.at < from);
        let within = probes[first..].iter().take_while(|p| p.at <= to);
        let mut pairs: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        for probe in within.filter(|p| !p.answered) {
            *pairs.entry((probe.from, probe.to)).or_default() += 1;
        }
        let mut pairs: Vec<_> = pairs.into_iter().collect();
        pairs.sort_by_key(|(_, lost)| std::cmp::Reverse(*lost));
        let name = |n: u32| {
            let peer = self.peers.iter().find(|p| p.container == n);
            peer.map_or("?", |p| p.name.as_str())
        };
        pairs
            .into_iter()
            .take(SHOWN)
            .map(|((from, to), lost)| format!("{} to {}: {lost}", name(from), name(to)))
            .collect()
    }

    /// How many datagrams so far came to somebody else than whom they were sent to, or with
    /// another sender's address.
    pub(super) fn wrong(&self) -> usize {
        self.log.wrongs.load(Ordering::Relaxed)
    }

    /// The first of them.
    pub(super) fn wrong_examples(&self) -> Vec<String> {
        let wrong = self
            .log
            .wrong
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        wrong.clone()
    }

    /// Ends it.
    ///
    /// # Errors
    /// If one of its threads panicked: what it counted means nothing.
    pub(super) fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().map_err(|_| anyhow!("the traffic panicked"))?;
        }
        Ok(())
    }
}

impl Drop for Traffic {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // A panic was told already, on standard error.
            let _ = thread.join();
        }
    }
}

/// The places of those of its family whom the mesh has a peer talk to.
fn partners(peer: &Peer, peers: &[Peer], mesh: &Mesh) -> Vec<usize> {
    let talks = |other: &Peer| {
        other.address.is_ipv4() == peer.address.is_ipv4()
            && mesh.talk(peer.container as usize, other.container as usize)
    };
    let all = peers.iter().enumerate();
    all.filter(|(_, other)| talks(other))
        .map(|(at, _)| at)
        .collect()
}

fn send_all(
    sockets: &[UdpSocket],
    peers: &[Peer],
    partners: &[Vec<usize>],
    share: Duration,
    log: &Log,
    stop: &AtomicBool,
) {
    let mut round = 0;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        for (at, socket) in sockets.iter().enumerate() {
            let Some(to) = partners[at].get((round + at * 7) % partners[at].len().max(1)) else {
                continue;
            };
            let number = {
                let mut probes = log.probes.lock().unwrap_or_else(PoisonError::into_inner);
                probes.push(Probe {
                    at: Instant::now(),
                    from: peers[at].container,
                    to: peers[*to].container,
                    answered: false,
                });
                probes.len() as u64 - 1
            };
            let datagram = Datagram {
                is_answer: false,
                from: peers[at].container,
                to: peers[*to].container,
                number,
            };
            // One that cannot be sent is lost, and counted as such.
            let _ = socket.send_to(&datagram.write(), (peers[*to].address, PORT));
            due += share;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        round += 1;
    }
}

fn receive_all(sockets: &[UdpSocket], peers: &[Peer], log: &Log, stop: &AtomicBool) {
    /// Between two looks at all sockets: short beside the time after which one is lost.
    const LOOK: Duration = Duration::from_millis(10);
    while !stop.load(Ordering::Relaxed) {
        for (socket, me) in sockets.iter().zip(peers) {
            receive(socket, me, peers, log);
        }
        std::thread::sleep(LOOK);
    }
}

/// All that has come to one socket.
fn receive(socket: &UdpSocket, me: &Peer, peers: &[Peer], log: &Log) {
    let mut buffer = [0; 2 * LENGTH];
    loop {
        let (length, source) = match socket.recv_from(&mut buffer) {
            Ok(came) => came,
            // What ICMP said of an earlier one.
            Err(e) if e.kind() != ErrorKind::WouldBlock => continue,
            Err(_) => return,
        };
        let Some(datagram) = Datagram::read(&buffer[..length]) else {
            continue;
        };
        let sender = peers
            .iter()
            .find(|p| p.container == datagram.from && p.address == source.ip().to_canonical());
        if datagram.to != me.container || sender.is_none() {
            note(log, me, &datagram, source);
            continue;
        }
        if datagram.is_answer {
            let mut probes = log.probes.lock().unwrap_or_else(PoisonError::into_inner);
            let at = usize::try_from(datagram.number).ok();
            if let Some(probe) = at.and_then(|at| probes.get_mut(at)) {
                probe.answered |= probe.at.elapsed() <= LOST_AFTER;
            }
            continue;
        }
        let answer = Datagram {
            is_answer: true,
            from: me.container,
            to: datagram.from,
            number: datagram.number,
        };
        let _ = socket.send_to(&answer.write(), source);
    }
}

fn note(log: &Log, me: &Peer, datagram: &Datagram, source: SocketAddr) {
    /// Examples that are kept.
    const KEPT: usize = 20;
    log.wrongs.fetch_add(1, Ordering::Relaxed);
    let mut wrong = log.wrong.lock().unwrap_or_else(PoisonError::into_inner);
    if wrong.len() < KEPT {
        wrong.push(format!(
            "{} got a datagram from {} to container {}, sent by {source}",
            me.name, datagram.from, datagram.to
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_survives_its_bytes_and_others_are_not_taken_for_one() {
        let datagram = Datagram {
            is_answer: true,
            from: 7,
            to: 300,
            number: 1 << 40,
        };
        assert_eq!(Datagram::read(&datagram.write()), Some(datagram));
        assert_eq!(Datagram::read(b"GET / HTTP/1.1\r\n"), None);
        let mut other = datagram.write();
        other[0] = 0;
        assert_eq!(Datagram::read(&other), None);
    }
}
