//! Following a set until SIGTERM.

use std::sync::Arc;

use flatnet_k8s_client::Cluster;
use flatnet_subscriber::{Options, Report};
use tokio::signal::unix::{SignalKind, signal};

use crate::CliError;
use crate::error::exit;
use crate::output::Output;

/// Who this process is in its lease, for people: the host, and the process.
pub(super) fn holder() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    format!("{}_{}", host.trim(), std::process::id())
}

pub(super) async fn run(
    clusters: Vec<Arc<Cluster>>,
    options: Options,
    output: &mut Output<'_>,
) -> Result<u8, CliError> {
    let mut term = signal(SignalKind::terminate()).map_err(CliError::Runtime)?;
    let mut int = signal(SignalKind::interrupt()).map_err(CliError::Runtime)?;
    let report = |report: Report| match report.is_trouble() {
        true => output.warning(&report.to_string()),
        false => output.note(&report.to_string()),
    };
    tokio::select! {
        ended = flatnet_subscriber::follow(clusters, options, report) => ended?,
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
    Ok(exit::OK)
}
