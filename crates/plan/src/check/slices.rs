//! Slices that ipamd cuts: whether each host that is to get one does, and whether it is enough.

use ipnetwork::IpNetwork;

use super::room::routed_room;
use super::{Context, Findings};
use crate::finding::{NO_ROOM, ONE_ROOM, SLICE_SMALL, SLICES_FEW};
use crate::model::{Host, Network, SiteType};
use crate::prefix::{bits, bounds, overlap, size};
use crate::slices;
use crate::source::Path;

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    for (index, network) in c.networks().iter().enumerate() {
        for v4 in [true, false] {
            of_family(c, (index, network), v4, found);
        }
    }
}

/// A pool that is cut, by its place in the network, and the length.
type Cut = (usize, IpNetwork, u8);

fn of_family(c: &Context<'_>, (index, network): (usize, &Network), v4: bool, found: &mut Findings) {
    let cuts = network.pools.iter().enumerate().filter_map(|(i, pool)| {
        let length = pool.slice_length?;
        // What cannot be cut at all is FN0118's.
        let fits = (pool.prefix.prefix()..=bits(pool.prefix)).contains(&length);
        (fits && pool.prefix.is_ipv4() == v4).then_some((i, pool.prefix, length))
    });
    let cuts: Vec<Cut> = cuts.collect();
    let Some((first, _, _)) = cuts.first() else {
        return;
    };
    let has = |host: &Host| {
        let mut ranges = host.ranges.iter();
        ranges.any(|r| r.network == network.name && r.prefix.is_ipv4() == v4)
    };
    let here = c.hosts().iter().filter(|h| h.site == network.site);
    let wanting: Vec<&Host> = here.filter(|h| !has(h)).collect();
    let place = |pool: usize| {
        let pools = Path::spec().at("networks").at(index).at("pools");
        pools.at(pool).at("sliceLength")
    };
    let blocked = slices::blocked(c.plan, network);
    let slices = cuts.iter().map(|cut| free(cut, &blocked));
    let slices = slices.fold(0, u128::saturating_add);
    if slices < wanting.len() as u128 {
        let message = format!(
            "hosts of {} that are to get a slice of {}: {}; slices that its pools have: {slices}",
            network.site,
            network.name,
            wanting.len()
        );
        found.add(&SLICES_FEW, place(*first), message);
    }
    let planned = wanting
        .iter()
        .filter_map(|h| c.plan.density(h, network))
        .max();
    let routed = c
        .site(&network.site)
        .is_some_and(|(_, s)| s.site_type == SiteType::Vpc);
    for (pool, prefix, length) in cuts {
        let Ok(slice) = IpNetwork::new(prefix.network(), length) else {
            continue;
        };
        let usable = match routed {
            true => routed_room(slice),
            false => size(slice),
        };
        if usable == 0 && !wanting.is_empty() {
            let message = format!("a slice of {} has no address for a container", network.name);
            found.add(&NO_ROOM, place(pool), message);
            continue;
        }
        if usable == 1 && planned.is_none() && !wanting.is_empty() {
            let message = format!("a slice of {} has room for one container", network.name);
            found.add(&ONE_ROOM, place(pool), message);
        }
        if let Some(planned) = planned.filter(|p| u128::from(*p) > usable) {
            let message = format!(
                "a slice of {} has {usable} addresses for containers, {planned} are planned",
                network.name
            );
            found.add(&SLICE_SMALL, place(pool), message);
        }
    }
}

/// How many slices of a pool nothing blocks.
fn free((_, pool, length): &Cut, blocked: &[IpNetwork]) -> u128 {
    let (first, last) = bounds(*pool);
    let shift = u32::from(bits(*pool) - length);
    let number = |value: u128| {
        let offset = value.clamp(first.value, last.value) - first.value;
        offset.checked_shr(shift).unwrap_or(0)
    };
    let mut taken: Vec<(u128, u128)> = blocked
        .iter()
        .filter(|b| overlap(**b, *pool))
        .map(|b| {
            let (from, to) = bounds(*b);
            (number(from.value), number(to.value))
        })
        .collect();
    taken.sort_unstable();
    let mut free = number(last.value).saturating_add(1);
    let mut next = 0;
    for (from, to) in taken {
        let from = from.max(next);
        if from <= to {
            free -= to - from + 1;
            next = to.saturating_add(1);
        }
    }
    free
}
