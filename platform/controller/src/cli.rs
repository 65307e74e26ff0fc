//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use flatnet_daemon::LogFormat;
use flatnet_daemon::args::seconds;

use crate::builds::BuildArgs;

/// Takes releases through their steps in all clusters. Several may run; one leads.
#[derive(Debug, Clone, Args)]
pub struct Cli {
    /// The way to the hub's API server. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the Lease that says who leads.
    #[arg(long, value_name = "NAME", default_value = "flatnet-platform")]
    pub lease_namespace: String,
    /// The name of that Lease.
    #[arg(long, value_name = "NAME", default_value = "controller")]
    pub lease_name: String,
    /// Who this process is in the Lease, for people. Where absent: the host's name.
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    /// How long the lease lasts that is not renewed, in seconds: how long releases stand still after the leader's
    /// death at most.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub lease: Duration,
    /// Serve /livez, /readyz and /metrics there.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// What metrics gates ask: the URL of a Prometheus, or of what answers like it (VictoriaMetrics). Where absent they say
    /// nothing, and releases that have one wait.
    #[arg(long, value_name = "URL")]
    pub metrics_url: Option<String>,
    /// Builds.
    #[command(flatten)]
    pub builds: BuildArgs,
    /// The log's format. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}
