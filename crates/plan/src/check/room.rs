//! Whether ranges have addresses for containers, and enough of them.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::context::RangeOf;
use super::{Context, Findings, finding, suspects::Suspects};
use crate::finding::{NO_ROOM, ONE_ROOM, RANGE_SMALL, Rule};
use crate::model::{Host, Network, SiteType};
use crate::prefix::{bounds, covers, overlap, size};
use crate::source::Path;

/// Disjoint stretches of addresses in order, of both families.
struct Stretches(Vec<(crate::prefix::Position, u128)>);

impl Stretches {
    /// Of prefixes that may overlap.
    fn of(prefixes: impl Iterator<Item = IpNetwork>) -> Self {
        let mut all: Vec<_> = prefixes.map(bounds).collect();
        all.sort_unstable();
        let mut merged: Vec<(crate::prefix::Position, u128)> = Vec::new();
        for (first, last) in all {
            match merged.last_mut() {
                Some((start, end)) if start.v6 == first.v6 && first.value <= *end => {
                    *end = (*end).max(last.value);
                }
                _ => merged.push((first, last.value)),
            }
        }
        Self(merged)
    }

    /// How many of a prefix's addresses are in one of the stretches.
    fn within(&self, prefix: IpNetwork) -> u128 {
        let (first, last) = bounds(prefix);
        let from = self
            .0
            .partition_point(|(start, end)| (start.v6, *end) < (first.v6, first.value));
        self.0[from..]
            .iter()
            .take_while(|(start, _)| start.v6 == first.v6 && start.value <= last.value)
            .map(|(start, end)| {
                let common = end.min(&last.value) - start.value.max(first.value);
                common.saturating_add(1)
            })
            .fold(0, u128::saturating_add)
    }
}

/// A host's ranges of one network and family.
struct Own<'c, 'p> {
    c: &'c Context<'p>,
    host: usize,
    network: usize,
    /// Each with its index among the host's ranges.
    ranges: Vec<(usize, IpNetwork)>,
    excluded: &'c Stretches,
    /// Lines of ranges, one of which holds a gateway: it is rightly excluded.
    of_routers: &'c BTreeSet<Path>,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let excluded: Vec<Stretches> = c
        .networks()
        .iter()
        .map(|n| Stretches::of(n.pools.iter().flat_map(|p| p.exclude.iter().copied())))
        .collect();
    let of_routers = of_routers(c);
    let mut short: BTreeMap<usize, Suspects> = BTreeMap::new();
    for (i, host) in c.hosts().iter().enumerate() {
        let mut by: Vec<(usize, bool, usize, IpNetwork)> = Vec::with_capacity(host.ranges.len());
        for (j, range) in host.ranges.iter().enumerate() {
            if let Some((network, _)) = c.network_of(i, j) {
                by.push((network, range.prefix.is_ipv6(), j, range.prefix));
            }
        }
        by.sort_unstable_by_key(|(network, v6, j, _)| (*network, *v6, *j));
        for group in by.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1)) {
            let own = Own {
                c,
                host: i,
                network: group[0].0,
                ranges: group.iter().map(|(_, _, j, p)| (*j, *p)).collect(),
                excluded: &excluded[group[0].0],
                of_routers: &of_routers,
            };
            let short = short.entry(own.network).or_default();
            own.judge(short, found);
        }
    }
    for (network, short) in short {
        let at = match c.networks()[network].density {
            Some(_) => Path::spec().at("networks").at(network),
            None => Path::spec(),
        };
        let all = |hosts| format!("none of {hosts} hosts has enough addresses");
        short.tell(at.at("density"), all, found);
    }
}

fn of_routers(c: &Context<'_>) -> BTreeSet<Path> {
    let holds_one = |r: &RangeOf<'_>| {
        let network = c.network_of(r.host, r.index).map(|(_, n)| n);
        let subnets = network.and_then(|n| c.subnets_of(n)).unwrap_or_default();
        subnets.iter().any(|s| r.range.prefix.contains(s.gateway))
    };
    let ranges = c.ranges().filter(holds_one);
    ranges.map(|r| c.range_at(r.host, r.index)).collect()
}

