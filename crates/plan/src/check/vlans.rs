//! VLANs: their IDs, their roles, and the trunks that carry them.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use flatnet_types::VlanId;

use super::{Context, Findings};
use crate::finding::{
    DUPLICATE_VLAN, NOT_TRUNKED, TRUNKED_UNUSED, VLAN_EMPTY, VLAN_RESERVED, VLAN_ROLE, VLAN_SITE,
};
use crate::model::{Host, Network, SiteType, VlanRole};
use crate::slices::is_cut;
use crate::source::{Node, Path, Span, Step, Value};

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for site in 0..c.sites().len() {
        ids(c, site, found);
    }
    roles(c, found);
    trunks(c, found);
}

/// VLAN IDs in a document that no VLAN can have (IEEE 802.1Q-2018 §9.6), which the model
/// has no value for.
pub(crate) fn vlan_ids_out_of_bounds(tree: &Node<'_>) -> Vec<(Span, i64)> {
    fn one(node: &Node<'_>, found: &mut Vec<(Span, i64)>) {
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse().ok(),
            _ => None,
        };
        if let Some(id) = number.filter(|id| !(1..=4094).contains(id)) {
            found.push((node.span, id));
        }
    }
    fn list(node: Option<&Node<'_>>, found: &mut Vec<(Span, i64)>) {
        for item in node.map(Node::items).unwrap_or_default() {
            one(item, found);
        }
    }
    let mut found = Vec::new();
    let items = |of: &'static str| tree.get("spec").and_then(|s| s.get(of)).map(Node::items);
    for site in items("sites").unwrap_or_default() {
        for vlan in site.get("vlans").map(Node::items).unwrap_or_default() {
            if let Some(id) = vlan.get("id") {
                one(id, &mut found);
            }
        }
        for switch in site.get("switches").map(Node::items).unwrap_or_default() {
            list(switch.get("trunk"), &mut found);
            list(switch.get("peerTrunk"), &mut found);
            if let Some(id) = switch.get("native") {
                one(id, &mut found);
            }
            list(switch.get("reservedVlans"), &mut found);
            for port in switch.get("ports").map(Node::items).unwrap_or_default() {
                list(port.get("trunk"), &mut found);
                if let Some(id) = port.get("native") {
                    one(id, &mut found);
                }
            }
        }
    }
    for network in items("networks").unwrap_or_default() {
        if let Some(id) = network.get("vlan") {
            one(id, &mut found);
        }
        for trunk in network.get("trunk").map(Node::items).unwrap_or_default() {
            if let Some(id) = trunk.get("vlan") {
                one(id, &mut found);
            }
        }
    }
    for of in ["hosts", "hostGroups"] {
        for host in items(of).unwrap_or_default() {
            list(host.get("uplink").and_then(|u| u.get("trunk")), &mut found);
        }
    }
    found
}

/// IDs that switches keep for themselves: the default VLAN, and those of FDDI and Token Ring.
fn kept_by_all(id: VlanId) -> bool {
    matches!(id.get(), 1 | 1002..=1005)
}

fn ids(c: &Context<'_>, index: usize, found: &mut Findings) {
    let site = &c.sites()[index];
    let at = |i: usize| {
        Path::spec()
            .at("sites")
            .at(index)
            .at("vlans")
            .at(i)
            .at("id")
    };
    let mut kept: HashMap<VlanId, (usize, usize)> = HashMap::new();
    for (i, switch) in site.switches.iter().enumerate() {
        for (j, id) in switch.reserved_vlans.iter().enumerate() {
            kept.entry(*id).or_insert((i, j));
        }
    }
    let mut seen: HashMap<VlanId, usize> = HashMap::new();
    for (i, vlan) in site.vlans.iter().enumerate() {
        if let Some(first) = seen.get(&vlan.id) {
            let message = format!("VLAN {} of {} is given twice", vlan.id, site.name);
            found.add_with(
                &DUPLICATE_VLAN,
                at(i),
                message,
                (at(*first), "the first one"),
            );
        } else {
            seen.insert(vlan.id, i);
        }
        if kept_by_all(vlan.id) {
            let message = format!("VLAN ID {} is reserved on most switches", vlan.id);
            found.add(&VLAN_RESERVED, at(i), message);
        } else if let Some((switch, j)) = kept.get(&vlan.id) {
            let place = Path::spec()
                .at("sites")
                .at(index)
                .at("switches")
                .at(*switch);
            let name = &site.switches[*switch].name;
            found.add_with(
                &VLAN_RESERVED,
                at(i),
                format!("{name} keeps VLAN ID {} for itself", vlan.id),
                (place.at("reservedVlans").at(*j), "kept here"),
            );
        }
    }
}

