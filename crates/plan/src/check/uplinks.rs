//! How hosts hang on switches and switches on each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Context, Findings};
use crate::finding::{Finding, LOOP, UPLINK_NAME, UPLINK_TOLD, VLAN_ROLE};
use crate::model::{Host, Site, SiteType, Vlan, VlanRole};
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for i in 0..c.sites().len() {
        loops(c, i, found);
    }
    for (i, host) in c.hosts().iter().enumerate() {
        let at = || c.host_at(i).at("uplink");
        names(c, i, host, found);
        let Some((index, site)) = c.site_of(i) else {
            continue;
        };
        if site.site_type != SiteType::Idc {
            continue;
        }
        let uplink = &host.uplink;
        if !uplink.nics.is_empty() && (uplink.switch.is_some() || uplink.port.is_some()) {
            let field = if uplink.switch.is_some() {
                "switch"
            } else {
                "port"
            };
            let message = format!(
                "the uplink of {} has a {field}, and nics with theirs",
                host.name
            );
            found.add_with(
                &UPLINK_TOLD,
                at().at(field),
                message,
                (at().at("nics"), "its NICs"),
            );
        } else if uplink.nics.is_empty() && uplink.bond.is_some() && !site.switches.is_empty() {
            let message = format!(
                "the uplink of {} is a bond, and its nics are not told",
                host.name
            );
            found.add(&UPLINK_TOLD, at().at("bond"), message);
        }
        in_other_role(c, i, (index, site), found);
    }
}

/// A host whose addresses are in a VLAN of another role than `host`: nothing of it is checked.
fn in_other_role(c: &Context<'_>, i: usize, (index, site): (usize, &Site), found: &mut Findings) {
    // Where there is a VLAN of role host, FN0113 says that the address is not in it. Asked first:
    // most sites have one.
    if site.host_vlans().next().is_some() {
        return;
    }
    let host = &c.hosts()[i];
    for (k, address) in host.addresses.iter().enumerate() {
        let mut vlans = site.vlans.iter().enumerate();
        let bears = |v: &Vlan| v.subnets.iter().any(|s| s.prefix.contains(address.ip()));
        let Some((j, vlan)) = vlans.find(|(_, v)| bears(v)) else {
            continue;
        };
        let role = vlan.role.as_str();
        let place = Path::spec().at("sites").at(index).at("vlans").at(j);
        let help = match vlan.role {
            VlanRole::Pod => {
                "Hosts and containers have a VLAN each: give the hosts one of role host with a subnet of \
                 its own, and leave this one to containers."
            }
            _ => "Give it the role host, if it is the hosts' VLAN; or correct the address.",
        };
        found.put(Finding {
            rule: &VLAN_ROLE,
            place: place.at("role"),
            message: format!(
                "{address} of {} is in VLAN {}, which has the role {role}",
                host.name, vlan.id
            ),
            help: help.to_owned(),
            related: Some((
                c.host_at(i).at("addresses").at(k),
                "a host's address".to_owned(),
            )),
        });
    }
}

/// Interfaces that no uplink can be.
fn names(c: &Context<'_>, i: usize, host: &Host, found: &mut Findings) {
    let at = c.host_at(i).at("uplink");
    let own = (host.uplink.interface.as_str(), at.clone().at("interface"));
    let nics = host.uplink.nics.iter().enumerate();
    let nics = nics.map(|(j, n)| {
        (
            n.interface.as_str(),
            at.clone().at("nics").at(j).at("interface"),
        )
    });
    let vpc = c
        .site_of(i)
        .is_some_and(|(_, s)| s.site_type == SiteType::Vpc);
    let mut seen = BTreeSet::new();
    for (name, place) in std::iter::once(own).chain(nics) {
        // In a VPC the uplink stays as it is, and may be a VLAN's.
        let why = match no_uplink(name) {
            Some((_, true)) if vpc => continue,
            Some((why, _)) if seen.insert(name) => why,
            _ => continue,
        };
        let message = format!("{name} of {} is no uplink: {why}", host.name);
        found.add(&UPLINK_NAME, place, message);
    }
}

/// Why an interface of that name is no uplink, and whether it is one of a VLAN.
fn no_uplink(name: &str) -> Option<(String, bool)> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let numbered = |prefix: &str| name.strip_prefix(prefix).is_some_and(digits);
    // A generation in hexadecimal.
    let of_container = |rest: &str| {
        let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        (1..=12).contains(&rest.len()) && rest.bytes().all(hex)
    };
    let why = match name {
        "lo" => "it is the loopback interface",
        "br-flat" | "flat0" | "ovs-system" => "netd makes it",
        "docker0" | "cni0" | "virbr0" => "it is the bridge of something else on the host",
        _ if name.contains('%') => "it is a template, not a name",
        _ if name.strip_prefix("fn").is_some_and(of_container) || name.starts_with("fnprobe") => {
            "netd makes such"
        }
        _ if name.starts_with("veth") => "it is an end of a container's link",
        _ if numbered("vlan") => {
            return Some(("it is one VLAN of a NIC; name the NIC beneath".into(), true));
        }
        _ => {
            let (beneath, id) = name.rsplit_once('.')?;
            let why =
                format!("it is VLAN {id} of {beneath}; name {beneath}, which carries all of them");
            return digits(id).then_some((why, true));
        }
    };
    Some((why.to_owned(), false))
}

