//! A standing connection to a unix socket: what the database session and the switch
//! connection have in common. The protocols themselves are machines without I/O.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use bytes::BytesMut;
use thiserror::Error;
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use crate::timing::Timing;

/// Why a connection ended or did not come about.
#[derive(Debug, Error)]
pub enum ConnError<P: Error + 'static> {
    /// `connect()` failed.
    #[error("cannot connect to {}", path.display())]
    Connect {
        /// Path of the UNIX socket.
        path: PathBuf,
        /// The system's error.
        #[source]
        source: std::io::Error,
    },
    /// `connect()` took too long.
    #[error("connecting to {} took too long", path.display())]
    ConnectTimeout {
        /// Path of the UNIX socket.
        path: PathBuf,
    },
    /// Reading or writing failed.
    #[error("the connection broke")]
    Io(#[source] std::io::Error),
    /// The peer closed it.
    #[error("the peer closed the connection")]
    ClosedByPeer,
    /// The peer does not keep to the protocol.
    #[error(transparent)]
    Protocol(P),
}

/// One connection's protocol, as a state machine without I/O.
pub(crate) trait Machine {
    /// What the handles ask for.
    type Command;
    /// What ends the connection.
    type Error: Error + Send + Sync + 'static;

    /// Where received bytes are appended.
    fn input(&mut self) -> &mut BytesMut;
    /// Takes in what was appended.
    fn received(&mut self, now: Instant) -> Result<(), Self::Error>;
    /// Bytes that wait to be sent.
    fn output(&self) -> &[u8];
    /// So many of them were sent.
    fn sent(&mut self, count: usize);
    /// When the next tick is due.
    fn deadline(&self) -> Instant;
    /// Lets the time pass.
    fn tick(&mut self, now: Instant) -> Result<(), Self::Error>;
    /// Does what a handle asks for.
    fn obey(&mut self, command: Self::Command, now: Instant);
}

/// What owns the connections, one after the other.
pub(crate) trait Endpoint {
    /// Each connection's protocol.
    type Machine: Machine;

    /// A connection was made.
    fn begin(&self, now: Instant) -> Self::Machine;
    /// Hands on what the machine found, in its order.
    fn publish(&self, machine: &mut Self::Machine)
    -> Result<(), <Self::Machine as Machine>::Error>;
    /// The connection is over: whoever waits for an answer must be told.
    fn end(&self, machine: Self::Machine);
    /// There is no connection, after so many failures in a row.
    fn down(&self, failures: u32, cause: ConnError<<Self::Machine as Machine>::Error>);
    /// Refuses a command, as there is no connection.
    fn refuse(&self, command: <Self::Machine as Machine>::Command);
    /// Bytes came from the peer.
    fn heard(&self);
    /// How many connections became usable so far.
    fn generation(&self) -> u64;
}

type CommandOf<E> = <<E as Endpoint>::Machine as Machine>::Command;
type ErrorOf<E> = ConnError<<<E as Endpoint>::Machine as Machine>::Error>;

/// Connects, serves the connection, and begins again, until all handles are gone.
///
/// Cancel safety: the task is not cancelled but by the end of the runtime; who waits for an
/// answer then sees its channel closed.
pub(crate) async fn run<E: Endpoint>(
    endpoint: E,
    path: PathBuf,
    timing: Timing,
    mut commands: mpsc::Receiver<CommandOf<E>>,
) {
    let mut failures = 0;
    loop {
        let (generation, began) = (endpoint.generation(), Instant::now());
        // Commands are refused, not held, while `connect()` is under way.
        let connected = refuse_during(&endpoint, &mut commands, connect(&path, &timing)).await;
        let cause = match connected {
            None => return,
            Some(Err(error)) => error,
            Some(Ok(stream)) => match serve(&endpoint, &stream, &mut commands).await {
                None => return,
                Some(cause) => cause,
            },
        };
        // A peer that fails each time as soon as all is set up must not be run at: only what
        // stayed up for a while begins the pauses anew.
        let lasted = began.elapsed() >= timing.backoff.max;
        if lasted && endpoint.generation() > generation {
            failures = 0;
        }
        failures += 1;
        // Each attempt at a socket that is not there would be noise: the first is news.
        if failures == 1 {
            tracing::info!(path = %path.display(), error = %Chain(&cause), "disconnected");
        } else {
            tracing::debug!(path = %path.display(), failures, error = %Chain(&cause), "still down");
        }
        endpoint.down(failures, cause);
        let until = TokioInstant::now() + timing.backoff.delay(failures);
        if refuse_during(&endpoint, &mut commands, sleep_until(until))
            .await
            .is_none()
        {
            return;
        }
    }
}

