//! Time-outs of conntrack zones in Open vSwitch's database: `Open_vSwitch.datapaths` → `Datapath` →
//! `CT_Zone` → `CT_Timeout_Policy` (ovs-vswitchd.conf.db(5)), from Open vSwitch 2.13 on.
//!
//! Each zone of netd's has rows of its own, as `ovs-vsctl add-zone-tp` makes them. The server
//! garbage-collects them with the zone's key in `Datapath.ct_zones`, and a change of one zone's
//! rows does not change another's. The row of the datapath itself may be unmanaged: netd makes one
//! where there is none, and never deletes it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use flatnet_ovs::ovsdb::{Atom, Condition, Datum, MonitorSpec, Op, Replica, Row, Uuid};
use flatnet_types::marks::is_our_zone;

use crate::marks;
use crate::reconcile::{TIMEOUTS, ZoneTimeouts};

/// The value of `external_ids:flatnet-purpose` of the rows.
const PURPOSE: &str = "service-timeouts";

/// Adds the monitored columns, where the database has them.
pub(super) fn monitored(spec: MonitorSpec) -> MonitorSpec {
    spec.where_known("Open_vSwitch", ["datapaths"])
        .table_where_known("Datapath", ["ct_zones"])
        .table_where_known("CT_Zone", ["timeout_policy", "external_ids"])
        .table_where_known("CT_Timeout_Policy", ["timeouts"])
}

/// The zones of netd's numbers that have time-outs on the datapath of this type (`system`,
/// `netdev`); `None` where the database does not support time-outs.
pub(super) fn zones(replica: &Replica, datapath: &str) -> Option<BTreeMap<u16, ZoneTimeouts>> {
    if !replica.has_table("CT_Timeout_Policy") {
        return None;
    }
    let row = row_of(replica, datapath).and_then(|uuid| replica.row("Datapath", uuid));
    let wanted = timeouts();
    let zones = row.into_iter().flat_map(|row| references(row, "ct_zones"));
    let current = zones.filter_map(|(zone, uuid)| {
        let zone = u16::try_from(number(zone)?).ok()?;
        is_our_zone(zone).then(|| (zone, classify(replica, uuid, &wanted)))
    });
    Some(current.collect())
}

fn classify(replica: &Replica, zone: Uuid, wanted: &Datum) -> ZoneTimeouts {
    let Some(row) = replica.row("CT_Zone", zone).filter(|row| is_marked(row)) else {
        return ZoneTimeouts::Unmanaged;
    };
    let policy = row.uuid("timeout_policy");
    let policy = policy.and_then(|uuid| replica.row("CT_Timeout_Policy", uuid));
    let same = policy.and_then(|row| row.get("timeouts")) == Some(wanted);
    if same {
        ZoneTimeouts::Current
    } else {
        ZoneTimeouts::Stale
    }
}

fn is_marked(row: &Row) -> bool {
    row.map_get("external_ids", marks::OWNER) == Some(marks::OWNER_NETD)
}

fn timeouts() -> Datum {
    Datum::map(TIMEOUTS)
}

/// The row of the datapath of this type.
fn row_of(replica: &Replica, datapath: &str) -> Option<Uuid> {
    let (_, root) = replica.rows("Open_vSwitch").next()?;
    let of = |(name, uuid): (&Atom, Uuid)| (*name == Atom::from(datapath)).then_some(uuid);
    references(root, "datapaths").find_map(of)
}

