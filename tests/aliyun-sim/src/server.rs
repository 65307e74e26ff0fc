//! The sockets. State is behind one mutex, never held over an await.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Response, StatusCode};
use hyper_util::rt::TokioIo;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};

use crate::gateway::Request;
use crate::sim::{Outcome, Reply, Sim};
use crate::time::Timestamp;

/// Bytes of a body, at most: fifty items need a few thousand.
const BODY: usize = 1 << 20;

/// Why a request gets no answer.
#[derive(Debug, Error)]
enum Cut {
    #[error("a fault cuts the connection")]
    Fault,
    #[error("the body cannot be read")]
    Body,
}

/// A simulator that several connections share.
#[derive(Debug, Clone)]
pub struct Shared(Arc<Mutex<Sim>>);

impl Shared {
    /// Shares it.
    pub fn new(sim: Sim) -> Self {
        Self(Arc::new(Mutex::new(sim)))
    }

    fn lock(&self) -> MutexGuard<'_, Sim> {
        // A handler that panicked left a whole state: each call changes it at its end.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does a request, with the waits that faults ask for. Not to be dropped half-way: the
    /// service does a call to its end even if its caller is gone.
    pub async fn handle(&self, request: Request) -> Outcome {
        let effect = self.lock().draw(&request);
        tokio::time::sleep(effect.delay_before).await;
        let outcome = self.lock().handle(Timestamp::now(), &request, &effect);
        tokio::time::sleep(outcome.delay).await;
        outcome
    }
}

/// Serves on a listener until the future is dropped.
///
/// # Errors
/// If a connection cannot be accepted for a reason that lasts.
pub async fn serve(listener: TcpListener, sim: Shared) -> io::Result<Infallible> {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                tokio::spawn(connection(stream, sim.clone()));
            }
            // The peer went away before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Listens.
///
/// # Errors
/// If the address is taken or not this machine's.
pub async fn listen(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let bound = listener.local_addr()?;
    Ok((listener, bound))
}

async fn connection(stream: TcpStream, sim: Shared) {
    let service = service_fn(move |request| {
        let sim = sim.clone();
        async move { answer(request, sim).await }
    });
    // An error here is a peer that went away, or a cut that a fault asked for.
    let _ = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn answer(
    request: hyper::Request<Incoming>,
    sim: Shared,
) -> Result<Response<Full<Bytes>>, Cut> {
    let request = read(request).await?;
    // In a task of its own: a caller that goes away does not stop it half-way.
    let done = tokio::spawn(async move { sim.handle(request).await });
    let outcome = done.await.map_err(|_| Cut::Fault)?;
    outcome.reply.map(response).ok_or(Cut::Fault)
}

async fn read(request: hyper::Request<Incoming>) -> Result<Request, Cut> {
    let (parts, body) = request.into_parts();
    let body = Limited::new(body, BODY)
        .collect()
        .await
        .map_err(|_| Cut::Body)?;
    let headers = parts.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    Ok(Request {
        method: parts.method.as_str().to_owned(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: headers.collect(),
        body: body.to_bytes().to_vec(),
    })
}

fn response(reply: Reply) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(reply.body)));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let media = hyper::header::HeaderValue::from_static(reply.media);
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, media);
    response
}