impl Own<'_, '_> {
    fn judge(&self, short: &mut Suspects, found: &mut Findings) {
        let (host, network) = (self.host(), self.network());
        // A range that is excluded whole is being emptied, if the host has another one of the
        // network and family. One without room for its own gateway netd refuses in any case.
        let empty = self.ranges.iter().all(|r| self.usable(r.1) == 0);
        let none = self.ranges.iter();
        let none: Vec<_> = none.filter(|r| empty || self.whole(r.1) == 0).collect();
        for (j, range) in &none {
            let message = format!("{range} of {} has no address for a container", host.name);
            self.tell(&NO_ROOM, (*j, *range), message, found);
        }
        let usable = |of: &dyn Fn(IpNetwork) -> u128| {
            let each = self.ranges.iter().map(|(_, r)| of(*r));
            each.fold(0, u128::saturating_add)
        };
        let all = usable(&|r| self.usable(r));
        let planned = self.c.plan.density(host, network);
        let largest = self.ranges.iter().max_by_key(|(_, r)| size(*r));
        let Some((j, largest)) = largest.filter(|_| none.is_empty()) else {
            return;
        };
        let list: Vec<String> = self.ranges.iter().map(|(_, r)| r.to_string()).collect();
        let list = list.join(", ");
        match planned.map(u128::from) {
            Some(planned) if all < planned => {
                let message = format!(
                    "{} has {all} addresses for containers in {} ({list}), {planned} are planned",
                    host.name, network.name
                );
                // Where the range would do, what is excluded of it is too much.
                let place = self.c.range_at(self.host, *j);
                match usable(&|r| self.whole(r)) >= planned {
                    true => self.tell(&RANGE_SMALL, (*j, *largest), message, found),
                    false if host.density.is_some() => found.add(&RANGE_SMALL, place, message),
                    false => short.add(finding(&RANGE_SMALL, place, message)),
                }
            }
            Some(_) if host.density.is_none() => short.add_right(),
            Some(_) => {}
            None if all == 1 => {
                let message = format!(
                    "{} has room for one container in {} ({list})",
                    host.name, network.name
                );
                found.add(&ONE_ROOM, self.c.range_at(self.host, *j), message);
            }
            None => {}
        }
    }

    /// At the exclusion that takes the most of a range, if one takes half of it; else at the
    /// range.
    fn tell(
        &self,
        rule: &'static Rule,
        (j, range): (usize, IpNetwork),
        message: String,
        found: &mut Findings,
    ) {
        let pools = self.network().pools.iter().enumerate();
        let exclusions = pools.flat_map(|(p, pool)| {
            let each = pool.exclude.iter().enumerate();
            each.map(move |(k, prefix)| (p, k, *prefix))
        });
        let common = |prefix: IpNetwork| match (covers(prefix, range), overlap(prefix, range)) {
            (true, _) => size(range),
            (false, true) => size(prefix),
            (false, false) => 0,
        };
        let most = exclusions.max_by_key(|(_, _, prefix)| common(*prefix));
        let at = self.c.range_at(self.host, j);
        let most = most.filter(|_| !self.of_routers.contains(&at));
        match most.filter(|(_, _, prefix)| common(*prefix) >= size(range).div_ceil(2)) {
            Some((p, k, _)) => {
                let pools = Path::spec().at("networks").at(self.network).at("pools");
                let place = pools.at(p).at("exclude").at(k);
                found.add_with(rule, place, message, (at, "this range"));
            }
            None => found.add(rule, at, message),
        }
    }

    fn host(&self) -> &Host {
        &self.c.hosts()[self.host]
    }

    fn network(&self) -> &Network {
        &self.c.networks()[self.network]
    }

    /// Addresses of a range that containers can have.
    fn usable(&self, range: IpNetwork) -> u128 {
        let excluded = self.excluded.within(range);
        // What is excluded of the addresses that no container has anyway is taken off once.
        let twice = self.reserved(range).map(|a| self.excluded.within(a));
        let twice: u128 = twice.sum();
        self.whole(range).saturating_sub(excluded - twice)
    }

    /// The addresses of a range that [`Self::whole`] leaves out.
    fn reserved(&self, range: IpNetwork) -> impl Iterator<Item = IpNetwork> + use<> {
        let routed = self.is_routed().then(|| reserved(range));
        routed.into_iter().flatten()
    }

    /// The same, were nothing excluded.
    fn whole(&self, range: IpNetwork) -> u128 {
        match self.is_routed() {
            true => routed_room(range),
            // It holds no gateway and no edge of its subnet, or FN0107 and FN0108 say so.
            false => size(range),
        }
    }

    /// Whether the host itself is the gateway of its ranges, as it is in a VPC.
    fn is_routed(&self) -> bool {
        let site = self.c.site_of(self.host);
        site.is_some_and(|(_, s)| s.site_type == SiteType::Vpc)
    }
}

/// Addresses for containers in a range that is a subnet of its own, whose second address is the
/// gateway: all but the [`reserved`] ones.
pub(super) fn routed_room(range: IpNetwork) -> u128 {
    let reserved = u128::try_from(reserved(range).len()).unwrap_or(u128::MAX);
    size(range).saturating_sub(reserved)
}

/// The addresses of a range that is a subnet of its own which no container has: the gateway, which
/// is the second; the first one, which is the network's, and in IPv4 the last one, which is the
/// broadcast's. Of two addresses both are machines' (RFC 3021, RFC 6164), and one alone has no
/// place for a gateway.
fn reserved(range: IpNetwork) -> Vec<IpNetwork> {
    let (first, last) = bounds(range);
    let second = first.forward(1);
    let all = match (size(range), range.is_ipv4()) {
        (0 | 1, _) => vec![Some(first)],
        (2, _) => vec![second],
        (_, true) => vec![Some(first), second, Some(last)],
        (_, false) => vec![Some(first), second],
    };
    all.into_iter()
        .flatten()
        .filter_map(|a| a.address().map(IpNetwork::from))
        .collect()
}
