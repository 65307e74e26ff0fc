//! Connections to a daemon: a unix socket, TCP, or TLS on it.

use std::io;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::Endpoint;
use flatnet_tls::ClientTls;

/// How long a connection may take to be made, and as long TLS on it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, and speaks HTTP/1.1 from then on.
///
/// # Errors
/// What the network or TLS says.
pub(crate) async fn dial(
    endpoint: &Endpoint,
    tls: Option<&ClientTls>,
) -> io::Result<SendRequest<Full<Bytes>>> {
    match endpoint {
        Endpoint::Unix(path) => converse(in_time(UnixStream::connect(path)).await?).await,
        Endpoint::Tcp(authority) => converse(tcp(authority).await?).await,
        Endpoint::Tls(authority) => {
            let tls = tls.ok_or_else(|| io::Error::other("no authority to trust"))?;
            let config = tls.config().map_err(io::Error::other)?;
            let name = authority.rsplit_once(':').map_or(&**authority, |(n, _)| n);
            let name = name.trim_start_matches('[').trim_end_matches(']');
            let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
            let stream = tcp(authority).await?;
            let secure = in_time(TlsConnector::from(config).connect(name, stream)).await?;
            converse(secure).await
        }
    }
}

async fn tcp(authority: &str) -> io::Result<TcpStream> {
    let stream = in_time(TcpStream::connect(authority)).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn in_time<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let late = |_| io::Error::from(io::ErrorKind::TimedOut);
    timeout(CONNECT_TIMEOUT, work).await.map_err(late)?
}

async fn converse<S>(stream: S) -> io::Result<SendRequest<Full<Bytes>>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let hands = handshake(TokioIo::new(stream)).await;
    let (sender, connection) = hands.map_err(io::Error::other)?;
    // It ends with the sender, or when the other side ends it, which the sender tells.
    tokio::spawn(async move {
        if let Err(e) = connection.await {
            tracing::debug!(error = %e, "the connection ended");
        }
    });
    Ok(sender)
}
