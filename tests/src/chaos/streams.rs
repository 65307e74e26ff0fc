//! TCP connections between containers that live as long as the run: none may break, and what
//! arrives is what was sent, in order.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};

use super::traffic::Peer;
use crate::netns;
use crate::process::poll;

/// How long until a connection is made at the start.
const PATIENCE: Duration = Duration::from_secs(60);
const PORT: u16 = 9_998;
/// The pause between two numbers of one stream.
const EVERY: Duration = Duration::from_millis(50);
const CONNECT: Duration = Duration::from_secs(5);

/// What streams went through since they were last asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Health {
    /// Connections that ended.
    pub(super) broken: usize,
    /// Numbers that came out of order: somebody else's bytes.
    pub(super) wrong: usize,
    /// The longest time in which a stream got nothing.
    pub(super) stalled: Duration,
}

#[derive(Debug)]
struct Stream {
    name: String,
    sender: TcpStream,
    receiver: TcpStream,
    next: u64,
    expected: u64,
    unsent: VecDeque<u8>,
    partial: Vec<u8>,
    heard: Instant,
    broken: bool,
}

/// Streams that run until they are dropped.
#[derive(Debug)]
pub(super) struct Streams {
    health: Arc<Mutex<(Health, Vec<String>)>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Streams {
    /// Connects each pair.
    ///
    /// # Errors
    /// If one cannot be connected.
    pub(super) fn start(pairs: &[(Peer, Peer)]) -> Result<Self> {
        let mut streams = Vec::new();
        for (from, to) in pairs {
            streams.push(connect(from, to)?);
        }
        let health = Arc::new(Mutex::default());
        let stop = Arc::new(AtomicBool::new(false));
        let (told, stopped) = (Arc::clone(&health), Arc::clone(&stop));
        let thread = std::thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                for stream in &mut streams {
                    stream.step(&told);
                }
                std::thread::sleep(EVERY);
            }
        });
        Ok(Self {
            health,
            stop,
            thread: Some(thread),
        })
    }

    /// What happened since the last call.
    pub(super) fn take(&self) -> Health {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut health.0)
    }

    /// What broke, for people.
    pub(super) fn stories(&self) -> Vec<String> {
        self.health
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .1
            .clone()
    }

    /// Ends them.
    ///
    /// # Errors
    /// If their thread panicked.
    pub(super) fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take() {
            Some(thread) => thread.join().map_err(|_| anyhow!("the streams panicked")),
            None => Ok(()),
        }
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn connect(from: &Peer, to: &Peer) -> Result<Stream> {
    let name = format!("{} to {}", from.name, to.name);
    let at = SocketAddr::new(to.address, PORT);
    let listener = netns::enter(&to.netns, || TcpListener::bind(at))?;
    let listener = listener.with_context(|| format!("{name}: listen at {at}"))?;
    let mut last = None;
    // A slow guest may answer no neighbour in time while it still takes in the last containers.
    let sender = poll(PATIENCE, || {
        let tried = netns::enter(&from.netns, || TcpStream::connect_timeout(&at, CONNECT));
        match tried
            .map_err(anyhow::Error::from)
            .and_then(|made| Ok(made?))
        {
            Ok(stream) => Some(stream),
            Err(error) => {
                last = Some(error);
                None
            }
        }
    });
    let failed = || last.unwrap_or_else(|| anyhow!("it was not tried"));
    let sender = sender
        .ok_or_else(failed)
        .with_context(|| format!("{name}: connect to {at}"))?;
    let (receiver, _) = listener.accept()?;
    for end in [&sender, &receiver] {
        end.set_nonblocking(true)?;
        end.set_nodelay(true)?;
    }
    Ok(Stream {
        name,
        sender,
        receiver,
        next: 0,
        expected: 0,
        unsent: VecDeque::new(),
        partial: Vec::new(),
        heard: Instant::now(),
        broken: false,
    })
}

impl Stream {
    fn step(&mut self, told: &Mutex<(Health, Vec<String>)>) {
        if self.broken {
            return;
        }
        let outcome = self.write().and_then(|()| self.read());
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.0.stalled = told.0.stalled.max(self.heard.elapsed());
        match outcome {
            Ok(wrong) => told.0.wrong += wrong,
            Err(error) => {
                self.broken = true;
                told.0.broken += 1;
                told.1.push(format!("{}: {error}", self.name));
            }
        }
    }

    fn write(&mut self) -> std::io::Result<()> {
        /// Numbers that wait for a stalled connection, in bytes.
        const MOST: usize = 4096;
        if self.unsent.len() < MOST {
            self.unsent.extend(self.next.to_be_bytes());
            self.next += 1;
        }
        let (head, _) = self.unsent.as_slices();
        match self.sender.write(head) {
            Ok(written) => {
                self.unsent.drain(..written);
                Ok(())
            }
            Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
            Err(e) => Err(e),
        }
    }

    /// How many numbers were not the next one.
    fn read(&mut self) -> std::io::Result<usize> {
        let mut wrong = 0;
        let mut buffer = [0; 1024];
        loop {
            let read = match self.receiver.read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(wrong),
                Err(e) => return Err(e),
            };
            self.heard = Instant::now();
            self.partial.extend_from_slice(&buffer[..read]);
            let whole = self.partial.len() / 8 * 8;
            for bytes in self.partial[..whole].chunks_exact(8) {
                let number = bytes.try_into().map(u64::from_be_bytes).unwrap_or(u64::MAX);
                wrong += usize::from(number != self.expected);
                self.expected = number.wrapping_add(1);
            }
            self.partial.drain(..whole);
        }
    }
}
