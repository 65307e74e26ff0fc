//! Edits of cables, of bonds' switches, and of what a switch says of its ports.

use super::hosts::Member;
use super::{Edit, Subjects};
use crate::finding::{LACP_PEERS, NATIVE, NOT_PEERS, PORT_TWICE};
use crate::model::{NetworkPlan, Site};
use crate::source::Path;

/// Edits of the cables of the hosts and groups that findings are about.
pub(super) fn edits(plan: &NetworkPlan, subjects: &Subjects, edits: &mut Vec<Edit>) {
    let hosts = subjects.hosts.iter().map(|i| Member::Host(*i));
    let groups = subjects.groups.iter().map(|i| Member::Group(*i));
    for member in hosts.chain(groups) {
        if let Some(common) = member.look(plan) {
            of_member(plan, (member, common.name), subjects, edits);
        }
    }
}

/// Edits of the cables of one host or group.
fn of_member(
    plan: &NetworkPlan,
    (member, name): (Member, &str),
    subjects: &Subjects,
    edits: &mut Vec<Edit>,
) {
    if subjects.says(&["FN0406"]) {
        ports(plan, (member, name), edits);
    }
    // Of a switch that names the wrong peer, the switch is told.
    let mut sites = subjects
        .sites
        .iter()
        .filter_map(|i| plan.spec.sites.get(*i));
    let mispaired = sites.any(|site| !strangers(site).is_empty());
    if !mispaired && subjects.says(&["FN0402", "FN0403", "FN0406"]) {
        switches(plan, member, name, edits);
    }
}

/// The switches of its uplink, each as if it were not said.
fn switches(plan: &NetworkPlan, member: Member, name: &str, edits: &mut Vec<Edit>) {
    let mut copy = plan.clone();
    let nics = member.uplink(&mut copy).nics.clone();
    if nics.len() < 2 {
        return;
    }
    for (k, nic) in nics.iter().enumerate() {
        let Some(switch) = &nic.switch else { continue };
        let words = (
            format!(
                "switch {switch} of {} of {name} does not fit its other NICs",
                nic.interface
            ),
            "Correct the switch, or the others.".to_owned(),
        );
        let apply = move |p: &mut NetworkPlan| member.uplink(p).nics[k].switch = None;
        let place = member.at().at("uplink").at("nics").at(k).at("switch");
        edits.push(Edit::new(place, &NOT_PEERS, words, apply));
    }
}

/// Its ports, each as if it were not said: in the port of another host a cable has the port's VLANs too.
fn ports(plan: &NetworkPlan, (member, name): (Member, &str), edits: &mut Vec<Edit>) {
    let Member::Host(index) = member else { return };
    let Some(host) = plan.spec.hosts.get(index) else {
        return;
    };
    let uplink = &host.uplink;
    let own = uplink.port.iter().map(|port| (None, port));
    let of_nics = uplink.nics.iter().enumerate();
    let of_nics = of_nics.filter_map(|(k, nic)| Some((Some(k), nic.port.as_ref()?)));
    for (nic, port) in own.chain(of_nics) {
        let words = (
            format!("port {port} is not {name}'s: another host is in it"),
            "Correct the port.".to_owned(),
        );
        let apply = move |p: &mut NetworkPlan| {
            let uplink = member.uplink(p);
            match nic {
                Some(k) => uplink.nics[k].port = None,
                None => uplink.port = None,
            }
        };
        let at = member.at().at("uplink");
        let at = match nic {
            Some(k) => at.at("nics").at(k),
            None => at,
        };
        edits.push(Edit::new(at.at("port"), &PORT_TWICE, words, apply).in_own_words());
    }
}

/// Edits of the switches of a site.
pub(super) fn of_site(
    plan: &NetworkPlan,
    index: usize,
    subjects: &Subjects,
    edits: &mut Vec<Edit>,
) {
    let Some(site) = plan.spec.sites.get(index) else {
        return;
    };
    if subjects.says(&["FN0312"]) {
        natives(site, index, edits);
    }
    if subjects.says(&["FN0402", "FN0403"]) {
        peers(site, index, edits);
    }
}

/// The VLAN without a tag at a switch's ports: that of the hosts.
fn natives(site: &Site, index: usize, edits: &mut Vec<Edit>) {
    for (i, switch) in site.switches.iter().enumerate() {
        let Some(native) = switch.native else {
            continue;
        };
        let others = site.host_vlans().map(|v| v.id).filter(|id| *id != native);
        for id in others.take(2) {
            let words = (
                format!(
                    "the ports of {} carry VLAN {native} without a tag, and its hosts send those of VLAN {id} so",
                    switch.name
                ),
                format!("Write `native: {id}`, or give the hosts other ports."),
            );
            let apply =
                move |p: &mut NetworkPlan| p.spec.sites[index].switches[i].native = Some(id);
            let place = switch_at(index, i).at("native");
            edits.push(Edit::new(place, &NATIVE, words, apply).in_own_words());
        }
    }
}

/// A peer that is another switch's, where a switch has none.
fn peers(site: &Site, index: usize, edits: &mut Vec<Edit>) {
    let has_peer = |name: &str| {
        let mut others = site.switches.iter();
        others
            .any(|s| (s.name == *name && !s.peers.is_empty()) || s.peers.iter().any(|p| p == name))
    };
    let alone: Vec<&str> = site
        .switches
        .iter()
        .map(|s| s.name.as_str())
        .filter(|name| !has_peer(name))
        .take(8)
        .collect();
    for (i, j) in strangers(site).into_iter().take(4) {
        let switch = &site.switches[i];
        for name in alone.iter().filter(|name| **name != switch.name) {
            let words = (
                format!(
                    "{} has the peer {}, which is another switch's, and bonds end at it and {name}",
                    switch.name, switch.peers[j]
                ),
                format!("Write `peers: [{name}]`."),
            );
            let other = (*name).to_owned();
            let apply = move |p: &mut NetworkPlan| {
                p.spec.sites[index].switches[i].peers[j].clone_from(&other);
            };
            let place = switch_at(index, i).at("peers").at(j);
            let edit = Edit::new(place, &LACP_PEERS, words, apply);
            edits.push(edit.in_own_words().alone());
        }
    }
}

/// Names of peers that another switch is a peer of already: the switch, and the index in its list.
fn strangers(site: &Site) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (i, switch) in site.switches.iter().enumerate() {
        let [name] = switch.peers.as_slice() else {
            continue;
        };
        let mut others = site.switches.iter().filter(|s| s.name != switch.name);
        let taken = others.any(|s| {
            let named = s.peers.iter().any(|p| p == name);
            let names = s.name == *name && s.peers.iter().any(|p| *p != switch.name);
            named || names
        });
        if taken {
            found.push((i, 0));
        }
    }
    found
}

fn switch_at(site: usize, switch: usize) -> Path {
    let site = Path::spec().at("sites").at(site);
    site.at("switches").at(switch)
}
