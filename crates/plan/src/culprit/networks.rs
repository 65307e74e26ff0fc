//! Edits of networks: their site, their VLANs and their density.

use std::collections::BTreeSet;

use flatnet_types::VlanId;

use super::{Edit, Subjects};
use crate::finding::{DANGLING, POOL_OUTSIDE, RANGE_SMALL, TRUNK, VLAN_SITE};
use crate::model::{Network, NetworkPlan, Site, VlanRole};
use crate::prefix::covers;
use crate::source::Path;

/// The networks that findings are about, and those of the ranges of hosts and groups that they are
/// about.
pub(super) fn with_ranges(plan: &NetworkPlan, subjects: &Subjects) -> BTreeSet<usize> {
    let spec = &plan.spec;
    let hosts = subjects.hosts.iter().filter_map(|i| spec.hosts.get(*i));
    let of_hosts = hosts.flat_map(|h| h.ranges.iter().map(|r| &r.network));
    let groups = subjects.groups.iter();
    let groups = groups.filter_map(|i| spec.host_groups.get(*i));
    let of_groups = groups.flat_map(|g| g.ranges.iter().map(|r| &r.network));
    let named = of_hosts.chain(of_groups);
    let at = named.filter_map(|name| spec.networks.iter().position(|n| n.name == *name));
    at.chain(subjects.networks.iter().copied()).collect()
}

pub(super) fn of_network(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(network) = plan.spec.networks.get(index) else {
        return;
    };
    let at = Path::spec().at("networks").at(index);
    // Where the hosts are that have ranges of it.
    let hosts = plan.spec.hosts.iter();
    let hosts = hosts.filter(|h| h.ranges.iter().any(|r| r.network == network.name));
    let groups = plan.spec.host_groups.iter();
    let groups = groups.filter(|g| g.ranges.iter().any(|r| r.network == network.name));
    let used: BTreeSet<&str> = hosts
        .map(|h| h.site.as_str())
        .chain(groups.map(|g| g.site.as_str()))
        .filter(|s| *s != network.site)
        .collect();
    for target in used.into_iter().take(2) {
        let words = (
            format!(
                "network {} is in {}, and the hosts that have ranges of it are in {target}",
                network.name, network.site
            ),
            format!("Write `site: {target}`, or give the hosts ranges of another network."),
        );
        let target = target.to_owned();
        let apply = move |p: &mut NetworkPlan| p.spec.networks[index].site.clone_from(&target);
        let rule = match plan.site(&network.site) {
            Some(_) => &VLAN_SITE,
            None => &DANGLING,
        };
        edits.push(Edit::new(at.clone().at("site"), rule, words, apply).alone());
    }
    let Some(site) = plan.site(&network.site) else {
        return;
    };
    tagged(network, (index, site), &at, edits);
    let bears = |id: VlanId| {
        let mut vlans = site.vlans.iter().filter(|v| v.id == id);
        vlans.any(|v| holds_pool(network, v.subnets.iter().map(|s| s.prefix)))
    };
    let ids = site.vlans.iter().map(|v| v.id);
    let target = ids
        .filter(|id| Some(*id) != network.vlan)
        .find(|id| bears(*id));
    if let Some(id) = target {
        let (place, message) = match network.vlan {
            Some(vlan) => (
                at.at("vlan"),
                format!(
                    "network {} is in VLAN {vlan}, and its pools are in the subnets of VLAN {id}",
                    network.name
                ),
            ),
            None => (at, format!("network {} has no vlan", network.name)),
        };
        let help = format!("Write `vlan: {id}`, or correct the pools.");
        let apply = move |p: &mut NetworkPlan| p.spec.networks[index].vlan = Some(id);
        let rule = match network.vlan {
            Some(vlan) if site.vlan(vlan).is_some() => &POOL_OUTSIDE,
            Some(_) => &DANGLING,
            None => &VLAN_SITE,
        };
        edits.push(Edit::new(place, rule, (message, help), apply));
    }
}

/// VLANs that its containers may send tagged, with another ID.
fn tagged(network: &Network, (index, site): (usize, &Site), at: &Path, edits: &mut Vec<Edit>) {
    for (j, trunk) in network.trunk.iter().enumerate().take(4) {
        let named = |id: VlanId| network.trunk.iter().any(|t| t.vlan == id);
        let pods = site.vlans.iter().filter(|v| v.role == VlanRole::Pod);
        let others = pods.filter(|v| Some(v.id) != network.vlan && !named(v.id));
        for id in others.map(|v| v.id).take(4) {
            let words = (
                format!(
                    "network {} has no use for VLAN {}",
                    network.name, trunk.vlan
                ),
                format!("Write `vlan: {id}`, or another VLAN of role pod of the site."),
            );
            let apply = move |p: &mut NetworkPlan| p.spec.networks[index].trunk[j].vlan = id;
            let place = at.clone().at("trunk").at(j).at("vlan");
            edits.push(Edit::new(place, &TRUNK, words, apply));
        }
    }
}

/// A density of its own, where all other networks that have one have the same.
pub(super) fn usual_density(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(network) = plan.spec.networks.get(index) else {
        return;
    };
    let others = plan.spec.networks.iter().enumerate();
    let others: Vec<u32> = others
        .filter(|(i, _)| *i != index)
        .filter_map(|(_, n)| n.density)
        .collect();
    let (Some(own), [usual, _, ..]) = (network.density, others.as_slice()) else {
        return;
    };
    let usual = *usual;
    if own <= usual || others.iter().any(|d| *d != usual) {
        return;
    }
    let words = (
        format!(
            "a density of {own} in {} is more than its ranges and the switches have room for",
            network.name
        ),
        format!("Other networks have {usual}; or give the hosts larger ranges."),
    );
    let apply = move |p: &mut NetworkPlan| p.spec.networks[index].density = Some(usual);
    let place = Path::spec().at("networks").at(index).at("density");
    edits.push(
        Edit::new(place, &RANGE_SMALL, words, apply)
            .in_own_words()
            .alone(),
    );
}

fn holds_pool(network: &Network, mut subnets: impl Iterator<Item = ipnetwork::IpNetwork>) -> bool {
    subnets.any(|s| network.pools.iter().any(|p| covers(s, p.prefix)))
}
