//! Which route table the vSwitches of a VPC go by.

use super::kinds::NOTED;
use super::notice::{Done, Kind, NOBODY, Notices, Whom};
use super::{Found, Phase, paired};
use crate::model::{Host, RouteTable, Site};

const REBIND: Kind = Kind::new(Phase::HandOn, Done::Routed)
    .brief("while the cloud goes over from one table to the other")
    .mind("after the entries are in the table: what has no entry there is lost");

/// `hosts`: those of the new plan.
pub(super) fn compare(a: &Site, b: &Site, hosts: &[Host], found: &mut Found) {
    let site = &b.name;
    for v in &b.v_switches {
        // A new vSwitch is bound where it is made.
        if a.v_switch(&v.name).is_none() {
            continue;
        }
        let (before, after) = (table_of(a, &v.name), table_of(b, &v.name));
        if before != after {
            let name = |t: Option<&str>| t.unwrap_or("no table of the plan").to_owned();
            let detail = format!("{} of {site}: {} → {}", v.name, name(before), name(after));
            let whom = hosts_of(hosts, site, &v.name);
            found.add(
                REBIND,
                "bind a vSwitch to another route table",
                whom,
                detail,
            );
        }
    }
    let noted = |what: &str, detail: String, found: &mut Found| {
        found.add(NOTED, what, NOBODY, detail);
    };
    for pair in paired(&a.route_tables, &b.route_tables, |t| &t.name) {
        match pair {
            (Some(a), Some(b)) => table(site, a, b, found),
            (None, Some(t)) => noted("new route table", format!("{} of {site}", t.name), found),
            (Some(t), None) => {
                let what = "route table that is no longer the plan's";
                noted(what, format!("{} of {site}", t.name), found);
            }
            (None, None) => {}
        }
    }
    let names = |s: &Site| -> Vec<String> {
        let all = s.route_tables.iter();
        all.map(|t| t.name.clone()).collect()
    };
    let sorted = |s: &Site| {
        let mut all = names(s);
        all.sort();
        all
    };
    if names(a) != names(b) && sorted(a) == sorted(b) {
        noted("order of a VPC's route tables", site.clone(), found);
    }
}

fn table(site: &str, a: &RouteTable, b: &RouteTable, found: &mut Found) {
    let name = || format!("{} of {site}", b.name);
    match (&a.id, &b.id) {
        (before, after) if before == after => {}
        (None, _) | (_, None) => found.add(NOTED, "ID of a route table", NOBODY, name()),
        (Some(_), Some(_)) => {
            let whom = vec![Notices::Site(site.to_owned())];
            found.add(REBIND, "another route table of the cloud", whom, name());
        }
    }
    if a.v_switches != b.v_switches {
        found.add(NOTED, "vSwitches that a route table lists", NOBODY, name());
    }
    if a.cluster != b.cluster {
        found.add(NOTED, "cluster", NOBODY, name());
    }
    if (a.quota, a.aggregate) != (b.quota, b.aggregate) {
        let what = "quota or aggregation of a route table";
        found.add(NOTED, what, NOBODY, name());
    }
}

/// The hosts of a vSwitch.
pub(super) fn hosts_of(hosts: &[Host], site: &str, v_switch: &str) -> Whom {
    let there = |h: &&Host| h.site == site && h.v_switch.as_deref() == Some(v_switch);
    let names = hosts.iter().filter(there);
    names.map(|h| Notices::Host(h.name.to_string())).collect()
}

/// The table that a vSwitch goes by: the one that lists it, or else the one that lists none, which
/// is the VPC's own.
fn table_of<'s>(site: &'s Site, v_switch: &str) -> Option<&'s str> {
    let tables = &site.route_tables;
    let lists = |t: &&RouteTable| t.v_switches.iter().any(|v| v == v_switch);
    let own = || tables.iter().find(|t| t.v_switches.is_empty());
    let table = tables.iter().find(lists).or_else(own)?;
    Some(&table.name)
}
