//! One identity, one thing: whatever has an ID of the outside world has it alone.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Context, Findings};
use crate::finding::DUPLICATE_ID;
use crate::source::Path;

/// Identities by what they are of. Two of one kind are two things.
#[derive(Default)]
struct Once {
    seen: HashMap<(&'static str, String), (String, Path)>,
}

impl Once {
    /// `owner` has the ID `id` of some `kind`, which is written at `place`.
    fn add(
        &mut self,
        kind: &'static str,
        id: impl Into<String>,
        owner: String,
        place: Path,
        found: &mut Findings,
    ) {
        let id = id.into();
        match self.seen.entry((kind, id)) {
            Entry::Occupied(first) => {
                let (id, (other, at)) = (&first.key().1, first.get());
                found.add_with(
                    &DUPLICATE_ID,
                    place,
                    format!("{kind} {id} of {owner} is also that of {other}"),
                    (at.clone(), "the first one"),
                );
            }
            Entry::Vacant(free) => {
                free.insert((owner, place));
            }
        }
    }
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let mut once = Once::default();
    clouds(c, &mut once, found);
    lines(c, &mut once, found);
    hosts(c, &mut once, found);
}

fn clouds(c: &Context<'_>, once: &mut Once, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        let at = Path::spec().at("sites").at(i);
        if let Some(id) = &site.vpc_id {
            once.add("VPC", id, site.name.clone(), at.clone().at("vpcId"), found);
        }
        for (j, v) in site.v_switches.iter().enumerate() {
            if let Some(id) = &v.id {
                let owner = format!("{} of {}", v.name, site.name);
                let place = at.clone().at("vSwitches").at(j).at("id");
                once.add("vSwitch", id, owner, place, found);
            }
        }
        // A vSwitch is bound to one route table.
        let mut bound = Once::default();
        for (j, table) in site.route_tables.iter().enumerate() {
            let at = at.clone().at("routeTables").at(j);
            let owner = format!("route table {} of {}", table.name, site.name);
            if let Some(id) = &table.id {
                once.add("table", id, owner.clone(), at.clone().at("id"), found);
            }
            for (k, v) in table.v_switches.iter().enumerate() {
                let place = at.clone().at("vSwitches").at(k);
                bound.add("vSwitch", v, owner.clone(), place, found);
            }
        }
    }
}

fn lines(c: &Context<'_>, once: &mut Once, found: &mut Findings) {
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let at = Path::spec().at("links").at(i);
        let name = &link.name;
        if let Some(id) = &link.router_interface {
            let place = at.clone().at("routerInterface");
            once.add("router interface", id, name.clone(), place, found);
        }
        let Some(vbr) = &link.vbr else { continue };
        let at = at.at("vbr");
        let owner = format!("the VBR of {name}");
        once.add("VBR", &vbr.id, name.clone(), at.clone().at("id"), found);
        if let Some(id) = &vbr.route_table {
            once.add(
                "table",
                id,
                owner.clone(),
                at.clone().at("routeTable"),
                found,
            );
        }
        if let Some(id) = &vbr.router_interface {
            once.add(
                "router interface",
                id,
                owner,
                at.at("routerInterface"),
                found,
            );
        }
    }
}

fn hosts(c: &Context<'_>, once: &mut Once, found: &mut Findings) {
    for (i, host) in c.hosts().iter().enumerate() {
        let at = || c.host_at(i).at("uplink");
        if let Some(mac) = host.uplink.mac {
            once.add(
                "MAC",
                mac.to_string(),
                host.name.to_string(),
                at().at("mac"),
                found,
            );
        }
        let nics = &host.uplink.nics;
        for (j, nic) in nics.iter().enumerate() {
            let name = nic.interface.as_str();
            let first = nics[..j].iter().position(|n| n.interface.as_str() == name);
            if let Some(first) = first {
                let place = |j| at().at("nics").at(j).at("interface");
                found.add_with(
                    &DUPLICATE_ID,
                    place(j),
                    format!("NIC {name} is twice in the uplink of {}", host.name),
                    (place(first), "the first one"),
                );
            } else if nics.len() > 1
                && host.uplink.bond.is_some()
                && nic.interface == host.uplink.interface
            {
                found.add_with(
                    &DUPLICATE_ID,
                    at().at("nics").at(j).at("interface"),
                    format!("{name} of {} is its own NIC", host.name),
                    (at().at("interface"), "the bond"),
                );
            }
        }
    }
}
