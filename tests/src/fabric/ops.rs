//! What must be done so that the fabric becomes as it should be: a set difference.

use std::fmt;

use flatnet_types::{MacAddr, Mtu};
use ipnetwork::IpNetwork;
use serde::Serialize;

use super::{Cable, Fabric, Link, Member, Observed, Origin, Seen};

/// One thing to do. Each is harmless to do again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase", tag = "op")]
pub(crate) enum Op {
    /// Make a namespace.
    Namespace { member: String },
    /// Take away an end whose peer is lost.
    DeleteLink { member: String, link: String },
    /// Lay a cable.
    Cable(Cable),
    /// Make a Linux bridge.
    Bridge {
        member: String,
        link: String,
        mac: MacAddr,
    },
    /// Change a kernel setting inside a namespace.
    Sysctl {
        member: String,
        key: String,
        value: String,
    },
    /// Make an interface a port of a Linux bridge.
    Master {
        member: String,
        link: String,
        master: String,
    },
    /// Set an interface's MTU.
    Mtu {
        member: String,
        link: String,
        mtu: Mtu,
    },
    /// Set an interface up.
    Up { member: String, link: String },
    /// Give an interface an address.
    Address {
        member: String,
        link: String,
        address: IpNetwork,
    },
    /// Set a route.
    Route {
        member: String,
        prefix: IpNetwork,
        via: std::net::IpAddr,
        link: String,
        protocol: u8,
    },
}

impl Op {
    /// The member that it changes; none for a cable, which joins two.
    pub(crate) fn member(&self) -> Option<&str> {
        match self {
            Self::Cable(_) => None,
            Self::Namespace { member }
            | Self::DeleteLink { member, .. }
            | Self::Bridge { member, .. }
            | Self::Sysctl { member, .. }
            | Self::Master { member, .. }
            | Self::Mtu { member, .. }
            | Self::Up { member, .. }
            | Self::Address { member, .. }
            | Self::Route { member, .. } => Some(member),
        }
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace { member } => write!(f, "{member}: a namespace"),
            Self::DeleteLink { member, link } => write!(f, "{member}: {link} has lost its peer"),
            Self::Cable(c) => write!(
                f,
                "a cable from {} ({}) to {} ({})",
                c.a.member, c.a.link, c.b.member, c.b.link
            ),
            Self::Bridge { member, link, .. } => write!(f, "{member}: the bridge {link}"),
            Self::Sysctl { member, key, value } => write!(f, "{member}: net/{key} = {value}"),
            Self::Master {
                member,
                link,
                master,
            } => write!(f, "{member}: {link} into {master}"),
            Self::Mtu { member, link, mtu } => write!(f, "{member}: {link} MTU {mtu}"),
            Self::Up { member, link } => write!(f, "{member}: {link} up"),
            Self::Address {
                member,
                link,
                address,
            } => write!(f, "{member}: {address} on {link}"),
            Self::Route {
                member,
                prefix,
                via,
                link,
                ..
            } => write!(f, "{member}: route {prefix} via {via} dev {link}"),
        }
    }
}

/// What to do, in order.
///
/// Guarantees: empty where `seen` is as `fabric` wants it. An interface that Open vSwitch
/// has yet to make, and the routes over it, are left for a later look.
pub(crate) fn plan(fabric: &Fabric, seen: &Observed) -> Vec<Op> {
    let mut ops = Vec::new();
    for member in &fabric.members {
        if !seen.members.contains_key(&member.name) {
            ops.push(Op::Namespace {
                member: member.name.clone(),
            });
        }
    }
    // An interface that must be made anew has nothing of what the old one had.
    let mut left = seen.clone();
    let mut cables = Vec::new();
    for cable in &fabric.cables {
        lay(cable, &mut left, &mut cables);
    }
    let nothing = Seen::default();
    let of = |member: &str| left.members.get(member).unwrap_or(&nothing);
    for member in &fabric.members {
        let early = |key: &str| !names_link(member, key);
        sysctls(member, of(&member.name), early, &mut ops);
    }
    ops.append(&mut cables);
    for member in &fabric.members {
        let have = of(&member.name);
        let late = |key: &str| names_link(member, key);
        sysctls(member, have, late, &mut ops);
        inside(member, have, &mut ops);
    }
    ops
}

