//! Serving HTTP/1.1 to callers of whom nothing is taken for granted.
//!
//! ```text
//!   accept ─▶ a slot? ─▶ head within 30 s ─▶ who is it? ─▶ body: so long, so large ─▶ handler
//!               │ none: it waits in the kernel's queue                                   │
//!               └──────────────── an answer that nobody reads for 30 s ends it ◀─────────┘
//! ```
//!
//! A connection costs a file and some memory. So there are [`Limits::connections`] at most; one
//! that says nothing, or says it slowly, or does not read what it asked for, ends.

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

use crate::stall::WriteTimeout;

/// How long a request's head may take, and how long a connection may be idle between two.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a body may take.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a caller may leave an answer unread.
pub const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// The longest head of a request, in bytes.
pub const HEAD_MAX: usize = 64 << 10;
/// The most header lines of a request.
const HEADERS_MAX: usize = 100;
/// Connections at a time of callers who are not root, on a socket that is for root.
const UNAUTHORIZED_MAX: usize = 8;
/// How often it is told that all connections are taken.
const WARN_EVERY: Duration = Duration::from_secs(60);

/// What one listener bears.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Connections at a time; more wait.
    pub connections: usize,
}

/// Who calls.
pub trait Caller: Clone + Send + Sync + 'static {
    /// Whether it should not be here at all: few of those are served a refusal at a time, so that
    /// they do not take the place of others.
    fn is_unauthorized(&self) -> bool {
        false
    }
}

/// Nothing is known of who calls.
impl Caller for () {}

/// Serves until `stop` resolves, then lets requests that run come to their end. Handlers find the
/// caller as [`ConnectInfo`]. Not cancel safe: connections end with it.
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
                        // It is never closed.
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

/// One connection, until either side ends it. Cancel safe: it is cut.
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
        // A router is always ready.
        async move { router.call(request.map(Body::new)).await }
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

/// Why a body is not taken.
#[derive(Debug, thiserror::Error)]
pub enum BodyError {
    /// Too much.
    #[error("the request's body has more than {limit} bytes")]
    TooLong {
        /// The most bytes that a body may have.
        limit: usize,
    },
    /// Too slow.
    #[error("the request's body has not come within {} s", BODY_TIMEOUT.as_secs())]
    TooSlow,
    /// The connection, or its framing, broke.
    #[error("the request's body cannot be read")]
    Broken,
}

impl BodyError {
    /// RFC 9110 §15.5.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        }
    }
}

/// The request with its body read, which a handler then takes without waiting. Called after it is
/// known who asks: of others no body is read.
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

/// As many connections as the process may have files open, less what it needs itself; at most
/// `at_most`.
///
/// # Errors
/// What the system says.
pub fn connections(at_most: usize) -> io::Result<usize> {
    /// Files that a daemon needs for itself: its store, its log, what it reads meanwhile.
    const RESERVED: u64 = 64;
    use nix::sys::resource::{Resource, getrlimit};
    let (soft, _) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let left = soft.saturating_sub(RESERVED).max(1);
    Ok(usize::try_from(left).unwrap_or(usize::MAX).min(at_most))
}

#[cfg(test)]
mod tests;
