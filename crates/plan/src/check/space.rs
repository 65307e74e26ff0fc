//! The one address space: subnets, pools, service prefixes and transfer networks are apart,
//! but for those that belong inside each other.

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::diagnostics::{
    EXCLUDE_OUTSIDE, Finding, HOST_BITS, IN_SHARED, IN_VSWITCH, LINK_OVERLAP, POOL_FOREIGN,
    POOL_OUTSIDE, POOLS_OVERLAP, Rule, SERVICE_OVERLAP, SLICE_LENGTH, SUBNETS_OVERLAP,
    VSWITCH_OUTSIDE,
};
use crate::model::{Network, SiteType, Subnet};
use crate::prefix::{bits, bounds, covers, overlap};
use crate::source::Path;

/// A prefix that takes up a part of the address space.
struct Claim<'p> {
    prefix: IpNetwork,
    kind: Kind,
    /// Whose, in words.
    owner: String,
    place: Path,
    network: Option<&'p Network>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Vlan { site: usize, vlan: usize },
    VpcPrefix { site: usize },
    VSwitch { site: usize },
    Service,
    Transfer,
    Pool,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let claims = claims(c);
    for claim in &claims {
        canonical(claim.prefix, claim.place.clone(), found);
    }
    nested(c, found);
    apart(c, claims, found);
}

/// A prefix whose host bits are set is a mistyped one.
pub(super) fn canonical(prefix: IpNetwork, place: Path, found: &mut Findings) {
    if prefix.ip() != prefix.network() {
        found.put(Finding {
            rule: &HOST_BITS,
            place,
            message: format!("{prefix} has host bits set"),
            help: format!(
                "Write {}/{}, or correct the length.",
                prefix.network(),
                prefix.prefix()
            ),
            related: None,
        });
    }
}

fn claims<'p>(c: &Context<'p>) -> Vec<Claim<'p>> {
    let mut all = Vec::new();
    let mut claim = |prefix, kind, owner: String, place, network| {
        all.push(Claim {
            prefix,
            kind,
            owner,
            place,
            network,
        });
    };
    for (i, prefix) in c.plan.spec.service_prefixes.iter().enumerate() {
        let place = Path::spec().at("servicePrefixes").at(i);
        claim(
            *prefix,
            Kind::Service,
            "the services".to_owned(),
            place,
            None,
        );
    }
    for (site, s) in c.sites().iter().enumerate() {
        let at = Path::spec().at("sites").at(site);
        for (i, prefix) in s.prefixes.iter().enumerate() {
            let place = at.clone().at("prefixes").at(i);
            claim(
                *prefix,
                Kind::VpcPrefix { site },
                format!("the VPC {}", s.name),
                place,
                None,
            );
        }
        for (vlan, v) in s.vlans.iter().enumerate() {
            for (i, subnet) in v.subnets.iter().enumerate() {
                let place = at
                    .clone()
                    .at("vlans")
                    .at(vlan)
                    .at("subnets")
                    .at(i)
                    .at("prefix");
                let owner = format!("VLAN {} of {}", v.id, s.name);
                claim(subnet.prefix, Kind::Vlan { site, vlan }, owner, place, None);
            }
        }
        for (j, v) in s.v_switches.iter().enumerate() {
            for (i, subnet) in v.subnets.iter().enumerate() {
                let place = at
                    .clone()
                    .at("vSwitches")
                    .at(j)
                    .at("subnets")
                    .at(i)
                    .at("prefix");
                let owner = format!("vSwitch {} of {}", v.name, s.name);
                claim(subnet.prefix, Kind::VSwitch { site }, owner, place, None);
            }
        }
    }
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        for (j, transfer) in link.transfer.iter().enumerate() {
            let place = Path::spec()
                .at("links")
                .at(i)
                .at("transfer")
                .at(j)
                .at("prefix");
            let owner = format!("leased line {}", link.name);
            claim(transfer.prefix, Kind::Transfer, owner, place, None);
        }
    }
    for (i, network) in c.networks().iter().enumerate() {
        for (j, pool) in network.pools.iter().enumerate() {
            let place = Path::spec()
                .at("networks")
                .at(i)
                .at("pools")
                .at(j)
                .at("prefix");
            let owner = format!("the pool of {}", network.name);
            claim(pool.prefix, Kind::Pool, owner, place, Some(network));
        }
    }
    all
}

