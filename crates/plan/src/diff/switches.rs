//! Changes of a switch: what it carries is added before it is used, and taken away after.

use std::collections::BTreeSet;

use flatnet_types::{Mtu, VlanId};

use super::kinds::NOTED;
use super::notice::{Done, Kind, NOBODY, Notices, Until, Whom};
use super::trunks::{self, Lists, difference, told};
use super::{Found, Phase, is_another, paired};
use crate::model::{BondMode, Host, NetworkPlan, Nic, Port, Site, Switch};

const NATIVE: Kind = Kind::new(Phase::Give, Done::Answers)
    .outage(
        Until::Done,
        "for host and switch change together, and the host is cut off in between",
    )
    .mind("drain it first");
const SMALLER: Kind = Kind::new(Phase::Clear, Done::Sized)
    .at_most_brief("while something still sends larger packets than it carries")
    .mind("after what sends larger packets has changed");
const LARGER: Kind = Kind::new(Phase::Carry, Done::Sized)
    .at_most_brief("while the port's link comes up again, where the switch takes it down for that")
    .mind("before anything sends larger packets");

pub(super) fn compare(
    site: &str,
    (a, b): (&Switch, &Switch),
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let name = format!("{} in {site}", b.name);
    let here = || at(&old.spec.hosts, site, &[&b.name], None);
    let lists = Lists {
        site,
        switches: (a, b),
        plans: (old, new),
    };
    let overridden = |by: fn(&Port) -> bool| is_overridden((old, a), (new, b), site, by);
    if a.trunk != b.trunk && overridden(|_| true) {
        let what = "switch's trunk, in place of which all its ports have their own";
        found.add(NOTED, what, NOBODY, name.clone());
    } else {
        lists.trunk(&name, None, (a.trunk.as_deref(), b.trunk.as_deref()), found);
    }
    ports(&lists, &name, found);
    let has_peers = |plan: &NetworkPlan| {
        let site = plan.site(site);
        site.is_some_and(|s| pairs(s).iter().any(|p| p.0 == b.name || p.1 == b.name))
    };
    peer_trunk(&name, (a, b), has_peers(new), found);
    mtu(&name, site, (a, b), (old, new), found);
    cabling(&name, (a, b, has_peers(new)), &here, found);
    if (a.mac_table_size, &a.reserved_vlans) != (b.mac_table_size, &b.reserved_vlans) {
        found.add(NOTED, "switch", NOBODY, name);
    }
}

/// The ports that differ from the rest, and the native VLAN of all.
fn ports(lists: &Lists<'_>, name: &str, found: &mut Found) {
    let Lists {
        site,
        switches: (a, b),
        plans: (old, new),
    } = *lists;
    let overridden = |by: fn(&Port) -> bool| is_overridden((old, a), (new, b), site, by);
    let mut natives: BTreeSet<VlanId> = BTreeSet::new();
    let mut native = |a: Option<VlanId>, b: Option<VlanId>| {
        if is_another(&a, &b) {
            natives.extend(a.into_iter().chain(b));
        }
    };
    let said = a.native != b.native;
    if said && overridden(|p| p.native.is_some()) {
        let what = "switch's native VLAN, in place of which all its ports have their own";
        found.add(NOTED, what, NOBODY, name.to_owned());
    } else if said && !is_another(&a.native, &b.native) {
        found.add(NOTED, "native VLAN of ports", NOBODY, name.to_owned());
    } else {
        native(a.native, b.native);
    }
    for pair in paired(&a.ports, &b.ports, |p| &p.name) {
        let Some(port) = pair.1.or(pair.0) else {
            continue;
        };
        let before = AsPort::of(a, pair.0, old.spec.mtu);
        let after = AsPort::of(b, pair.1, new.spec.mtu);
        let name = format!("{} port {}", name, port.name);
        lists.trunk(&name, Some(&port.name), (before.trunk, after.trunk), found);
        native(before.native, after.native);
        let own = (pair.0.and_then(|p| p.native), pair.1.and_then(|p| p.native));
        let first = before.native != after.native && !is_another(&before.native, &after.native);
        if own.0 != own.1 && first {
            found.add(NOTED, "native VLAN of ports", NOBODY, name.clone());
        }
        let own = (pair.0.and_then(|p| p.mtu), pair.1.and_then(|p| p.mtu));
        let mtus = (before.mtu, after.mtu);
        // What all ports of the switch get is told of the switch.
        if own.0 != own.1 && mtus.0 != mtus.1 {
            let whom = at(&old.spec.hosts, site, &[&b.name], Some(&port.name));
            let what = "change a port's MTU";
            found.add(resized(mtus), what, whom, name.clone());
        }
        if pair.0 != pair.1 && before == after {
            found.add(NOTED, "port, which stays as it is", NOBODY, name);
        } else if pair.1.is_none() {
            found.add(NOTED, "port that is as all others", NOBODY, name);
        } else if pair.0.is_none() {
            found.add(NOTED, "port that is not as all others", NOBODY, name);
        }
    }
    if !natives.is_empty() {
        // Whose frames of one of them have a tag, or none, from then on.
        let uses =
            |plan: &NetworkPlan, h: &&Host| trunks::used(plan, h).any(|id| natives.contains(&id));
        let hosts = old
            .spec
            .hosts
            .iter()
            .filter(|h| uses(old, h) || uses(new, h));
        let whom = cabled_to(hosts, site, &[&b.name], None);
        let kind = match whom.is_empty() {
            true => Kind::new(Phase::Give, Done::Answers),
            false => NATIVE,
        };
        found.add(
            kind,
            "change the native VLAN of ports",
            whom,
            name.to_owned(),
        );
    }
}

