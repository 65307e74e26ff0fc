//! `flatctl install`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum, ValueHint};
use flatnet_types::NodeName;

/// The commands on an installation.
#[derive(Debug, Subcommand)]
pub enum InstallCommand {
    /// Say what this host lacks for netd, and what to do about it; changes nothing
    #[command(
        after_help = "For hosts without Kubernetes, where netd is a unit of systemd; in a cluster the init \
                      container `preflight` says it. Run it as root. Exits with 0 if nothing lacks, with 1 if \
                      something does."
    )]
    Preflight(PreflightArgs),
}

/// What to look at.
#[derive(Debug, Args)]
pub struct PreflightArgs {
    /// The program netd, which looks at what it needs itself
    #[arg(long, value_name = "FILE", default_value = "/usr/local/sbin/netd", value_hint = ValueHint::FilePath)]
    pub netd_program: PathBuf,
    /// The plan's file
    #[arg(long, env = "FLATNET_PLAN", default_value = "/etc/flatnet/plan.yaml", value_hint = ValueHint::FilePath)]
    pub plan: PathBuf,
    /// This host's name in the plan; the host's own where absent
    #[arg(long, value_name = "NAME")]
    pub node: Option<NodeName>,
    /// Open vSwitch's datapath
    #[arg(long, value_enum, default_value_t)]
    pub datapath: Datapath,
    /// The runtime's directory of CNI plugins
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin", value_hint = ValueHint::DirPath)]
    pub cni_bin_dir: PathBuf,
    /// The runtime's directory of CNI configurations
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d", value_hint = ValueHint::DirPath)]
    pub cni_conf_dir: PathBuf,
    /// Where systemd's units are looked for (may be repeated)
    #[arg(long, value_name = "DIR", default_values = ["/etc/systemd/system", "/usr/local/lib/systemd/system", "/lib/systemd/system"])]
    pub units: Vec<PathBuf>,
}

/// Open vSwitch's datapath.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Datapath {
    /// The kernel's module
    #[default]
    System,
    /// Userspace, for hosts without the module
    Netdev,
}

impl Datapath {
    /// As netd's command line has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::Netdev => "netdev",
        }
    }
}
