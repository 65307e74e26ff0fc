//! What would not work, found before anything is built.
//!
//! Here stand the checks that a node needs in order to trust the document at all:
//! references that lead somewhere, prefixes that are prefixes, ranges that nobody else
//! has. Each problem names the place by its path in the document.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use flatnet_types::Mtu;
use ipnetwork::IpNetwork;

use crate::expand::Fault;
use crate::model::{API_VERSION, KIND, NetworkPlan, SiteType};
use crate::node::{covers, host_subnets};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: the path in the document, such as `spec.hosts[idc1].ranges[0]`.
    pub place: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

impl From<&Fault> for Problem {
    fn from(fault: &Fault) -> Self {
        Self {
            place: format!("spec.hostGroups[{}]", fault.group),
            message: fault.message.clone(),
        }
    }
}

/// Every problem of a plan, in the order of the document.
pub fn check(plan: &NetworkPlan) -> Vec<Problem> {
    let mut found = Found(Vec::new());
    header(plan, &mut found);
    sites(plan, &mut found);
    networks(plan, &mut found);
    hosts(plan, &mut found);
    ranges_are_apart(plan, &mut found);
    found.0
}

struct Found(Vec<Problem>);

impl Found {
    fn add(&mut self, place: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem {
            place: place.into(),
            message: message.into(),
        });
    }

    /// A prefix whose host bits are set is a mistyped one.
    fn canonical(&mut self, place: &str, prefix: IpNetwork) {
        if prefix.ip() != prefix.network() {
            self.add(
                place,
                format!(
                    "{prefix} has host bits set; write {}/{}",
                    prefix.network(),
                    prefix.prefix()
                ),
            );
        }
    }
}

fn header(plan: &NetworkPlan, found: &mut Found) {
    if plan.api_version != API_VERSION {
        found.add(
            "apiVersion",
            format!("{:?} is not read; write {API_VERSION}", plan.api_version),
        );
    }
    if plan.kind != KIND {
        found.add("kind", format!("{:?} is not read; write {KIND}", plan.kind));
    }
    for (i, prefix) in plan.spec.service_prefixes.iter().enumerate() {
        found.canonical(&format!("spec.servicePrefixes[{i}]"), *prefix);
    }
}

fn sites(plan: &NetworkPlan, found: &mut Found) {
    let mut names = BTreeSet::new();
    for site in &plan.spec.sites {
        let at = format!("spec.sites[{}]", site.name);
        if !names.insert(&site.name) {
            found.add(&at, "another site has this name");
        }
        let mut ids = BTreeSet::new();
        for vlan in &site.vlans {
            let at = format!("{at}.vlans[{}]", vlan.id);
            if !ids.insert(vlan.id) {
                found.add(&at, "another VLAN of this site has this ID");
            }
            subnets(&at, &vlan.subnets, found);
        }
        for v_switch in &site.v_switches {
            subnets(
                &format!("{at}.vSwitches[{}]", v_switch.name),
                &v_switch.subnets,
                found,
            );
        }
    }
}

fn subnets(at: &str, subnets: &[crate::model::Subnet], found: &mut Found) {
    for (i, subnet) in subnets.iter().enumerate() {
        let at = format!("{at}.subnets[{i}]");
        found.canonical(&at, subnet.prefix);
        if !subnet.prefix.contains(subnet.gateway) {
            found.add(
                at,
                format!("gateway {} is not in {}", subnet.gateway, subnet.prefix),
            );
        }
    }
}

