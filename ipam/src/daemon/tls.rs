//! TLS for hosts: handshakes side by side, and certificates that are read again when their
//! files change.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::serve::Listener;
use flatnet_client::tls::{Stamps, TlsError, VERSIONS, certificates, private_key, roots, stamps};
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::rights::Identity;

/// How long a handshake may take: ten thousand hosts that come at once wait for each other.
const HANDSHAKE: Duration = Duration::from_secs(20);
/// Connections that are through and wait to be served: served at once, as a rule.
const READY: usize = 64;

/// What TLS is served by.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// The authority of callers' certificates; none: they bring none.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether a caller may come without a certificate: it brings the token.
    pub(crate) strangers: bool,
}

/// Why there is no TLS.
#[derive(Debug, Error)]
pub(crate) enum ServerTlsError {
    /// A file.
    #[error(transparent)]
    File(#[from] TlsError),
    /// The key is not the certificate's.
    #[error("{}: {source}", path.display())]
    Unfit {
        /// The certificate's file.
        path: PathBuf,
        /// What TLS does not accept in it.
        #[source]
        source: rustls::Error,
    },
    /// The authority cannot be used.
    #[error("{}: {source}", path.display())]
    ClientCa {
        /// Path of the authority's file.
        path: PathBuf,
        /// What TLS does not accept in it.
        #[source]
        source: rustls::server::VerifierBuilderError,
    },
}

impl TlsFiles {
    fn stamps(&self) -> Stamps {
        let ca = self.client_ca.iter().map(PathBuf::as_path);
        stamps([&*self.cert, &*self.key].into_iter().chain(ca))
    }

    fn config(&self) -> Result<ServerConfig, ServerTlsError> {
        let unfit = |path: &Path| {
            let path = path.to_owned();
            move |source| ServerTlsError::Unfit { path, source }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(VERSIONS)
            .map_err(unfit(&self.cert))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(path)?);
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                if self.strangers {
                    verifier = verifier.allow_unauthenticated();
                }
                let verifier = verifier
                    .build()
                    .map_err(|source| ServerTlsError::ClientCa {
                        path: path.clone(),
                        source,
                    })?;
                builder.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder
            .with_single_cert(certificates(&self.cert)?, private_key(&self.key)?)
            .map_err(unfit(&self.cert))?;
        // A connection that is made anew shows its certificate anew.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// TLS as its files have it.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    now: Arc<RwLock<(Stamps, Arc<ServerConfig>)>>,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Result<Self, ServerTlsError> {
        let seen = files.stamps();
        let config = Arc::new(files.config()?);
        Ok(Self {
            files,
            now: Arc::new(RwLock::new((seen, config))),
        })
    }

    fn config(&self) -> Arc<ServerConfig> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now.1)
    }

    /// Reads the files again where one is another: whether it was. A failure leaves what was
    /// there in force, and is told once for each change.
    pub(crate) fn look(&self) -> Result<bool, ServerTlsError> {
        let seen = self.files.stamps();
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.0 == seen {
            return Ok(false);
        }
        now.0 = seen;
        now.1 = Arc::new(self.files.config()?);
        Ok(true)
    }
}

/// Who is at the other end of a connection over TCP.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// Who its certificate says that it is; none: it brought none.
    pub(crate) identity: Option<Arc<Identity>>,
}

/// A listener whose connections are through their handshake.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Caller)>,
}

impl TlsListener {
    /// Accepts and shakes hands in tasks of their own, so that a caller that is slow, or says
    /// nothing, holds up nobody. They end with the listener.
    /// `at_most` shake hands at a time; more wait in the kernel's queue.
    pub(crate) fn start(listener: TcpListener, tls: Tls, at_most: usize) -> Self {
        let (tell, ready) = mpsc::channel(READY);
        tokio::spawn(accept(listener, tls, tell, at_most));
        Self { ready }
    }
}

/// Cancel safe: a connection that is dropped half-way is made again by its caller.
async fn accept(
    listener: TcpListener,
    tls: Tls,
    tell: mpsc::Sender<(TlsStream<TcpStream>, Caller)>,
    at_most: usize,
) {
    let mut listener = listener;
    let mut shaking = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener), if shaking.len() < at_most => accepted,
            () = tell.closed() => return,
            Some(_) = shaking.join_next() => continue,
        };
        let acceptor = TlsAcceptor::from(tls.config());
        let tell = tell.clone();
        shaking.spawn(async move {
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!(error = %e, "TCP_NODELAY");
            }
            match timeout(HANDSHAKE, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let caller = caller(&stream);
                    // A server that stops takes no more.
                    let _ = tell.send((stream, caller)).await;
                }
                Ok(Err(e)) => tracing::info!(%peer, error = %e, "no TLS with this caller"),
                Err(_) => tracing::info!(%peer, "a caller did not finish its handshake"),
            }
        });
    }
}

fn caller(stream: &TlsStream<TcpStream>) -> Caller {
    let (_, session) = stream.get_ref();
    let certificate = session.peer_certificates().and_then(<[_]>::first);
    Caller {
        identity: certificate.map(|c| Arc::new(Identity::of(c))),
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = Caller;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The task ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // An address is who calls, and nobody calls from here.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl flatnet_daemon::serve::Caller for Caller {}
