//! Edits of prefixes: subnets, pools and what is set aside in them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

use super::{Edit, Subjects};
use crate::finding::{
    ADDRESS_OUTSIDE, GATEWAY_OUTSIDE, LINK_OVERLAP, NO_ROOM, POOL_OUTSIDE, RANGE_OUTSIDE, RESERVED,
    Rule, VSWITCH_OUTSIDE,
};
use crate::model::{Network, NetworkPlan, Subnet};
use crate::prefix::{Position, bits, bounds, covers};
use crate::source::Path;

pub(super) fn edits(plan: &NetworkPlan, subjects: &Subjects, edits: &mut Vec<Edit>) {
    for site in subjects.sites.iter().copied() {
        subnets(plan, site, edits);
    }
    for network in subjects.networks.iter().copied() {
        pools(plan, network, edits);
    }
    for link in subjects.links.iter().copied() {
        transfers(plan, link, edits);
    }
}

/// An address with its part for the host in another subnet: 10.1.2.3/24 in 10.9.0.0/24 is 10.9.0.3/24.
pub(super) fn moved(address: IpNetwork, subnet: IpNetwork) -> Option<IpNetwork> {
    if address.is_ipv4() != subnet.is_ipv4() {
        return None;
    }
    let (first, last) = bounds(subnet);
    let mask = last.value - first.value;
    let value = first.value | (Position::of(address.ip()).value & mask);
    let moved = Position { value, ..first };
    IpNetwork::new(moved.address()?, subnet.prefix()).ok()
}

/// A prefix of the same size that no sensible plan has, and two addresses in it.
pub(super) fn elsewhere(prefix: IpNetwork, which: usize) -> Option<(IpNetwork, IpAddr, IpAddr)> {
    let which = u8::try_from(which % 256).ok()?;
    let base: IpAddr = match prefix {
        IpNetwork::V4(p) if p.prefix() < 16 => Ipv4Addr::new(11, 0, 0, 0).into(),
        IpNetwork::V4(_) => Ipv4Addr::new(11, which, 0, 0).into(),
        IpNetwork::V6(_) => Ipv6Addr::new(0xfdff, 0xfffe, which.into(), 0, 0, 0, 0, 0).into(),
    };
    let (first, last) = bounds(IpNetwork::new(base, prefix.prefix()).ok()?);
    let second = first.forward(1)?;
    let ends = match last.value - first.value {
        0 | 1 => (first, last),
        _ => (second, second.forward(1)?),
    };
    let network = IpNetwork::new(first.address()?, prefix.prefix()).ok()?;
    Some((network, ends.0.address()?, ends.1.address()?))
}

/// The prefix of that length which an address is in.
fn around(address: IpAddr, length: u8) -> Option<IpNetwork> {
    let prefix = IpNetwork::new(address, length).ok()?;
    IpNetwork::new(prefix.network(), length).ok()
}

/// Which list of a site's subnets.
#[derive(Clone, Copy)]
enum Of {
    Vlan(usize),
    VSwitch(usize),
}

fn list_mut(plan: &mut NetworkPlan, site: usize, of: Of) -> &mut Vec<Subnet> {
    let site = &mut plan.spec.sites[site];
    match of {
        Of::Vlan(i) => &mut site.vlans[i].subnets,
        Of::VSwitch(i) => &mut site.v_switches[i].subnets,
    }
}

