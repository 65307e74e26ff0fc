//! Changes of what is not a host: sites, switches, VLANs, subnets, networks, pools, lines.

use ipnetwork::IpNetwork;

use super::{Disruption, Found, Phase, paired};
use crate::model::{Network, NetworkPlan, Site, Subnet, Switch, Vlan};
use crate::prefix::covers;

type Kind = (Phase, Disruption, &'static str);

const NEW: Kind = (Phase::Carry, Disruption::None, "");
const GONE: Kind = (Phase::Clear, Disruption::None, "after nobody uses it");
const NOTED: Kind = (Phase::Record, Disruption::None, "");

pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    plan_wide(old, new, found);
    for pair in paired(&old.spec.sites, &new.spec.sites, |s| &s.name) {
        match pair {
            (None, Some(site)) => {
                found.add(NEW, "new site", site.name.clone());
                site_parts(&empty(site), site, found);
            }
            (Some(site), None) => {
                found.add(GONE, "remove the site", site.name.clone());
                site_parts(site, &empty(site), found);
            }
            (Some(a), Some(b)) if a != b => site_parts(a, b, found),
            _ => {}
        }
    }
    for pair in paired(&old.spec.networks, &new.spec.networks, |n| &n.name) {
        match pair {
            (None, Some(n)) => found.add(NEW, "new network", n.name.to_string()),
            (Some(n), None) => found.add(GONE, "remove the network", n.name.to_string()),
            (Some(a), Some(b)) if a != b => network(a, b, found),
            _ => {}
        }
    }
    for pair in paired(&old.spec.links, &new.spec.links, |l| &l.name) {
        match pair {
            (None, Some(l)) => found.add(NEW, "new leased line", l.name.clone()),
            (Some(l), None) => found.add(GONE, "remove the leased line", l.name.clone()),
            (Some(a), Some(b)) if a != b => {
                if (&a.idc, &a.vpc, &a.transfer) != (&b.idc, &b.vpc, &b.transfer) {
                    let why = "what it carries takes another line meanwhile, or waits";
                    let kind = (Phase::Carry, Disruption::Outage, why);
                    found.add(kind, "change a leased line's ends", b.name.clone());
                } else if a.mtu != b.mtu {
                    let kind = (Phase::Carry, Disruption::Brief, "larger at both ends first");
                    found.add(kind, "change a leased line's MTU", b.name.clone());
                } else {
                    found.add(NOTED, "leased line", b.name.clone());
                }
            }
            _ => {}
        }
    }
}

fn plan_wide(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    let (a, b) = (&old.spec, &new.spec);
    if a.mtu != b.mtu {
        let why = "switches first where it grows; containers get it when they are made again";
        let kind = (Phase::Carry, Disruption::Recreate, why);
        found.add(
            kind,
            "change the MTU of every link",
            format!("{} → {}", a.mtu, b.mtu),
        );
    }
    if a.service_prefixes != b.service_prefixes {
        let list = |p: &[IpNetwork]| -> String {
            let all: Vec<String> = p.iter().map(ToString::to_string).collect();
            all.join(" ")
        };
        let why = "traffic to what is taken out leaves the host from then on";
        let removed = a
            .service_prefixes
            .iter()
            .any(|p| !b.service_prefixes.contains(p));
        let kind = match removed {
            true => (Phase::Give, Disruption::Brief, why),
            false => (Phase::Give, Disruption::None, ""),
        };
        let detail = format!(
            "{} → {}",
            list(&a.service_prefixes),
            list(&b.service_prefixes)
        );
        found.add(kind, "change service prefixes", detail);
    }
    if (a.density, a.budgets) != (b.density, b.budgets) {
        found.add(NOTED, "density or budgets", "noted".to_owned());
    }
}

/// A site of that name and type with nothing in it.
fn empty(site: &Site) -> Site {
    Site {
        name: site.name.clone(),
        site_type: site.site_type,
        switches: Vec::new(),
        vlans: Vec::new(),
        edge_router: None,
        vpc_id: None,
        region: None,
        prefixes: Vec::new(),
        v_switches: Vec::new(),
        route_tables: Vec::new(),
    }
}

fn site_parts(a: &Site, b: &Site, found: &mut Found) {
    let site = &b.name;
    for pair in paired(&a.switches, &b.switches, |s| &s.name) {
        match pair {
            (None, Some(s)) => found.add(NEW, "new switch", format!("{} in {site}", s.name)),
            (Some(s), None) => {
                found.add(GONE, "remove the switch", format!("{} in {site}", s.name))
            }
            (Some(a), Some(b)) if a != b => switch(site, a, b, found),
            _ => {}
        }
    }
    for pair in paired(&a.vlans, &b.vlans, |v| v.id) {
        match pair {
            (None, Some(v)) => {
                let detail = format!(
                    "{} {} in {site}, on every trunk that needs it",
                    v.id, v.name
                );
                found.add(NEW, "new VLAN", detail);
            }
            (Some(v), None) => {
                found.add(
                    GONE,
                    "remove the VLAN",
                    format!("{} {} in {site}", v.id, v.name),
                );
            }
            (Some(a), Some(b)) if a != b => vlan(site, a, b, found),
            _ => {}
        }
    }
    for pair in paired(&a.v_switches, &b.v_switches, |v| &v.name) {
        match pair {
            (None, Some(v)) => found.add(NEW, "new vSwitch", format!("{} in {site}", v.name)),
            (Some(v), None) => {
                found.add(GONE, "remove the vSwitch", format!("{} in {site}", v.name))
            }
            (Some(a), Some(b)) if a.subnets != b.subnets => {
                subnets(
                    &format!("vSwitch {} of {site}", b.name),
                    &a.subnets,
                    &b.subnets,
                    found,
                );
            }
            _ => {}
        }
    }
    let rest = |s: &Site| {
        let tables = s.route_tables.clone();
        (
            tables,
            s.edge_router.clone(),
            s.prefixes.clone(),
            s.vpc_id.clone(),
        )
    };
    if rest(a) != rest(b) && !b.name.is_empty() {
        found.add(NOTED, "route tables, edge router or VPC", site.clone());
    }
}