/// What is so at a port, by its own words, its switch's or the plan's.
#[derive(PartialEq)]
struct AsPort<'s> {
    trunk: Option<&'s [VlanId]>,
    native: Option<VlanId>,
    mtu: Mtu,
}

impl<'s> AsPort<'s> {
    fn of(switch: &'s Switch, port: Option<&'s Port>, plans: Mtu) -> Self {
        let own = port.map(|p| p.trunk.as_slice());
        Self {
            trunk: own.or(switch.trunk.as_deref()),
            native: port.and_then(|p| p.native).or(switch.native),
            mtu: port.and_then(|p| p.mtu).or(switch.mtu).unwrap_or(plans),
        }
    }
}

const CABLED: Kind = Kind::new(Phase::Carry, Done::Carried)
    .at_most_brief("while the spanning tree takes the new links in")
    .mind("new links can make a layer-2 loop: one cable at a time");
const UNCABLED: Kind = Kind::new(Phase::Clear, Done::Carried)
    .at_most_brief("while the spanning tree goes over to the links that are left")
    .mind("after nothing goes by these links any more");
const SEVERED: Kind = Kind::new(Phase::Clear, Done::Carried)
    .outage(
        Until::Undone,
        "for no link is left by which what hangs on it is reached",
    )
    .mind("drain its hosts first");
const TREE: Kind = Kind::new(Phase::Carry, Done::Carried)
    .brief("while the tree is built, for ports are silent until then");
const NO_TREE: Kind = Kind::new(Phase::Clear, Done::Carried)
    .at_most_brief("while ports leave the tree")
    .mind("after no loop is left that it would have to break");
const SPLIT: Kind = Kind::new(Phase::Clear, Done::Linked)
    .outage(
        Until::Undone,
        "for bonds between them need one switch, or two that are peers",
    )
    .mind("make them active-backup first");

/// The hosts that are cabled to any of these switches, or may be to that port of theirs; where there are
/// none, as at a switch that joins others, everybody of the site.
fn at(hosts: &[Host], site: &str, switches: &[&str], port: Option<&str>) -> Whom {
    let all = cabled_to(hosts.iter(), site, switches, port);
    match all.is_empty() && port.is_none() {
        true => vec![Notices::Site(site.to_owned())],
        false => all,
    }
}

/// Whether each cable to a switch, before and after, is in a port that has a thing of its own, and
/// there is one.
fn is_overridden(
    old: (&NetworkPlan, &Switch),
    new: (&NetworkPlan, &Switch),
    site: &str,
    by: fn(&Port) -> bool,
) -> bool {
    [old, new].into_iter().all(|(plan, switch)| {
        let hosts = plan.spec.hosts.iter().filter(|h| h.site == site);
        let cables = hosts.flat_map(|h| h.uplink.cables());
        let mut here = cables
            .filter(|c| c.switch.as_deref() == Some(&switch.name))
            .peekable();
        here.peek().is_some() && here.all(|c| trunks::port_of(switch, &c).is_some_and(by))
    })
}