/// An error and its causes in one line.
struct Chain<'a>(&'a dyn Error);

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

async fn connect<P: Error + 'static>(
    path: &PathBuf,
    timing: &Timing,
) -> Result<UnixStream, ConnError<P>> {
    match timeout(timing.setup_timeout, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ConnError::Connect {
            path: path.clone(),
            source,
        }),
        Err(_) => Err(ConnError::ConnectTimeout { path: path.clone() }),
    }
}

/// Refuses what comes until `future` is done; `None` if all handles are gone.
async fn refuse_during<E: Endpoint, T>(
    endpoint: &E,
    commands: &mut mpsc::Receiver<CommandOf<E>>,
    future: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(future);
    loop {
        tokio::select! {
            done = &mut future => return Some(done),
            command = commands.recv() => endpoint.refuse(command?),
        }
    }
}

/// Serves a connection to its end; `None` if all handles are gone.
async fn serve<E: Endpoint>(
    endpoint: &E,
    stream: &UnixStream,
    commands: &mut mpsc::Receiver<CommandOf<E>>,
) -> Option<ErrorOf<E>> {
    let mut machine = endpoint.begin(Instant::now());
    let cause = loop {
        match turn(endpoint, stream, commands, &mut machine).await {
            Ok(true) => {}
            Ok(false) => break None,
            Err(cause) => break Some(cause),
        }
    };
    endpoint.end(machine);
    cause
}

/// One round: send what can be sent, then wait for the first thing that happens. `false` if
/// all handles are gone.
async fn turn<E: Endpoint>(
    endpoint: &E,
    stream: &UnixStream,
    commands: &mut mpsc::Receiver<CommandOf<E>>,
    machine: &mut E::Machine,
) -> Result<bool, ErrorOf<E>> {
    while !machine.output().is_empty() {
        match stream.try_write(machine.output()) {
            Ok(count) => machine.sent(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(ConnError::Io(e)),
        }
    }
    tokio::select! {
        ready = stream.readable() => {
            ready.map_err(ConnError::Io)?;
            // What was read before the peer closed still counts.
            let read = read(stream, machine);
            endpoint.publish(machine).map_err(ConnError::Protocol)?;
            if read? {
                endpoint.heard();
            }
        }
        ready = stream.writable(), if !machine.output().is_empty() => {
            ready.map_err(ConnError::Io)?;
        }
        command = commands.recv() => match command {
            None => return Ok(false),
            Some(command) => {
                let now = Instant::now();
                machine.obey(command, now);
                // All that waits goes into one write.
                while let Ok(command) = commands.try_recv() {
                    machine.obey(command, now);
                }
                endpoint.publish(machine).map_err(ConnError::Protocol)?;
            }
        },
        () = sleep_until(TokioInstant::from_std(machine.deadline())) => {
            machine.tick(Instant::now()).map_err(ConnError::Protocol)?;
            endpoint.publish(machine).map_err(ConnError::Protocol)?;
        }
    }
    Ok(true)
}

/// Room for one read: answers are some hundred bytes, updates and dumps of a full node some
/// ten thousand.
const READ: usize = 64 << 10;

/// Whether there was something to read.
fn read<M: Machine>(stream: &UnixStream, machine: &mut M) -> Result<bool, ConnError<M::Error>> {
    machine.input().reserve(READ);
    match stream.try_read_buf(machine.input()) {
        Ok(0) => Err(ConnError::ClosedByPeer),
        Ok(_) => match machine.received(Instant::now()) {
            Ok(()) => Ok(true),
            Err(e) => Err(ConnError::Protocol(e)),
        },
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(false),
        Err(e) => Err(ConnError::Io(e)),
    }
}