fn switch(site: &str, a: &Switch, b: &Switch, found: &mut Found) {
    let name = format!("{} in {site}", b.name);
    if a.trunk != b.trunk || a.ports != b.ports {
        let kind = (
            Phase::Carry,
            Disruption::None,
            "new VLANs before they are used",
        );
        found.add(kind, "change VLANs on trunks", name.clone());
    }
    if a.mtu != b.mtu {
        let kind = (
            Phase::Carry,
            Disruption::Brief,
            "larger: before the hosts; smaller: after",
        );
        found.add(kind, "change a switch's MTU", name.clone());
    }
    if (&a.peers, &a.uplinks) != (&b.peers, &b.uplinks) {
        let why = "cabling changes can make a layer-2 loop: one cable at a time";
        let kind = (Phase::Carry, Disruption::Brief, why);
        found.add(kind, "change a switch's cabling", name.clone());
    }
    if (a.mac_table_size, &a.reserved_vlans) != (b.mac_table_size, &b.reserved_vlans) {
        found.add(NOTED, "switch", name);
    }
}

fn vlan(site: &str, a: &Vlan, b: &Vlan, found: &mut Found) {
    let name = format!("VLAN {} {} of {site}", b.id, b.name);
    subnets(&name, &a.subnets, &b.subnets, found);
    if a.role != b.role {
        let why = "what was in it for the old role has to leave it";
        let detail = format!("{name}: {} → {}", a.role.as_str(), b.role.as_str());
        found.add(
            (Phase::Carry, Disruption::Outage, why),
            "change a VLAN's role",
            detail,
        );
    }
    if a.mtu != b.mtu {
        let kind = (
            Phase::Carry,
            Disruption::Brief,
            "larger: before the hosts; smaller: after",
        );
        found.add(kind, "change a VLAN's MTU", name.clone());
    }
    if a.name != b.name {
        found.add(NOTED, "VLAN's name", name);
    }
}

fn subnets(of: &str, a: &[Subnet], b: &[Subnet], found: &mut Found) {
    for subnet in b {
        let grown = a.iter().find(|o| covers(subnet.prefix, o.prefix));
        match a.iter().find(|o| o.prefix == subnet.prefix).or(grown) {
            None => found.add(NEW, "new subnet", format!("{} on {of}", subnet.prefix)),
            Some(old) if old.prefix != subnet.prefix => {
                let why = "containers hold the old prefix length until they are made again; \
                           until then they reach the new part through the router";
                let detail = format!("{} → {} on {of}", old.prefix, subnet.prefix);
                found.add(
                    (Phase::Carry, Disruption::Recreate, why),
                    "grow a subnet",
                    detail,
                );
            }
            Some(old) if old.gateway != subnet.gateway => {
                let why = "containers keep the old gateway until they are made again: keep both \
                           addresses on the router meanwhile";
                let detail = format!("{}: {} → {}", subnet.prefix, old.gateway, subnet.gateway);
                found.add(
                    (Phase::Carry, Disruption::Recreate, why),
                    "change a gateway",
                    detail,
                );
            }
            Some(_) => {}
        }
    }
    for subnet in a {
        if !b.iter().any(|n| covers(n.prefix, subnet.prefix)) {
            found.add(
                GONE,
                "remove the subnet",
                format!("{} on {of}", subnet.prefix),
            );
        }
    }
}

fn network(a: &Network, b: &Network, found: &mut Found) {
    let name = b.name.to_string();
    if (&a.site, a.vlan) != (&b.site, b.vlan) {
        let why = "every container of it changes its VLAN or site: make a second network, and move \
                   containers over";
        let vlan = |n: &Network| n.vlan.map_or("none".to_owned(), |v| v.to_string());
        let detail = format!("{name}: {} {} → {} {}", a.site, vlan(a), b.site, vlan(b));
        found.add(
            (Phase::Give, Disruption::Outage, why),
            "move a network",
            detail,
        );
    }
    if a.mac != b.mac {
        let why = "the switches learn each container's address anew";
        let kind = (Phase::Give, Disruption::Brief, why);
        found.add(kind, "change whose MAC a network shows", name.clone());
    }
    if a.mtu != b.mtu {
        let why = "containers get it when they are made again";
        let kind = (Phase::Give, Disruption::Recreate, why);
        found.add(kind, "change a network's MTU", name.clone());
    }
    for pool in &b.pools {
        match a.pools.iter().find(|p| p.prefix == pool.prefix) {
            None => found.add(NEW, "new pool", format!("{} of {name}", pool.prefix)),
            Some(old) if old.exclude != pool.exclude => {
                let why = "a container that has an address which is excluded now keeps it until it \
                           goes";
                let kind = (Phase::Give, Disruption::None, why);
                found.add(
                    kind,
                    "change exclusions",
                    format!("{} of {name}", pool.prefix),
                );
            }
            Some(old) if old.reservations != pool.reservations => {
                found.add(NOTED, "reservations", format!("{} of {name}", pool.prefix));
            }
            Some(_) => {}
        }
    }
    for pool in &a.pools {
        if !b.pools.iter().any(|p| p.prefix == pool.prefix) {
            found.add(
                GONE,
                "remove the pool",
                format!("{} of {name}", pool.prefix),
            );
        }
    }
    if a.density != b.density {
        found.add(NOTED, "density or budgets", name);
    }
}
