//! Observes the switch: its flows, meters, settings, and `flow-restore-wait`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use flatnet_ovs::openflow::{Flow, FlowFilter, FlowHead, Meter, OpenFlowError, Switch};
use flatnet_types::marks::{COOKIE_MARK, COOKIE_MARK_MASK, LEARNED_COOKIE, is_ours};

use super::{RealNode, rows};
use crate::reconcile::{ActualPort, RestoreWait, SwitchActual};

/// Flows with netd's cookies.
const MANAGED: FlowFilter = FlowFilter {
    table: None,
    cookie: COOKIE_MARK,
    cookie_mask: COOKIE_MARK_MASK,
};
/// Flows that an earlier netd's learn actions added.
const LEARNED: FlowFilter = FlowFilter {
    cookie: LEARNED_COOKIE,
    ..MANAGED
};
const ALL: FlowFilter = FlowFilter {
    table: None,
    cookie: 0,
    cookie_mask: 0,
};

/// The observed state of the switch.
pub(super) struct Observed {
    pub(super) flows: BTreeSet<Flow>,
    pub(super) meters: Vec<Meter>,
    pub(super) switch: SwitchActual,
}

/// Observes the switch.
///
/// # Errors
/// It does not answer.
pub(super) async fn observe(
    node: &RealNode,
    ports: &BTreeMap<String, ActualPort>,
) -> Result<Observed, OpenFlowError> {
    let observed = read(node, ports).await;
    let restore = match &observed {
        Ok(_) => node.restore.observe(node),
        Err(_) => {
            node.restore.reset();
            None
        }
    };
    let mut observed =
        observed.inspect_err(|error| tracing::debug!(%error, "the switch cannot be read"))?;
    observed.switch.restore = restore;
    Ok(observed)
}

async fn read(
    node: &RealNode,
    ports: &BTreeMap<String, ActualPort>,
) -> Result<Observed, OpenFlowError> {
    let switch = &node.switch;
    // All requests are sent together, so that the counts belong to nearly the same moment.
    let (flows, all, managed, learned, meters, groups, settings) = tokio::join!(
        switch.flows(MANAGED),
        switch.count(ALL),
        switch.count(MANAGED),
        switch.count(LEARNED),
        switch.meters(),
        switch.groups(),
        switch.settings(),
    );
    let flows = flows?;
    let mut unmanaged = BTreeSet::new();
    // A busy node may have tens of thousands of learned flows: all flows are read only if the
    // counts show unmanaged ones.
    if all?.flows > managed?.flows.saturating_add(learned?.flows) {
        unmanaged.extend(unmanaged_flows(switch).await?);
    }
    let restricted: BTreeSet<String> = switch
        .ports()
        .into_iter()
        .filter(|p| p.restricted)
        .map(|p| p.name)
        .collect();
    let restricted = ports
        .values()
        .filter(|p| p.is_managed() && restricted.contains(&p.row.name))
        .map(|p| p.row.name.clone())
        .collect();
    let meters = meters?;
    node.meters.observed(&meters);
    Ok(Observed {
        flows: flows.into_iter().map(|s| s.flow).collect(),
        meters,
        switch: SwitchActual {
            unmanaged_flows: one_per_cookie(unmanaged),
            fragments: Some(settings?.fragments),
            groups: Some(groups?),
            restricted,
            restore: None,
            zones: node.features.zones(),
        },
    })
}

/// Flows that are neither netd's nor learned.
async fn unmanaged_flows(switch: &Switch) -> Result<Vec<FlowHead>, OpenFlowError> {
    let all = switch.flows(ALL).await?;
    let heads = all.iter().map(|s| s.flow.head());
    Ok(heads.filter(|head| !is_ours(head.cookie)).collect())
}

/// The first flow of each table and cookie: flows are deleted by these two.
fn one_per_cookie(flows: BTreeSet<FlowHead>) -> Vec<FlowHead> {
    let kinds: BTreeMap<(u8, u64), FlowHead> = flows
        .into_iter()
        .map(|head| ((head.table, head.cookie), head))
        .collect();
    kinds.into_values().collect()
}