/// What the links to a switch's peers carry; without a list, and with one of every ID, all.
fn peer_trunk(name: &str, (a, b): (&Switch, &Switch), has_peers: bool, found: &mut Found) {
    if a.peer_trunk == b.peer_trunk {
        return;
    }
    const EVERY: usize = 4094;
    let list = |s: &'_ Switch| -> Option<BTreeSet<VlanId>> {
        let all: BTreeSet<VlanId> = s.peer_trunk.as_ref()?.iter().copied().collect();
        (all.len() < EVERY).then_some(all)
    };
    let (before, after) = (list(a), list(b));
    let noted = match (has_peers, before == after) {
        (false, _) => Some("trunk to peers, of which there are none"),
        (true, true) => Some("trunk to peers, which stays what it is"),
        (true, false) => None,
    };
    match noted {
        Some(what) => found.add(NOTED, what, NOBODY, name.to_owned()),
        None => {
            let of = |list: Option<BTreeSet<VlanId>>| list.map(Vec::from_iter);
            let name = format!("{name}, to its peers");
            let (before, after) = (of(before), of(after));
            told(
                &name,
                difference(before.as_deref(), after.as_deref()),
                found,
            );
        }
    }
}

fn mtu(
    name: &str,
    site: &str,
    (a, b): (&Switch, &Switch),
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let mtus = (a.mtu.unwrap_or(old.spec.mtu), b.mtu.unwrap_or(new.spec.mtu));
    if a.mtu != b.mtu && mtus.0 != mtus.1 {
        let whom = sized_by(site, (a, b), old);
        if whom.is_empty() && is_overridden((old, a), (new, b), site, |p| p.mtu.is_some()) {
            let what = "switch's MTU, in place of which all its ports have their own";
            found.add(NOTED, what, NOBODY, name.to_owned());
        } else {
            let what = "change a switch's MTU";
            found.add(resized(mtus), what, whom, name.to_owned());
        }
    } else if a.mtu != b.mtu {
        let what = "switch's MTU, which stays what it is";
        found.add(NOTED, what, NOBODY, name.to_owned());
    }
}

/// Who notices another MTU of a switch: the hosts in ports that have none of their own, and what
/// reaches others by its links to other switches.
fn sized_by(site: &str, (a, b): (&Switch, &Switch), old: &NetworkPlan) -> Whom {
    let switches = old.site(site).map_or(&[][..], |s| &s.switches);
    let hangs = |on: &str| {
        let on = on.to_owned();
        switches.iter().filter(move |s| s.uplinks.contains(&on))
    };
    let is_peer = |s: &Switch| s.peers.contains(&a.name);
    let linked = !a.uplinks.is_empty()
        || !a.peers.is_empty()
        || hangs(&a.name).next().is_some()
        || switches.iter().any(is_peer);
    let mut below: Vec<&str> = Vec::new();
    let mut next: Vec<&str> = vec![&a.name];
    while let Some(name) = next.pop() {
        if !below.contains(&name) {
            below.push(name);
            next.extend(hangs(name).map(|s| s.name.as_str()));
        }
    }
    let hosts = &old.spec.hosts;
    if !linked && cabled_to(hosts.iter(), site, &[&a.name], None).is_empty() {
        // The plan does not say what it joins.
        return vec![Notices::Site(site.to_owned())];
    }
    let own = |s: &Switch, c: &Nic| trunks::port_of(s, c).is_some_and(|p| p.mtu.is_some());
    let sized = |h: &&Host| {
        let cables = h.uplink.cables();
        let mut here = cables
            .iter()
            .filter(|c| c.switch.as_deref() == Some(&a.name));
        linked || here.any(|c| !own(a, c) && !own(b, c))
    };
    cabled_to(hosts.iter().filter(sized), site, &below, None)
}

fn cabled_to<'p>(
    hosts: impl Iterator<Item = &'p Host>,
    site: &str,
    switches: &[&str],
    port: Option<&str>,
) -> Whom {
    let cabled = |h: &&Host| {
        let cables = h.uplink.cables();
        let mut there = cables.iter().filter(|c| {
            let switch = c.switch.as_deref();
            switch.is_some_and(|s| switches.contains(&s))
        });
        h.site == site
            && there.any(|c| port.is_none() || c.port.is_none() || c.port.as_deref() == port)
    };
    let named = hosts.filter(cabled);
    named.map(|h| Notices::Host(h.name.to_string())).collect()
}