fn networks(plan: &NetworkPlan, found: &mut Found) {
    let mut names = BTreeSet::new();
    for network in &plan.spec.networks {
        let at = format!("spec.networks[{}]", network.name);
        if !names.insert(&network.name) {
            found.add(&at, "another network has this name");
        }
        let Some(site) = plan.site(&network.site) else {
            found.add(at, format!("there is no site {:?}", network.site));
            continue;
        };
        let subnets = match (site.site_type, network.vlan) {
            (SiteType::Vpc, None) => None,
            (SiteType::Vpc, Some(id)) => {
                found.add(&at, format!("a VPC has no VLANs: take out vlan {id}"));
                None
            }
            (SiteType::Idc, None) => {
                found.add(&at, "a network in an IDC needs a vlan");
                None
            }
            (SiteType::Idc, Some(id)) => {
                let vlan = site.vlan(id);
                if vlan.is_none() {
                    found.add(&at, format!("site {} has no VLAN {id}", site.name));
                }
                vlan.map(|v| &v.subnets)
            }
        };
        if let Some(mtu) = network.mtu
            && mtu > plan.spec.mtu
        {
            found.add(
                &at,
                format!("MTU {mtu} is larger than the links' {}", plan.spec.mtu),
            );
        }
        for (i, pool) in network.pools.iter().enumerate() {
            let at = format!("{at}.pools[{i}]");
            found.canonical(&at, pool.prefix);
            if let Some(subnets) = subnets
                && !subnets.iter().any(|s| covers(s.prefix, pool.prefix))
            {
                found.add(
                    &at,
                    format!("pool {} is in no subnet of its VLAN", pool.prefix),
                );
            }
            let mtu = network.mtu.unwrap_or(plan.spec.mtu).get();
            if pool.prefix.is_ipv6() && mtu < Mtu::MIN_IPV6 {
                found.add(
                    &at,
                    format!("IPv6 needs an MTU of {} at least", Mtu::MIN_IPV6),
                );
            }
        }
    }
}

fn hosts(plan: &NetworkPlan, found: &mut Found) {
    let mut names = BTreeSet::new();
    let mut addresses: BTreeSet<IpAddr> = BTreeSet::new();
    for host in &plan.spec.hosts {
        let at = format!("spec.hosts[{}]", host.name);
        if !names.insert(&host.name) {
            found.add(&at, "another host has this name");
        }
        let Some(site) = plan.site(&host.site) else {
            found.add(at, format!("there is no site {:?}", host.site));
            continue;
        };
        if let Some(name) = &host.v_switch
            && site.v_switch(name).is_none()
        {
            found.add(&at, format!("site {} has no vSwitch {name:?}", site.name));
        }
        if let Some(name) = &host.uplink.switch
            && !site.switches.iter().any(|s| &s.name == name)
        {
            found.add(&at, format!("site {} has no switch {name:?}", site.name));
        }
        for address in &host.addresses {
            if !addresses.insert(address.ip()) {
                found.add(
                    &at,
                    format!("another host has the address {}", address.ip()),
                );
            }
            let subnets = host_subnets(site, host);
            if !subnets.is_empty() && !subnets.iter().any(|s| s.prefix.contains(address.ip())) {
                found.add(
                    &at,
                    format!("{address} is in no subnet of the hosts of {}", site.name),
                );
            }
        }
        for (i, range) in host.ranges.iter().enumerate() {
            let at = format!("{at}.ranges[{i}]");
            found.canonical(&at, range.prefix);
            match plan.network(&range.network) {
                None => found.add(at, format!("there is no network {}", range.network)),
                Some(network) if network.site != host.site => found.add(
                    at,
                    format!(
                        "network {} is in site {}, the host in {}",
                        network.name, network.site, host.site
                    ),
                ),
                Some(network) => {
                    if !network.pools.iter().any(|p| covers(p.prefix, range.prefix)) {
                        found.add(
                            at,
                            format!("{} is in no pool of {}", range.prefix, network.name),
                        );
                    }
                }
            }
        }
    }
}

/// No two hosts own the same address. Sorted by start, only neighbours can overlap.
fn ranges_are_apart(plan: &NetworkPlan, found: &mut Found) {
    let mut all: Vec<(IpNetwork, String)> = plan
        .spec
        .hosts
        .iter()
        .flat_map(|h| {
            h.ranges
                .iter()
                .enumerate()
                .map(|(i, r)| (r.prefix, format!("spec.hosts[{}].ranges[{i}]", h.name)))
        })
        .collect();
    all.sort_by_key(|(p, _)| (p.is_ipv6(), p.network(), p.prefix()));
    let mut widest: Option<&(IpNetwork, String)> = None;
    for entry in &all {
        if let Some(before) = widest
            && covers(before.0, entry.0)
        {
            found.add(
                &entry.1,
                format!("{} overlaps {} of {}", entry.0, before.0, before.1),
            );
        } else {
            widest = Some(entry);
        }
    }
}
