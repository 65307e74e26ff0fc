//! Ranges: apart from each other, inside their pools, outside of what is set aside.

use ipnetwork::IpNetwork;

use super::{Context, Findings, context::RangeOf, space::canonical};
use crate::diagnostics::{
    FOREIGN_NETWORK, Finding, IN_VSWITCH, RANGE_OUTSIDE, RANGES_OVERLAP, RESERVED,
};
use crate::model::SiteType;
use crate::prefix::{bounds, covers, overlap};
use crate::source::Path;

/// Prefixes that are apart, by their beginning, with what they stand for.
struct Sorted<T>(Vec<(IpNetwork, T)>);

impl<T> Sorted<T> {
    fn new(mut entries: Vec<(IpNetwork, T)>) -> Self {
        entries.sort_by_key(|(p, _)| (bounds(*p).0, p.prefix()));
        Self(entries)
    }

    /// One that shares an address with `prefix`: the last that begins before its end.
    fn touching(&self, prefix: IpNetwork) -> Option<&(IpNetwork, T)> {
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
            found.add(&FOREIGN_NETWORK, at, message);
            continue;
        }
        let in_pool = pools[index]
            .touching(r.range.prefix)
            .is_some_and(|(p, ())| covers(*p, r.range.prefix));
        if !in_pool {
            outside(c, r, found);
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

fn outside(c: &Context<'_>, r: RangeOf<'_>, found: &mut Findings) {
    let Some((index, network)) = c.network_of(r.host, r.index) else {
        return;
    };
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
    found.put(Finding {
        rule: &RANGE_OUTSIDE,
        place: c.range_at(r.host, r.index),
        message: format!(
            "{} of {} is in no pool of {}; {has}",
            r.range.prefix,
            c.hosts()[r.host].name,
            network.name
        ),
        help: RANGE_OUTSIDE.help.to_owned(),
        related: Some((
            Path::spec().at("networks").at(index).at("pools"),
            "its pools".to_owned(),
        )),
    });
}

/// No two hosts own the same address. Sorted by their beginning, a range that overlaps one
/// before it overlaps the widest that is still open.
fn apart(c: &Context<'_>, found: &mut Findings) {
    let mut all: Vec<RangeOf<'_>> = c.ranges().collect();
    all.sort_by_key(|r| (bounds(r.range.prefix).0, r.range.prefix.prefix()));
    let mut widest: Option<RangeOf<'_>> = None;
    for r in all {
        match widest {
            Some(before) if covers(before.range.prefix, r.range.prefix) => {
                // Equal ranges are sorted as the document has them; else the wider is told.
                let (culprit, other) = (r, before);
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
