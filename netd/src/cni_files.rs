//! The files by which a container runtime finds Flatnet: the plugin, and the configuration that names it.
//!
//! ```text
//!   netd ready? ─▶ the plugin ─▶ the configuration, last: from now on the runtime calls
//!   attachments left? ─▶ the configuration, first: no new calls ─▶ the plugin ─▶ netd ends ─▶ its state
//! ```
//!
//! Each file is replaced in one step, so that a runtime that reads it meanwhile has the former one whole.

mod files;
mod purge;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use flatnet_daemon::stop;
use flatnet_types::NetworkName;
use serde_json::Value;
use tracing::{info, warn};

use crate::ask;
use files::{CniFiles, Conflist, Wanted};

/// How often it is looked whether netd is ready yet.
const UNTIL_READY: Duration = Duration::from_millis(250);
/// How often it is looked whether the files are still there, and still those of the node's network.
const AGAIN: Duration = Duration::from_secs(5);
/// The longest plugin, in bytes.
const PLUGIN_MAX: u64 = 64 << 20;

/// What to do with the files.
#[derive(Debug, Subcommand)]
pub enum CniCommand {
    /// Wait until netd is ready, then install the plugin and, last, the CNI configuration.
    Install(InstallArgs),
    /// Take the CNI configuration away, then the plugin. Refused while containers are attached.
    Remove(RemoveArgs),
    /// Wait until netd has ended, then delete what it keeps on this host.
    Purge(PurgeArgs),
}

/// Where a runtime looks.
#[derive(Debug, Args)]
pub struct Places {
    /// The runtime's directory of plugins.
    #[arg(long, value_name = "DIR", default_value = "/opt/cni/bin")]
    bin_dir: PathBuf,
    /// The runtime's directory of CNI configurations.
    #[arg(long, value_name = "DIR", default_value = "/etc/cni/net.d")]
    conf_dir: PathBuf,
    /// The configuration's file name. The runtime takes the first one in the alphabet.
    #[arg(long, value_name = "NAME", default_value = "10-flatnet.conflist")]
    conf_name: String,
    /// The socket of this node's netd.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/netd.sock")]
    socket: PathBuf,
}

/// How to install.
#[derive(Debug, Args)]
pub struct InstallArgs {
    #[command(flatten)]
    places: Places,
    /// The plugin's program, which is copied.
    #[arg(long, value_name = "FILE", default_value = "/usr/local/bin/flatnet")]
    plugin: PathBuf,
    /// The network of containers that name none; the first of this node in the plan where absent.
    #[arg(long, value_name = "NAME")]
    network: Option<NetworkName>,
    /// Let pods' annotations choose network, addresses, MAC and trunk, as their namespace grants: apply
    /// deploy/kubernetes/admission.yaml first. Pods that it did not see get no address.
    #[arg(long)]
    pod_annotations: bool,
    /// Have the reference plugin `portmap` follow, which serves pods' `hostPort`; it has to be in the
    /// runtime's directory of plugins.
    #[arg(long)]
    portmap: bool,
    /// Stay until SIGTERM, and put right what somebody changes. A configuration that somebody deletes
    /// stays away: that is how a node is taken out. At the end the files stay.
    #[arg(long)]
    follow: bool,
}

/// How to remove.
#[derive(Debug, Args)]
pub struct RemoveArgs {
    #[command(flatten)]
    places: Places,
    /// Also while containers are attached, or netd does not answer: their DEL will fail.
    #[arg(long)]
    force: bool,
}

/// What to delete.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// The socket of this node's netd.
    #[arg(long, value_name = "PATH", default_value = "/run/flatnet/netd.sock")]
    socket: PathBuf,
    /// Where netd's store is.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet")]
    state: PathBuf,
    /// Stay until SIGTERM, so that a DaemonSet counts this node as done.
    #[arg(long)]
    follow: bool,
}

