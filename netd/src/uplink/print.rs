//! The output of the commands.

use std::io::Write;

use flatnet_uplink::{Journal, Move, Phase, look_for_bound};

/// Prints a line to standard output. Ignores errors: a closed terminal must not stop a move.
pub(super) fn line(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// Prints the steps as commands of `ip` and `ovs-vsctl`, the gates, and what stays bound to the
/// NIC's name.
pub(super) fn steps(planned: &Move) {
    line(&format!(
        "the host's address moves from {} to {}, and {} becomes a port of the bridge:",
        planned.from.name, planned.to, planned.nic
    ));
    for step in &planned.steps {
        for words in step.words(&planned.from, &planned.to, &|index| name_of(planned, index)) {
            line(&format!("  {words}"));
        }
    }
    line("it is kept if these answer on the new path, and undone otherwise:");
    if planned.gates.is_empty() {
        line("  (none)");
    }
    for gate in &planned.gates {
        line(&format!("  {gate}"));
    }
    let mut bound = look_for_bound(&planned.from.name, planned.from.ifindex);
    if planned.nic != planned.from.name {
        bound.extend(look_for_bound(&planned.nic, 0));
    }
    if !bound.is_empty() {
        line(&format!(
            "bound to the NIC's name: these do not follow to {}:",
            planned.to
        ));
        for found in bound {
            line(&format!("  {}: {}", found.place, found.line));
        }
    }
    for note in &planned.notes {
        line(&format!("note: {note}"));
    }
}

fn name_of(planned: &Move, index: u32) -> String {
    if index == planned.from.ifindex {
        return planned.from.name.clone();
    }
    nix::net::if_::if_indextoname(index).map_or_else(
        |_| format!("if{index}"),
        |name| name.to_string_lossy().into_owned(),
    )
}

/// Prints the state of a move.
pub(super) fn status(journal: &Journal, this_boot: bool) {
    let what = format!("{} to {}", journal.from, journal.host_port);
    let when = if this_boot {
        ""
    } else {
        ", before the last boot"
    };
    line(&match &journal.phase {
        Phase::Moving => format!("moving {what}{when}: the steps are taken, or the gates asked"),
        Phase::Waiting => {
            let now = u64::try_from(flatnet_uplink::since_boot().as_millis()).unwrap_or(u64::MAX);
            let left = journal.deadline_ms.saturating_sub(now) / 1000;
            format!("moved {what}{when}: `netd uplink confirm` keeps it; {left} s are left")
        }
        Phase::RollingBack { reason } => format!("undoing the move of {what}{when}: {reason}"),
        Phase::Kept => format!("kept: moved {what}{when}"),
        Phase::RolledBack { reason } => format!("undone: the move of {what}{when}: {reason}"),
    });
    if journal.recorded && !this_boot {
        line("netd moves it again at its start");
    }
}