/// The pairs of a map column whose values are row references.
fn references<'r>(row: &'r Row, column: &str) -> impl Iterator<Item = (&'r Atom, Uuid)> + use<'r> {
    let map = match row.get(column) {
        Some(Datum::Map(map)) => Some(map),
        _ => None,
    };
    map.into_iter()
        .flatten()
        .filter_map(|(key, value)| match value {
            Atom::Uuid(uuid) => Some((key, *uuid)),
            _ => None,
        })
}

fn number(atom: &Atom) -> Option<i64> {
    match atom {
        Atom::Integer(n) => Some(*n),
        _ => None,
    }
}

/// Sets the time-outs of `zones` and removes those of `gone`. Makes the row of the datapath if it
/// does not exist.
pub(super) fn set(replica: &Replica, datapath: &str, zones: &[u16], gone: &[u16]) -> Vec<Op> {
    match row_of(replica, datapath) {
        Some(row) => change(row, zones, gone),
        None if zones.is_empty() => Vec::new(),
        None => {
            let (mut ops, pairs) = insert(zones);
            let row = Row::new()
                .with("ct_zones", pairs)
                .with("external_ids", ids());
            ops.push(Op::insert("Datapath", row).named("datapath").into());
            // If another row of the datapath was inserted meanwhile, that one stays, and these are
            // garbage-collected.
            let made = Datum::map([(datapath, Atom::named("datapath"))]);
            ops.push(Op::mutate("Open_vSwitch").insert("datapaths", made).into());
            ops
        }
    }
}

/// For the transaction that adds an attachment's port: sets its zone's time-outs. Nothing where the
/// datapath has no row; the reconciler makes it.
pub(super) fn add(replica: &Replica, datapath: &str, zone: u16) -> Vec<Op> {
    let row = row_of(replica, datapath);
    row.map_or_else(Vec::new, |row| change(row, &[zone], &[]))
}

/// For the transaction that deletes an attachment's port: removes its zone's time-outs, if they
/// bear netd's mark.
pub(super) fn remove(replica: &Replica, datapath: &str, zone: u16) -> Vec<Op> {
    let marked = matches!(
        zones(replica, datapath).and_then(|zones| zones.get(&zone).copied()),
        Some(ZoneTimeouts::Current | ZoneTimeouts::Stale)
    );
    let row = row_of(replica, datapath).filter(|_| marked);
    row.map_or_else(Vec::new, |row| change(row, &[], &[zone]))
}

/// Removes all time-outs that bear netd's mark, when the bridge is created: Open vSwitch applies
/// time-outs to the datapath only when they change in the database, and a datapath that is created
/// later does not get them (`ct_zones_reconfigure()` in its `bridge.c`). The reconciler sets them
/// again when the bridge exists.
pub(super) fn remove_all(replica: &Replica, datapath: &str) -> Vec<Op> {
    let all = zones(replica, datapath).unwrap_or_default();
    let current = all.iter().filter(|(_, is)| **is != ZoneTimeouts::Unmanaged);
    let current: Vec<u16> = current.map(|(zone, _)| *zone).collect();
    let row = row_of(replica, datapath).filter(|_| !current.is_empty());
    row.map_or_else(Vec::new, |row| change(row, &[], &current))
}

/// If the datapath's row was deleted meanwhile, nothing is changed, the inserted rows are
/// garbage-collected, and the mutation counts no row.
fn change(datapath: Uuid, zones: &[u16], gone: &[u16]) -> Vec<Op> {
    let (mut ops, pairs) = insert(zones);
    // Inserting a pair does not replace the value of an existing key, so keys are deleted first.
    let keys = Datum::set(zones.iter().chain(gone).map(|zone| i64::from(*zone)));
    ops.push(
        Op::mutate("Datapath")
            .only(Condition::uuid(datapath))
            .delete("ct_zones", keys)
            .insert("ct_zones", pairs)
            .into(),
    );
    ops
}

/// Rows for zones, and the pairs of `ct_zones` that refer to them.
fn insert(zones: &[u16]) -> (Vec<Op>, Datum) {
    let mut ops = Vec::with_capacity(2 * zones.len() + 1);
    for zone in zones {
        let policy = Row::new()
            .with("timeouts", timeouts())
            .with("external_ids", ids());
        let policy = Op::insert("CT_Timeout_Policy", policy).named(policy_name(*zone));
        let row = Row::new()
            .with("timeout_policy", Atom::named(policy_name(*zone)))
            .with("external_ids", ids());
        ops.extend([
            policy.into(),
            Op::insert("CT_Zone", row).named(zone_name(*zone)).into(),
        ]);
    }
    let pairs = zones
        .iter()
        .map(|zone| (i64::from(*zone), Atom::named(zone_name(*zone))));
    (ops, Datum::map(pairs))
}

fn policy_name(zone: u16) -> String {
    format!("timeouts_{zone}")
}

fn zone_name(zone: u16) -> String {
    format!("zone_{zone}")
}

fn ids() -> Datum {
    let ids = marks::node_ids(PURPOSE);
    Datum::map(
        ids.iter()
            .map(|(key, value)| (key.as_str(), value.as_str())),
    )
}

/// The zones whose time-outs netd has set, to distinguish its own changes of the database from
/// others'.
#[derive(Debug, Default)]
pub(super) struct TimeoutRecord(Mutex<Zones>);

#[derive(Debug, Default)]
struct Zones {
    set: BTreeSet<u16>,
    /// Zones of transactions that are under way, with the number of these.
    changing: BTreeMap<u16, u32>,
}

impl TimeoutRecord {
    fn zones(&self) -> MutexGuard<'_, Zones> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records that a transaction about these zones is about to be sent. The result must be kept
    /// until the transaction is answered or abandoned.
    pub(super) fn begin(&self, zones: &[u16]) -> PendingTransaction<'_> {
        let mut record = self.zones();
        for zone in zones {
            record.set.remove(zone);
            *record.changing.entry(*zone).or_insert(0) += 1;
        }
        PendingTransaction {
            record: self,
            zones: zones.to_vec(),
        }
    }

    /// Replaces the record with observed zones: the reconcile that follows repairs what differs.
    pub(super) fn observed(&self, zones: &BTreeMap<u16, ZoneTimeouts>) {
        let mut record = self.zones();
        let current = zones.iter().filter(|(_, is)| **is == ZoneTimeouts::Current);
        record.set = current.map(|(zone, _)| *zone).collect();
    }

    /// Whether another program has changed the time-outs of a zone of netd's.
    pub(super) fn differs(&self, zones: &BTreeMap<u16, ZoneTimeouts>) -> bool {
        let record = self.zones();
        let is = |zone: &u16| zones.get(zone) == Some(&ZoneTimeouts::Current);
        let others = |(zone, is): (&u16, &ZoneTimeouts)| {
            *is != ZoneTimeouts::Unmanaged
                && !record.set.contains(zone)
                && !record.changing.contains_key(zone)
        };
        !record.set.iter().all(is) || zones.iter().any(others)
    }
}

/// A transaction of netd's that is under way.
#[derive(Debug)]
pub(super) struct PendingTransaction<'b> {
    record: &'b TimeoutRecord,
    zones: Vec<u16>,
}

impl PendingTransaction<'_> {
    /// Records that it succeeded, and that these zones have time-outs now.
    pub(super) fn done(self, set: &[u16]) {
        self.record.zones().set.extend(set);
    }
}

impl Drop for PendingTransaction<'_> {
    fn drop(&mut self) {
        let mut record = self.record.zones();
        for zone in &self.zones {
            if let Some(count) = record.changing.get_mut(zone) {
                *count -= 1;
                if *count == 0 {
                    record.changing.remove(zone);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
