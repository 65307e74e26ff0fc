//! Changes of what is no host and no network: sites, switches, VLANs, subnets, vSwitches.

use ipnetwork::IpNetwork;

use super::bindings::hosts_of;
use super::kinds::{GONE, NEW, NOTED, TAKEN};
use super::notice::{Done, Kind, NOBODY, Notices, Until, Whom};
use super::{Found, Phase, is_another, is_reordered, paired};
use crate::model::{NetworkPlan, Site, Subnet, Vlan, VlanRole};
use crate::prefix::{covers, overlap};
use crate::routes::parts::without;
use crate::takeover::Field;

const NEW_SITE: Kind = Kind::new(Phase::Carry, Done::Crossed);
const OTHER: Kind = Kind::new(Phase::Carry, Done::Left)
    .outage(
        Until::Drained,
        "for what is there cannot become another one",
    )
    .mind("make the new one, and move hosts over");

pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    plan_wide(old, new, found);
    for pair in paired(&old.spec.sites, &new.spec.sites, |s| &s.name) {
        match pair {
            (None, Some(site)) => {
                found.add(NEW_SITE, "new site", NOBODY, site.name.clone());
                site_parts(&empty(site), site, (old, new), found);
            }
            (Some(site), None) => {
                found.add(GONE, "remove the site", NOBODY, site.name.clone());
                site_parts(site, &empty(site), (old, new), found);
            }
            (Some(a), Some(b)) if a != b => site_parts(a, b, (old, new), found),
            _ => {}
        }
    }
    super::networks::compare(old, new, found);
    super::lines::compare(old, new, found);
}

