//! `netd preflight`: is this host fit for netd? It changes nothing, and says what to do about each lack.
//!
//! It is the init container of the DaemonSet: what a manifest forgot and what a host lacks look alike
//! from inside of a container, so the advice names both.

mod look;
mod plan;

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use flatnet_plan::node::Mode;
use serde::Serialize;

use crate::config::{Datapath, PlanArgs};

/// What to look at.
#[derive(Debug, Args)]
pub struct PreflightArgs {
    #[command(flatten)]
    plan: PlanArgs,
    /// Look at this node's objects in a Kubernetes cluster, and at no file, as `netd run` does.
    #[arg(long, conflicts_with = "plan")]
    plan_from_cluster: bool,
    /// The way to that cluster. Where absent: a pod's service account, else `$KUBECONFIG`.
    #[arg(long, value_name = "FILE", requires = "plan_from_cluster")]
    kubeconfig: Option<PathBuf>,
    /// Open vSwitch's database socket.
    #[arg(long, value_name = "PATH", default_value = "/run/openvswitch/db.sock")]
    ovsdb: PathBuf,
    /// Open vSwitch's datapath: `netdev` is its userspace, which needs no module.
    #[arg(long, value_enum, default_value_t = Datapath::System)]
    datapath: Datapath,
    /// Where netd's store will be.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet")]
    state: PathBuf,
    /// Where sysctls of the network are written.
    #[arg(long, value_name = "DIR", default_value = "/proc/sys/net")]
    sysctls: PathBuf,
    /// Where the runtime names network namespaces (may be repeated).
    #[arg(long, value_name = "DIR", default_values = ["/run/netns"])]
    netns: Vec<PathBuf>,
    /// The runtime's directory of CNI plugins; not looked at where absent.
    #[arg(long, value_name = "DIR")]
    cni_bin_dir: Option<PathBuf>,
    /// The runtime's directory of CNI configurations; not looked at where absent.
    #[arg(long, value_name = "DIR")]
    cni_conf_dir: Option<PathBuf>,
    /// Print a list in JSON, `[{"what": …, "lacks": … or null}]`: for `flatctl install preflight`.
    #[arg(long)]
    json: bool,
}

/// One thing that netd needs.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Finding {
    /// What was looked at.
    what: String,
    /// What is wrong and what to do about it.
    #[serde(rename = "lacks")]
    wrong: Option<String>,
}

impl Finding {
    fn new(what: impl Into<String>, wrong: Option<String>) -> Self {
        Self {
            what: what.into(),
            wrong,
        }
    }
}

/// Looks at everything, prints a line for each, and fails if anything is wrong.
///
/// # Errors
/// How many lacks there are.
pub(crate) fn run(args: &PreflightArgs) -> Result<()> {
    let findings = all(args);
    let mut out = std::io::stdout().lock();
    if args.json {
        writeln!(out, "{}", serde_json::to_string(&findings)?)?;
    }
    for finding in findings.iter().filter(|_| !args.json) {
        match &finding.wrong {
            None => writeln!(out, "ok      {}", finding.what)?,
            Some(wrong) => writeln!(out, "LACKS   {}: {wrong}", finding.what)?,
        }
    }
    let lacks = findings.iter().filter(|f| f.wrong.is_some()).count();
    if lacks > 0 {
        bail!("{lacks} things that netd needs are missing on this host; see above");
    }
    Ok(())
}

fn all(args: &PreflightArgs) -> Vec<Finding> {
    let mut findings = vec![
        look::capabilities(&look::own_status()),
        look::database(&args.ovsdb),
    ];
    if args.datapath == Datapath::System {
        findings.push(look::module(Path::new("/sys/module/openvswitch")));
    }
    findings.push(look::sysctls(&args.sysctls));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    findings.extend(args.netns.iter().map(|dir| look::namespaces(dir, &mounts)));
    findings.push(look::writable("netd's store", &args.state));
    let (bin, conf) = (&args.cni_bin_dir, &args.cni_conf_dir);
    for dir in bin.iter().chain(conf) {
        findings.push(look::writable("the runtime's CNI files", dir));
    }
    findings.extend(bin.iter().map(|dir| look::loopback(dir)));
    let (spec, found) = match args.plan_from_cluster {
        true => plan::of_cluster(&args.plan, args.kubeconfig.as_deref()),
        false => plan::of_file(&args.plan),
    };
    // In mode `routed` netd sets it itself.
    if let Some(spec) = &spec
        && matches!(spec.mode, Mode::Vlan { .. })
    {
        let services = &spec.service_prefixes;
        findings.push(look::forwarding(&args.sysctls, services));
    }
    findings.push(found);
    findings
}
