//! Runs and stops the daemon.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use flatnet_daemon::{socket, stop};
use tokio::sync::watch as watched;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::compose::compose;
use crate::config::RunArgs;
use crate::{server, tasks};

/// How long a stop waits for running requests.
const STOP_TIMEOUT: Duration = Duration::from_secs(15);

/// Runs netd until a signal.
///
/// # Errors
/// A part cannot be opened, or the server ends by itself.
pub(crate) async fn run(args: RunArgs) -> Result<()> {
    let parts = compose(&args).await?;
    let listener = socket::bind("netd", &args.socket)?;
    let (stop, stopping) = watched::channel(false);
    let mut running = JoinSet::new();
    let app = tasks::spawn(&args, parts, &mut running);
    info!(socket = %args.socket.display(), "serving");
    let mut served = tokio::spawn(server::serve(listener, app, stop::notified(stopping)));
    tokio::select! {
        ended = &mut served => {
            ended.context("the server died")?.context("serve")?;
            bail!("the server stopped by itself");
        }
        signal = stop::wait_for_signal() => info!(signal = signal?, "stopping; the data path goes on"),
    }
    stop.send_replace(true);
    if tokio::time::timeout(STOP_TIMEOUT, served).await.is_err() {
        warn!("requests still run; the next start repairs what they leave");
    }
    running.shutdown().await;
    let _ = std::fs::remove_file(&args.socket);
    Ok(())
}
