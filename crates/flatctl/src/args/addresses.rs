//! The commands on AddressSets, as they are written.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};
use flatnet_subscriber::Target;

/// The commands on AddressSets.
#[derive(Debug, Subcommand)]
pub enum AddressesCommand {
    /// List sets: how many addresses they have, which generation, who has it
    #[command(after_help = "Exits with 1 if a required subscriber of one is missing.")]
    List {
        /// Only those of this namespace
        #[arg(short, long, value_name = "NAME")]
        namespace: Option<String>,
        /// How to reach the cluster; none: as kubectl does
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        kubeconfig: Option<PathBuf>,
    },
    /// Show a set: its addresses, and each subscriber
    #[command(after_help = "Exits with 1 if a required subscriber is missing.")]
    Show {
        /// Which set
        #[command(flatten)]
        set: SetArgs,
    },
    /// Wait until everybody has a generation who is waited for
    #[command(
        after_help = "Exits with 0 once they have it, with 1 if the time is over, and says who does not."
    )]
    Wait {
        /// Which set
        #[command(flatten)]
        set: SetArgs,
        /// At least this generation; none: the one that is the newest now
        #[arg(long, value_name = "N", conflicts_with_all = ["has", "lacks"])]
        generation: Option<i64>,
        /// The first generation that has this address
        #[arg(long, value_name = "ADDRESS")]
        has: Vec<IpAddr>,
        /// The first generation that does not have this address
        #[arg(long, value_name = "ADDRESS")]
        lacks: Vec<IpAddr>,
        /// For so long at most; none: without an end
        #[arg(long, value_name = "SECONDS", value_parser = seconds)]
        timeout: Option<Duration>,
    },
    /// Keep files and firewalls of this machine equal to a set, and acknowledge each generation
    #[command(
        after_help = "Several --kubeconfig: the set of that name in each cluster; their addresses are written \
                      together, each cluster is told of its own generation. While an API server is away its last \
                      list stays in force. Ends with SIGTERM; what was written stays."
    )]
    Follow {
        /// Which set
        #[command(flatten)]
        set: SetArgs,
        /// file:PATH, nginx:PATH, mysql:USER:PATH, nft:FAMILY/TABLE/SET or ipset:NAME
        #[arg(long, value_name = "TARGET", required = true)]
        to: Vec<Target>,
        /// Run by `sh -c` after each write; a generation is acknowledged when it has succeeded
        #[arg(long, value_name = "COMMAND")]
        reload: Option<String>,
        /// This subscriber's name in the set's `spec.subscribers`; none: nothing is acknowledged
        #[arg(long, value_name = "SUBSCRIBER")]
        name: Option<String>,
        /// Keeps the lists that were accepted last [default: /var/lib/flatnet/addresses/NAMESPACE.SET.SUBSCRIBER.json]
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        state: Option<PathBuf>,
    },
}

/// A set, in one cluster or in several.
#[derive(Debug, Clone, Args)]
pub struct SetArgs {
    /// The set's name
    #[arg(value_name = "SET")]
    pub set: String,
    /// Its namespace
    #[arg(short, long, value_name = "NAME", default_value = "default")]
    pub namespace: String,
    /// How to reach its cluster; none: as kubectl does (may be repeated: a set of several clusters)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub kubeconfig: Vec<PathBuf>,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a number of seconds is wanted".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}
