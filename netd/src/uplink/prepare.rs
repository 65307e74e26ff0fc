//! Checks and preparations before a move.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use flatnet_plan::NodeSpec;
use flatnet_plan::node::Mode;
use flatnet_uplink::{Gate, Move, Real, Refusal, Target, observe, plan, unit_is_enabled};

use super::{MigrateArgs, NodeArgs};
use crate::reconcile::HOST_PORT;

/// The unit that runs the boot step.
const UNIT: &str = "flatnet-uplink.service";

/// The target, from the plan and the command line.
pub(super) fn target_from_args(args: &MigrateArgs) -> Result<Target> {
    let spec = crate::start::derive(&args.plan)?;
    let mut target = target(&spec, &args.node_args.bridge, args.datapath.as_str())?;
    if args.api_server.is_some() {
        target.api_server.clone_from(&args.api_server);
    }
    Ok(target)
}

/// The target, from the plan.
pub(super) fn target(spec: &NodeSpec, bridge: &str, datapath: &str) -> Result<Target> {
    let Mode::Vlan { host_vlan } = spec.mode else {
        bail!(
            "{} is in a VPC: its uplink stays as it is, and there is nothing to move",
            spec.node
        );
    };
    Ok(Target {
        uplink: spec.uplink.as_str().to_owned(),
        host_vlan,
        trunks: spec.uplink_vlans().into_iter().collect(),
        mac: spec.uplink_mac,
        addresses: spec.host_addresses.clone(),
        bridge: bridge.to_owned(),
        host_port: HOST_PORT.to_owned(),
        datapath: datapath.to_owned(),
        api_server: spec.api_server.clone(),
    })
}

/// Computes the steps of the move after all checks, also that the gates which must answer
/// afterwards answer now. `None` where no address has to be moved.
pub(super) async fn prepare_move(real: &Real, target: &Target) -> Result<Option<Move>> {
    let inventory = observe(real, target).await?;
    let planned = match plan(target, &inventory) {
        Ok(planned) => planned,
        Err(refusals) if matches!(refusals.as_slice(), [Refusal::Nothing { .. }]) => {
            return Ok(None);
        }
        Err(refusals) => bail!(refusal_text(&refusals)),
    };
    for gate in &planned.gates {
        if let Gate::Gateway(ip) = gate
            && !real.gateway_answers(&planned.from.name, *ip).await?
        {
            bail!(
                "{gate} does not answer on {} now, before the move: nothing could prove it \
                 afterwards; repair that first",
                planned.from.name
            );
        }
    }
    Ok(Some(planned))
}

fn refusal_text(refusals: &[Refusal]) -> String {
    let all: Vec<String> = refusals.iter().map(ToString::to_string).collect();
    format!("the move is not begun: {}", all.join("; "))
}

/// The guard's command line.
pub(super) fn guard_argv(args: &NodeArgs) -> Result<Vec<String>> {
    let own = std::env::current_exe().context("find the own program")?;
    let path = |p: &Path| p.display().to_string();
    let mut argv = vec![path(&own), "uplink".to_owned(), "guard".to_owned()];
    for (option, value) in [
        ("--state", path(&args.state)),
        ("--ovsdb", path(&args.ovsdb)),
        ("--ovs-rundir", path(&args.ovs_rundir)),
        ("--bridge", args.bridge.clone()),
    ] {
        argv.extend([option.to_owned(), value]);
    }
    Ok(argv)
}

/// Ensures that the boot step is installed, where systemd runs: that the unit is enabled, and its
/// program is in the state directory, which does not belong to a container image.
pub(super) fn ensure_boot_step(state: &Path, without: bool) -> Result<()> {
    match unit_is_enabled(UNIT) {
        None => return Ok(()),
        Some(true) => {}
        Some(false) if without => {}
        Some(false) => bail!(
            "{UNIT} is not enabled: after a reboot, a host whose netd cannot start would be away. \
             Copy deploy/systemd/{UNIT} to /etc/systemd/system and `systemctl enable {UNIT}`, or \
             use --without-boot-unit"
        ),
    }
    install_program(&state.join("boot"))
}

/// Copies this program to `DIR/netd`, atomically.
fn install_program(dir: &Path) -> Result<()> {
    let own = std::env::current_exe().context("find the own program")?;
    let (kept, fresh): (PathBuf, PathBuf) = (dir.join("netd"), dir.join("netd.new"));
    let copy = || -> std::io::Result<()> {
        fs::create_dir_all(dir)?;
        let mut to = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o700)
            .open(&fresh)?;
        std::io::copy(&mut File::open(&own)?, &mut to)?;
        to.sync_all()?;
        fs::rename(&fresh, &kept)?;
        File::open(dir)?.sync_all()
    };
    if kept == own {
        return Ok(());
    }
    copy().with_context(|| format!("copy {} to {}", own.display(), kept.display()))
}
