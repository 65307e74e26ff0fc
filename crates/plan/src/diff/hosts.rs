//! Changes of hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::kinds::NOTED;
use super::networks::SLICES_GO;
use super::notice::{Done, Kind, Notices, Until};
use super::owners::{Both, Owners};
use super::segments::REORDERED;
use super::{Found, Phase, is_another, is_reordered, paired};
use crate::model::{Host, NetworkPlan, Range};
use crate::prefix::{covers, overlap};
use crate::routes::parts::without;
use crate::takeover::Field;

const LEAVES: Kind =
    Kind::new(Phase::Drain, Done::Left).remade("for its containers are made again elsewhere");
const GONE: Kind = Kind::new(Phase::Take, Done::Gone).mind("after it is drained");
const TAKEN: Kind = Kind::new(Phase::Take, Done::Released)
    .of(Field::Taken)
    .mind("after it is drained");
const COMES: Kind = Kind::new(Phase::Give, Done::Serves);
const AFTER: Kind = Kind::new(Phase::HandOn, Done::Serves)
    .mind("only after the host that has its address is gone: two that have it cut each other off");
const GIVEN: Kind = Kind::new(Phase::Give, Done::Given).of(Field::Given);
const GROWN: Kind = Kind::new(Phase::Give, Done::Given).of(Field::Grown);
const RESTED: Kind = Kind::new(Phase::HandOn, Done::Given)
    .of(Field::Given)
    .mind("only after its addresses rested: others may still know them as somebody else's");
const OWN: Kind = Kind::new(Phase::HandOn, Done::Given)
    .of(Field::Given)
    .mind("only after no container of the other network has an address of it");
const MOVES: Kind = Kind::new(Phase::Drain, Done::Left)
    .of(Field::Identity)
    .outage(
        Until::Drained,
        "for its containers are made again elsewhere",
    )
    .mind("drain it first: a host moves empty");
const READDRESSED: Kind = Kind::new(Phase::Give, Done::Answers)
    .of(Field::HostAddresses)
    .outage(
        Until::Done,
        "for the host is away while its addresses change",
    )
    .mind("routes that lead to it change with it");
const RELENGTHENED: Kind = Kind::new(Phase::Give, Done::Answers)
    .of(Field::HostAddresses)
    .at_most_brief("while the host's address is set anew with its other length");
const REPLACED: Kind = Kind::new(Phase::Give, Done::Routed)
    .brief("while its entries go over to the new instance")
    .mind("drain the host first if it is another machine: what runs on the old one stays there");
const GATEWAY_MOVES: Kind = Kind::new(Phase::Drain, Done::Remade)
    .of(Field::Subnet)
    .remade("for the gateway is the range's second address, and another one from then on");
const DRAINED: Kind = Kind::new(Phase::Drain, Done::Left)
    .of(Field::Taken)
    .remade("for containers with these addresses are made again");
const INHERITED: Kind = DRAINED
    .remade("for containers with these addresses are made again, before another host has them");
pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    let owners = Both {
        before: Owners::of(old),
        after: Owners::of(new),
    };
    for pair in paired(&old.spec.hosts, &new.spec.hosts, |h| &h.name) {
        match pair {
            (None, Some(host)) => {
                let detail = format!("{} {}", host.site, list(&host.addresses));
                let what = "new host";
                let kind = match owners.before.addressed(host) {
                    Some(_) => AFTER,
                    None => COMES,
                };
                found.of_host(kind, what, host.name.as_str(), &detail);
                ranges(&[], host, &owners, found);
            }
            (Some(host), None) => {
                let name = host.name.as_str();
                found.of_host(LEAVES, "drain the host", name, "all of its containers");
                found.of_host(GONE, "remove the host", name, &list(&host.addresses));
            }
            (Some(a), Some(b)) if a != b => changed(a, b, &owners, found),
            _ => {}
        }
    }
}

/// A few names, and how many more.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        n if n > SHOWN + 1 => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

fn list(prefixes: &[IpNetwork]) -> String {
    let all: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    all.join(" ")
}

fn changed(a: &Host, b: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = b.name.as_str();
    let moves = a.site != b.site || is_another(&a.v_switch, &b.v_switch);
    if moves {
        let place = |h: &Host| match &h.v_switch {
            Some(v) => format!("{}/{v}", h.site),
            None => h.site.clone(),
        };
        let detail = format!("{} → {}", place(a), place(b));
        // In another vSwitch of its VPC it has other routers.
        let kind = match a.site == b.site {
            true => MOVES.of(Field::HostAddresses),
            false => MOVES,
        };
        found.of_host(kind, "move the host", name, &detail);
    } else if a.v_switch != b.v_switch {
        found.of_host(NOTED, "vSwitch of a host", name, "noted");
    }
    addresses(a, b, moves, (owners, found));
    if is_another(&a.instance_id, &b.instance_id) {
        let id = |h: &Host| h.instance_id.clone().unwrap_or_else(|| "none".to_owned());
        let detail = format!("{} → {}", id(a), id(b));
        found.of_host(REPLACED, "change the instance", name, &detail);
    } else if a.instance_id != b.instance_id {
        found.of_host(NOTED, "instance ID of a host", name, "noted");
    }
    super::uplinks::compare(a, b, owners, found);
    ranges(&a.ranges, b, owners, found);
    if a.cluster != b.cluster {
        found.of_host(NOTED, "cluster", name, "noted");
    }
    if (a.density, &a.labels, &a.location) != (b.density, &b.labels, &b.location) {
        found.of_host(NOTED, "note density, labels or place", name, "noted");
    }
}

