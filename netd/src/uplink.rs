//! `netd uplink`: moves an uplink that bears the host's own address into the bridge, and back. The
//! move is in `flatnet_uplink`; this module has the commands, and netd's automatic move at its
//! start.

mod auto;
mod prepare;
mod print;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Subcommand};
use flatnet_daemon::args::seconds;
use flatnet_kernel::Kernel;
use flatnet_uplink::{
    BootAction, BootError, Journal, Mover, Outcome, Phase, Real, Store, boot_action, boot_id,
    detach, release_ports,
};

use crate::config::{Datapath, PlanArgs};

pub(crate) use auto::follow_plan;

/// What to do with the uplink.
#[derive(Debug, Clone, Subcommand)]
pub enum UplinkCommand {
    /// Move the host's address from the NIC to the bridge, and keep it only if all answers.
    Migrate(Box<MigrateArgs>),
    /// Keep a move that waits for a confirmation.
    Confirm(NodeArgs),
    /// Undo the move of this boot.
    Rollback(NodeArgs),
    /// Print how far a move is.
    Status(NodeArgs),
    /// Take the NIC out of the bridge that the database remembers: run by flatnet-uplink.service.
    Boot(BootArgs),
    /// Undo a move that is not kept in time: run by `migrate` itself.
    #[command(hide = true)]
    Guard(NodeArgs),
}

/// Where netd's state and Open vSwitch are.
#[derive(Debug, Clone, Args)]
pub struct NodeArgs {
    /// netd's state directory, where the journal is.
    #[arg(long, value_name = "DIR", default_value = "/var/lib/flatnet")]
    pub state: PathBuf,
    /// Open vSwitch's database socket.
    #[arg(long, value_name = "PATH", default_value = "/run/openvswitch/db.sock")]
    pub ovsdb: PathBuf,
    /// Where Open vSwitch makes the bridge's OpenFlow socket.
    #[arg(long, value_name = "DIR", default_value = "/run/openvswitch")]
    pub ovs_rundir: PathBuf,
    /// Name of the node's bridge.
    #[arg(long, value_name = "NAME", default_value = "br-flat")]
    pub bridge: String,
}

/// How to move.
#[derive(Debug, Clone, Args)]
pub struct MigrateArgs {
    /// Where the plan is, and whose part of it is this node's.
    #[command(flatten)]
    pub plan: PlanArgs,
    /// Where the node's state and Open vSwitch's sockets are.
    #[command(flatten)]
    pub node_args: NodeArgs,
    /// Open vSwitch's datapath, where the bridge is not there yet.
    #[arg(long, value_enum, default_value_t = Datapath::System)]
    pub datapath: Datapath,
    /// Print the steps and what would not follow; touch nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Undo everything unless `netd uplink confirm` is run within so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub confirm_within: Option<Duration>,
    /// A server that must answer after the move, in place of the plan's `apiServer`.
    #[arg(long, value_name = "HOST:PORT")]
    pub api_server: Option<String>,
    /// Move though flatnet-uplink.service is not enabled. Without it, a host that reboots while
    /// netd cannot start is away.
    #[arg(long)]
    pub without_boot_unit: bool,
}

/// What to release at boot.
#[derive(Debug, Clone, Args)]
pub struct BootArgs {
    /// Where the node's state and Open vSwitch's sockets are.
    #[command(flatten)]
    pub node: NodeArgs,
    /// Open vSwitch's database file.
    #[arg(long, value_name = "FILE", default_value = "/etc/openvswitch/conf.db")]
    pub conf_db: PathBuf,
}

/// Executes a command of `netd uplink`.
///
/// # Errors
/// The command failed; the error says what was attempted.
pub(crate) fn run(command: UplinkCommand) -> Result<()> {
    if !nix::unistd::geteuid().is_root() {
        bail!("netd uplink changes the host's network: run it as root");
    }
    // Before any thread starts: a child inherits its caller's session.
    if let UplinkCommand::Guard(_) = command {
        print::line(detach());
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .context("start the runtime")?;
    runtime.block_on(async {
        match command {
            UplinkCommand::Migrate(args) => migrate(&args).await,
            UplinkCommand::Confirm(args) => confirm(&args),
            UplinkCommand::Rollback(args) => rollback(&args).await,
            UplinkCommand::Status(args) => status(&args),
            UplinkCommand::Boot(args) => boot(&args).await,
            UplinkCommand::Guard(args) => guard(&args).await,
        }
    })
}

/// The values that a [`Mover`] borrows.
struct MoveContext {
    host: Real,
    store: Store,
    boot_id: String,
}

impl MoveContext {
    fn open(args: &NodeArgs) -> Result<Self> {
        Ok(Self {
            host: start_host(args)?,
            store: Store::new(&args.state),
            boot_id: boot_id().context("read this boot's ID")?,
        })
    }

    fn mover(&self) -> Mover<'_, Real> {
        Mover {
            host: &self.host,
            store: &self.store,
            boot_id: &self.boot_id,
        }
    }
}

fn start_host(args: &NodeArgs) -> Result<Real> {
    let kernel = Kernel::start().context("open netlink")?;
    Ok(Real::start(
        kernel,
        &args.ovsdb,
        &args.ovs_rundir,
        &args.bridge,
    ))
}

