//! Frames fit everything on their way.

use std::collections::HashMap;

use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;

use super::{Context, Findings, scale::Carried};
use crate::finding::{LINE_MTU, MTU_IPV6, MTU_SHRINKS};
use crate::model::{Accept, LeasedLine, Network, SiteType};
use crate::prefix::overlap;
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    // For each VLAN the largest packets that containers or hosts put on it, and whose.
    let mut largest: HashMap<(usize, VlanId), (Mtu, String)> = HashMap::new();
    for (i, site) in c.sites().iter().enumerate() {
        for vlan in site.host_vlans() {
            largest.insert((i, vlan.id), (c.plan.spec.mtu, "the hosts".to_owned()));
        }
    }
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i);
        let mtu = c.mtu_of(network);
        if mtu > c.plan.spec.mtu {
            found.add_with(
                &MTU_SHRINKS,
                at.clone().at("mtu"),
                format!(
                    "network {} has MTU {mtu}, the links have {}",
                    network.name, c.plan.spec.mtu
                ),
                (Path::spec().at("mtu"), "the links"),
            );
        }
        if mtu.get() < Mtu::MIN_IPV6 && network.pools.iter().any(|p| p.prefix.is_ipv6()) {
            let message = format!(
                "network {} has IPv6 and MTU {mtu}, less than {}",
                network.name,
                Mtu::MIN_IPV6
            );
            found.add(&MTU_IPV6, at.at("mtu"), message);
        }
        if let (Some((site, _)), Some(id)) = (c.site(&network.site), network.vlan) {
            let entry = largest
                .entry((site, id))
                .or_insert_with(|| (mtu, format!("network {}", network.name)));
            if mtu > entry.0 {
                *entry = (mtu, format!("network {}", network.name));
            }
        }
    }
    segments(c, &largest, found);
    uplinks(c, &largest, found);
    lines(c, found);
}

type Largest = HashMap<(usize, VlanId), (Mtu, String)>;

fn shrinks(
    found: &mut Findings,
    place: Path,
    what: &str,
    has: Mtu,
    vlan: VlanId,
    of: &(Mtu, String),
) {
    let message = format!(
        "{what} has MTU {has}, but VLAN {vlan} carries {} bytes of {}",
        of.0, of.1
    );
    found.add(&MTU_SHRINKS, place, message);
}

/// VLANs, and the switches that carry them.
fn segments(c: &Context<'_>, largest: &Largest, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        let at = Path::spec().at("sites").at(i);
        for (j, vlan) in site.vlans.iter().enumerate() {
            if let (Some(mtu), Some(of)) = (vlan.mtu, largest.get(&(i, vlan.id)))
                && mtu < of.0
            {
                let place = at.clone().at("vlans").at(j).at("mtu");
                shrinks(found, place, &format!("VLAN {}", vlan.id), mtu, vlan.id, of);
            }
        }
        if site.switches.iter().all(|s| s.mtu.is_none()) {
            continue;
        }
        let carried = Carried::of(c, i);
        for (j, switch) in site.switches.iter().enumerate() {
            let Some(mtu) = switch.mtu else { continue };
            for id in carried.by(j) {
                if let Some(of) = largest.get(&(i, id))
                    && mtu < of.0
                {
                    let place = at.clone().at("switches").at(j).at("mtu");
                    shrinks(
                        found,
                        place,
                        &format!("switch {}", switch.name),
                        mtu,
                        id,
                        of,
                    );
                }
            }
        }
    }
}

/// The hosts' own links, and the ports that they are in.
fn uplinks(c: &Context<'_>, largest: &Largest, found: &mut Findings) {
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            continue;
        };
        if site.site_type == SiteType::Vpc {
            if let Some(mtu) = host.uplink.mtu
                && let Some(network) = c.networks_of(i).find(|n| c.mtu_of(n) > mtu)
            {
                let message = format!(
                    "the uplink of {} has MTU {mtu}, network {} has {}",
                    host.name,
                    network.name,
                    c.mtu_of(network)
                );
                found.add(&MTU_SHRINKS, c.host_at(i).at("uplink").at("mtu"), message);
            }
            continue;
        }
        let uplink = host.uplink.mtu.map(|mtu| {
            (
                mtu,
                c.host_at(i).at("uplink").at("mtu"),
                format!("the uplink of {}", host.name),
            )
        });
        let mut limits: Vec<(Mtu, Path, String)> = uplink.into_iter().collect();
        for cable in c.cables(i) {
            let j = cable.switch;
            let switch = &site.switches[j];
            let port = switch
                .ports
                .iter()
                .position(|p| Some(p.name.as_str()) == cable.port);
            if let Some((k, mtu)) = port.and_then(|k| Some((k, switch.ports[k].mtu?))) {
                let at = Path::spec().at("sites").at(index).at("switches").at(j);
                let name = format!("port {} of {}", switch.ports[k].name, switch.name);
                limits.push((mtu, at.at("ports").at(k).at("mtu"), name));
            }
        }
        if limits.is_empty() {
            continue;
        }
        for id in c.vlans_of(i) {
            let Some(of) = largest.get(&(index, *id)) else {
                continue;
            };
            for (mtu, place, name) in limits.iter().filter(|(mtu, _, _)| *mtu < of.0) {
                shrinks(found, place.clone(), name, *mtu, *id, of);
            }
        }
    }
}

/// Whether a line carries anything of a network: what neither side accepts of it does not cross.
fn carried(link: &LeasedLine, network: &Network) -> bool {
    let accepts = |list: fn(&Accept) -> &Vec<IpNetwork>| {
        let Some(accept) = &link.accept else {
            return true;
        };
        let mut pools = network.pools.iter();
        pools.any(|p| list(accept).iter().any(|a| overlap(*a, p.prefix)))
    };
    (network.site == link.idc && accepts(|a| &a.from_idc))
        || (network.site == link.vpc && accepts(|a| &a.from_vpc))
}

fn lines(c: &Context<'_>, found: &mut Findings) {
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        let Some(mtu) = link.mtu else { continue };
        let larger = c
            .networks()
            .iter()
            .find(|n| carried(link, n) && c.mtu_of(n) > mtu);
        if let Some(network) = larger {
            let message = format!(
                "leased line {} has MTU {mtu}, network {} has {}",
                link.name,
                network.name,
                c.mtu_of(network)
            );
            found.add(&LINE_MTU, Path::spec().at("links").at(i).at("mtu"), message);
        }
    }
}