/// A host's own addresses. `moves`: to another site or vSwitch.
fn addresses(a: &Host, b: &Host, moves: bool, (owners, found): (&Both<'_>, &mut Found)) {
    if a.addresses == b.addresses {
        return;
    }
    let name = b.name.as_str();
    let ips = |h: &Host| -> Vec<IpAddr> { h.addresses.iter().map(IpNetwork::ip).collect() };
    let detail = format!("{} → {}", list(&a.addresses), list(&b.addresses));
    if is_reordered(&a.addresses, &b.addresses) {
        let what = "order of the host's own addresses";
        found.of_host(REORDERED, what, name, &detail);
        return;
    }
    if ips(a) == ips(b) && !moves {
        let what = "change the length of the host's own addresses";
        found.of_host(RELENGTHENED, what, name, &detail);
        return;
    }
    let kind = match owners.before.addressed(b) {
        None if moves => Kind {
            phase: Phase::HandOn,
            ..READDRESSED.mind("after it is drained: its addresses change as it moves")
        },
        Some(_) => Kind {
            phase: Phase::HandOn,
            ..READDRESSED.mind(
                "another host has the address until then: two that have it cut each other off",
            )
        },
        None => READDRESSED,
    };
    found.of_host(kind, "change the host's own addresses", name, &detail);
}

/// The ranges that a host gets, loses, or that grow and shrink.
fn ranges(old: &[Range], host: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = host.name.as_str();
    let all = old;
    let mut networks: BTreeMap<&str, (Vec<IpNetwork>, Vec<IpNetwork>)> = BTreeMap::new();
    for range in old {
        let network = networks.entry(range.network.as_str()).or_default();
        network.0.push(range.prefix);
    }
    for range in &host.ranges {
        let network = networks.entry(range.network.as_str()).or_default();
        network.1.push(range.prefix);
    }
    for (network, (old, new)) in networks {
        for v4 in [true, false] {
            let given = new.iter().any(|p| p.is_ipv4() == v4);
            if given && owners.before.sliced(name, network, v4) {
                let what = format!("drain a slice of {network}");
                let whom = vec![Notices::Network(network.to_owned())];
                let detail = "it has a range by name instead";
                found.at_host(SLICES_GO, &what, (name, whom), detail);
            }
        }
        for prefix in new.iter().filter(|p| !old.contains(p)) {
            let inner: Vec<IpNetwork> = old
                .iter()
                .copied()
                .filter(|o| covers(*prefix, *o))
                .collect();
            // The range's second address, which goes by what is first in it.
            let moved: Vec<IpNetwork> = inner
                .iter()
                .copied()
                .filter(|o| o.network() != prefix.network() && owners.after.is_routed(host))
                .collect();
            if !moved.is_empty() {
                let what = format!("move the gateway of a range of {network}");
                let detail = format!("{} → {prefix}", list(&moved));
                let whom = moved.iter().copied().map(Notices::Prefix).collect();
                found.at_host(GATEWAY_MOVES, &what, (name, whom), &detail);
            }
            if old.iter().any(|o| covers(*o, *prefix)) {
                // A part of what it had: told with what it loses.
                continue;
            }
            let had = owners.before.others(*prefix, host);
            let of_others: Vec<&str> = had.into_iter().collect();
            let own = all
                .iter()
                .find(|r| r.network.as_str() != network && overlap(r.prefix, *prefix));
            if let Some(own) = own.filter(|_| of_others.is_empty()) {
                let detail = format!("{prefix}, its own of {}", own.network);
                let what = format!("hand on a range of {network}");
                found.of_host(OWN, &what, name, &detail);
            } else if !of_others.is_empty() {
                let detail = format!("{prefix}, from {}", few(&of_others));
                found.of_host(
                    RESTED,
                    &format!("hand on a range of {network}"),
                    name,
                    &detail,
                );
            } else if inner.is_empty() {
                let what = format!("give a range of {network}");
                found.of_host(GIVEN, &what, name, &prefix.to_string());
            } else {
                let kind = match owners.after.is_routed(host) {
                    true => GROWN.mind(
                        "what it has stays where it is; containers that are there reach the new \
                         part by their host, until they are made again with the new prefix length",
                    ),
                    false => GROWN.mind("what it has stays where it is"),
                };
                let detail = format!("{} → {prefix}", list(&inner));
                found.of_host(kind, &format!("grow a range of {network}"), name, &detail);
            }
        }
        for prefix in old.iter().filter(|p| !new.iter().any(|n| covers(*n, **p))) {
            let left: Vec<IpNetwork> = new
                .iter()
                .copied()
                .filter(|n| covers(*prefix, *n))
                .collect();
            let detail = if left.is_empty() {
                prefix.to_string()
            } else {
                format!("{prefix} → {}", list(&left))
            };
            let heirs = owners.after.others(*prefix, host);
            let kind = if heirs.is_empty() { DRAINED } else { INHERITED };
            let lost = without(*prefix, left.iter().copied());
            let whom = lost.into_iter().map(Notices::Prefix).collect();
            let what = format!("drain a range of {network}");
            found.at_host(kind, &what, (name, whom), &detail);
            found.of_host(TAKEN, &format!("take a range of {network}"), name, &detail);
        }
    }
}
