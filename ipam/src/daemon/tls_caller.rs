//! Who is at the other end of a connection over TLS.

use std::sync::Arc;

use flatnet_daemon::serve;
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

use super::rights::Identity;

/// The caller of a connection over TLS.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The identity in its certificate; `None` if it has no certificate.
    pub(crate) identity: Option<Arc<Identity>>,
}

impl serve::Caller for Caller {}

pub(crate) fn caller(stream: &TlsStream<TcpStream>) -> Caller {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    Caller {
        identity: certificate.map(|c| Arc::new(Identity::of(c))),
    }
}