/// Uplinks and spanning tree.
fn cabling(
    name: &str,
    (a, b, has_peers): (&Switch, &Switch, bool),
    here: &dyn Fn() -> Whom,
    found: &mut Found,
) {
    let of = |list: &[String], but: &[String]| -> Option<String> {
        let all = list.iter().filter(|n| !but.contains(n)).cloned();
        let all: Vec<String> = all.collect();
        (!all.is_empty()).then(|| all.join(", "))
    };
    if let Some(names) = of(&b.uplinks, &a.uplinks) {
        let detail = format!("{name} to {names}");
        found.add(CABLED, "add uplinks to a switch", here(), detail);
    }
    if let Some(names) = of(&a.uplinks, &b.uplinks) {
        let detail = format!("{name} to {names}");
        let kind = match b.uplinks.is_empty() && !has_peers {
            true => SEVERED,
            false => UNCABLED,
        };
        found.add(kind, "take uplinks off a switch", here(), detail);
    }
    match (a.spanning_tree, b.spanning_tree) {
        (false, true) => {
            found.add(TREE, "start the spanning tree", here(), name.to_owned());
        }
        (true, false) => {
            found.add(NO_TREE, "stop the spanning tree", here(), name.to_owned());
        }
        _ => {}
    }
    let sorted = |s: &Switch| {
        let mut all = s.uplinks.clone();
        all.sort();
        all
    };
    if a.uplinks != b.uplinks && sorted(a) == sorted(b) {
        let what = "order of a switch's uplinks";
        found.add(NOTED, what, NOBODY, name.to_owned());
    }
}

/// Pairs of switches that become one towards a bond, or are it no longer.
pub(super) fn peers(
    (a, b): (&Site, &Site),
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let (before, after) = (pairs(a), pairs(b));
    let detail = |pair: &(&str, &str)| format!("{} and {} in {}", pair.0, pair.1, b.name);
    let whom = |pair: &(&str, &str)| at(&old.spec.hosts, &b.name, &[pair.0, pair.1], None);
    for pair in after.difference(&before) {
        found.add(CABLED, "make switches peers", whom(pair), detail(pair));
    }
    for pair in before.difference(&after) {
        // A switch that goes is told by itself.
        if b.switch(pair.0).is_none() || b.switch(pair.1).is_none() {
            continue;
        }
        let what = "make switches peers no longer";
        let split = bonded(new, b, *pair).filter(|_| bonded(old, a, *pair).is_some());
        match split {
            Some(hosts) => found.add(SPLIT, what, hosts, detail(pair)),
            None => found.add(UNCABLED, what, whom(pair), detail(pair)),
        }
    }
    // One of the two need say it.
    for pair in paired(&a.switches, &b.switches, |s| &s.name) {
        if let (Some(one), Some(other)) = pair
            && one.peers != other.peers
            && before == after
        {
            let detail = format!("{} in {}", other.name, b.name);
            found.add(NOTED, "which switch names its peers", NOBODY, detail);
        }
    }
}

/// The pairs of peers of a site, each in the order of names.
fn pairs(site: &Site) -> BTreeSet<(&str, &str)> {
    let all = site.switches.iter().flat_map(|s| {
        let own = s.name.as_str();
        s.peers.iter().map(move |p| match own < p.as_str() {
            true => (own, p.as_str()),
            false => (p.as_str(), own),
        })
    });
    all.collect()
}

/// The hosts that have a bond over two switches for which they have to be one; none: there are none.
fn bonded(plan: &NetworkPlan, site: &Site, pair: (&str, &str)) -> Option<Whom> {
    let hosts = plan.spec.hosts.iter().filter(|h| h.site == site.name);
    let bonded = hosts.filter(|h| {
        let at = |name: &str| {
            let mut nics = h.uplink.nics.iter();
            nics.any(|n| n.switch.as_deref() == Some(name))
        };
        let one = matches!(h.uplink.bond, Some(BondMode::Lacp | BondMode::BalanceXor));
        one && at(pair.0) && at(pair.1)
    });
    let all: Whom = bonded.map(|h| Notices::Host(h.name.to_string())).collect();
    (!all.is_empty()).then_some(all)
}

fn resized((old, new): (Mtu, Mtu)) -> Kind {
    if new < old { SMALLER } else { LARGER }
}