/// Executes the command.
///
/// # Errors
/// A file cannot be written or deleted; `remove` is refused.
pub(crate) async fn run(command: CniCommand) -> Result<()> {
    match command {
        CniCommand::Install(args) => tokio::select! {
            done = install(&args) => done,
            signal = stop::wait_for_signal() => {
                info!(signal = signal?, "the CNI files stay");
                Ok(())
            }
        },
        CniCommand::Remove(args) => remove(&args),
        CniCommand::Purge(args) => {
            purge::purge(&args.socket, &args.state).await?;
            if args.follow {
                stop::wait_for_signal().await?;
            }
            Ok(())
        }
    }
}

impl Places {
    fn files(&self) -> CniFiles {
        CniFiles {
            plugin: self.bin_dir.join("flatnet"),
            conflist: self.conf_dir.join(&self.conf_name),
        }
    }
}

async fn install(args: &InstallArgs) -> Result<()> {
    let plugin = flatnet_files::read(&args.plugin, PLUGIN_MAX)
        .with_context(|| format!("read the plugin {}", args.plugin.display()))?;
    let files = args.places.files();
    let (mut said, mut installed) = (None, false);
    loop {
        if installed && !files.conflist.exists() {
            warn!(file = %files.conflist.display(), "somebody deleted it: it stays away until this starts anew");
            std::future::pending::<()>().await;
        }
        // Blocking, in a process that does nothing else.
        let network = tokio::task::block_in_place(|| network(args));
        let pause = match network {
            Ok(network) => {
                let conflist = Conflist {
                    network: &network,
                    socket: &args.places.socket,
                    pod_annotations: args.pod_annotations,
                    portmap: args.portmap,
                };
                let wanted = Wanted {
                    plugin: &plugin,
                    conflist: conflist.text(),
                };
                for path in files.install(&wanted)? {
                    info!(file = %path.display(), %network, "installed");
                }
                (said, installed) = (None, true);
                if !args.follow {
                    return Ok(());
                }
                AGAIN
            }
            Err(why) => {
                let why = format!("{why:#}");
                if said.as_ref() != Some(&why) {
                    warn!("the CNI files wait for netd: {why}");
                }
                said = Some(why);
                UNTIL_READY
            }
        };
        tokio::time::sleep(pause).await;
    }
}

/// The network of the configuration, as netd has it once it is ready.
fn network(args: &InstallArgs) -> Result<String> {
    let node = node(&args.places)?;
    ensure!(
        node["ready"] == true,
        "it is not ready; `GET /readyz` on its socket says why"
    );
    match &args.network {
        Some(network) => Ok(network.to_string()),
        None => Ok(node["spec"]["networks"][0]["name"]
            .as_str()
            .context("the plan gives this node no range of any network")?
            .to_owned()),
    }
}

fn node(places: &Places) -> Result<Value> {
    let answer = ask::get(&places.socket, "/v1/node")?;
    ensure!(answer.status == 200, "it answers {}", answer.status);
    serde_json::from_str(&answer.body).context("its answer is not JSON")
}

fn remove(args: &RemoveArgs) -> Result<()> {
    if !args.force {
        let left = attachments(&args.places).context(
            "it is not known whether containers are attached; `--force` removes the files all the same",
        )?;
        if left > 0 {
            bail!(
                "{left} containers are attached, and without the CNI configuration the runtime cannot \
                 detach them: drain the node (`kubectl drain NODE --ignore-daemonsets`), then run this \
                 again"
            );
        }
    }
    for path in args.places.files().remove()? {
        info!(file = %path.display(), "removed");
    }
    Ok(())
}

fn attachments(places: &Places) -> Result<usize> {
    let answer = ask::get(&places.socket, "/v1/attachments")?;
    ensure!(answer.status == 200, "netd answers {}", answer.status);
    let list: Vec<Value> =
        serde_json::from_str(&answer.body).context("netd's answer is no list of attachments")?;
    Ok(list.len())
}