fn roles(c: &Context<'_>, found: &mut Findings) {
    let of_host = |i: usize| {
        let (site, _) = c.site_of(i)?;
        Some((site, c.host_vlan_of(i)?.id))
    };
    let inhabited: HashSet<(usize, VlanId)> = (0..c.hosts().len()).filter_map(of_host).collect();
    for (i, site) in c.sites().iter().enumerate() {
        let at = |j: usize| Path::spec().at("sites").at(i).at("vlans").at(j).at("role");
        let several = site.host_vlans().count() > 1 && !c.lacks_hosts(site);
        for (j, vlan) in site.vlans.iter().enumerate() {
            if several && vlan.role == VlanRole::Host && !inhabited.contains(&(i, vlan.id)) {
                let message = format!(
                    "{} has several VLANs of role host, and no host has its addresses in VLAN {}",
                    site.name, vlan.id
                );
                found.add(&VLAN_EMPTY, at(j), message);
            }
        }
    }
    for (i, network) in c.networks().iter().enumerate() {
        let place = Path::spec().at("networks").at(i);
        let Some((index, site)) = c.site(&network.site) else {
            continue;
        };
        match (site.site_type, network.vlan) {
            (SiteType::Vpc, Some(id)) => {
                let message = format!("{} is a VPC, which has no VLAN {id}", site.name);
                found.add(&VLAN_SITE, place.at("vlan"), message);
            }
            (SiteType::Idc, None) => {
                let message = format!("{} is in an IDC and has no vlan", network.name);
                found.add(&VLAN_SITE, place, message);
            }
            (SiteType::Vpc, None) => {}
            (SiteType::Idc, Some(id)) => {
                let Some(vlan) = c.vlan(index, id) else {
                    continue;
                };
                let role = site.vlans[vlan].role;
                if role != VlanRole::Pod {
                    let of = Path::spec().at("sites").at(index).at("vlans").at(vlan);
                    found.add_with(
                        &VLAN_ROLE,
                        place.at("vlan"),
                        format!("VLAN {id} has the role {}, not pod", role.as_str()),
                        (of.at("role"), "its role"),
                    );
                }
            }
        }
    }
}

/// A list of VLANs that a cable carries, and where it is written.
struct Trunk<'p> {
    vlans: &'p [VlanId],
    place: Path,
    name: String,
}

/// Every list that says what is carried between a host and its switches: the host's own,
/// and for each cable the port's, or the switch's where the port is not listed.
fn lists<'p>(c: &Context<'p>, index: usize, host: &'p Host) -> Vec<Trunk<'p>> {
    let mut lists = Vec::new();
    if let Some(vlans) = &host.uplink.trunk {
        lists.push(Trunk {
            vlans,
            place: c.host_at(index).at("uplink").at("trunk"),
            name: format!("the uplink of {}", host.name),
        });
    }
    let Some((site_index, site)) = c.site_of(index) else {
        return lists;
    };
    for cable in c.cables(index) {
        let i = cable.switch;
        let switch = &site.switches[i];
        let at = Path::spec().at("sites").at(site_index).at("switches").at(i);
        let port = switch
            .ports
            .iter()
            .position(|p| Some(p.name.as_str()) == cable.port);
        match (port, &switch.trunk) {
            (Some(j), _) => lists.push(Trunk {
                vlans: &switch.ports[j].trunk,
                place: at.at("ports").at(j).at("trunk"),
                name: format!("port {} of {}", switch.ports[j].name, switch.name),
            }),
            (None, Some(vlans)) => lists.push(Trunk {
                vlans,
                place: at.at("trunk"),
                name: format!("the trunk of {}", switch.name),
            }),
            (None, None) => {}
        }
    }
    lists
}

/// How many of a host's cables end at a switch that the plan names.
fn named_switches(host: &Host) -> usize {
    let uplink = &host.uplink;
    match uplink.nics.as_slice() {
        [] => usize::from(uplink.switch.is_some()),
        nics => nics.iter().filter(|n| n.switch.is_some()).count(),
    }
}

/// What is known of a list when all hosts were looked at.
struct Carried {
    name: String,
    vlans: Vec<VlanId>,
    used: BTreeSet<VlanId>,
    hosts: usize,
}