async fn migrate(args: &MigrateArgs) -> Result<()> {
    let node = MoveContext::open(&args.node_args)?;
    let target = prepare::target_from_args(args)?;
    let Some(planned) = prepare::prepare_move(&node.host, &target).await? else {
        print::line(&format!(
            "{} bears no address: there is nothing to move",
            target.uplink
        ));
        return Ok(());
    };
    print::steps(&planned);
    if args.dry_run {
        print::line("nothing was touched (--dry-run)");
        return Ok(());
    }
    prepare::ensure_boot_step(&args.node_args.state, args.without_boot_unit)?;
    let mover = node.mover();
    let mut journal = Journal::new(&planned, &target.bridge, &node.boot_id);
    journal.confirm_s = args.confirm_within.map(|t| t.as_secs());
    // A closed SSH session must not stop the move halfway: SIGHUP is ignored, and the guard runs in
    // a session of its own.
    let stop = stop_on_signals()?;
    let guard = prepare::guard_argv(&args.node_args)?;
    let outcome = mover
        .migrate(
            journal,
            || flatnet_uplink::arm(&guard).map_err(|e| e.to_string()),
            &stop,
        )
        .await?;
    let outcome = match outcome {
        Outcome::Waiting(time) => {
            print::line(&format!(
                "everything answers; run `netd uplink confirm` within {} s, or all is undone",
                time.as_secs()
            ));
            mover.wait().await?
        }
        other => other,
    };
    match outcome {
        Outcome::Kept | Outcome::Waiting(_) => {
            print::line(&format!(
                "kept: {} is in {}, and the host is on {}",
                planned.nic, target.bridge, planned.to
            ));
            Ok(())
        }
        Outcome::RolledBack(reason) => bail!("everything is as it was: {reason}"),
    }
}

/// Ignores SIGHUP, so that the end of the session does not stop the move. SIGINT and SIGTERM set
/// the flag that undoes it.
fn stop_on_signals() -> Result<Arc<AtomicBool>> {
    use tokio::signal::unix::{SignalKind, signal};
    let stop = Arc::new(AtomicBool::new(false));
    for kind in [
        SignalKind::hangup(),
        SignalKind::interrupt(),
        SignalKind::terminate(),
    ] {
        let mut stream = signal(kind).context("watch a signal")?;
        let stop = Arc::clone(&stop);
        tokio::spawn(async move {
            while stream.recv().await.is_some() {
                if kind != SignalKind::hangup() {
                    stop.store(true, std::sync::atomic::Ordering::Relaxed);
                }
            }
        });
    }
    Ok(stop)
}

fn confirm(args: &NodeArgs) -> Result<()> {
    let node = MoveContext::open(args)?;
    let mover = node.mover();
    mover.confirm()?;
    print::line("confirmed: the move is kept");
    Ok(())
}

async fn rollback(args: &NodeArgs) -> Result<()> {
    let node = MoveContext::open(args)?;
    let mover = node.mover();
    let guard = prepare::guard_argv(args)?;
    mover
        .roll_back("by `netd uplink rollback`", || {
            flatnet_uplink::arm(&guard).map_err(|e| e.to_string())
        })
        .await?;
    print::line("undone: everything is as it was before the move");
    Ok(())
}

async fn guard(args: &NodeArgs) -> Result<()> {
    let node = MoveContext::open(args)?;
    let mover = node.mover();
    Ok(mover.guard().await?)
}

fn status(args: &NodeArgs) -> Result<()> {
    let now = boot_id().context("read this boot's ID")?;
    match Store::new(&args.state).load()? {
        None => print::line("no move was ever begun"),
        Some(journal) => print::status(&journal, journal.boot_id == now),
    }
    Ok(())
}

/// Whether `ovs-vswitchd` runs, by its PID file.
fn switch_runs(args: &NodeArgs) -> bool {
    let pid = std::fs::read_to_string(args.ovs_rundir.join("ovs-vswitchd.pid"));
    pid.ok()
        .and_then(|t| t.trim().parse::<u32>().ok())
        .is_some_and(|pid| std::path::Path::new(&format!("/proc/{pid}")).exists())
}

async fn boot(args: &BootArgs) -> Result<()> {
    let store = Store::new(&args.node.state);
    let now = boot_id().context("read this boot's ID")?;
    // An unreadable journal must not leave the host without network.
    let journal = store.load().unwrap_or_else(|e| {
        print::line(&format!("the journal is left aside: {e}"));
        None
    });
    if boot_action(journal.as_ref(), &now, switch_runs(&args.node)) == BootAction::Leave {
        print::line("no boot since the uplink was moved: nothing is changed");
        return Ok(());
    }
    let released = match release_ports(&args.conf_db, &args.node.bridge) {
        Ok(names) => names,
        // ovsdb-server runs already and has locked the file.
        Err(BootError::Failed { said, .. }) if said.contains("lock") => {
            start_host(&args.node)?.release(&args.node.bridge).await?
        }
        Err(e) => return Err(e.into()),
    };
    if released.is_empty() {
        print::line("no NIC was in the bridge");
    } else {
        print::line(&format!(
            "taken out of {}: {}; netd puts it back",
            args.node.bridge,
            released.join(", ")
        ));
    }
    if let Some(mut journal) = journal
        && journal.phase.is_unfinished()
    {
        journal.phase = Phase::RolledBack {
            reason: "the host was booted before it was kept".to_owned(),
        };
        store.save(&journal)?;
    }
    Ok(())
}
