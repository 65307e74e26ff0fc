//! Changes of networks and their pools.

use std::num::NonZeroU32;

use flatnet_types::Mtu;

use super::kinds::{GONE, NOTED, TAKEN};
use super::notice::{Done, Kind, NOBODY, Notices, Until, Whom};
use super::{Found, Phase, is_reordered, paired};
use crate::model::{Network, NetworkPlan, Pool};
use crate::node::DEFAULT_NEIGHBOUR_RATE;
use crate::takeover::Field;

/// What netd has to know before anybody uses it.
const KNOWN: Kind = Kind::new(Phase::Carry, Done::Taken).of(Field::Given);
const RENAMED: Kind = Kind::new(Phase::Carry, Done::Taken)
    .of(Field::Given)
    .remade(
        "for a container is of the network that its CNI configuration named when it was made",
    )
    .mind(
        "no container is made by configurations that name the old one: change them when the drained          ranges are given",
    );
const CUT: Kind = Kind::new(Phase::Give, Done::Sliced);
/// Slices that hosts lose.
pub(super) const SLICES_GO: Kind = Kind::new(Phase::Drain, Done::Sliced)
    .remade("for their containers are made again elsewhere, or with addresses of another range")
    .mind("ipamd drains the slices that hosts have");

pub(super) fn compare(old_plan: &NetworkPlan, new_plan: &NetworkPlan, found: &mut Found) {
    let (old, new) = (&*old_plan.spec.networks, &*new_plan.spec.networks);
    for pair in paired(old, new, |n| &n.name) {
        match pair {
            (None, Some(n)) => {
                let was = old.iter().find(|o| is_renamed(o, n, (old, new)));
                match was {
                    Some(was) => {
                        let whom = vec![Notices::Network(was.name.to_string())];
                        let detail = format!("{} → {}", was.name, n.name);
                        found.add(RENAMED, "rename the network", whom, detail);
                    }
                    None => found.add(KNOWN, "new network", NOBODY, n.name.to_string()),
                }
            }
            (Some(n), None) => {
                for pool in &n.pools {
                    slices_drain(n, pool, found);
                }
                found.add(GONE, "remove the network", NOBODY, n.name.to_string());
            }
            (Some(a), Some(b)) if a != b => network((a, b), (old_plan, new_plan), found),
            _ => {}
        }
    }
}

/// Whether a network that is gone is one that came, under another name: to its containers and to the
/// CNI configurations that name it, it is another one.
fn is_renamed(was: &Network, n: &Network, (old, new): (&[Network], &[Network])) -> bool {
    let lacks = |all: &[Network], network: &Network| all.iter().all(|o| o.name != network.name);
    let named = Network {
        name: n.name.clone(),
        ..was.clone()
    };
    named == *n && lacks(new, was) && lacks(old, n)
}

fn network(
    (a, b): (&Network, &Network),
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let name = b.name.to_string();
    let whom = || -> Whom { vec![Notices::Network(name.clone())] };
    if (&a.site, a.vlan) != (&b.site, b.vlan) {
        // Of its site a node knows nothing but by its own.
        let taken = match a.vlan == b.vlan {
            true => TAKEN,
            false => TAKEN.of(Field::Vlan),
        };
        let kind = taken
            .outage(
                Until::Drained,
                "for every container of it changes its VLAN or site",
            )
            .mind("make a second network, and move containers over");
        let vlan = |n: &Network| n.vlan.map_or("none".to_owned(), |v| v.to_string());
        let detail = format!("{name}: {} {} → {} {}", a.site, vlan(a), b.site, vlan(b));
        found.add(kind, "move a network", whom(), detail);
    }
    if a.mac != b.mac {
        // Frames to the MAC of before still reach the host's port, and the bridge delivers by IP.
        let kind = TAKEN.of(Field::Mac).mind(
            "the switches learn other MACs from then on: their tables and what they allow at a port \
             have to have room for them",
        );
        let what = "change whose MAC a network shows";
        found.add(kind, what, NOBODY, name.clone());
    }
    super::allowed::compare(a, b, found);
    let mtus = (mtu(a, old), mtu(b, new));
    if a.mtu != b.mtu && mtus.0 == mtus.1 {
        found.add(
            NOTED,
            "network's MTU, which stays what it is",
            NOBODY,
            name.clone(),
        );
    } else if a.mtu != b.mtu {
        let kind = Kind {
            done: Done::Remade,
            ..TAKEN
        }
        .of(Field::NetworkMtu)
        .remade("for containers get it when they are made again");
        let detail = format!("{name}: {} → {}", mtus.0, mtus.1);
        found.add(kind, "change a network's MTU", whom(), detail);
    }
    let rate = |n: &Network| {
        n.neighbour_rate
            .map_or(DEFAULT_NEIGHBOUR_RATE, NonZeroU32::get)
    };
    if a.neighbour_rate != b.neighbour_rate && rate(a) == rate(b) {
        let what = "network's neighbour rate, which stays what it is";
        found.add(NOTED, what, NOBODY, name.clone());
    } else if a.neighbour_rate != b.neighbour_rate {
        let kind = TAKEN
            .of(Field::Allowed)
            .mind("the meters of containers that live get it too");
        let what = "change a network's neighbour rate";
        let detail = format!("{name}: {} → {} a second", rate(a), rate(b));
        found.add(kind, what, NOBODY, detail);
    }
    pools(a, b, found);
    if a.density != b.density {
        found.add(NOTED, "density or budgets", NOBODY, name);
    }
}

