//! The TCP listener for other machines: its options, its credentials, and how it serves.

use anyhow::{Context, Result, bail};
use axum::serve::ListenerExt;
use flatnet_daemon::serve::{self, Limits};
use flatnet_daemon::stop;
use flatnet_tls::server::{ServerTls, TlsFiles, TlsListener};
use tokio::sync::watch;

use super::auth::Token;
use super::cli::RunArgs;
use super::http::{self, App};
use super::listen;
use super::tls_caller::caller;

/// The most connections at a time: three of each of ten thousand hosts.
const CONNECTIONS_MAX: usize = 32_768;

/// The TCP listener and how callers authenticate: by a certificate, by the token, or either.
pub(crate) struct ListenerConfig {
    listener: tokio::net::TcpListener,
    token: Option<Token>,
    pub(crate) tls: Option<ServerTls>,
}

impl ListenerConfig {
    /// Binds the listener of `--listen`; `None` without that option.
    ///
    /// # Errors
    /// If no way to authenticate callers is configured, the token would cross the network in the
    /// clear, a file cannot be used, or the address cannot be bound.
    pub(crate) fn open(args: &RunArgs) -> Result<Option<Self>> {
        let Some(address) = args.listen else {
            return Ok(None);
        };
        if args.token_file.is_none() && args.tls_client_ca.is_none() {
            bail!(
                "--listen {address} would serve anybody: give --tls-cert, --tls-key and --tls-client-ca (callers bring certificates), or --token-file"
            );
        }
        if args.tls_cert.is_none() && !address.ip().is_loopback() && !args.insecure_plain {
            bail!(
                "--listen {address} without TLS shows the token to whoever is on the way: give --tls-cert and --tls-key, or say --insecure-plain"
            );
        }
        let token = args.token_file.as_deref().map(|file| {
            Token::read(file).with_context(|| format!("the token file {}", file.display()))
        });
        let token = token.transpose()?;
        let tls = match (&args.tls_cert, &args.tls_key) {
            (Some(cert), Some(key)) => {
                let files = TlsFiles {
                    cert: cert.clone(),
                    key: key.clone(),
                    client_ca: args.tls_client_ca.clone(),
                    certificate_optional: token.is_some(),
                };
                Some(ServerTls::new(files).context("TLS")?)
            }
            _ => None,
        };
        let listener = listen::tcp(address).with_context(|| format!("listen on {address}"))?;
        Ok(Some(Self {
            listener,
            token,
            tls,
        }))
    }

    /// Serves until `stopping` is true.
    pub(crate) async fn serve(
        self,
        app: App,
        stopping: watch::Receiver<bool>,
    ) -> std::io::Result<()> {
        let router = http::tcp_router(app, self.token);
        let mut limits = Limits {
            connections: serve::connections(CONNECTIONS_MAX)?,
        };
        let stop = stop::notified(stopping);
        if let Some(tls) = self.tls {
            // A connection in its TLS handshake uses a file descriptor too.
            let handshakes = limits.connections.div_ceil(4);
            limits.connections = (limits.connections - handshakes).max(1);
            let listener = TlsListener::start(self.listener, tls, handshakes);
            serve::serve(listener, |io, _| caller(io), router, limits, stop).await;
            return Ok(());
        }
        let listener = self.listener.tap_io(|stream| {
            // Answers are small: Nagle's algorithm (RFC 896) would only delay them.
            if let Err(e) = stream.set_nodelay(true) {
                tracing::debug!(error = %e, "TCP_NODELAY");
            }
        });
        serve::serve(listener, |_, _| (), router, limits, stop).await;
        Ok(())
    }
}
