//! An HTTP/1.1 server for untrusted callers.
//!
//! ```text
//!   accept ─▶ a slot? ─▶ head within 30 s ─▶ authenticate ─▶ body: 30 s, limited size ─▶ handler
//!               │ no: it waits in the kernel's queue                                         │
//!               └──────────────── an unread answer times out after 30 s ◀────────────────────┘
//! ```
//!
//! A connection costs a file descriptor and memory. So there are [`Limits::connections`] at most,
//! and a caller that sends nothing, sends slowly, or does not read its answer is disconnected.

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::connect_info::ConnectInfo;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::serve::Listener;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::task::JoinSet;
use tower_service::Service;
use tracing::Instrument;

use crate::stall::WriteTimeout;

mod span;

/// Timeout of a request's head, and of an idle connection between two requests.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a request's body.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout of a write: how long a caller may leave its answer unread.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request, in bytes.
pub const HEAD_MAX: usize = 64 << 10;
/// The most header lines of a request.
const HEADERS_MAX: usize = 100;
/// The most connections at a time of callers that [`Caller::is_unauthorized`].
const UNAUTHORIZED_MAX: usize = 8;
/// Interval of the warning that all connections are taken.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// Limits of a listener.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most connections at a time; further ones wait in the kernel's queue.
    pub connections: usize,
}

/// The caller of a connection.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Whether every request of it is refused. Only a few such callers are served at a time, so
    /// that they do not use up the connections of others.
    fn is_unauthorized(&self) -> bool {
        false
    }
}

/// For listeners on which callers are not identified.
impl Caller for () {}

/// Serves until `stop` resolves, then waits for the running requests. Handlers get the caller as
/// [`ConnectInfo`], and run in a span `request` with the fields `request_id`, `method` and `path`.
/// Not cancel safe: dropping it closes the connections.
pub async fn serve<L, C>(
    mut listener: L,
    caller: impl Fn(&L::Io, L::Addr) -> C,
    router: Router,
    limits: Limits,
    stop: impl Future<Output = ()>,
) where
    L: Listener,
    C: Caller,
{
    let slots = Arc::new(Semaphore::new(limits.connections));
    let unauthorized = Arc::new(Semaphore::new(UNAUTHORIZED_MAX));
    let (close, closing) = watch::channel(false);
    let mut serving = JoinSet::new();
    let mut warned_at = None;
    let mut stop = pin!(stop);
    loop {
        while serving.try_join_next().is_some() {}
        let slot = match Arc::clone(&slots).try_acquire_owned() {
            Ok(slot) => slot,
            Err(_) => {
                warn_full(&mut warned_at, limits);
                tokio::select! {
                    () = &mut stop => break,
                    slot = Arc::clone(&slots).acquire_owned() => match slot {
                        Ok(slot) => slot,
                        // The semaphore is never closed.
                        Err(_) => break,
                    },
                }
            }
        };
        let (io, addr) = tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => accepted,
        };
        let caller = caller(&io, addr);
        let extra_slot = match caller.is_unauthorized() {
            false => None,
            true => match Arc::clone(&unauthorized).try_acquire_owned() {
                Ok(slot) => Some(slot),
                Err(_) => continue,
            },
        };
        let (router, closing) = (router.clone(), closing.clone());
        serving.spawn(async move {
            let _slots: (OwnedSemaphorePermit, Option<OwnedSemaphorePermit>) = (slot, extra_slot);
            if let Err(e) = session(io, caller, router, closing).await {
                tracing::debug!(error = %e, "a connection ended early");
            }
        });
    }
    drop(listener);
    close.send_replace(true);
    while serving.join_next().await.is_some() {}
}

fn warn_full(warned_at: &mut Option<Instant>, limits: Limits) {
    let now = Instant::now();
    if warned_at.is_none_or(|then| now.duration_since(then) >= WARN_EVERY) {
        *warned_at = Some(now);
        tracing::warn!(
            connections = limits.connections,
            "as many connections as are served at a time: more wait until one ends"
        );
    }
}

/// Serves one connection until either side closes it. Cancel safe: dropping it closes the
/// connection.
async fn session<I, C>(
    io: I,
    caller: C,
    router: Router,
    mut closing: watch::Receiver<bool>,
) -> Result<(), hyper::Error>
where
    I: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    C: Caller,
{
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(caller.clone()));
        let mut router = router.clone();
        let span = span::of_request(request.method(), request.uri());
        // A router is always ready.
        async move { router.call(request.map(Body::new)).await }.instrument(span)
    });
    let io = TokioIo::new(WriteTimeout::new(io, READ_TIMEOUT));
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_MAX)
        .max_headers(HEADERS_MAX)
        .serve_connection(io, service);
    let mut connection = pin!(connection);
    tokio::select! {
        ended = &mut connection => return ended,
        _ = closing.wait_for(|closing| *closing) => {}
    }
    connection.as_mut().graceful_shutdown();
    connection.await
}

/// A request body that is refused.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// The body is too long.
    #[error("the request's body has more than {limit} bytes")]
    TooLong {
        /// The most bytes that a body may have.
        limit: usize,
    },
    /// The body did not arrive within [`BODY_TIMEOUT`].
    #[error("the request's body has not come within {} s", BODY_TIMEOUT.as_secs())]
    TooSlow,
    /// The connection failed, or the framing is invalid.
    #[error("the request's body cannot be read")]
    Broken,
}

impl BodyError {
    /// The HTTP status (RFC 9110 §15.5).
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads the body of a request within `limit` bytes and [`BODY_TIMEOUT`]; handlers then get it
/// without waiting. Call it after authentication, so that no body of an unauthorized caller is
/// read.
///
/// # Errors
/// [`BodyError`]. Cancel safe: the request is dropped.
pub async fn read_body(request: Request, limit: usize) -> Result<Request, BodyError> {
    let (parts, body) = request.into_parts();
    let content_length: Option<u64> = parts
        .headers
        .get(axum::http::header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok()?.parse().ok());
    if content_length.is_some_and(|length| length > limit as u64) {
        return Err(BodyError::TooLong { limit });
    }
    let mut limited = Request::new(body);
    axum::extract::DefaultBodyLimit::max(limit).apply(&mut limited);
    let read = axum::body::Bytes::from_request(limited, &());
    match tokio::time::timeout(BODY_TIMEOUT, read).await {
        Err(_) => Err(BodyError::TooSlow),
        Ok(Ok(bytes)) => Ok(Request::from_parts(parts, Body::from(bytes))),
        Ok(Err(e)) if e.status() == StatusCode::PAYLOAD_TOO_LARGE => {
            Err(BodyError::TooLong { limit })
        }
        Ok(Err(_)) => Err(BodyError::Broken),
    }
}

/// The process's limit of open files, less those that it needs itself; at most `at_most`.
///
/// # Errors
/// The system's error.
pub fn connections(at_most: usize) -> io::Result<usize> {
    /// File descriptors for the daemon's store, log and configuration.
    const RESERVED: u64 = 64;
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let left = soft.saturating_sub(RESERVED).max(1);
    Ok(usize::try_from(left).unwrap_or(usize::MAX).min(at_most))
}

#[cfg(test)]
mod tests;
