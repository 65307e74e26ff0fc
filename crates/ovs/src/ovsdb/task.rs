//! The task that owns a session's socket.

use std::io::ErrorKind;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Instant;

use tokio::net::UnixStream;
use tokio::sync::mpsc;
use tokio::time::{Instant as TokioInstant, sleep_until, timeout};

use super::outcome::TransactError;
use super::protocol::{Event, Protocol, ProtocolError, Setup};
use super::session::{Change, Command, ConnError, ConnState, Reply, SessionConfig, Shared};

/// Why a connection is left.
enum Left {
    /// The handles are gone.
    Closed,
    Failed(ConnError),
}

impl From<ProtocolError> for Left {
    fn from(e: ProtocolError) -> Self {
        Self::Failed(ConnError::Protocol(e))
    }
}

impl From<std::io::Error> for Left {
    fn from(e: std::io::Error) -> Self {
        Self::Failed(ConnError::Io(e))
    }
}

/// Connects, serves the connection, and begins again, until all handles are gone.
///
/// Cancel safety: the task is never cancelled but by the end of the runtime; callers then
/// see `Closed`.
pub(crate) async fn run(
    config: SessionConfig,
    shared: Arc<Shared>,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut failures = 0;
    loop {
        let generation = shared.generation.load(Ordering::Relaxed);
        let left = match connect(&config).await {
            Ok(stream) => {
                shared.state.send_replace(ConnState::Syncing);
                serve(&config, &shared, &stream, &mut commands).await
            }
            Err(error) => Left::Failed(error),
        };
        set_synced(&shared, false);
        let Left::Failed(cause) = left else {
            return;
        };
        if shared.generation.load(Ordering::Relaxed) > generation {
            failures = 0;
        }
        failures += 1;
        tracing::info!(failures, error = %Chain(&cause), "the OVSDB connection is down");
        shared.state.send_replace(ConnState::Disconnected {
            failures,
            cause: Some(Arc::new(cause)),
        });
        let until = TokioInstant::now() + config.timing.backoff.pause(failures);
        if refuse_until(until, &mut commands).await.is_none() {
            return;
        }
    }
}

/// An error and its causes in one line.
struct Chain<'a>(&'a dyn std::error::Error);

impl std::fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            cause = error.source();
        }
        Ok(())
    }
}

async fn connect(config: &SessionConfig) -> Result<UnixStream, ConnError> {
    let path = &config.socket;
    match timeout(config.timing.setup_timeout, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(source)) => Err(ConnError::Connect {
            path: path.clone(),
            source,
        }),
        Err(_) => Err(ConnError::ConnectTimeout { path: path.clone() }),
    }
}

/// Refuses what comes until the time has passed; `None` if all handles are gone.
async fn refuse_until(until: TokioInstant, commands: &mut mpsc::Receiver<Command>) -> Option<()> {
    loop {
        tokio::select! {
            () = sleep_until(until) => return Some(()),
            command = commands.recv() => refuse(command?),
        }
    }
}

fn refuse(command: Command) {
    if let Command::Transact { reply, .. } = command {
        give(
            reply,
            Err(TransactError::Disconnected {
                maybe_applied: false,
            }),
        );
    }
}

/// The caller may have gone away: then nobody wants the answer.
fn give(reply: Reply, result: Result<Vec<super::OpResult>, TransactError>) {
    let _ = reply.send(result);
}

fn set_synced(shared: &Shared, synced: bool) {
    shared
        .replica
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .set_synced(synced);
}

