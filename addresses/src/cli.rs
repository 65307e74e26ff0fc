//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use flatnet_daemon::LogFormat;
use flatnet_daemon::args::seconds;

/// Keeps AddressSets equal to the pods that their selectors are. Several may run; one leads.
#[derive(Debug, Clone, Parser)]
#[command(name = "addressd", version, about, max_term_width = 100)]
pub struct Cli {
    /// The way to the API server. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// The namespace of the Lease that says who leads.
    #[arg(long, value_name = "NAME", default_value = "flatnet")]
    pub lease_namespace: String,
    /// Its name.
    #[arg(long, value_name = "NAME", default_value = "addressd")]
    pub lease_name: String,
    /// Who this process is in the Lease, for people. Where absent: the host's name.
    #[arg(long, value_name = "NAME")]
    pub identity: Option<String>,
    /// How long the lease lasts that is not renewed, in seconds: how long sets stand still after the leader's
    /// death at most.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub lease: Duration,
    /// For how many seconds an address stays in its sets whose pod is gone, unless another pod has it. It should be
    /// less than netd's quarantine (30 s): until then nobody else is given the address.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub linger: Duration,
    /// Serve /livez, /readyz and /metrics there.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The log's format. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}
