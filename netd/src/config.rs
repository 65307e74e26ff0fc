//! The options of the command line, and their defaults.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use flatnet_client::Endpoint;
use flatnet_daemon::LogFormat;
use flatnet_daemon::args::seconds;
use flatnet_types::NodeName;

/// Which plan, and whose part of it.
#[derive(Debug, Clone, Args)]
pub struct PlanArgs {
    /// The plan file.
    #[arg(long, value_name = "FILE", default_value = "/etc/flatnet/plan.yaml")]
    pub plan: PathBuf,
    /// This node's name in the plan; the host's name where absent.
    #[arg(long, value_name = "NAME")]
    pub node: Option<NodeName>,
}

/// How to run.
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// Where the plan is, and whose part of it is this node's.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Take the plan from this node's objects in a Kubernetes cluster instead, which ipamd writes there, and
    /// say in their status how the node is. While the API server is away the last accepted plan stays in
    /// force; without one, netd waits.
    #[arg(long, conflicts_with = "plan")]
    pub plan_from_cluster: bool,
    /// The way to that cluster. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE", requires = "plan_from_cluster")]
    pub kubeconfig: Option<PathBuf>,
    /// Take this node's ranges from ipamd, at unix:PATH, https://HOST:PORT or http://HOST:PORT, and
    /// not from the plan. They are kept in the state directory, so that ipamd may be away.
    #[arg(long, value_name = "ENDPOINT")]
    pub ipamd: Option<Endpoint>,
    /// The file with the token that ipamd wants over TCP.
    #[arg(long, value_name = "FILE", requires = "ipamd")]
    pub ipamd_token_file: Option<PathBuf>,
    /// The authority of ipamd's certificate, for https://.
    #[arg(long, value_name = "FILE", requires = "ipamd")]
    pub ipamd_ca: Option<PathBuf>,
    /// This node's certificate for ipamd; its name is the node's.
    #[arg(long, value_name = "FILE", requires = "ipamd_key")]
    pub ipamd_cert: Option<PathBuf>,
    /// The private key of --ipamd-cert, as PEM.
    #[arg(long, value_name = "FILE", requires = "ipamd_cert")]
    pub ipamd_key: Option<PathBuf>,
    /// Where to serve. Only root may connect.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/netd.sock")]
    pub socket: PathBuf,
    /// Where to serve metrics over TCP beside, for everybody who reaches it; nowhere where absent.
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub metrics: Option<SocketAddr>,
    /// Where the store is kept.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet")]
    pub state: PathBuf,
    /// Where the plugin leaves DELs while netd is away.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet/spool")]
    pub spool: PathBuf,
    /// Open vSwitch's database socket.
    #[arg(long, value_name = "PATH", default_value = "/run/openvswitch/db.sock")]
    pub ovsdb: PathBuf,
    /// Where Open vSwitch makes the bridge's OpenFlow socket.
    #[arg(long, value_name = "DIR", default_value = "/run/openvswitch")]
    pub ovs_rundir: PathBuf,
    /// Name of the node's bridge.
    #[arg(long, value_name = "NAME", default_value = "br-flat")]
    pub bridge: String,
    /// Open vSwitch's datapath: `netdev` is its userspace, for hosts without the module.
    #[arg(long, value_enum, default_value_t = Datapath::System)]
    pub datapath: Datapath,
    /// Where the host's /proc/sys/net is, where /proc/sys is read-only: in a container.
    #[arg(long, value_name = "DIR")]
    pub sysctls: Option<PathBuf>,
    /// How many connections to services a container may have at once.
    #[arg(long, value_name = "COUNT", default_value = "16384", value_parser = clap::value_parser!(u32).range(1..))]
    pub service_connections: u32,
    /// How long a released address rests before it is given out again, in seconds.
    #[arg(long, value_name = "SECONDS", default_value = "30", value_parser = seconds)]
    pub rest: Duration,
    /// How often everything is compared, in seconds, beside whenever something changes.
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = seconds)]
    pub resync: Duration,
    /// Only the sweep of `--resync` repairs, not what happens on the node: for tests of what
    /// names a fault while it lasts.
    #[arg(long, hide = true)]
    pub no_events: bool,
    /// The log's form. Its level is set by `RUST_LOG` (`info` where absent).
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,
}

/// Open vSwitch's datapath.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Datapath {
    /// The kernel's module.
    System,
    /// Userspace.
    Netdev,
}

impl Datapath {
    /// As the database writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}
