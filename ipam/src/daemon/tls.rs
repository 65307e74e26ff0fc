//! TLS on the TCP listener: concurrent handshakes, and certificates that are reloaded when their
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

/// The longest handshake: if ten thousand hosts connect at once, they wait for one another.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// The most connections that have completed their handshake and are not served yet.
const READY_MAX: usize = 64;

/// The files of TLS.
#[derive(Debug, Clone)]
pub(crate) struct TlsFiles {
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
    /// The authority of callers' certificates; `None` if callers have no certificates.
    pub(crate) client_ca: Option<PathBuf>,
    /// Whether a caller may connect without a certificate: it authenticates by the token.
    pub(crate) certificate_optional: bool,
}

/// The TLS configuration cannot be built.
#[derive(Debug, Error)]
pub(crate) enum ServerTlsError {
    /// A file cannot be read or parsed.
    #[error(transparent)]
    File(#[from] TlsError),
    /// The key is not the certificate's.
    #[error("{}: {source}", path.display())]
    Unusable {
        /// The certificate's file.
        path: PathBuf,
        /// The error of rustls.
        #[source]
        source: rustls::Error,
    },
    /// The authority cannot be used.
    #[error("{}: {source}", path.display())]
    ClientCa {
        /// Path of the authority's file.
        path: PathBuf,
        /// The error of rustls.
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
        let unusable = |path: &Path| {
            let path = path.to_owned();
            move |source| ServerTlsError::Unusable { path, source }
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(VERSIONS)
            .map_err(unusable(&self.cert))?;
        let builder = match &self.client_ca {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let roots = Arc::new(roots(path)?);
                let mut verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                if self.certificate_optional {
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
            .map_err(unusable(&self.cert))?;
        // No session resumption: every connection presents its certificate.
        config.send_tls13_tickets = 0;
        Ok(config)
    }
}

/// The TLS configuration in force.
#[derive(Clone)]
pub(crate) struct Tls {
    files: TlsFiles,
    now: Arc<RwLock<(Stamps, Arc<ServerConfig>)>>,
}

impl Tls {
    pub(crate) fn new(files: TlsFiles) -> Result<Self, ServerTlsError> {
        let stamps = files.stamps();
        let config = Arc::new(files.config()?);
        Ok(Self {
            files,
            now: Arc::new(RwLock::new((stamps, config))),
        })
    }

    fn config(&self) -> Arc<ServerConfig> {
        let now = self.now.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&now.1)
    }

    /// Reloads the files if one has changed since the last call; returns whether it did. After an
    /// error the former configuration stays in force, and the same change is not reported again.
    pub(crate) fn reload_if_changed(&self) -> Result<bool, ServerTlsError> {
        let stamps = self.files.stamps();
        let mut now = self.now.write().unwrap_or_else(PoisonError::into_inner);
        if now.0 == stamps {
            return Ok(false);
        }
        now.0 = stamps;
        now.1 = Arc::new(self.files.config()?);
        Ok(true)
    }
}

/// The caller of a connection over TCP.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The identity in its certificate; `None` if it has no certificate.
    pub(crate) identity: Option<Arc<Identity>>,
}

/// A listener that yields connections which have completed their handshake.
pub(crate) struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, Caller)>,
}

impl TlsListener {
    /// Starts a task that accepts connections. Each handshake runs in its own task, so that a slow
    /// caller delays no other one; at most `at_most` run at a time, further connections wait in the
    /// kernel's queue. The tasks end with the listener.
    pub(crate) fn start(listener: TcpListener, tls: Tls, at_most: usize) -> Self {
        let (handshaken, ready) = mpsc::channel(READY_MAX);
        tokio::spawn(accept(listener, tls, handshaken, at_most));
        Self { ready }
    }
}

/// Cancel safe: the caller of a connection that is dropped connects again.
async fn accept(
    listener: TcpListener,
    tls: Tls,
    handshaken: mpsc::Sender<(TlsStream<TcpStream>, Caller)>,
    at_most: usize,
) {
    let mut listener = listener;
    let mut handshakes = JoinSet::new();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = Listener::accept(&mut listener), if handshakes.len() < at_most => accepted,
            () = handshaken.closed() => return,
            Some(_) = handshakes.join_next() => continue,
        };
        let acceptor = TlsAcceptor::from(tls.config());
        let handshaken = handshaken.clone();
        handshakes.spawn(async move {
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!(error = %e, "TCP_NODELAY");
            }
            match timeout(HANDSHAKE_TIMEOUT, acceptor.accept(stream)).await {
                Ok(Ok(stream)) => {
                    let caller = caller(&stream);
                    // Fails if the listener is gone.
                    let _ = handshaken.send((stream, caller)).await;
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
        // `Addr` is the caller, which a listener does not have.
        Err(io::ErrorKind::Unsupported.into())
    }
}

impl flatnet_daemon::serve::Caller for Caller {}
