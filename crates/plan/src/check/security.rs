//! What a network's containers may send beyond their own addresses: protocols of routers, and
//! VLANs of a trunk.

use std::collections::HashMap;
use std::net::IpAddr;

use flatnet_types::control::{PROTOCOLS, Protocol};
use flatnet_types::{MacAddr, VlanId};
use ipnetwork::IpNetwork;

use super::infrastructure::unfit;
use super::ranges::Sorted;
use super::{Context, Findings};
use crate::finding::{ALLOW, TRUNK, TRUNK_ANY};
use crate::model::{Allow, MacMode, Network, SiteType, Trunk, Vlan, VlanRole};
use crate::prefix::{covers, overlap};
use crate::source::Path;
use crate::source::de::likeliest;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    // By site and VLAN: an address is at one virtual MAC.
    let mut taken: HashMap<(usize, VlanId, IpAddr), Path> = HashMap::new();
    let given = Given::new(c);
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i);
        for (j, allow) in network.allow.iter().enumerate() {
            let at = at.clone().at("allow").at(j);
            if let Err((place, why)) = allowed(c, network, allow) {
                let at = place.into_iter().fold(at, |at, step| at.at(step));
                found.add(&ALLOW, at, format!("network {}: {why}", network.name));
                continue;
            }
            addresses(&given, network, allow, &at, &mut taken, found);
        }
        for (j, trunk) in network.trunk.iter().enumerate() {
            trunks(
                &given,
                network,
                (j, trunk),
                &at.clone().at("trunk").at(j),
                found,
            );
        }
    }
}

/// The pod VLAN of a network, if it is in an IDC.
fn vlan_of<'p>(c: &Context<'p>, network: &Network, id: VlanId) -> Option<(usize, &'p Vlan)> {
    let (site, of) = c.site(&network.site)?;
    let vlan = &of.vlans[c.vlan(site, id)?];
    (of.site_type == SiteType::Idc).then_some((site, vlan))
}

/// What is wrong with an entry, and with which of its fields.
fn allowed(
    c: &Context<'_>,
    network: &Network,
    allow: &Allow,
) -> Result<(), (Option<&'static str>, String)> {
    let name = &allow.protocol;
    let protocol = Protocol::named(name).filter(|p| p.may_be_allowed());
    let Some(protocol) = protocol else {
        let may = PROTOCOLS.iter().filter(|p| p.may_be_allowed());
        let may: Vec<&str> = may.map(|p| p.name).collect();
        let meant = likeliest(name, may.iter().copied())
            .map_or_else(String::new, |n| format!("; did you mean {n}?"));
        let why = format!(
            "{name} is no protocol that may be allowed; these may: {}{meant}",
            may.join(", ")
        );
        return Err((Some("protocol"), why));
    };
    if network
        .vlan
        .and_then(|id| vlan_of(c, network, id))
        .is_none()
    {
        let why = format!("{name} has no VLAN to be spoken in: the network is not in an IDC");
        return Err((Some("protocol"), why));
    }
    match (allow.mac, allow.addresses.is_empty()) {
        (None, true) => return Ok(()),
        (None, false) => {
            let why = format!("{name} has addresses and no virtual mac that they are at");
            return Err((None, why));
        }
        (Some(mac), true) => {
            return Err((
                Some("mac"),
                format!("no addresses are at the virtual MAC {mac}"),
            ));
        }
        (Some(mac), false) if !protocol.macs.iter().any(|b| b.contains(mac)) => {
            let blocks: Vec<String> = protocol
                .macs
                .iter()
                .map(|b| format!("{}/{} ({})", b.first, b.bits, b.what))
                .collect();
            let has = match blocks.is_empty() {
                true => "it has none".to_owned(),
                false => format!("its are {}", blocks.join(", ")),
            };
            return Err((
                Some("mac"),
                format!("{mac} is no virtual MAC of {name}; {has}"),
            ));
        }
        (Some(mac), false) => fits(allow, protocol, mac)?,
    }
    if network.mac != MacMode::Pod {
        let why = format!(
            "the virtual MAC of {name} has to be seen by the switches, and `mac: host` shows them \
             the hosts' only"
        );
        return Err((Some("mac"), why));
    }
    Ok(())
}

/// Whether a virtual MAC is of the family of the addresses at it: of all, or it is the MAC that is
/// wrong.
fn fits(
    allow: &Allow,
    protocol: &Protocol,
    mac: MacAddr,
) -> Result<(), (Option<&'static str>, String)> {
    let blocks = || protocol.macs.iter().filter(|b| b.contains(mac));
    let suits = |address: &&IpAddr| blocks().any(|b| b.suits(**address));
    let Some(unfit) = allow.addresses.iter().find(|a| !suits(a)) else {
        return Ok(());
    };
    let wrong = match allow.addresses.iter().any(|a| suits(&a)) {
        true => "addresses",
        false => "mac",
    };
    let what: Vec<&str> = blocks().map(|b| b.what).collect();
    let why = format!(
        "{unfit} cannot be at {mac}, which is of {}",
        what.join(", ")
    );
    Err((Some(wrong), why))
}