/// Subnets whose prefix does not fit their gateway, their pools or their hosts.
fn subnets(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(site) = plan.spec.sites.get(index) else {
        return;
    };
    let at = Path::spec().at("sites").at(index);
    let vlans = site.vlans.iter().enumerate();
    let vlans = vlans.map(|(i, v)| {
        (
            Of::Vlan(i),
            &v.subnets,
            at.clone().at("vlans").at(i),
            Some(v.id),
        )
    });
    let v_switches = site.v_switches.iter().enumerate();
    let v_switches = v_switches.map(|(i, v)| {
        (
            Of::VSwitch(i),
            &v.subnets,
            at.clone().at("vSwitches").at(i),
            None,
        )
    });
    for (of, list, at, vlan) in vlans.chain(v_switches) {
        for (k, subnet) in list.iter().enumerate() {
            let prefix = subnet.prefix;
            let mut targets: Vec<(IpNetwork, &'static Rule, String)> = Vec::new();
            let mut add = |target: Option<IpNetwork>, rule, why: &str| {
                if let Some(target) =
                    target.filter(|t| *t != prefix && t.is_ipv4() == prefix.is_ipv4())
                {
                    targets.push((target, rule, why.to_owned()));
                }
            };
            add(
                around(subnet.gateway, prefix.prefix()),
                &GATEWAY_OUTSIDE,
                "its gateway",
            );
            let here = |n: &&Network| n.site == site.name && n.vlan.is_some() && n.vlan == vlan;
            for network in plan.spec.networks.iter().filter(here) {
                for pool in &network.pools {
                    if !covers(prefix, pool.prefix) {
                        add(
                            Some(pool.prefix),
                            &POOL_OUTSIDE,
                            &format!("the pool {}", pool.prefix),
                        );
                    }
                }
            }
            if let Some(address) = foreign(plan, of, site, subnet) {
                add(
                    around(address.ip(), address.prefix()),
                    &ADDRESS_OUTSIDE,
                    &format!("the hosts' {address}"),
                );
            }
            let place = at.clone().at("subnets").at(k);
            for (target, rule, why) in targets {
                let words = (
                    format!("subnet {prefix} does not fit {why}"),
                    format!("Correct the prefix: {target} would fit."),
                );
                // Prefix and gateway may have gone wrong together.
                let own = IpNetwork::new(subnet.gateway, bits(prefix)).ok();
                let own = own.filter(|_| !target.contains(subnet.gateway));
                let gateway = own
                    .and_then(|g| moved(g, target))
                    .map_or(subnet.gateway, |g| g.ip());
                let apply = move |p: &mut NetworkPlan| {
                    list_mut(p, index, of)[k] = Subnet {
                        prefix: target,
                        gateway,
                    };
                };
                edits.push(Edit::new(place.clone().at("prefix"), rule, words, apply));
            }
            let first = bounds(prefix).0.forward(1).and_then(Position::address);
            let own = IpNetwork::new(subnet.gateway, bits(prefix)).ok();
            let own = own.and_then(|g| moved(g, prefix)).map(|g| g.ip());
            for gateway in own
                .into_iter()
                .chain(first)
                .filter(|g| *g != subnet.gateway)
            {
                let words = (
                    format!("the gateway {} does not fit {prefix}", subnet.gateway),
                    format!("Correct the gateway: {gateway} would fit."),
                );
                let apply = move |p: &mut NetworkPlan| list_mut(p, index, of)[k].gateway = gateway;
                edits.push(Edit::new(
                    place.clone().at("gateway"),
                    &GATEWAY_OUTSIDE,
                    words,
                    apply,
                ));
            }
        }
    }
    for (k, prefix) in site.prefixes.iter().enumerate() {
        let of_vpc = site
            .v_switches
            .iter()
            .flat_map(|v| &v.subnets)
            .map(|s| s.prefix);
        let first = of_vpc
            .clone()
            .find(|s| s.is_ipv4() == prefix.is_ipv4() && !covers(*prefix, *s));
        let target = first.and_then(|s| around(s.ip(), prefix.prefix().min(16)));
        let Some(target) = target.filter(|t| t != prefix) else {
            continue;
        };
        let words = (
            format!("{prefix} of {} does not hold its vSwitches", site.name),
            format!("Correct the prefix: {target} would hold them."),
        );
        let apply = move |p: &mut NetworkPlan| p.spec.sites[index].prefixes[k] = target;
        let place = at.clone().at("prefixes").at(k);
        edits.push(Edit::new(place, &VSWITCH_OUTSIDE, words, apply).alone());
    }
}

/// The first address of a host of a subnet's place that is not in the subnet, or has another length.
fn foreign(
    plan: &NetworkPlan,
    of: Of,
    site: &crate::model::Site,
    subnet: &Subnet,
) -> Option<IpNetwork> {
    let (name, prefix) = (site.name.as_str(), subnet.prefix);
    let v_switch = match of {
        Of::Vlan(i) if site.vlans[i].role != crate::model::VlanRole::Host => return None,
        Of::Vlan(_) => None,
        Of::VSwitch(i) => Some(site.v_switches[i].name.as_str()),
    };
    let hosts = plan.spec.hosts.iter();
    let hosts = hosts.map(|h| (&h.site, h.v_switch.as_deref(), &h.addresses));
    let groups = plan.spec.host_groups.iter();
    let groups = groups.map(|g| (&g.site, g.v_switch.as_deref(), &g.addresses));
    let here = hosts
        .chain(groups)
        .filter(|(s, v, _)| *s == name && *v == v_switch);
    let mut all = here.flat_map(|(_, _, addresses)| addresses.iter().copied());
    let differs = |a: &IpNetwork| {
        a.is_ipv4() == prefix.is_ipv4()
            && (a.prefix() != prefix.prefix() || !prefix.contains(a.ip()))
    };
    // With the gateway in it, it is of this subnet and not of another one of the site.
    let with_gateway = |a: &IpNetwork| differs(a) && a.contains(subnet.gateway);
    let mut first = all.clone();
    first.find(with_gateway).or_else(|| all.find(differs))
}

fn pools(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(network) = plan.spec.networks.get(index) else {
        return;
    };
    let at = Path::spec().at("networks").at(index).at("pools");
    let site = plan.site(&network.site);
    let vlan = site.and_then(|s| s.vlan(network.vlan?));
    for (j, pool) in network.pools.iter().enumerate() {
        let at = at.clone().at(j);
        let prefix = pool.prefix;
        let of_family = |p: &IpNetwork| p.is_ipv4() == prefix.is_ipv4();
        let subnets = vlan
            .into_iter()
            .flat_map(|v| v.subnets.iter().map(|s| s.prefix));
        let mut targets: Vec<IpNetwork> = subnets.filter(of_family).collect();
        let ranges = plan.spec.hosts.iter().flat_map(|h| &h.ranges);
        let ranges = ranges
            .filter(|r| r.network == network.name)
            .map(|r| r.prefix);
        let sub_allocated = plan.spec.host_groups.iter().flat_map(|g| &g.ranges);
        let sub_allocated = sub_allocated.filter(|r| r.network == network.name);
        let sub_allocated = sub_allocated.filter_map(|r| IpNetwork::new(r.from, r.length).ok());
        let outside = ranges
            .chain(sub_allocated)
            .filter(of_family)
            .find(|r| !covers(prefix, *r));
        if let Some(range) = outside {
            targets.extend(around(range.ip(), prefix.prefix()));
            targets.extend(around(range.ip(), 16.min(bits(range))).filter(|_| range.is_ipv4()));
        }
        targets.dedup();
        for target in targets.into_iter().filter(|t| *t != prefix) {
            let words = (
                format!(
                    "the pool {prefix} of {} does not fit its VLAN and its ranges",
                    network.name
                ),
                format!("Correct the prefix: {target} would fit."),
            );
            let apply = move |p: &mut NetworkPlan| p.spec.networks[index].pools[j].prefix = target;
            edits.push(Edit::new(at.clone().at("prefix"), &RANGE_OUTSIDE, words, apply).alone());
        }
        for (k, exclude) in pool.exclude.iter().enumerate() {
            let words = (
                format!(
                    "{exclude} is excluded from {}, and hosts have ranges in it",
                    network.name
                ),
                "Exclude less, or give the hosts other ranges.".to_owned(),
            );
            let Some(least) = around(exclude.network(), bits(*exclude)) else {
                continue;
            };
            let apply =
                move |p: &mut NetworkPlan| p.spec.networks[index].pools[j].exclude[k] = least;
            let place = at.clone().at("exclude").at(k);
            edits.push(Edit::new(place, &NO_ROOM, words, apply));
        }
        for (k, reserved) in pool.reservations.iter().enumerate() {
            let words = (
                format!(
                    "{} is set aside for {}, and hosts have ranges in it",
                    reserved.prefix, reserved.purpose
                ),
                "Set other addresses aside, or give the hosts other ranges.".to_owned(),
            );
            let Some(last) = bounds(prefix)
                .1
                .address()
                .and_then(|a| around(a, bits(prefix)))
            else {
                continue;
            };
            let apply = move |p: &mut NetworkPlan| {
                p.spec.networks[index].pools[j].reservations[k].prefix = last;
            };
            let place = at.clone().at("reservations").at(k).at("prefix");
            edits.push(Edit::new(place, &RESERVED, words, apply));
        }
    }
}

/// A line's network that its ends are not in.
fn transfers(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(link) = plan.spec.links.get(index) else {
        return;
    };
    for (j, transfer) in link.transfer.iter().enumerate() {
        let Some(target) = around(transfer.idc, transfer.prefix.prefix()) else {
            continue;
        };
        if target != transfer.prefix {
            let words = (
                format!(
                    "{} and {} are not in {}",
                    transfer.idc, transfer.vpc, transfer.prefix
                ),
                format!("Correct the prefix: {target} has both."),
            );
            let apply = move |p: &mut NetworkPlan| p.spec.links[index].transfer[j].prefix = target;
            let place = Path::spec()
                .at("links")
                .at(index)
                .at("transfer")
                .at(j)
                .at("prefix");
            edits.push(Edit::new(place, &GATEWAY_OUTSIDE, words, apply));
        }
        let place = Path::spec()
            .at("links")
            .at(index)
            .at("transfer")
            .at(j)
            .at("prefix");
        let words = (
            format!("{} of leased line {} is in use", transfer.prefix, link.name),
            LINK_OVERLAP.help.to_owned(),
        );
        let Some((prefix, first, second)) = elsewhere(transfer.prefix, index) else {
            continue;
        };
        let apply = move |p: &mut NetworkPlan| {
            let transfer = &mut p.spec.links[index].transfer[j];
            (transfer.prefix, transfer.idc, transfer.vpc) = (prefix, first, second);
        };
        edits.push(Edit::new(place, &LINK_OVERLAP, words, apply));
    }
}
