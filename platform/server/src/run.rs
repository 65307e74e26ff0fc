//! The process: follows the hub, and serves.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use axum::middleware::from_fn_with_state;
use flatnet_daemon::serve::{self, Limits};
use flatnet_daemon::stop;
use flatnet_platform_watch::way;
use flatnet_tls::get::Getter;
use flatnet_tls::server::{ServerTls, TlsFiles, TlsListener, keep_current};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::accounts::{Passwords, hashed};
use crate::audit::{self, Audit};
use crate::cli::{Cli, Tool};
use crate::console::Console;
use crate::context::Context;
use crate::fetch::Https;
use crate::health::{self, Requests};
use crate::oidc::{Oidc, Settings};
use crate::projection::Projection;
use crate::registry::Registry;
use crate::rights::Rights;
use crate::routes;
use crate::session::Sessions;

/// How long an answer of the hub may be silent.
const SILENCE: Duration = Duration::from_secs(15);
/// The most connections at a time: consoles and watches stay open.
const CONNECTIONS_MAX: usize = 8_192;
/// The longest password, in bytes.
const PASSWORD_MAX: u64 = 4_096;

/// Runs until SIGTERM.
///
/// # Errors
/// The failed step and its causes, for an operator.
pub fn main(cli: &Cli) -> Result<()> {
    flatnet_daemon::log::to_stderr(cli.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(run(cli))
}

/// Does one of the tools; what it prints.
///
/// # Errors
/// For an operator.
pub fn tool(tool: &Tool) -> Result<String> {
    match tool {
        Tool::HashPassword => {
            let mut password = String::new();
            let input = std::io::stdin()
                .take(PASSWORD_MAX)
                .read_to_string(&mut password);
            input.context("read the password from standard input")?;
            let password = password.trim_end_matches(['\n', '\r']);
            ensure!(
                !password.is_empty(),
                "there is no password on standard input"
            );
            hashed(password)
        }
        Tool::VerifyAudit { file } => {
            let changes = audit::verify(file)?;
            Ok(format!(
                "{}: {changes} changes, each line follows from the one before",
                file.display()
            ))
        }
    }
}

async fn run(cli: &Cli) -> Result<()> {
    let tls = tls(cli)?;
    let oidc = oidc(cli)?;
    let console = cli.console.as_deref().map(Console::read).transpose()?;
    let audit = Arc::new(Audit::open(&cli.audit_dir)?);
    let config = way::hub_config(cli.kubeconfig.as_deref()).await;
    let config = config.context("find the way to the hub: --kubeconfig FILE, or $KUBECONFIG")?;
    let hub = way::client(&config, SILENCE).context("make a client of the hub")?;
    let listener = TcpListener::bind(cli.listen).await;
    let listener = listener.with_context(|| format!("listen on {}", cli.listen))?;
    let sessions = Sessions::open(&hub, &cli.namespace).await;
    let sessions = sessions
        .context("the key of sessions; deploy/platform/server.yaml grants what is needed")?;
    let registry =
        match &cli.registry {
            None => None,
            Some(service) => {
                let opened = Registry::open(&hub, &cli.namespace, service).await;
                Some(opened.context(
                    "the registry's key; deploy/platform/server.yaml grants what is needed",
                )?)
            }
        };
    let (stop, stopping) = watch::channel(false);
    let context = Arc::new(Context {
        hub,
        namespace: cli.namespace.clone(),
        projection: Projection::default(),
        rights: Rights::default(),
        sessions,
        passwords: Arc::new(Passwords::new()?),
        oidc,
        audit,
        registry,
        stopping: stopping.clone(),
    });
    let requests = Arc::new(Requests::default());
    if let Some(address) = cli.metrics {
        let router = health::router(Arc::clone(&context), Arc::clone(&requests));
        tokio::spawn(flatnet_daemon::metrics::keep(address, router));
    }
    tracing::info!(version = env!("CARGO_PKG_VERSION"), address = %cli.listen, tls = tls.is_some(), console = console.is_some(), "serves the API");
    let router = routes::router(Arc::clone(&context), console)
        .layer(from_fn_with_state(requests, health::count));
    let served = serve_on(listener, tls.clone(), router, stopping);
    let signal = async {
        let signal = stop::wait_for_signal().await.context("listen to signals");
        stop.send_replace(true);
        signal
    };
    let (signal, served) = tokio::select! {
        ended = async { tokio::join!(signal, served) } => ended,
        () = async { tokio::join!(context.projection.follow(&config, &cli.namespace), keep(tls)); } => bail!("the hub is not followed any more"),
    };
    tracing::info!(signal = signal?, "stopped");
    served
}

/// Does not end.
async fn keep(tls: Option<ServerTls>) {
    keep_current(tls).await;
    std::future::pending().await
}

fn tls(cli: &Cli) -> Result<Option<ServerTls>> {
    let (Some(cert), Some(key)) = (&cli.tls_cert, &cli.tls_key) else {
        ensure!(
            cli.listen.ip().is_loopback() || cli.insecure_plain,
            "--listen {} without TLS shows passwords and tokens to whoever is on the way: give --tls-cert and --tls-key, or \
             say --insecure-plain where something before this server has TLS",
            cli.listen
        );
        return Ok(None);
    };
    let files = TlsFiles {
        cert: cert.clone(),
        key: key.clone(),
        client_ca: None,
        certificate_optional: true,
    };
    Ok(Some(ServerTls::new(files).context("TLS")?))
}

fn oidc(cli: &Cli) -> Result<Option<Oidc>> {
    let (Some(issuer), Some(audience)) = (&cli.oidc_issuer, &cli.oidc_client_id) else {
        return Ok(None);
    };
    let here = ["http://127.0.0.1:", "http://[::1]:"]
        .iter()
        .any(|start| issuer.starts_with(start));
    ensure!(
        issuer.starts_with("https://") || here,
        "--oidc-issuer {issuer}: keys that come without TLS can be anybody's; an issuer is an https:// URL"
    );
    let settings = Settings {
        issuer: issuer.clone(),
        audience: audience.clone(),
        name_claim: cli.oidc_name_claim.clone(),
        groups_claim: cli.oidc_groups_claim.clone(),
    };
    Ok(Some(Oidc::new(settings, Box::new(Https(Getter::new())))))
}

async fn serve_on(
    listener: TcpListener,
    tls: Option<ServerTls>,
    router: axum::Router,
    stopping: watch::Receiver<bool>,
) -> Result<()> {
    let mut limits = Limits {
        connections: serve::connections(CONNECTIONS_MAX)?,
    };
    let stop = stop::notified(stopping);
    match tls {
        Some(tls) => {
            // A connection in its TLS handshake uses a file descriptor too.
            let handshakes = limits.connections.div_ceil(4);
            limits.connections = (limits.connections - handshakes).max(1);
            let listener = TlsListener::start(listener, tls, handshakes);
            serve::serve(listener, |_, _| (), router, limits, stop).await;
        }
        None => serve::serve(listener, |_, _| (), router, limits, stop).await,
    }
    Ok(())
}
