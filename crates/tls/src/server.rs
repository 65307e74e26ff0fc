//! TLS on the TCP listener: concurrent handshakes, and certificates that are reloaded when their
//! files change.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use axum::serve::Listener;
use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::{Stamps, TlsError, VERSIONS, certificates, private_key, roots, stamps};

/// The longest handshake: if ten thousand hosts connect at once, they wait for one another.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(20);
/// How often the files are checked for changes.
const RELOAD_EVERY: Duration = Duration::from_secs(1);
/// The most connections that have completed their handshake and are not served yet.
const READY_MAX: usize = 64;

/// The files of TLS.
#[derive(Debug, Clone)]
pub struct TlsFiles {
    /// The certificate and those between it and its authority.
    pub cert: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority of callers' certificates; `None` if callers have no certificates.
    pub client_ca: Option<PathBuf>,
    /// Whether a caller may connect without a certificate: it authenticates by the token.
    pub certificate_optional: bool,
}

/// The TLS configuration cannot be built.
#[derive(Debug, Error)]
pub enum ServerTlsError {
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
pub struct ServerTls {
    files: TlsFiles,
    now: Arc<RwLock<(Stamps, Arc<ServerConfig>)>>,
}

impl ServerTls {
    /// By the files as they are now.
    ///
    /// # Errors
    /// [`ServerTlsError`].
    pub fn new(files: TlsFiles) -> Result<Self, ServerTlsError> {
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
    ///
    /// # Errors
    /// [`ServerTlsError`].
    pub fn reload_if_changed(&self) -> Result<bool, ServerTlsError> {
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

/// A listener that yields connections which have completed their handshake.
pub struct TlsListener {
    ready: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Starts a task that accepts connections. Each handshake runs in its own task, so that a slow
    /// caller delays no other one; at most `at_most` run at a time, further connections wait in the
    /// kernel's queue. The tasks end with the listener.
    pub fn start(listener: TcpListener, tls: ServerTls, at_most: usize) -> Self {
        let (handshaken, ready) = mpsc::channel(READY_MAX);
        tokio::spawn(accept(listener, tls, handshaken, at_most));
        Self { ready }
    }
}

/// Reloads the certificates when their files change, for as long as it is polled. Cancel safe: they are replaced as a whole.
pub async fn keep_current(tls: Option<ServerTls>) {
    let Some(tls) = tls else {
        return;
    };
    loop {
        tokio::time::sleep(RELOAD_EVERY).await;
        match tls.reload_if_changed() {
            Ok(false) => {}
            Ok(true) => tracing::info!("the changed certificates are in force"),
            Err(e) => {
                tracing::error!(error = %e, "the changed certificates are refused; the old ones stay in force");
            }
        }
    }
}

/// Cancel safe: the caller of a connection that is dropped connects again.
async fn accept(
    listener: TcpListener,
    tls: ServerTls,
    handshaken: mpsc::Sender<(TlsStream<TcpStream>, SocketAddr)>,
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
                    // Fails if the listener is gone.
                    let _ = handshaken.send((stream, peer)).await;
                }
                Ok(Err(e)) => tracing::info!(%peer, error = %e, "no TLS with this caller"),
                Err(_) => tracing::info!(%peer, "a caller did not finish its handshake"),
            }
        });
    }
}

impl Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.ready.recv().await {
            Some(ready) => ready,
            // The task ends only with this listener.
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        // The socket is the task's that accepts.
        Err(io::ErrorKind::Unsupported.into())
    }
}