/// The meters that netd has set. The switch sends no event when one is changed or deleted.
#[derive(Debug, Default)]
pub(super) struct MeterRecord(Mutex<BTreeMap<u32, Meter>>);

impl MeterRecord {
    fn record(&self) -> std::sync::MutexGuard<'_, BTreeMap<u32, Meter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records meters that are being sent.
    pub(super) fn sent(&self, meters: &[Meter]) {
        self.record().extend(meters.iter().map(|m| (m.id, *m)));
    }

    /// Records meters that are being deleted.
    pub(super) fn deleted(&self, ids: &[u32]) {
        let mut record = self.record();
        for id in ids {
            record.remove(id);
        }
    }

    /// Replaces the record with observed meters: the reconcile that follows repairs what differs.
    fn observed(&self, meters: &[Meter]) {
        *self.record() = meters.iter().map(|m| (m.id, *m)).collect();
    }

    /// Whether these meters differ from the recorded ones.
    pub(super) fn differs(&self, meters: &[Meter]) -> bool {
        let record = self.record();
        record.len() != meters.len() || meters.iter().any(|m| record.get(&m.id) != Some(m))
    }
}

/// Since when `flow-restore-wait` has been set.
#[derive(Debug, Default)]
pub(super) struct RestoreWaitTimer(Mutex<Option<Instant>>);

impl RestoreWaitTimer {
    fn observe(&self, node: &RealNode) -> Option<RestoreWait> {
        let waits = node.database.read(rows::waits_for_flows);
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !waits {
            *since = None;
            return None;
        }
        let scripts = restarting();
        // The time is measured from the end of a restart that is under way.
        if !scripts.is_empty() {
            *since = None;
        }
        let first = *since.get_or_insert_with(Instant::now);
        Some(RestoreWait {
            since: first.elapsed(),
            scripts: scripts.into_iter().map(str::to_owned).collect(),
        })
    }

    /// Restarts the time, because the switch is away.
    fn reset(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// The scripts that restart Open vSwitch and set `flow-restore-wait` meanwhile, among the
/// processes that netd can see.
fn restarting() -> Vec<&'static str> {
    let mut found = BTreeSet::new();
    for process in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let is_number = |name: &std::ffi::OsStr| {
            name.to_str()
                .is_some_and(|n| n.bytes().all(|b| b.is_ascii_digit()))
        };
        if !is_number(&process.file_name()) {
            continue;
        }
        let Ok(line) = std::fs::read(process.path().join("cmdline")) else {
            continue;
        };
        found.extend(script(&line));
    }
    found.into_iter().collect()
}

/// The script that a process runs, by its command line as the kernel has it:
/// `/bin/sh\0/usr/share/openvswitch/scripts/ovs-ctl\0restart\0`.
fn script(command: &[u8]) -> Option<&'static str> {
    const SCRIPTS: [&str; 2] = ["ovs-ctl", "ovs-save"];
    // The program, its interpreter's option, the script.
    let mut arguments = command.split(|b| *b == 0).take(3);
    arguments.find_map(|argument| {
        let name = argument.rsplit(|b| *b == b'/').next()?;
        SCRIPTS.into_iter().find(|s| s.as_bytes() == name)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_flows_with_the_same_table_and_cookie_one_is_listed() {
        let head = |table, priority, cookie| FlowHead {
            table,
            priority,
            cookie,
        };
        let flows = [head(0, 0, 0), head(0, 9, 0), head(1, 5, 0), head(0, 7, 3)];
        let kinds = one_per_cookie(flows.into());
        let of: Vec<(u8, u64)> = kinds.iter().map(|h| (h.table, h.cookie)).collect();
        assert_eq!(of, [(0, 0), (0, 3), (1, 0)]);
    }

    #[test]
    fn a_script_that_restarts_open_vswitch_is_recognised_by_its_name() {
        let ctl = b"/bin/sh\0/usr/share/openvswitch/scripts/ovs-ctl\0restart\0";
        assert_eq!(script(ctl), Some("ovs-ctl"));
        assert_eq!(script(b"sh\0-e\0ovs-save\0save-flows\0"), Some("ovs-save"));
        assert_eq!(script(b"vi\0notes-of-ovs-ctl\0"), None);
        assert_eq!(script(b""), None);
    }
}
