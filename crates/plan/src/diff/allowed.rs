//! Changes of what a network's containers may send: protocols, tagged VLANs, destinations.
//!
//! Guarantees: names those who lose something, and nobody who does not.

use std::num::NonZeroU16;

use super::kinds::{NOTED, TAKEN};
use super::notice::{NOBODY, Notices, Until, Whom};
use super::{EVERYTHING, Found};
use crate::model::{Allow, Destination, Network, Trunk};
use crate::routes::parts::without;
use crate::takeover::Field;

pub(super) fn compare(a: &Network, b: &Network, found: &mut Found) {
    let name = b.name.to_string();
    if a.allow != b.allow {
        let lost = a
            .allow
            .iter()
            .flat_map(|was| unspoken(was, &b.allow, &name));
        let lost: Whom = lost.collect();
        let more = b.allow.iter().flat_map(|is| unspoken(is, &a.allow, &name));
        let what = match lost.is_empty() && more.count() == 0 {
            true => None,
            false => Some("change the protocols that a network allows"),
        };
        let reason = "for frames of what is no longer allowed are dropped from then on";
        told(what, (lost, reason), &name, found);
    }
    if a.trunk != b.trunk {
        let lost = a
            .trunk
            .iter()
            .flat_map(|was| untrunked(was, &b.trunk, &name));
        let lost: Whom = lost.collect();
        let more = b.trunk.iter().flat_map(|is| untrunked(is, &a.trunk, &name));
        let what = match lost.is_empty() && more.count() == 0 {
            true => None,
            false => Some("change a network's trunk"),
        };
        let reason =
            "for tagged frames with addresses that are no longer declared are dropped from then on";
        told(what, (lost, reason), &name, found);
    }
    if a.egress != b.egress {
        let (was, is) = (a.egress.as_deref(), b.egress.as_deref());
        let lost = match fewer(was, is) {
            true => vec![Notices::Network(name.clone())],
            false => NOBODY,
        };
        let what = match lost.is_empty() && !fewer(is, was) {
            true => None,
            false => Some("change the destinations that a network allows"),
        };
        let reason =
            "for packets to destinations that are no longer allowed are dropped from then on";
        told(what, (lost, reason), &name, found);
    }
}

/// `what`: none where the same is allowed in other words.
fn told(what: Option<&str>, (whom, reason): (Whom, &'static str), name: &str, found: &mut Found) {
    let kind = TAKEN.of(Field::Allowed).outage(Until::Undone, reason);
    match what {
        Some(what) => found.add(kind, what, whom, name.to_owned()),
        None => {
            let what = "what a network allows, in other words";
            found.add(NOTED, what, NOBODY, name.to_owned());
        }
    }
}

/// Of an entry what is not allowed any more: frames of the protocol, or packets of addresses at the
/// virtual MAC.
fn unspoken(was: &Allow, now: &[Allow], network: &str) -> Whom {
    let same = |n: &&Allow| n.protocol == was.protocol && n.mac == was.mac;
    let mut whom = Whom::new();
    if !now.iter().any(|n| same(&n)) {
        whom.push(Notices::Protocol {
            network: network.to_owned(),
            protocol: was.protocol.clone(),
        });
    }
    let still = |address| {
        let mut same = now.iter().filter(same);
        same.any(|n| n.addresses.contains(address))
    };
    let lost = was.addresses.iter().filter(|a| !still(a));
    whom.extend(lost.map(|a| Notices::Prefix((*a).into())));
    whom
}

/// Whose tagged frames could be sent by an entry, and cannot any more.
fn untrunked(was: &Trunk, now: &[Trunk], network: &str) -> Whom {
    let same = || now.iter().filter(|n| n.vlan == was.vlan);
    if same().any(|n| n.any) {
        return NOBODY;
    }
    if was.any {
        return vec![Notices::Tagged {
            network: network.to_owned(),
            vlan: was.vlan,
        }];
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
    let all = EVERYTHING.map(|to| Destination {
        to,
        protocol: None,
        ports: Vec::new(),
    });
    let was = was.unwrap_or(&all);
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
            ("~", "[{to: 0.0.0.0/0}, {to: \"::/0\"}]", false),
            ("~", "[{to: 0.0.0.0/0}]", true),
            (
                "~",
                "[{to: 0.0.0.0/0}, {to: \"::/0\", protocol: tcp}]",
                true,
            ),
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