/// Switches whose uplinks form a loop: a broadcast frame is forwarded endlessly.
///
/// Peers are one switch. What is told: switches that lead back to themselves by their uplinks, and
/// a switch that hangs on two others of which one hangs on the other. Two leaves on the same two
/// spines are not told: in a routed fabric, which is written the same way, they are no loop, and
/// the plan does not say which links are routed.
fn loops(c: &Context<'_>, index: usize, found: &mut Findings) {
    let switches = &c.sites()[index].switches;
    let group = groups(c, index);
    // Edges between groups, without those where a spanning tree cuts loops: the switch, the index
    // of its uplink, and the switch there.
    let mut edges: Vec<(usize, usize, usize)> = Vec::new();
    for (i, switch) in switches.iter().enumerate() {
        for (k, name) in switch.uplinks.iter().enumerate() {
            let Some(up) = c.switch(index, name) else {
                continue;
            };
            if group[i] != group[up] && !switch.spanning_tree && !switches[up].spanning_tree {
                edges.push((i, k, up));
            }
        }
    }
    let mut above: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); switches.len()];
    for (i, _, up) in &edges {
        above[group[*i]].insert(group[*up]);
    }
    let component = components(&above);
    // A loop is told once: at the uplink that leads down, to what the fewest hang on; of several
    // such at the last.
    let mut hanging: BTreeMap<usize, usize> = BTreeMap::new();
    for (_, _, up) in &edges {
        *hanging.entry(group[*up]).or_default() += 1;
    }
    let mut down: BTreeMap<usize, (usize, usize)> = BTreeMap::new();
    for (e, (i, _, up)) in edges.iter().enumerate() {
        if component[group[*i]] == component[group[*up]] {
            let (few, at) = down.entry(component[group[*i]]).or_insert((usize::MAX, e));
            if hanging[&group[*up]] <= *few {
                (*few, *at) = (hanging[&group[*up]], e);
            }
        }
    }
    let mut told: BTreeSet<usize> = BTreeSet::new();
    for (e, (i, k, up)) in edges.into_iter().enumerate() {
        let (from, to) = (group[i], group[up]);
        let round = component[from] == component[to];
        // Both of two that one hangs on, one of which hangs on the other.
        let across = || {
            let mut others = above[from].iter().filter(|other| **other != to);
            others.any(|other| above[*other].contains(&to))
        };
        let is_it = round && down.get(&component[from]).is_some_and(|(_, at)| *at == e);
        if is_it || (!round && across() && told.insert(i)) {
            let place = Path::spec().at("sites").at(index).at("switches").at(i);
            let message = format!(
                "{} hangs on {}, and there is another way between them: a loop",
                switches[i].name, switches[up].name
            );
            found.add(&LOOP, place.at("uplinks").at(k), message);
        }
    }
}

/// For each switch the group that it is one with by `peers`, by the index of one of them.
fn groups(c: &Context<'_>, index: usize) -> Vec<usize> {
    let switches = &c.sites()[index].switches;
    let mut parent: Vec<usize> = (0..switches.len()).collect();
    fn root(parent: &mut [usize], mut at: usize) -> usize {
        while parent[at] != at {
            parent[at] = parent[parent[at]];
            at = parent[at];
        }
        at
    }
    for (i, switch) in switches.iter().enumerate() {
        for peer in switch.peers.iter().filter_map(|p| c.switch(index, p)) {
            let (a, b) = (root(&mut parent, i), root(&mut parent, peer));
            parent[b] = a;
        }
    }
    (0..switches.len()).map(|i| root(&mut parent, i)).collect()
}

/// For each group its strongly connected component: two have the same one where each leads to the
/// other. Tarjan's algorithm with a stack of its own, for a chain of switches may be long.
fn components(above: &[BTreeSet<usize>]) -> Vec<usize> {
    const NEW: usize = usize::MAX;
    let (mut order, mut low) = (vec![NEW; above.len()], vec![NEW; above.len()]);
    let mut component = vec![NEW; above.len()];
    let (mut open, mut seen) = (Vec::new(), 0);
    for start in 0..above.len() {
        if order[start] != NEW {
            continue;
        }
        // Each with those of its uplinks that are still to be followed.
        let mut path = vec![(start, above[start].iter())];
        (order[start], low[start]) = (seen, seen);
        seen += 1;
        open.push(start);
        while let Some((at, rest)) = path.last_mut() {
            let at = *at;
            match rest.next() {
                Some(&next) if order[next] == NEW => {
                    (order[next], low[next]) = (seen, seen);
                    seen += 1;
                    open.push(next);
                    path.push((next, above[next].iter()));
                }
                // Still open: it leads back to where this path came from.
                Some(&next) if component[next] == NEW => low[at] = low[at].min(order[next]),
                Some(_) => {}
                None => {
                    path.pop();
                    if let Some((before, _)) = path.last() {
                        low[*before] = low[*before].min(low[at]);
                    }
                    if low[at] == order[at] {
                        while let Some(member) = open.pop() {
                            component[member] = at;
                            if member == at {
                                break;
                            }
                        }
                    }
                }
            }
        }
    }
    component
}
