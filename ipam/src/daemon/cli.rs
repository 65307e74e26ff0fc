//! The command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use flatnet_daemon::LogFormat;
use flatnet_daemon::args::seconds;

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
    /// Make the ledger of a new cluster, and exit.
    Init(InitArgs),
}

/// How to make a ledger.
#[derive(Debug, Clone, Args)]
pub struct InitArgs {
    /// Where the ledger is kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet-ipamd")]
    pub state: PathBuf,
    /// The ledger was lost, and hosts hold ranges: grant nothing until every host of the
    /// plan has said what it holds.
    #[arg(long)]
    pub after_loss: bool,
}

/// How to run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The plan file. A change of it is taken over within two seconds.
    #[arg(long, value_name = "FILE", default_value = "/etc/flatnet/plan.yaml")]
    pub plan: PathBuf,
    /// Where the ledger is kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet-ipamd")]
    pub state: PathBuf,
    /// Make the ledger if there is none. For a new cluster only: a lost ledger must not look
    /// like a new one.
    #[arg(long)]
    pub init: bool,
    /// Where to serve root of this machine.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/ipamd.sock")]
    pub socket: PathBuf,
    /// Where to serve hosts over TCP; needs --tls-client-ca, --token-file or both.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// The file with the token that callers over TCP bring who bring no certificate. It may
    /// everything. It is read at the start.
    #[arg(long, value_name = "FILE", requires = "listen")]
    pub token_file: Option<PathBuf>,
    /// This daemon's certificate, and those between it and its authority: TCP is TLS then.
    /// Read again when it changes, as the other files of TLS are.
    #[arg(long, value_name = "FILE", requires_all = ["listen", "tls_key"])]
    pub tls_cert: Option<PathBuf>,
    /// The private key of --tls-cert, as PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// The authority of callers' certificates. A certificate says whose ranges its bearer may
    /// ask for. Without --token-file nobody comes without one.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_client_ca: Option<PathBuf>,
    /// Serve other machines without TLS: whoever is on the way reads the token.
    #[arg(long, requires = "token_file", conflicts_with = "tls_cert")]
    pub insecure_plain: bool,
    /// How long a released range rests before another host may have it, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = seconds)]
    pub rest: Duration,
    /// How long after a start nothing new is granted, so that hosts can first say what they
    /// hold, in seconds. More than hosts take to connect again.
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub settle: Duration,
    /// The log's form. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}