async fn serve(
    config: &SessionConfig,
    shared: &Shared,
    stream: &UnixStream,
    commands: &mut mpsc::Receiver<Command>,
) -> Left {
    let setup = Setup {
        database: config.database.clone(),
        monitor: config.monitor.clone(),
        limits: config.limits,
        setup_timeout: config.timing.setup_timeout,
        probe_interval: config.timing.probe_interval,
    };
    let mut protocol = Protocol::new(setup, Instant::now());
    let left = loop {
        if let Err(left) = turn(shared, stream, commands, &mut protocol).await {
            break left;
        }
    };
    // First the copy is marked, so that who is told of the failure does not trust it.
    set_synced(shared, false);
    for (reply, maybe_applied) in protocol.into_unanswered() {
        give(reply, Err(TransactError::Disconnected { maybe_applied }));
    }
    left
}

/// One round: send what can be sent, then wait for the first thing that happens.
async fn turn(
    shared: &Shared,
    stream: &UnixStream,
    commands: &mut mpsc::Receiver<Command>,
    protocol: &mut Protocol<Reply>,
) -> Result<(), Left> {
    while !protocol.output().is_empty() {
        match stream.try_write(protocol.output()) {
            Ok(count) => protocol.sent(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => break,
            Err(e) => return Err(e.into()),
        }
    }
    tokio::select! {
        ready = stream.readable() => {
            ready?;
            read(stream, protocol)?;
            publish(shared, protocol)?;
        }
        ready = stream.writable(), if !protocol.output().is_empty() => ready?,
        command = commands.recv() => match command {
            None => return Err(Left::Closed),
            Some(command) => {
                obey(protocol, command);
                while let Ok(command) = commands.try_recv() {
                    obey(protocol, command);
                }
            }
        },
        () = sleep_until(TokioInstant::from_std(protocol.deadline())) => {
            protocol.tick(Instant::now())?;
        }
    }
    Ok(())
}

/// Room for one read. A transaction's answer is some hundred bytes, an update of a bridge
/// with thousands of ports some ten thousand.
const READ: usize = 64 << 10;

fn read(stream: &UnixStream, protocol: &mut Protocol<Reply>) -> Result<(), Left> {
    protocol.input().reserve(READ);
    match stream.try_read_buf(protocol.input()) {
        Ok(0) => Err(Left::Failed(ConnError::ClosedByServer)),
        Ok(_) => Ok(protocol.received(Instant::now())?),
        Err(e) if e.kind() == ErrorKind::WouldBlock => Ok(()),
        Err(e) => Err(e.into()),
    }
}

fn obey(protocol: &mut Protocol<Reply>, command: Command) {
    match command {
        Command::Transact {
            id,
            message,
            expected,
            reply,
        } => {
            if let Err(reply) = protocol.transact(id, &message, expected, reply) {
                let error = TransactError::Disconnected {
                    maybe_applied: false,
                };
                give(reply, Err(error));
            }
        }
        Command::Cancel { id } => protocol.cancel(id),
    }
}

/// Applies updates and hands out answers, in the server's order.
fn publish(shared: &Shared, protocol: &mut Protocol<Reply>) -> Result<(), Left> {
    while let Some(event) = protocol.event() {
        match event {
            Event::Synced(replica) => {
                *shared
                    .replica
                    .write()
                    .unwrap_or_else(PoisonError::into_inner) = replica;
                announce(shared, true, Vec::new());
                let generation = shared.generation.fetch_add(1, Ordering::Relaxed) + 1;
                shared.state.send_replace(ConnState::Ready { generation });
            }
            Event::Updated(updates) => {
                let rows = shared
                    .replica
                    .write()
                    .unwrap_or_else(PoisonError::into_inner)
                    .apply(updates)
                    .map_err(ProtocolError::from)?;
                announce(shared, false, rows);
            }
            Event::Replied { token, result } => give(token, result),
        }
    }
    Ok(())
}

fn announce(shared: &Shared, resync: bool, rows: Vec<super::RowChange>) {
    let mut version = 0;
    shared.version.send_modify(|v| {
        *v += 1;
        version = *v;
    });
    // Without a listener there is nobody to tell.
    let _ = shared.changes.send(Arc::new(Change {
        version,
        resync,
        rows,
    }));
}