fn plan_wide(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    let (a, b) = (&old.spec, &new.spec);
    if a.mtu != b.mtu {
        let kind = Kind::new(Phase::Carry, Done::Remade)
            .of(Field::Mtu)
            .remade("for containers get it when they are made again")
            .mind("switches first where it grows");
        let detail = format!("{} → {}", a.mtu, b.mtu);
        let whom = super::networks::of_plans_mtu(old, new);
        found.add(kind, "change the MTU of every link", whom, detail);
    }
    if is_reordered(&a.service_prefixes, &b.service_prefixes) {
        let what = "order of service prefixes";
        found.add(NOTED, what, NOBODY, "noted".to_owned());
    } else if a.service_prefixes != b.service_prefixes {
        let list = |p: &[IpNetwork]| -> String {
            let all: Vec<String> = p.iter().map(ToString::to_string).collect();
            all.join(" ")
        };
        let after = || b.service_prefixes.iter().copied();
        let before = a.service_prefixes.iter();
        let lost = before.flat_map(|p| without(*p, after()));
        let whom: Whom = lost.map(Notices::Prefix).collect();
        let taken = TAKEN.of(Field::ServicePrefixes);
        let kind = match whom.is_empty() {
            true => taken,
            false => taken.outage(
                Until::Undone,
                "for no service at an address that is taken out is reached from then on",
            ),
        };
        let detail = format!(
            "{} → {}",
            list(&a.service_prefixes),
            list(&b.service_prefixes)
        );
        found.add(kind, "change service prefixes", whom, detail);
    }
    if a.cluster != b.cluster {
        found.add(NOTED, "cluster", NOBODY, "of what names none".to_owned());
    }
    if (a.density, a.budgets) != (b.density, b.budgets) {
        found.add(NOTED, "density or budgets", NOBODY, "noted".to_owned());
    }
    if a.api_server != b.api_server {
        let server = |p: &Option<String>| p.clone().unwrap_or_else(|| "none".to_owned());
        let detail = format!("{} → {}", server(&a.api_server), server(&b.api_server));
        let what = "change the API server that moves of uplinks ask";
        found.add(TAKEN.of(Field::Migrate), what, NOBODY, detail);
    }
    if a.allow != b.allow {
        found.add(NOTED, "allowances of warnings", NOBODY, "noted".to_owned());
    }
    if old.metadata != new.metadata {
        let detail = format!("{} → {}", old.metadata.name, new.metadata.name);
        found.add(NOTED, "plan's name", NOBODY, detail);
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

fn site_parts(a: &Site, b: &Site, plans: (&NetworkPlan, &NetworkPlan), found: &mut Found) {
    let site = &b.name;
    for pair in paired(&a.switches, &b.switches, |s| &s.name) {
        match pair {
            (None, Some(s)) => {
                let detail = format!("{} in {site}", s.name);
                found.add(NEW, "new switch", NOBODY, detail);
            }
            (Some(s), None) => {
                let detail = format!("{} in {site}", s.name);
                found.add(GONE, "remove the switch", NOBODY, detail);
            }
            (Some(a), Some(b)) if a != b => super::switches::compare(site, (a, b), plans, found),
            _ => {}
        }
    }
    super::switches::peers((a, b), plans, found);
    for pair in paired(&a.vlans, &b.vlans, |v| v.id) {
        match pair {
            (None, Some(v)) => {
                let detail = format!(
                    "{} {} in {site}, on every trunk that needs it",
                    v.id, v.name
                );
                found.add(NEW, "new VLAN", NOBODY, detail);
            }
            (Some(v), None) => {
                let detail = format!("{} {} in {site}", v.id, v.name);
                found.add(GONE, "remove the VLAN", NOBODY, detail);
            }
            (Some(a), Some(b)) if a != b => vlan(site, (a, b), plans, found),
            _ => {}
        }
    }
    for pair in paired(&a.v_switches, &b.v_switches, |v| &v.name) {
        match pair {
            (None, Some(v)) => {
                let detail = format!("{} in {site}", v.name);
                found.add(NEW, "new vSwitch", NOBODY, detail);
            }
            (Some(v), None) => {
                let detail = format!("{} in {site}", v.name);
                found.add(GONE, "remove the vSwitch", NOBODY, detail);
            }
            (Some(a), Some(b)) => {
                let name = format!("vSwitch {} of {site}", b.name);
                // The cloud changes no vSwitch's prefix.
                let fixed = |of: &Subnet| b.subnets.iter().any(|s| s.prefix == of.prefix);
                let other = |of: &Subnet| {
                    let mut grown = b.subnets.iter();
                    !fixed(of) && grown.any(|s| overlap(s.prefix, of.prefix))
                };
                let resized = a.subnets.iter().any(other);
                if is_another(&a.id, &b.id) || is_another(&a.zone, &b.zone) || resized {
                    let whom = hosts_of(&plans.0.spec.hosts, site, &b.name);
                    found.add(OTHER, "another vSwitch", whom, name.clone());
                } else if (&a.id, &a.zone) != (&b.id, &b.zone) {
                    found.add(NOTED, "ID or zone of a vSwitch", NOBODY, name.clone());
                }
                subnets(&name, None, &a.subnets, &b.subnets, found);
            }
            _ => {}
        }
    }
    let other = is_another(&a.vpc_id, &b.vpc_id) || is_another(&a.region, &b.region);
    if other || a.site_type != b.site_type {
        let whom = vec![Notices::Site(site.clone())];
        // The mode of its nodes goes by its type.
        let kind = match a.site_type == b.site_type {
            true => OTHER,
            false => OTHER.of(Field::Identity),
        };
        found.add(kind, "another VPC or data centre", whom, site.clone());
    } else if (&a.vpc_id, &a.region) != (&b.vpc_id, &b.region) {
        found.add(NOTED, "ID or region of a VPC", NOBODY, site.clone());
    }
    super::bindings::compare(a, b, &plans.1.spec.hosts, found);
    if a.edge_router != b.edge_router {
        found.add(NOTED, "edge router", NOBODY, site.clone());
    }
    vpc_prefixes(a, b, found);
}

fn vpc_prefixes(a: &Site, b: &Site, found: &mut Found) {
    let of = |list: &[IpNetwork], but: &[IpNetwork]| -> Vec<IpNetwork> {
        let all = list.iter().copied();
        all.filter(|p| !but.contains(p)).collect()
    };
    let (more, less) = (of(&b.prefixes, &a.prefixes), of(&a.prefixes, &b.prefixes));
    if more.is_empty() && less.is_empty() && a.prefixes != b.prefixes {
        found.add(NOTED, "order of a VPC's prefixes", NOBODY, b.name.clone());
    }
    for prefix in more {
        let detail = format!("{prefix} of {}", b.name);
        found.add(NEW, "add a VPC's prefix", NOBODY, detail);
    }
    for prefix in less {
        let detail = format!("{prefix} of {}", b.name);
        found.add(GONE, "remove a VPC's prefix", NOBODY, detail);
    }
}

fn vlan(
    site: &str,
    (a, b): (&Vlan, &Vlan),
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let name = format!("VLAN {} {} of {site}", b.id, b.name);
    let in_it = || -> Whom {
        let subnets = a.subnets.iter();
        subnets.map(|s| Notices::Prefix(s.prefix)).collect()
    };
    subnets(&name, Some(b.role), &a.subnets, &b.subnets, found);
    if a.role != b.role {
        let kind = Kind::new(Phase::Carry, Done::Unused).outage(
            Until::Drained,
            "for what was in it for the old role has to leave it",
        );
        let detail = format!("{name}: {} → {}", a.role.as_str(), b.role.as_str());
        found.add(kind, "change a VLAN's role", in_it(), detail);
    }
    let mtus = (a.mtu.unwrap_or(old.spec.mtu), b.mtu.unwrap_or(new.spec.mtu));
    if a.mtu != b.mtu && mtus.0 == mtus.1 {
        let what = "VLAN's MTU, which stays what it is";
        found.add(NOTED, what, NOBODY, name.clone());
    } else if a.mtu != b.mtu {
        let kind = Kind::new(Phase::Carry, Done::Sized)
            .at_most_brief(
                "while its hosts and switches differ, for packets larger than the smaller MTU",
            )
            .mind("larger: before the hosts; smaller: after");
        let detail = format!("{name}: {} → {}", mtus.0, mtus.1);
        found.add(kind, "change a VLAN's MTU", in_it(), detail);
    }
    if a.name != b.name {
        found.add(NOTED, "VLAN's name", NOBODY, name);
    }
}

/// `role`: of the VLAN; none for a vSwitch.
fn subnets(of: &str, role: Option<VlanRole>, a: &[Subnet], b: &[Subnet], found: &mut Found) {
    for subnet in b {
        let grown = a.iter().find(|o| covers(subnet.prefix, o.prefix));
        match a.iter().find(|o| o.prefix == subnet.prefix).or(grown) {
            None => {
                let detail = format!("{} on {of}", subnet.prefix);
                found.add(NEW, "new subnet", NOBODY, detail);
            }
            Some(old) => {
                if old.prefix != subnet.prefix {
                    grown_subnet((of, role), old, subnet, found);
                }
                if old.gateway != subnet.gateway {
                    gateway(role, old, subnet, found);
                }
            }
        }
    }
    for subnet in a {
        if !b.iter().any(|n| covers(n.prefix, subnet.prefix)) {
            let detail = format!("{} on {of}", subnet.prefix);
            found.add(GONE, "remove the subnet", NOBODY, detail);
        }
    }
}

fn grown_subnet(
    (of, role): (&str, Option<VlanRole>),
    old: &Subnet,
    subnet: &Subnet,
    found: &mut Found,
) {
    let kind = Kind::new(Phase::Carry, Done::Remade)
        .remade("for containers hold the old prefix length until they are made again")
        .mind("until then they reach the new part through the router");
    let detail = format!("{} → {} on {of}", old.prefix, subnet.prefix);
    match role {
        Some(VlanRole::Pod) => {
            let whom = vec![Notices::Prefix(old.prefix)];
            found.add(kind.of(Field::Subnet), "grow a subnet", whom, detail);
        }
        Some(_) => {
            let kind = Kind::new(Phase::Carry, Done::Carried).mind(
                "on the router first: who has the old length reaches the new part through it",
            );
            found.add(kind, "grow a subnet", NOBODY, detail);
        }
        // Told as another vSwitch.
        None => {}
    }
}

fn gateway(role: Option<VlanRole>, old: &Subnet, subnet: &Subnet, found: &mut Found) {
    let detail = format!("{}: {} → {}", subnet.prefix, old.gateway, subnet.gateway);
    let both = "keep both addresses on the router meanwhile";
    let (kind, what) = match role {
        Some(VlanRole::Pod) => (
            Kind::new(Phase::Carry, Done::Remade)
                .of(Field::Subnet)
                .remade("for containers keep the old gateway until they are made again")
                .mind(both),
            "change a gateway",
        ),
        Some(VlanRole::Host) => (
            Kind::new(Phase::Carry, Done::Answers)
                .of(Field::HostAddresses)
                .at_most_brief(
                    "while the hosts' default routes change, one by one; containers keep theirs",
                )
                .mind(both),
            "change the hosts' gateway",
        ),
        Some(_) => (NOTED, "gateway of machines that are not the plan's"),
        None => (NOTED, "gateway of a vSwitch, which is the cloud's"),
    };
    let whom = vec![Notices::Prefix(old.prefix)];
    found.add(kind, what, whom, detail);
}
