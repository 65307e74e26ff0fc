//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flatnet_daemon::LogFormat;
use flatnet_daemon::args::seconds;

use super::lease_place::LeasePlace;

/// The daemon that hands each host its address ranges, once.
#[derive(Debug, Parser)]
#[command(name = "ipamd", version, about, max_term_width = 100)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve until SIGTERM. Hosts go on with the ranges they have without ipamd.
    Run(Box<RunArgs>),
    /// Create the ledger of a new cluster, and exit.
    Init(InitArgs),
}

/// Options of `ipamd init`.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Directory of the ledger.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet-ipamd")]
    pub state: PathBuf,
    /// The ledger was lost, and hosts hold ranges: grant nothing until every host of the
    /// plan has reported what it holds.
    #[arg(long)]
    pub after_loss: bool,
}

/// Options of `ipamd run`.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The plan file. A change of it is applied within two seconds.
    #[arg(long, value_name = "FILE", default_value = "/etc/flatnet/plan.yaml")]
    pub plan: PathBuf,
    /// Take the plan from a Kubernetes cluster's objects instead, and write to their status whether they
    /// are in force. While the API server is away the last accepted plan stays in force.
    #[arg(long, conflicts_with = "plan")]
    pub plan_from_cluster: bool,
    /// The way to that cluster. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE", requires = "plan_from_cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Lead by this Kubernetes Lease, or stand by, and keep the ledger in the cluster: in HostRange objects and
    /// the ConfigMap NAME-ledger beside the Lease. Any number of replicas may run.
    #[arg(
        long,
        value_name = "NAMESPACE/NAME",
        requires = "plan_from_cluster",
        conflicts_with = "init"
    )]
    pub elect: Option<LeasePlace>,
    /// How long the Lease lasts without being renewed, in seconds: another one leads so long after this one
    /// died.
    #[arg(long = "lease", value_name = "SECONDS", default_value = "10", value_parser = seconds, requires = "elect")]
    pub lease_time: Duration,
    /// Who this is in the Lease, for people; where absent the machine's name, which is the pod's.
    #[arg(long, value_name = "NAME", requires = "elect")]
    pub identity: Option<String>,
    /// TCP address for a kubelet's probes, in the clear: `/livez` and `/readyz`.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub probes: Option<SocketAddr>,
    /// Directory of the accepted plan's copy, and of the ledger where that is a file.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet-ipamd")]
    pub state: PathBuf,
    /// Create the ledger if there is none. For a new cluster only: a lost ledger must not look
    /// like a new one.
    #[arg(long)]
    pub init: bool,
    /// Unix socket for root of this machine.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/ipamd.sock")]
    pub socket: PathBuf,
    /// TCP address for hosts; needs --tls-client-ca, --token-file or both.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Where to serve metrics over TCP, without identities; nowhere where absent.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// The file with the token of TCP callers that have no certificate. The token grants every
    /// permission. It is read at the start.
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub token_file: Option<PathBuf>,
    /// This daemon's certificate and the intermediate ones, as PEM: TCP is TLS then. Reloaded when
    /// it changes, as the other files of TLS are.
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The authority of callers' certificates. A certificate names the hosts whose ranges its
    /// bearer may ask for. Without --token-file every caller needs one.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Serve other machines without TLS: anybody on the path can read the token.
    #[arg(long, requires = "token_file", conflicts_with = "tls_cert")]
    pub insecure_plain: bool,
    /// Quarantine of a released range, in seconds: how long no other host may have it.
    #[arg(long = "rest", value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub quarantine: Duration,
    /// Grace period after a start, in seconds: nothing new is granted, so that hosts can first
    /// report what they hold. Longer than hosts take to connect again.
    #[arg(long = "settle", value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub grace: Duration,
    /// The log's format. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}