/// The MTU of a network's containers: its own, or the plan's.
fn mtu(network: &Network, plan: &NetworkPlan) -> Mtu {
    network.mtu.unwrap_or(plan.spec.mtu)
}

/// The networks whose containers get another MTU with the plan's.
pub(super) fn of_plans_mtu(old: &NetworkPlan, new: &NetworkPlan) -> Whom {
    let pairs = paired(&old.spec.networks, &new.spec.networks, |n| &n.name);
    let derived = pairs.into_iter().filter_map(|pair| match pair {
        (Some(a), Some(b)) if a.mtu.is_none() && b.mtu.is_none() => Some(b),
        _ => None,
    });
    derived
        .map(|n| Notices::Network(n.name.to_string()))
        .collect()
}

fn pools(a: &Network, b: &Network, found: &mut Found) {
    let name = b.name.as_str();
    for pool in &b.pools {
        match a.pools.iter().find(|p| p.prefix == pool.prefix) {
            None => {
                let detail = format!("{} of {name}", pool.prefix);
                found.add(KNOWN, "new pool", NOBODY, detail);
            }
            Some(old) => pool_parts(name, old, pool, found),
        }
    }
    for pool in &a.pools {
        if !b.pools.iter().any(|p| p.prefix == pool.prefix) {
            slices_drain(a, pool, found);
            let detail = format!("{} of {name}", pool.prefix);
            found.add(GONE, "remove the pool", NOBODY, detail);
        }
    }
}

/// Of a pool that goes, the slices that hosts have.
fn slices_drain(network: &Network, pool: &Pool, found: &mut Found) {
    if pool.slice_length.is_some() {
        let detail = format!("{} of {}", pool.prefix, network.name);
        let whom = vec![Notices::Prefix(pool.prefix)];
        found.add(SLICES_GO, "drain the slices of a pool", whom, detail);
    }
}

fn pool_parts(network: &str, old: &Pool, pool: &Pool, found: &mut Found) {
    let detail = || format!("{} of {network}", pool.prefix);
    if is_reordered(&old.exclude, &pool.exclude) {
        found.add(NOTED, "order of exclusions", NOBODY, detail());
    } else if old.exclude != pool.exclude {
        let kind = TAKEN
            .of(Field::Exclude)
            .mind("a container that has an address which is excluded now keeps it until it goes");
        found.add(kind, "change exclusions", NOBODY, detail());
    }
    if old.cluster != pool.cluster {
        found.add(NOTED, "cluster", NOBODY, detail());
    }
    if old.reservations != pool.reservations {
        found.add(NOTED, "reservations", NOBODY, detail());
    }
    match (old.slice_length, pool.slice_length) {
        (None, None) => {}
        (Some(a), Some(b)) if a == b => {}
        (None, Some(_)) => {
            let kind = CUT.mind("hosts that the plan gives no range get one when they ask ipamd");
            found.add(kind, "cut slices of a pool", NOBODY, detail());
        }
        (Some(_), None) => {
            let whom = vec![Notices::Prefix(pool.prefix)];
            let what = "cut no slices of a pool any more";
            found.add(SLICES_GO, what, whom, detail());
        }
        (Some(a), Some(b)) => {
            let kind = CUT
                .mind("slices that hosts have stay as they are; the next ones have the new length");
            let detail = format!("{}: /{a} → /{b}", detail());
            found.add(kind, "cut slices of another length", NOBODY, detail);
        }
    }
}
