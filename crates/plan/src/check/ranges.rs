//! Ranges: apart from each other, inside their pools, outside of what is set aside.

use std::cell::OnceCell;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use ipnetwork::IpNetwork;

use super::{Context, Findings, canonical, context::RangeOf, finding, suspects::Suspects};
use crate::finding::{
    FOREIGN_NETWORK, Finding, IN_VSWITCH, RANGE_OUTSIDE, RANGES_OVERLAP, RESERVED,
};
use crate::model::{Network, SiteType};
use crate::prefix::{bounds, covers, overlap};
use crate::source::Path;

/// Prefixes that are apart, by their beginning, with what they stand for.
pub(super) struct Sorted<T>(Vec<(IpNetwork, T)>);

impl<T> Sorted<T> {
    pub(super) fn new(mut entries: Vec<(IpNetwork, T)>) -> Self {
        entries.sort_by_key(|(p, _)| (bounds(*p).0, p.prefix()));
        Self(entries)
    }

    /// One that shares an address with `prefix`: the last that begins before its end.
    pub(super) fn touching(&self, prefix: IpNetwork) -> Option<&(IpNetwork, T)> {
        let (_, last) = bounds(prefix);
        let after = self.0.partition_point(|(p, _)| bounds(*p).0 <= last);
        self.0[..after].last().filter(|(p, _)| overlap(*p, prefix))
    }
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    apart(c, found);
    let pools: Vec<Sorted<()>> = c
        .networks()
        .iter()
        .map(|n| Sorted::new(n.pools.iter().map(|p| (p.prefix, ())).collect()))
        .collect();
    let reserved: Vec<Sorted<(usize, usize)>> = c
        .networks()
        .iter()
        .map(|n| {
            let all = n.pools.iter().enumerate().flat_map(|(i, p)| {
                let each = p.reservations.iter().enumerate();
                each.map(move |(j, r)| (r.prefix, (i, j)))
            });
            Sorted::new(all.collect())
        })
        .collect();
    let v_switches = v_switches(c);
    // By network and family.
    let mut by_pool: BTreeMap<(usize, bool), Suspects> = BTreeMap::new();
    for r in c.ranges() {
        canonical(r.range.prefix, c.range_at(r.host, r.index), found);
        let Some((index, network)) = c.network_of(r.host, r.index) else {
            continue;
        };
        let host = &c.hosts()[r.host];
        if network.site != host.site {
            let at = c.host_at(r.host).at("ranges").at(r.index).at("network");
            let message = format!(
                "network {} is in {}, the host {} in {}",
                network.name, network.site, host.name, host.site
            );
            if !c.is_lost(network) {
                found.add(&FOREIGN_NETWORK, at, message);
            }
            continue;
        }
        let in_pool = pools[index]
            .touching(r.range.prefix)
            .is_some_and(|(p, ())| covers(*p, r.range.prefix));
        // A pool that is outside its VLAN is told, and not all that was right to be cut from it.
        let victim = || {
            c.subnets_of(network).is_some_and(|all| {
                let within = |p: IpNetwork| all.iter().any(|s| covers(s.prefix, p));
                within(r.range.prefix) && !network.pools.iter().all(|p| within(p.prefix))
            })
        };
        let suspects = by_pool
            .entry((index, r.range.prefix.is_ipv4()))
            .or_default();
        match in_pool || victim() {
            true => suspects.add_right(),
            false => suspects.add(outside(c, r, (index, network))),
        }
        if let Some((prefix, (pool, i))) = reserved[index].touching(r.range.prefix) {
            let at = Path::spec().at("networks").at(index).at("pools").at(*pool);
            let purpose = &network.pools[*pool].reservations[*i].purpose;
            found.add_with(
                &RESERVED,
                c.range_at(r.host, r.index),
                format!(
                    "{} of {} touches {prefix}, set aside for {purpose}",
                    r.range.prefix, host.name
                ),
                (at.at("reservations").at(*i).at("prefix"), "set aside here"),
            );
        }
        let inside = v_switches
            .touching(r.range.prefix)
            .filter(|(p, of)| covers(*p, r.range.prefix) && c.sites()[of.0].name == host.site);
        if let Some((prefix, (site, v, s))) = inside {
            let at = Path::spec().at("sites").at(*site).at("vSwitches").at(*v);
            found.add_with(
                &IN_VSWITCH,
                c.range_at(r.host, r.index),
                format!(
                    "{} of {} is inside the vSwitch's prefix {prefix}",
                    r.range.prefix, host.name
                ),
                (at.at("subnets").at(*s).at("prefix"), "the vSwitch"),
            );
        }
    }
    for ((index, v4), suspects) in by_pool {
        let network = &c.networks()[index];
        let at = Path::spec().at("networks").at(index).at("pools");
        let pool = network.pools.iter().position(|p| p.prefix.is_ipv4() == v4);
        let at = pool.map_or_else(|| at.clone(), |pool| at.clone().at(pool).at("prefix"));
        let all = |ranges| format!("none of {ranges} ranges is in a pool of {}", network.name);
        suspects.tell(at, all, found);
    }
}