fn addresses(
    given: &Given<'_, '_>,
    network: &Network,
    allow: &Allow,
    at: &Path,
    taken: &mut HashMap<(usize, VlanId, IpAddr), Path>,
    found: &mut Findings,
) {
    let Some(((site, vlan), id)) = network
        .vlan
        .and_then(|id| Some((vlan_of(given.context, network, id)?, id)))
    else {
        return;
    };
    for (k, address) in allow.addresses.iter().enumerate() {
        let place = at.clone().at("addresses").at(k);
        let own = IpNetwork::from(*address);
        let why = match vlan.subnets.iter().find(|s| s.prefix.contains(*address)) {
            None => Some(format!("{address} is in no subnet of VLAN {id}")),
            Some(subnet) if subnet.gateway == *address => {
                Some(format!("{address} is the gateway of VLAN {id}"))
            }
            Some(subnet) => unfit(*address, subnet.prefix).map(|why| format!("{address} {why}")),
        };
        let why = why.or_else(|| given.by(own).map(|by| format!("{address} is {by}")));
        if let Some(why) = why {
            let message = format!("network {}: {why}", network.name);
            found.add(&ALLOW, place, message);
        } else if let Some(first) = taken.insert((site, id, *address), place.clone()) {
            let message = format!("network {}: {address} is allowed twice", network.name);
            found.add_with(&ALLOW, place, message, (first, "the first one"));
        }
    }
}

/// What is given to containers: hosts' ranges, and pools that ipamd cuts slices of.
struct Given<'c, 'p> {
    context: &'c Context<'p>,
    ranges: Sorted<(usize, usize)>,
    pools: Vec<(IpNetwork, &'p Network)>,
}

impl<'c, 'p> Given<'c, 'p> {
    fn new(context: &'c Context<'p>) -> Self {
        let cut = |n: &'p Network| {
            let pools = n.pools.iter().filter(|p| p.slice_length.is_some());
            pools.map(move |p| (p.prefix, n))
        };
        let ranges = context.ranges();
        Self {
            context,
            ranges: Sorted::new(
                ranges
                    .map(|r| (r.range.prefix, (r.host, r.index)))
                    .collect(),
            ),
            pools: context.networks().iter().flat_map(cut).collect(),
        }
    }

    /// What gives addresses of a prefix to containers, if anything does.
    fn by(&self, prefix: IpNetwork) -> Option<String> {
        let excluded = |network: &Network| {
            let mut all = network.pools.iter().flat_map(|p| &p.exclude);
            all.any(|e| covers(*e, prefix))
        };
        if let Some((range, (host, index))) = self.ranges.touching(prefix) {
            let network = self.context.network_of(*host, *index);
            if !network.is_some_and(|(_, n)| excluded(n)) {
                let host = &self.context.hosts()[*host].name;
                return Some(format!("of {host}'s range {range}"));
            }
        }
        let touches = |(pool, n): &&(IpNetwork, &Network)| overlap(*pool, prefix) && !excluded(n);
        let (pool, n) = self.pools.iter().find(touches)?;
        Some(format!(
            "of pool {pool} of {}, which ipamd cuts slices of",
            n.name
        ))
    }
}

fn trunks(
    given: &Given<'_, '_>,
    network: &Network,
    (index, trunk): (usize, &Trunk),
    at: &Path,
    found: &mut Findings,
) {
    let id = trunk.vlan;
    let mut wrong = |at: Path, why: String| {
        found.add(&TRUNK, at, format!("network {}: {why}", network.name));
    };
    let vlan = match vlan_of(given.context, network, id) {
        Some((_, vlan)) if vlan.role == VlanRole::Pod => vlan,
        Some((_, vlan)) => {
            let why = format!("VLAN {id} has the role {}, not pod", vlan.role.as_str());
            return wrong(at.clone().at("vlan"), why);
        }
        None => {
            let why = format!("site {} has no VLAN {id}", network.site);
            return wrong(at.clone().at("vlan"), why);
        }
    };
    if network.vlan == Some(id) {
        let why = format!("VLAN {id} is its own, which is never tagged");
        return wrong(at.clone().at("vlan"), why);
    }
    if network.trunk[..index].iter().any(|t| t.vlan == id) {
        return wrong(at.clone().at("vlan"), format!("VLAN {id} is given twice"));
    }
    match (trunk.any, trunk.addresses.is_empty()) {
        (true, true) => {
            let message = format!(
                "a container of network {} that asks for VLAN {id} may have any address there, the \
                 gateway's too",
                network.name
            );
            return found.add(&TRUNK_ANY, at.clone().at("any"), message);
        }
        (true, false) => {
            let why = format!("VLAN {id} has `any` and `addresses`: one of them is meant");
            return wrong(at.clone().at("any"), why);
        }
        (false, true) => {
            let why = format!("VLAN {id} has no `addresses`, and not `any: true`");
            return wrong(at.clone(), why);
        }
        (false, false) => {}
    }
    for (k, prefix) in trunk.addresses.iter().enumerate() {
        let inside = |s: &&crate::model::Subnet| covers(s.prefix, *prefix);
        let why = match vlan.subnets.iter().find(inside) {
            None => Some(format!("{prefix} is in no subnet of VLAN {id}")),
            Some(subnet) if prefix.contains(subnet.gateway) => Some(format!(
                "{prefix} holds the gateway of VLAN {id}, {}",
                subnet.gateway
            )),
            Some(_) if prefix.network() != prefix.ip() => Some(format!(
                "{prefix} has bits behind its length: it begins at {}",
                prefix.network()
            )),
            Some(_) => given
                .by(*prefix)
                .map(|by| format!("{prefix} holds addresses {by}")),
        };
        let twice = || {
            let before = trunk.addresses[..k].iter().find(|p| overlap(**p, *prefix));
            before.map(|p| format!("{prefix} overlaps {p}"))
        };
        if let Some(why) = why.or_else(twice) {
            wrong(at.clone().at("addresses").at(k), why);
        }
    }
}
