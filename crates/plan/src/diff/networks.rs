//! Changes of networks and their pools.

use std::num::NonZeroU16;

use super::kinds::{GONE, NOTED, TAKEN};
use super::notice::{Done, Kind, NOBODY, Notices, Until, Whom};
use super::{Found, Phase, paired};
use crate::model::{Allow, Destination, Network, Pool, Trunk};
use crate::routes::parts::without;
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

pub(super) fn compare(old: &[Network], new: &[Network], found: &mut Found) {
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
            (Some(a), Some(b)) if a != b => network(a, b, found),
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

fn network(a: &Network, b: &Network, found: &mut Found) {
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
    if a.allow != b.allow {
        let lost = a.allow.iter().any(|was| !allowed(was, &b.allow));
        let kind = TAKEN.of(Field::Allowed).outage(
            Until::Undone,
            "for frames of what is no longer allowed are dropped from then on",
        );
        let what = "change the protocols that a network allows";
        let whom = if lost { whom() } else { NOBODY };
        found.add(kind, what, whom, name.clone());
    }
    if a.trunk != b.trunk {
        let kind = TAKEN.of(Field::Allowed).outage(
            Until::Undone,
            "for tagged frames with addresses that are no longer declared are dropped from then on",
        );
        let lost = a
            .trunk
            .iter()
            .flat_map(|was| untrunked(was, &b.trunk, &name));
        let what = "change a network's trunk";
        found.add(kind, what, lost.collect(), name.clone());
    }
    if a.egress != b.egress {
        let kind = TAKEN.of(Field::Allowed).outage(
            Until::Undone,
            "for packets to destinations that are no longer allowed are dropped from then on",
        );
        let what = "change the destinations that a network allows";
        let lost = fewer(a.egress.as_deref(), b.egress.as_deref());
        let whom = if lost { whom() } else { NOBODY };
        found.add(kind, what, whom, name.clone());
    }
    if a.mtu != b.mtu {
        let kind = Kind {
            done: Done::Remade,
            ..TAKEN
        }
        .of(Field::NetworkMtu)
        .remade("for containers get it when they are made again");
        found.add(kind, "change a network's MTU", whom(), name.clone());
    }
    if a.neighbour_rate != b.neighbour_rate {
        let kind = TAKEN
            .of(Field::Allowed)
            .mind("the meters of containers that live get it too");
        let what = "change a network's neighbour rate";
        found.add(kind, what, NOBODY, name.clone());
    }
    for pool in &b.pools {
        match a.pools.iter().find(|p| p.prefix == pool.prefix) {
            None => {
                let detail = format!("{} of {name}", pool.prefix);
                found.add(KNOWN, "new pool", NOBODY, detail);
            }
            Some(old) => pool_parts(&name, old, pool, found),
        }
    }
    for pool in &a.pools {
        if !b.pools.iter().any(|p| p.prefix == pool.prefix) {
            slices_drain(a, pool, found);
            let detail = format!("{} of {name}", pool.prefix);
            found.add(GONE, "remove the pool", NOBODY, detail);
        }
    }
    if a.density != b.density {
        found.add(NOTED, "density or budgets", NOBODY, name);
    }
}

/// Whether all that an entry allowed is still allowed.
fn allowed(was: &Allow, now: &[Allow]) -> bool {
    let same = |n: &&Allow| n.protocol == was.protocol && n.mac == was.mac;
    let mut at = was.addresses.iter();
    let still = |address| {
        let mut same = now.iter().filter(same);
        same.any(|n| n.addresses.contains(address))
    };
    now.iter().any(|n| same(&n)) && at.all(still)
}

/// Whose tagged frames could be sent by an entry, and cannot any more.
fn untrunked(was: &Trunk, now: &[Trunk], network: &str) -> Whom {
    let same = || now.iter().filter(|n| n.vlan == was.vlan);
    if same().any(|n| n.any) {
        return NOBODY;
    }
    if was.any {
        return vec![Notices::Network(network.to_owned())];
    }
    let after = || same().flat_map(|n| n.addresses.iter().copied());
    let each = was.addresses.iter();
    let lost = each.flat_map(|p| without(*p, after()));
    lost.map(Notices::Prefix).collect()
}

/// Whether a destination that could be reached by a list can not by another. Without a list, every
/// destination can.
fn fewer(was: Option<&[Destination]>, now: Option<&[Destination]>) -> bool {
    let Some(now) = now else { return false };
    let Some(was) = was else { return true };
    // Of one entry, each port by itself; none: all of them.
    let parts = |d: &Destination| -> Vec<Option<NonZeroU16>> {
        match d.ports.is_empty() {
            true => vec![None],
            false => d.ports.iter().copied().map(Some).collect(),
        }
    };
    was.iter().any(|old| {
        parts(old).into_iter().any(|port| {
            let holds = |new: &&Destination| match (new.protocol, new.ports.is_empty()) {
                (None, _) => true,
                (same, true) => same == old.protocol,
                (same, false) => {
                    same == old.protocol && port.is_some_and(|port| new.ports.contains(&port))
                }
            };
            !without(old.to, now.iter().filter(holds).map(|n| n.to)).is_empty()
        })
    })
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
    if old.exclude != pool.exclude {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_reaches_more_takes_nothing_from_anybody() {
        let list = |text: &str| -> Option<Vec<Destination>> {
            serde_norway::from_str(text).expect("a list or nothing")
        };
        for (was, now, lost) in [
            ("~", "[]", true),
            ("[]", "~", false),
            ("[]", "[{to: 10.0.0.0/8}]", false),
            ("[{to: 10.0.0.0/8}]", "~", false),
            ("[{to: 10.0.0.0/8}]", "[]", true),
            (
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1, 2]}]",
                "[{to: 10.0.0.0/8, protocol: tcp}]",
                false,
            ),
            (
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1, 2]}]",
                "[{to: 10.0.0.0/8}]",
                false,
            ),
            (
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1, 2]}]",
                "[{to: 10.0.0.0/8, protocol: udp}]",
                true,
            ),
            (
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1, 2]}]",
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1]}]",
                true,
            ),
            (
                "[{to: 10.0.0.0/8, protocol: tcp}]",
                "[{to: 10.0.0.0/8, protocol: tcp, ports: [1]}]",
                true,
            ),
            (
                "[{to: 10.0.0.0/8}]",
                "[{to: 10.0.0.0/8, protocol: tcp}, {to: 10.0.0.0/8, protocol: udp}]",
                true,
            ),
            (
                "[{to: 10.0.0.0/8}]",
                "[{to: 10.0.0.0/9}, {to: 10.128.0.0/9}]",
                false,
            ),
            ("[{to: 10.0.0.0/8}]", "[{to: 10.0.0.0/9}]", true),
        ] {
            let found = fewer(list(was).as_deref(), list(now).as_deref());
            assert_eq!(found, lost, "{was} to {now}");
        }
    }
}