fn v_switches(c: &Context<'_>) -> Sorted<(usize, usize, usize)> {
    let mut all = Vec::new();
    for (i, site) in c.sites().iter().enumerate() {
        if site.site_type == SiteType::Vpc {
            for (j, v) in site.v_switches.iter().enumerate() {
                for (k, subnet) in v.subnets.iter().enumerate() {
                    all.push((subnet.prefix, (i, j, k)));
                }
            }
        }
    }
    Sorted::new(all)
}

fn outside(c: &Context<'_>, r: RangeOf<'_>, (index, network): (usize, &Network)) -> Finding {
    let pools: Vec<String> = network
        .pools
        .iter()
        .filter(|p| p.prefix.is_ipv4() == r.range.prefix.is_ipv4())
        .map(|p| p.prefix.to_string())
        .collect();
    let has = match pools.is_empty() {
        true => "it has none of this family".to_owned(),
        false => format!("it has {}", pools.join(", ")),
    };
    let message = format!(
        "{} of {} is in no pool of {}; {has}",
        r.range.prefix,
        c.hosts()[r.host].name,
        network.name
    );
    let pools = Path::spec().at("networks").at(index).at("pools");
    Finding {
        related: Some((pools, "its pools".to_owned())),
        ..finding(&RANGE_OUTSIDE, c.range_at(r.host, r.index), message)
    }
}

/// How many ranges have a length, in a network or in the plan.
type Lengths<'p> = BTreeMap<Length<'p>, usize>;

/// A network, a family and a length; none: of any network.
type Length<'p> = (Option<&'p str>, bool, u8);

fn lengths_of<'p>(r: RangeOf<'p>) -> [Length<'p>; 2] {
    let (v4, length) = (r.range.prefix.is_ipv4(), r.range.prefix.prefix());
    [
        (Some(r.range.network.as_str()), v4, length),
        (None, v4, length),
    ]
}

/// No two hosts own the same address. Sorted by their beginning, a range that overlaps one
/// before it overlaps the widest that is still open.
fn apart(c: &Context<'_>, found: &mut Findings) {
    let mut all: Vec<RangeOf<'_>> = c.ranges().collect();
    all.sort_by_key(|r| (bounds(r.range.prefix).0, r.range.prefix.prefix()));
    let mut widest: Option<RangeOf<'_>> = None;
    let lengths: OnceCell<Lengths<'_>> = OnceCell::new();
    // Of a length that no other range of its network has, nor any of the plan.
    let is_odd = |r: RangeOf<'_>| -> [bool; 2] {
        let all = lengths.get_or_init(|| {
            let mut all = Lengths::new();
            for r in c.ranges() {
                for key in lengths_of(r) {
                    *all.entry(key).or_default() += 1;
                }
            }
            all
        });
        lengths_of(r).map(|key| all.get(&key) == Some(&1))
    };
    for r in all {
        match widest {
            Some(before) if covers(before.range.prefix, r.range.prefix) => {
                // The one of an odd length is told, or the wider; of two that are equal one that is written out, which can be
                // changed alone; else the later.
                let wider = before.range.prefix.prefix() < r.range.prefix.prefix();
                let alone = !c.is_member(before.host) && c.is_member(r.host);
                let first = match is_odd(before).cmp(&is_odd(r)) {
                    Ordering::Less => false,
                    Ordering::Greater => true,
                    Ordering::Equal => wider || alone,
                };
                let (culprit, other) = match first {
                    true => (before, r),
                    false => (r, before),
                };
                let name = |x: RangeOf<'_>| c.hosts()[x.host].name.clone();
                found.add_with(
                    &RANGES_OVERLAP,
                    c.range_at(culprit.host, culprit.index),
                    format!(
                        "{} of {} overlaps {} of {}",
                        culprit.range.prefix,
                        name(culprit),
                        other.range.prefix,
                        name(other)
                    ),
                    (c.range_at(other.host, other.index), "overlaps this"),
                );
            }
            _ => widest = Some(r),
        }
    }
}
