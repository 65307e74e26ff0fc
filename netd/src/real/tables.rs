//! The address fields for which the switch keeps prefix trees in each table (`Flow_Table.prefixes`
//! of ovs-vswitchd.conf.db(5)).
//!
//! Where a table matches an address, the tree gives the number of leading bits that decide, and
//! only these become part of the datapath's cached flow. Without a tree, each destination address
//! costs an upcall and a cached flow. By default Open vSwitch has trees for IPv4 only; a table can
//! have at most three.

use std::collections::BTreeSet;

use flatnet_ovs::ovsdb::{Atom, Datum, Op, Replica, Row};

use crate::flows::table::{DELIVER, FROM_HOST, FROM_UPLINK, RESOLVE, SECURITY};

/// The destination addresses, and the source of IPv4.
const PREFIXES: [&str; 3] = ["ip_dst", "ip_src", "ipv6_dst"];
/// The tables that match addresses.
const TABLES: [u8; 5] = [SECURITY, RESOLVE, DELIVER, FROM_HOST, FROM_UPLINK];
/// The columns that netd monitors.
pub(super) const COLUMNS: [&str; 5] = [
    "name",
    "flow_limit",
    "overflow_policy",
    "groups",
    "prefixes",
];

/// Whether a row has exactly what netd sets.
fn is_wanted(row: &Row) -> bool {
    let prefixes: BTreeSet<&str> = row.strs("prefixes").collect();
    let neutral = |column: &&str| row.get(column).is_none_or(|d| *d == Datum::empty());
    prefixes == PREFIXES.into() && COLUMNS.iter().filter(|c| **c != "prefixes").all(neutral)
}

/// The bridge's `flow_tables` as text, if they differ from the wanted ones.
pub(super) fn altered(replica: &Replica, bridge: &Row) -> Option<String> {
    let Some(Datum::Map(tables)) = bridge.get("flow_tables") else {
        return Some(String::new());
    };
    let row = |atom: &Atom| match atom {
        Atom::Uuid(uuid) => replica.row("Flow_Table", *uuid),
        _ => None,
    };
    let numbers: BTreeSet<&Atom> = tables.keys().collect();
    let wanted: Vec<Atom> = TABLES.iter().map(|t| i64::from(*t).into()).collect();
    let as_wanted = numbers == wanted.iter().collect()
        && tables.values().all(|uuid| row(uuid).is_some_and(is_wanted));
    let shown = tables.iter().map(|(number, uuid)| {
        let prefixes = row(uuid).map(|r| r.strs("prefixes").collect::<Vec<_>>().join(","));
        let number = Row::new().with("n", number.clone()).int("n").unwrap_or(-1);
        format!("{number}={}", prefixes.unwrap_or_default())
    });
    (!as_wanted).then(|| shown.collect::<Vec<_>>().join(" "))
}

/// Sets `flow_tables` in a bridge's row. The returned operations insert the referenced row, and
/// come first.
pub(super) fn set(replica: &Replica, bridge: &mut Row) -> Vec<Op> {
    let there = replica.rows("Flow_Table").find(|(_, row)| is_wanted(row));
    let (row, ops) = match there {
        Some((uuid, _)) => (Atom::Uuid(uuid), Vec::new()),
        None => {
            let row = Row::new().with("prefixes", Datum::set(PREFIXES));
            let insert = Op::insert("Flow_Table", row).named("flow_table");
            (Atom::named("flow_table"), vec![insert.into()])
        }
    };
    let tables = TABLES.iter().map(|t| (i64::from(*t), row.clone()));
    bridge.set("flow_tables", Datum::map(tables));
    ops
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_with_a_limit_or_other_prefixes_is_not_reused() {
        let row = || Row::new().with("prefixes", Datum::set(PREFIXES));
        assert!(is_wanted(&row()));
        assert!(is_wanted(&row().with("flow_limit", Datum::empty())));
        assert!(!is_wanted(&row().with("flow_limit", 1)));
        assert!(!is_wanted(
            &Row::new().with("prefixes", Datum::set(["ip_dst"]))
        ));
    }

    #[test]
    fn a_bridge_without_tables_differs_and_gets_them() {
        let replica = Replica::default();
        let mut bridge = Row::new().with("flow_tables", Datum::Map(Default::default()));
        assert_eq!(altered(&replica, &bridge), Some(String::new()));
        assert_eq!(set(&replica, &mut bridge).len(), 1);
        let Some(Datum::Map(tables)) = bridge.get("flow_tables") else {
            panic!("{bridge:?}");
        };
        assert_eq!(tables.len(), TABLES.len());
    }
}
