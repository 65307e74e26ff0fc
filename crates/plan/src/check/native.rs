//! Frames without a tag, and the links between switches that are one towards a bond: what the
//! switch does with a VLAN and what the host expects of it.

use std::collections::{BTreeMap, BTreeSet};

use flatnet_types::VlanId;

use super::context::Cable;
use super::{Context, Findings};
use crate::finding::{NATIVE, PEER_LINK};
use crate::model::{BondMode, Site, Switch};
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let mut lacking: BTreeMap<(usize, usize), Lacks> = BTreeMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let Some((index, site)) = c.site_of(i) else {
            continue;
        };
        let own = c.host_vlan_of(i).map(|v| v.id);
        // One cable of a host is enough: what is counted are hosts.
        let first = c.cables(i).iter().find_map(|cable| {
            let (native, place, name) = native_of(index, site, *cable)?;
            Some((native, place, name, disagree(c, i, own, native)?))
        });
        if let Some((native, place, name, why)) = first {
            let at = match host.uplink.untagged {
                true => c.host_at(i).at("uplink").at("untagged"),
                false => c.host_at(i).at("uplink"),
            };
            found.add_with(
                &NATIVE,
                at,
                format!(
                    "{name} carries VLAN {native} without a tag, and {} {why}",
                    host.name
                ),
                (place, "without a tag"),
            );
        }
        if host
            .uplink
            .bond
            .is_some_and(|mode| mode != BondMode::BalanceSlb)
        {
            peer_links(c, i, (index, site), &mut lacking);
        }
    }
    for ((site, switch), lacks) in lacking {
        let switches = &c.sites()[site].switches;
        let name = &switches[switch].name;
        let names: Vec<String> = lacks.vlans.iter().map(ToString::to_string).collect();
        let (vlans, names) = match names.as_slice() {
            [one] => ("VLAN", one.clone()),
            _ => ("VLANs", names.join(", ")),
        };
        let more = match lacks.hosts {
            1 => String::new(),
            n => format!(" (of {n} hosts with such bonds)"),
        };
        found.add_with(
            &PEER_LINK,
            switch_at(site, switch).at("peerTrunk"),
            format!(
                "the links of {name} to its peers do not carry {vlans} {names}, which the bond of {} \
                 between {name} and {} uses{more}",
                c.hosts()[lacks.host].name,
                switches[lacks.other].name,
            ),
            (c.host_at(lacks.host).at("uplink").at("bond"), "the bond"),
        );
    }
}

/// What the links of one switch to its peers lack.
struct Lacks {
    vlans: BTreeSet<VlanId>,
    /// The first host whose bond needs one of them, and how many do.
    host: usize,
    hosts: usize,
    /// The other switch of that host's bond.
    other: usize,
}

/// The VLAN whose frames bear no tag at a cable's port, where it is said, and what it is called.
fn native_of(index: usize, site: &Site, cable: Cable<'_>) -> Option<(VlanId, Path, String)> {
    let switch = &site.switches[cable.switch];
    let at = switch_at(index, cable.switch);
    let mut ports = switch.ports.iter().enumerate();
    let port = ports.find(|(_, p)| Some(p.name.as_str()) == cable.port);
    if let Some((k, port)) = port
        && let Some(native) = port.native
    {
        let place = at.at("ports").at(k).at("native");
        return Some((
            native,
            place,
            format!("port {} of {}", port.name, switch.name),
        ));
    }
    let name = format!("a host's port of {}", switch.name);
    Some((switch.native?, at.at("native"), name))
}

fn switch_at(site: usize, switch: usize) -> Path {
    let site = Path::spec().at("sites").at(site);
    site.at("switches").at(switch)
}

/// What the host does otherwise.
fn disagree(c: &Context<'_>, host: usize, own: Option<VlanId>, native: VlanId) -> Option<String> {
    let untagged = c.hosts()[host].uplink.untagged;
    match own {
        Some(own) if untagged && own != native => {
            Some(format!("sends those of VLAN {own} so (`untagged: true`)"))
        }
        _ if !untagged && c.vlans_of(host).contains(&native) => Some("expects a tag".to_owned()),
        _ if untagged && own != Some(native) && c.vlans_of(host).contains(&native) => {
            Some("expects a tag".to_owned())
        }
        _ => None,
    }
}

/// The VLANs of a bond have to be on the links between its switches: what comes in by one of
/// them may be for what hangs on the other.
fn peer_links(
    c: &Context<'_>,
    i: usize,
    (index, site): (usize, &Site),
    lacking: &mut BTreeMap<(usize, usize), Lacks>,
) {
    let mut ends: Vec<usize> = c.cables(i).iter().map(|cable| cable.switch).collect();
    ends.sort_unstable();
    ends.dedup();
    for (k, a) in ends.iter().enumerate() {
        for b in &ends[k + 1..] {
            let (one, other) = (&site.switches[*a], &site.switches[*b]);
            if !peers(one, other) {
                continue;
            }
            for (switch, other) in [(*a, *b), (*b, *a)] {
                let used = c.vlans_of(i).iter().copied();
                let vlans: BTreeSet<VlanId> = used
                    .filter(|id| !site.switches[switch].carries_to_peers(*id))
                    .collect();
                if vlans.is_empty() {
                    continue;
                }
                let known = lacking.entry((index, switch)).or_insert(Lacks {
                    vlans: BTreeSet::new(),
                    host: i,
                    hosts: 0,
                    other,
                });
                known.vlans.extend(vlans);
                known.hosts += 1;
            }
        }
    }
}

fn peers(a: &Switch, b: &Switch) -> bool {
    a.peers.contains(&b.name) || b.peers.contains(&a.name)
}
