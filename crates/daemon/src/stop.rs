//! Stopping a daemon: the signals, and the notification of its tasks.

use std::io;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Waits for SIGTERM or SIGINT; returns the signal's name. Cancel safe.
///
/// # Errors
/// If the signal handlers cannot be installed.
pub async fn wait_for_signal() -> io::Result<&'static str> {
    let mut term = signal(SignalKind::terminate())?;
    let mut int = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = term.recv() => Ok("SIGTERM"),
        _ = int.recv() => Ok("SIGINT"),
    }
}

/// Waits until `stopping` is true or its sender is dropped. Cancel safe.
pub async fn notified(mut stopping: watch::Receiver<bool>) {
    // The only error is a dropped sender.
    let _: Result<_, watch::error::RecvError> = stopping.wait_for(|stop| *stop).await;
}
