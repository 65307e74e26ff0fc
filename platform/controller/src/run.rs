//! The process: follows hub and members, and takes each application's release a look further whenever something that
//! concerns it changes, while it leads.

use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use flatnet_daemon::causes::chain;
use flatnet_leader::{Election, KubernetesLease, Leadership, LeaseKind, ObjectName, Participant};
use flatnet_platform_watch::way;
use flatnet_tls::get::Getter;
use tokio::sync::mpsc;

use crate::builds;
use crate::cli::Cli;
use crate::connect;
use crate::driver::Driver;
use crate::gates::Tools;
use crate::health::{Health, router};

/// The manifest that grants what this daemon needs, for messages.
const MANIFEST: &str = "deploy/platform/controller.yaml";
/// Events that wait to be taken in: watches are slowed down where more do.
const WAITING: usize = 1024;

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

async fn run(cli: &Cli) -> Result<()> {
    let settings = cli.builds.read()?;
    let config = way::hub_config(cli.kubeconfig.as_deref()).await;
    let config = config.context("find the way to the hub: --kubeconfig FILE, or $KUBECONFIG")?;
    let health = Arc::new(Health::default());
    if let Some(address) = cli.listen {
        tokio::spawn(flatnet_daemon::metrics::keep(
            address,
            router(Arc::clone(&health)),
        ));
    }
    let leadership = Arc::new(Leadership::new(election(cli).await?));
    let (events, told) = mpsc::channel(WAITING);
    let tools = Tools {
        getter: Getter::new(),
        metrics: cli.metrics_url.as_deref().map(server_url).transpose()?,
    };
    let mut driver = Driver::new(
        &config,
        events.clone(),
        Arc::clone(&leadership),
        health,
        tools,
    )?;
    let builds = builds::run(
        config.clone(),
        Arc::clone(&leadership),
        settings,
        cli.lease_namespace.clone(),
    );
    tokio::spawn(connect::follow_hub(config, events));
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "follows the hub");
    let signal = tokio::select! {
        () = driver.drive(told, leadership.watch()) => Ok("the end of its events"),
        () = leadership.keep() => Ok("the end of the lease"),
        () = leadership.expire() => Ok("the end of the lease"),
        () = builds => Ok("the end of builds"),
        signal = flatnet_daemon::stop::wait_for_signal() => signal.context("listen to signals"),
    }?;
    tracing::info!(signal, "stopping; releases stay as they are");
    driver.jobs.shutdown().await;
    if let Err(error) = leadership.resign().await {
        // The lease is over by itself soon.
        tracing::warn!(error = chain(&error), "the lease could not be given back");
    }
    Ok(())
}

/// The URL without a slash at its end.
fn server_url(url: &str) -> Result<String> {
    let is_url = url.starts_with("http://") || url.starts_with("https://");
    ensure!(
        is_url,
        "--metrics-url {url}: an http:// or https:// URL is wanted"
    );
    Ok(url.trim_end_matches('/').to_owned())
}

async fn election(cli: &Cli) -> Result<Election> {
    let name = |text: &str| ObjectName::try_from(text.to_owned());
    let lease = KubernetesLease {
        namespace: name(&cli.lease_namespace).context("--lease-namespace")?,
        name: name(&cli.lease_name).context("--lease-name")?,
        kubeconfig: cli.kubeconfig.clone(),
        identity: cli.identity.clone(),
    };
    let participant = Participant {
        lease: LeaseKind::Kubernetes(lease),
        default_file: std::path::PathBuf::new(),
        duration: cli.lease,
        place: "--lease-name".to_owned(),
        manifest: MANIFEST,
    };
    Ok(Election::open(participant).await?)
}