/// What people are told of `ops`: that a member is new says all that is new in it.
pub(crate) fn tell(ops: &[Op]) -> Vec<String> {
    let is_new = |name: &str| {
        let new = |op: &Op| matches!(op, Op::Namespace { member } if member == name);
        ops.iter().any(new)
    };
    ops.iter()
        .filter(|op| matches!(op, Op::Namespace { .. }) || !op.member().is_some_and(is_new))
        .map(ToString::to_string)
        .collect()
}

/// A setting of an interface can be written once the interface is there.
fn names_link(member: &Member, key: &str) -> bool {
    interface_of(key).is_some_and(|name| member.link(name).is_some())
}

/// `ipv6/conf/eth0/…` is about `eth0`.
fn interface_of(key: &str) -> Option<&str> {
    key.split('/').nth(2)
}

fn sysctls(member: &Member, seen: &Seen, which: impl Fn(&str) -> bool, ops: &mut Vec<Op>) {
    for (key, value) in &member.sysctls {
        if which(key) && seen.sysctls.get(key) != Some(value) {
            ops.push(Op::Sysctl {
                member: member.name.clone(),
                key: key.clone(),
                value: value.clone(),
            });
        }
    }
}

/// A cable is whole or not there: an end without its peer is taken out of what is `left`.
fn lay(cable: &Cable, left: &mut Observed, ops: &mut Vec<Op>) {
    let ends = [&cable.a, &cable.b];
    let there = ends.map(|e| {
        let seen = left.members.get(&e.member);
        seen.is_some_and(|s| s.links.contains_key(&e.link))
    });
    if there == [true, true] {
        return;
    }
    for (end, there) in ends.into_iter().zip(there) {
        if let Some(seen) = left.members.get_mut(&end.member) {
            seen.links.remove(&end.link);
            seen.routes.retain(|r| r.link != end.link);
            seen.sysctls
                .retain(|key, _| interface_of(key) != Some(&end.link));
        }
        if there {
            ops.push(Op::DeleteLink {
                member: end.member.clone(),
                link: end.link.clone(),
            });
        }
    }
    ops.push(Op::Cable(cable.clone()));
}

/// Bridges first: ports need them. Routes last: they need the addresses.
fn inside(member: &Member, seen: &Seen, ops: &mut Vec<Op>) {
    for link in &member.links {
        if let Origin::Bridge(mac) = link.origin
            && !seen.links.contains_key(&link.name)
        {
            ops.push(Op::Bridge {
                member: member.name.clone(),
                link: link.name.clone(),
                mac,
            });
        }
    }
    for link in member.links.iter().filter(|l| ready(l, seen)) {
        link_ops(member, link, seen, ops);
    }
    for route in &member.routes {
        let usable = member.link(&route.link).is_some_and(|l| ready(l, seen));
        if usable && !seen.routes.contains(route) {
            ops.push(Op::Route {
                member: member.name.clone(),
                prefix: route.prefix,
                via: route.via,
                link: route.link.clone(),
                protocol: route.protocol,
            });
        }
    }
}

fn ready(link: &Link, seen: &Seen) -> bool {
    link.origin != Origin::OvsInternal || seen.links.contains_key(&link.name)
}

fn link_ops(member: &Member, link: &Link, seen: &Seen, ops: &mut Vec<Op>) {
    let have = seen.links.get(&link.name);
    let (on, name) = (&member.name, &link.name);
    if let Some(master) = &link.master
        && have.and_then(|h| h.master.as_ref()) != Some(master)
    {
        ops.push(Op::Master {
            member: on.clone(),
            link: name.clone(),
            master: master.clone(),
        });
    }
    if have.map(|h| h.mtu) != Some(link.mtu.get()) {
        ops.push(Op::Mtu {
            member: on.clone(),
            link: name.clone(),
            mtu: link.mtu,
        });
    }
    if !have.is_some_and(|h| h.up) {
        ops.push(Op::Up {
            member: on.clone(),
            link: name.clone(),
        });
    }
    for address in &link.addresses {
        if !have.is_some_and(|h| h.addresses.contains(address)) {
            ops.push(Op::Address {
                member: on.clone(),
                link: name.clone(),
                address: *address,
            });
        }
    }
}
