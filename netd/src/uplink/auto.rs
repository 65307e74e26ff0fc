//! The automatic move at netd's start: one that the plan requests, or one that was made before the
//! boot.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use flatnet_kernel::Kernel;
use flatnet_plan::NodeSpec;
use flatnet_plan::model::Migrate;
use flatnet_plan::node::Mode;
use flatnet_uplink::{Journal, Mover, Outcome, Real, Store, boot_id};
use tokio::sync::Notify;
use tracing::{info, warn};

use super::{NodeArgs, prepare};
use crate::config::RunArgs;

/// Pause before a move that failed is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(10);

/// Whether netd moves the uplink by itself in this boot. Pure.
///
/// At most one move in each boot: a move that was undone, by an administrator or because a gate did
/// not answer, is not tried again before the next boot.
pub(super) fn should_move(migrate: Migrate, journal: Option<&Journal>, boot_id: &str) -> bool {
    match journal {
        Some(journal) if journal.boot_id == boot_id => false,
        Some(journal) => journal.recorded || migrate == Migrate::Auto,
        None => migrate == Migrate::Auto,
    }
}

/// Undoes a move that an earlier process left unfinished, and moves the uplink if needed. Returns
/// when nothing is left to do. Cancel safe: the guard undoes an interrupted move.
pub(crate) async fn follow_plan(
    args: RunArgs,
    spec: NodeSpec,
    repair_requested: std::sync::Arc<Notify>,
) {
    loop {
        match try_once(&args, &spec).await {
            Ok(true) => {
                repair_requested.notify_one();
                return;
            }
            Ok(false) => return,
            Err(e) => warn!(error = format!("{e:#}"), "the uplink is not moved yet"),
        }
        tokio::time::sleep(RETRY_INTERVAL).await;
    }
}

/// Returns whether the uplink was changed.
async fn try_once(args: &RunArgs, spec: &NodeSpec) -> Result<bool> {
    let store = Store::new(&args.state);
    let boot_id = boot_id()?;
    let journal = store.load()?;
    let of_this_boot = journal.as_ref().is_some_and(|j| j.boot_id == boot_id);
    let unfinished = of_this_boot && journal.as_ref().is_some_and(|j| j.phase.is_unfinished());
    let moves = spec.mode != Mode::Routed && should_move(spec.migrate, journal.as_ref(), &boot_id);
    if !unfinished && !moves {
        return Ok(false);
    }
    let node = NodeArgs {
        state: args.state.clone(),
        ovsdb: args.ovsdb.clone(),
        ovs_rundir: args.ovs_rundir.clone(),
        bridge: args.bridge.clone(),
    };
    let real = Real::start(
        Kernel::start()?,
        &node.ovsdb,
        &node.ovs_rundir,
        &node.bridge,
    );
    let mover = Mover {
        host: &real,
        store: &store,
        boot_id: &boot_id,
    };
    if unfinished {
        // A running guard does the same; one that was killed does not.
        mover.guard().await?;
        return Ok(true);
    }
    let target = prepare::target(spec, &node.bridge, args.datapath.as_str())?;
    let planned = match prepare::prepare_move(&real, &target).await? {
        Some(planned) => planned,
        None => return Ok(false),
    };
    prepare::ensure_boot_step(&node.state, false)?;
    let guard = prepare::guard_argv(&node)?;
    let mut fresh = Journal::new(&planned, &node.bridge, &boot_id);
    fresh.recorded = journal.is_some_and(|j| j.recorded);
    info!(
        from = planned.from.name,
        to = planned.to,
        "moving the host's address"
    );
    let outcome = mover
        .migrate(
            fresh,
            || flatnet_uplink::arm(&guard).map_err(|e| e.to_string()),
            &AtomicBool::new(false),
        )
        .await?;
    match outcome {
        Outcome::Kept | Outcome::Waiting(_) => info!("the host's address is moved"),
        Outcome::RolledBack(reason) => warn!(reason, "the move of the uplink was undone"),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use flatnet_uplink::Phase;

    use super::*;

    fn journal(boot_id: &str, recorded: bool) -> Journal {
        let text = serde_json::json!({
            "version": 1, "boot_id": boot_id, "phase": Phase::Kept, "pid": 1, "recorded": recorded,
            "from": "eth0", "from_ifindex": 2, "nic": "eth0", "bridge": "br-flat",
            "host_port": "flat0", "steps": [], "gates": [], "deadline_ms": 0, "confirm_s": null,
        });
        serde_json::from_value(text).expect("a journal")
    }

    #[test]
    fn netd_moves_the_uplink_once_in_each_boot_if_planned_or_moved_before() {
        use Migrate::{Auto, Manual};
        assert!(!should_move(Manual, None, "b"));
        assert!(should_move(Auto, None, "b"));
        assert!(should_move(Manual, Some(&journal("a", true)), "b"));
        assert!(!should_move(Manual, Some(&journal("a", false)), "b"));
        assert!(should_move(Auto, Some(&journal("a", false)), "b"));
        assert!(!should_move(Auto, Some(&journal("b", true)), "b"));
    }
}