fn trunks(c: &Context<'_>, found: &mut Findings) {
    // A pool that cannot be cut is told; that nobody uses its VLAN follows from it.
    let cut_wrong = |n: &&Network| {
        n.pools
            .iter()
            .any(|p| p.slice_length.is_some() && !is_cut(p))
    };
    let uncut = c.networks().iter().filter(cut_wrong);
    let uncut: BTreeSet<VlanId> = uncut.filter_map(|n| n.vlan).collect();
    // A cable to a switch that is not there is told; that nobody uses its VLANs at the right one
    // follows from it.
    let mut astray: BTreeSet<(usize, VlanId)> = BTreeSet::new();
    // For each list: the VLANs on it, those that a host behind it uses, and how many hosts are.
    let mut used_of: BTreeMap<Path, Carried> = BTreeMap::new();
    // For each list and VLAN that it lacks: the hosts behind it that use the VLAN.
    let mut lacking: BTreeMap<(Path, VlanId), (String, Vec<usize>)> = BTreeMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let used = c.vlans_of(i);
        if let Some((index, _)) = c.site_of(i)
            && c.cables(i).len() < named_switches(host)
        {
            astray.extend(used.iter().map(|id| (index, *id)));
        }
        for list in lists(c, i, host) {
            for id in used.iter().filter(|id| !list.vlans.contains(id)) {
                let key = (list.place.clone(), *id);
                lacking
                    .entry(key)
                    .or_insert_with(|| (list.name.clone(), Vec::new()))
                    .1
                    .push(i);
            }
            let carried = used_of.entry(list.place).or_insert_with(|| Carried {
                name: list.name,
                vlans: list.vlans.to_vec(),
                used: BTreeSet::new(),
                hosts: 0,
            });
            carried.used.extend(used);
            carried.used.extend(c.tagged_of(i));
            carried.hosts += 1;
        }
    }
    // For each line of hosts and VLAN: the hosts that lack it somewhere.
    let mut without: BTreeMap<(Path, VlanId), BTreeSet<usize>> = BTreeMap::new();
    for ((_, id), (_, hosts)) in &lacking {
        for host in hosts {
            let key = (c.host_at(*host), *id);
            without.entry(key).or_default().insert(*host);
        }
    }
    let mut members: BTreeMap<Path, usize> = BTreeMap::new();
    for i in 0..c.hosts().len() {
        *members.entry(c.host_at(i)).or_default() += 1;
    }
    for ((place, id), (name, hosts)) in lacking {
        let line = hosts.first().map(|i| c.host_at(*i)).unwrap_or_default();
        let some = without.get(&(line.clone(), id)).map_or(0, BTreeSet::len);
        let few = members.get(&line).is_some_and(|all| some < *all);
        let most = used_of
            .get(&place)
            .is_some_and(|l| hosts.len() * 2 > l.hosts);
        let few = few || most;
        lacks(c, (place, &name, id), (&hosts, few), found);
    }
    for (
        place,
        Carried {
            name, vlans, used, ..
        },
    ) in used_of
    {
        let of_switch = match *place.steps() {
            [_, Step::Key("sites"), Step::Index(site), ..] => Some(site),
            _ => None,
        };
        if of_switch.is_some_and(|site| c.lacks_hosts(&c.sites()[site])) {
            continue;
        }
        let is_astray = |id| of_switch.is_some_and(|site| astray.contains(&(site, id)));
        for (i, id) in vlans.iter().enumerate() {
            if !used.contains(id) && !uncut.contains(id) && !is_astray(*id) {
                let message = format!("no host behind it uses VLAN {id}, which {name} carries");
                let message = match place.steps().contains(&"uplink".into()) {
                    true => format!("{name} carries VLAN {id}, which nothing on the host uses"),
                    false => message,
                };
                found.add(&TRUNKED_UNUSED, place.clone().at(i), message);
            }
        }
    }
}

/// A list that lacks a VLAN. What several lines of hosts use is missing in the list, and so is what
/// most hosts behind it use, and what other members of a group have (`missing`); what one line of
/// many uses may be too much of it.
fn lacks(
    c: &Context<'_>,
    (place, name, id): (Path, &str, VlanId),
    (hosts, missing): (&[usize], bool),
    found: &mut Findings,
) {
    let [first, ..] = hosts else { return };
    let lines: BTreeSet<Path> = hosts.iter().map(|i| c.host_at(*i)).collect();
    let host = &c.hosts()[*first];
    if lines.len() > 1 || missing {
        let message = match hosts.len() {
            1 => format!("{name} does not carry VLAN {id}, which {} uses", host.name),
            n => format!(
                "{name} does not carry VLAN {id}, which {n} hosts behind it use, {} among them",
                host.name
            ),
        };
        found.add_with(
            &NOT_TRUNKED,
            place,
            message,
            (user(c, *first, host, id), "used here"),
        );
        return;
    }
    for i in hosts {
        let host = &c.hosts()[*i];
        found.add_with(
            &NOT_TRUNKED,
            user(c, *i, host, id),
            format!("{} uses VLAN {id}, which {name} does not carry", host.name),
            (place.clone(), "carries these only"),
        );
    }
}

/// What makes a host use a VLAN: the range of a network on it, the slice that ipamd cuts of
/// one, or the host's own addresses.
fn user(c: &Context<'_>, index: usize, host: &Host, id: VlanId) -> Path {
    let range = (0..host.ranges.len()).find(|r| {
        c.network_of(index, *r)
            .is_some_and(|(_, n)| n.vlan == Some(id))
    });
    let mut slices = c.slices_of(index).iter();
    match range {
        Some(i) => c.host_at(index).at("ranges").at(i).at("network"),
        // The host has no line of it, and the pool is right for all others.
        None if slices.any(|s| c.networks()[s.network].vlan == Some(id)) => c.host_at(index),
        None => c.host_at(index).at("addresses").at(0),
    }
}
