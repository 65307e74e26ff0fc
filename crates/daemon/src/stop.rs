//! The end of a daemon.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Waits for SIGTERM or SIGINT, and says which it was. Cancel safe.
///
/// # Errors
/// If the process cannot listen to signals.
pub async fn wanted() -> io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => Ok("SIGTERM"),
        _ = int.recv() => Ok("SIGINT"),
    }
}

/// Waits until `stopping` is true, or its sender is gone, which is a stop too. Cancel safe.
pub async fn notified(mut stopping: watch::Receiver<bool>) {
    // The only error is that of a sender that is gone.
    let _: Result<_, watch::error::RecvError> = stopping.wait_for(|stop| *stop).await;
}