/// What must lie inside something else: pools in subnets, vSwitches in VPC prefixes,
/// exclusions in pools.
fn nested(c: &Context<'_>, found: &mut Findings) {
    for (i, site) in c.sites().iter().enumerate() {
        if site.prefixes.is_empty() {
            continue;
        }
        for (j, v) in site.v_switches.iter().enumerate() {
            for (k, subnet) in v.subnets.iter().enumerate() {
                if !site.prefixes.iter().any(|p| covers(*p, subnet.prefix)) {
                    let at = Path::spec().at("sites").at(i).at("vSwitches").at(j);
                    found.add_with(
                        &VSWITCH_OUTSIDE,
                        at.at("subnets").at(k).at("prefix"),
                        format!("{} is in no prefix of {}", subnet.prefix, site.name),
                        (
                            Path::spec().at("sites").at(i).at("prefixes"),
                            "the VPC's prefixes",
                        ),
                    );
                }
            }
        }
    }
    let shared: Option<IpNetwork> = "100.64.0.0/10".parse().ok();
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i).at("pools");
        let subnets: Option<&[Subnet]> = c.site(&network.site).and_then(|(index, site)| {
            let vlan = c.vlan(index, network.vlan?)?;
            (site.site_type == SiteType::Idc).then(|| site.vlans[vlan].subnets.as_slice())
        });
        for (j, pool) in network.pools.iter().enumerate() {
            let at = at.clone().at(j);
            if let Some(subnets) = subnets
                && !subnets.iter().any(|s| covers(s.prefix, pool.prefix))
            {
                let list: Vec<String> = subnets.iter().map(|s| s.prefix.to_string()).collect();
                let message = format!(
                    "pool {} is in no subnet of its VLAN: {}",
                    pool.prefix,
                    list.join(", ")
                );
                found.add(&POOL_OUTSIDE, at.clone().at("prefix"), message);
            }
            if let Some(shared) = shared
                && overlap(shared, pool.prefix)
            {
                let message = format!("{} is a destination in {shared}", pool.prefix);
                found.add(&IN_SHARED, at.clone().at("prefix"), message);
            }
            if let Some(length) = pool.slice_length
                && !(pool.prefix.prefix()..=bits(pool.prefix)).contains(&length)
            {
                let message = format!("a /{length} is no part of the pool {}", pool.prefix);
                found.add(&SLICE_LENGTH, at.clone().at("sliceLength"), message);
            }
            let parts = pool.exclude.iter().copied().enumerate();
            let parts = parts.map(|(k, p)| (p, at.clone().at("exclude").at(k)));
            let reserved = pool
                .reservations
                .iter()
                .enumerate()
                .map(|(k, r)| (r.prefix, at.clone().at("reservations").at(k).at("prefix")));
            for (prefix, place) in parts.chain(reserved) {
                canonical(prefix, place.clone(), found);
                if !covers(pool.prefix, prefix) {
                    let message = format!("{prefix} is not in the pool {}", pool.prefix);
                    found.add(&EXCLUDE_OUTSIDE, place, message);
                }
            }
        }
    }
}

/// Prefixes nest or are apart. Sorted by their beginning, those that an entry lies in are
/// on a stack; the innermost that it must not lie in is told.
fn apart(c: &Context<'_>, mut claims: Vec<Claim<'_>>, found: &mut Findings) {
    claims.sort_by_key(|x| (bounds(x.prefix).0, x.prefix.prefix()));
    let mut open: Vec<&Claim<'_>> = Vec::new();
    for inner in &claims {
        while open.last().is_some_and(|o| !covers(o.prefix, inner.prefix)) {
            open.pop();
        }
        let mut conflicts = open.iter().rev().filter(|o| !may_hold(c, o, inner));
        // A subnet in another subnet is also in the other's pool; the subnet tells more.
        let outer = conflicts
            .clone()
            .find(|o| inner.kind == Kind::Pool || o.kind != Kind::Pool)
            .or_else(|| conflicts.next());
        if let Some(outer) = outer {
            // The pool is told to move, or else what stands later in the document.
            let inner_moves = match (inner.kind, outer.kind) {
                (Kind::Pool, Kind::Pool) => inner.place > outer.place,
                (Kind::Pool, _) => true,
                (_, Kind::Pool) => false,
                _ => inner.place > outer.place,
            };
            let (culprit, other) = if inner_moves {
                (inner, *outer)
            } else {
                (*outer, inner)
            };
            let message = format!(
                "{} of {} overlaps {} of {}",
                culprit.prefix, culprit.owner, other.prefix, other.owner
            );
            found.add_with(
                overlap_rule(c, outer, inner),
                culprit.place.clone(),
                message,
                (other.place.clone(), "overlaps this"),
            );
        }
        let again = open
            .last()
            .is_some_and(|o| o.prefix == inner.prefix && o.kind == inner.kind);
        if !again {
            open.push(inner);
        }
    }
}

/// A pool's network, and the index of its site.
fn network_of<'p>(c: &Context<'_>, claim: &Claim<'p>) -> Option<(usize, &'p Network)> {
    let network = claim.network?;
    let (index, _) = c.site(&network.site)?;
    Some((index, network))
}

/// Whether `inner` belongs inside `outer`.
fn may_hold(c: &Context<'_>, outer: &Claim<'_>, inner: &Claim<'_>) -> bool {
    match (outer.kind, inner.kind) {
        (Kind::VpcPrefix { site }, Kind::VSwitch { site: of }) => site == of,
        (Kind::VpcPrefix { site }, Kind::Pool) => {
            network_of(c, inner).is_some_and(|(index, _)| index == site)
        }
        (Kind::Vlan { site, vlan }, Kind::Pool) => {
            network_of(c, inner).is_some_and(|(index, network)| {
                index == site && network.vlan.and_then(|id| c.vlan(site, id)) == Some(vlan)
            })
        }
        _ => false,
    }
}

fn overlap_rule(c: &Context<'_>, outer: &Claim<'_>, inner: &Claim<'_>) -> &'static Rule {
    let either = |kind: Kind| outer.kind == kind || inner.kind == kind;
    if either(Kind::Service) {
        return &SERVICE_OVERLAP;
    }
    if either(Kind::Transfer) {
        return &LINK_OVERLAP;
    }
    match (outer.kind, inner.kind) {
        (Kind::Pool, Kind::Pool) => &POOLS_OVERLAP,
        // The cloud refuses a destination inside a vSwitch, and that is what a pool is for.
        (Kind::VSwitch { site }, Kind::Pool)
            if inner
                .network
                .is_some_and(|n| n.site == c.sites()[site].name) =>
        {
            &IN_VSWITCH
        }
        (Kind::Pool, _) | (_, Kind::Pool) => &POOL_FOREIGN,
        _ => &SUBNETS_OVERLAP,
    }
}
