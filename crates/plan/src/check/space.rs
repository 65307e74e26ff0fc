//! The one address space: subnets, pools, service prefixes and transfer networks are apart,
//! but for those that belong inside each other.

use ipnetwork::IpNetwork;

use super::{Context, Findings, canonical, context::is_doubtful, special};
use crate::finding::{
    EXCLUDE_OUTSIDE, IN_SHARED, IN_VSWITCH, LINK_OVERLAP, POOL_FOREIGN, POOL_OUTSIDE,
    POOLS_OVERLAP, Rule, SERVICE_OVERLAP, SET_ASIDE, SLICE_LENGTH, SUBNETS_OVERLAP, USED_ELSEWHERE,
    VSWITCH_OUTSIDE,
};
use crate::model::{Network, SiteType, Subnet, VlanRole};
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
    Transfer { idc: Option<usize> },
    Pool,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    let claims = claims(c);
    for claim in &claims {
        canonical(claim.prefix, claim.place.clone(), found);
        set_aside(c, claim, found);
    }
    nested(c, found);
    apart(c, claims, found);
}

/// Addresses that no machine can have, that the cloud keeps for itself, or that something else
/// has as a rule.
fn set_aside(c: &Context<'_>, claim: &Claim<'_>, found: &mut Findings) {
    let Claim { prefix, owner, .. } = claim;
    // The subnet that a pool is cut from is told, and not the pool once more.
    if in_own_subnet(c, claim) {
        return;
    }
    let cloud = c.sites().iter().any(|s| s.site_type == SiteType::Vpc);
    if let Some(shared) = special::clouds_own().filter(|s| cloud && overlap(*s, *prefix)) {
        match claim.kind {
            Kind::Pool | Kind::Vlan { .. } if is_destination(c, claim) => {
                let message = format!("{prefix} of {owner} is a destination in {shared}");
                found.add(&IN_SHARED, claim.place.clone(), message);
            }
            // No entry of the cloud leads there.
            Kind::Pool | Kind::Vlan { .. } => {}
            _ => {
                let message = format!(
                    "{prefix} of {owner} has addresses of {shared}, the cloud's own services"
                );
                found.add(&SET_ASIDE, claim.place.clone(), message);
            }
        }
    }
    let Some(block) = special::touched(*prefix) else {
        return;
    };
    // Routers may know each other by addresses of their link alone.
    let of_link = matches!(claim.kind, Kind::Transfer { .. }) && block.is_of_a_link();
    if of_link && !special::has_metadata(*prefix) {
        return;
    }
    let rule = match claim.kind {
        _ if block.is_nobodys() && !of_link => &SET_ASIDE,
        // What a VPC is cut from need not be used.
        Kind::VpcPrefix { .. } => return,
        _ => &USED_ELSEWHERE,
    };
    let message = format!(
        "{prefix} of {owner} has addresses of {}: {}",
        block.prefix, block.what
    );
    found.add(rule, claim.place.clone(), message);
}

/// Whether a pool is cut from a subnet of its network's own VLAN.
fn in_own_subnet(c: &Context<'_>, claim: &Claim<'_>) -> bool {
    let vlan = network_of(c, claim).and_then(|(site, network)| {
        let vlan = c.vlan(site, network.vlan?)?;
        c.sites()[site].vlans.get(vlan)
    });
    vlan.is_some_and(|v| v.subnets.iter().any(|s| covers(s.prefix, claim.prefix)))
}

/// Whether a route table of the cloud is to have an entry for it: for the pools of a VPC, and for
/// what is in a data centre where hosts and containers are, if a line accepts it.
fn is_destination(c: &Context<'_>, claim: &Claim<'_>) -> bool {
    let site = match claim.kind {
        Kind::Vlan { site, vlan } => {
            let role = c.sites()[site].vlans[vlan].role;
            if !matches!(role, VlanRole::Host | VlanRole::Pod) {
                return false;
            }
            site
        }
        _ => match network_of(c, claim) {
            Some((site, _)) if c.sites()[site].site_type == SiteType::Idc => site,
            _ => return true,
        },
    };
    let name = &c.sites()[site].name;
    let mut lines = c.plan.spec.links.iter().filter(|l| l.idc == *name);
    lines.any(|l| {
        let accept = l.accept.as_ref();
        accept.is_none_or(|a| a.from_idc.iter().any(|p| overlap(*p, claim.prefix)))
    })
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
        let idc = c.site(&link.idc).map(|(index, _)| index);
        for (j, transfer) in link.transfer.iter().enumerate() {
            let place = Path::spec()
                .at("links")
                .at(i)
                .at("transfer")
                .at(j)
                .at("prefix");
            let owner = format!("leased line {}", link.name);
            claim(transfer.prefix, Kind::Transfer { idc }, owner, place, None);
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
                let inside = site.prefixes.iter().any(|p| covers(*p, subnet.prefix));
                if !inside && !is_doubtful(subnet) {
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
    for (i, network) in c.networks().iter().enumerate() {
        let at = Path::spec().at("networks").at(i).at("pools");
        let subnets = c.subnets_of(network);
        let within = |subnets: &[Subnet], prefix| subnets.iter().any(|s| covers(s.prefix, prefix));
        for (j, pool) in network.pools.iter().enumerate() {
            let at = at.clone().at(j);
            let outside = subnets.is_some_and(|all| !within(all, pool.prefix));
            if let Some(subnets) =
                subnets.filter(|all| outside && !c.is_lost(network) && !all.iter().any(is_doubtful))
            {
                let list: Vec<String> = subnets.iter().map(|s| s.prefix.to_string()).collect();
                let message = format!(
                    "pool {} is in no subnet of its VLAN: {}",
                    pool.prefix,
                    list.join(", ")
                );
                found.add(&POOL_OUTSIDE, at.clone().at("prefix"), message);
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
                // Of a pool that is outside its VLAN, what is inside is no fault of its own.
                let victim = outside && subnets.is_some_and(|all| within(all, prefix));
                if !victim && !covers(pool.prefix, prefix) {
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
        let told =
            |o: &&&Claim<'_>| own_vpc_overlaps(c, o, inner) || own_subnet_overlaps(c, o, inner);
        let mut conflicts = open
            .iter()
            .rev()
            .filter(|o| !may_hold(c, o, inner) && !told(o));
        // A subnet in another subnet is also in the other's pool; the subnet tells more.
        let outer = conflicts
            .clone()
            .find(|o| inner.kind == Kind::Pool || o.kind != Kind::Pool)
            .or_else(|| conflicts.next());
        if let Some(outer) = outer {
            // The pool is told to move, or else what stands later in the document.
            let inner_moves = match (inner.kind, outer.kind) {
                // A line's own network and the services' are chosen last, and moved the easiest.
                (Kind::Transfer { .. }, Kind::Transfer { .. }) => inner.place > outer.place,
                (Kind::Transfer { .. }, _) => true,
                (_, Kind::Transfer { .. }) => false,
                (Kind::Service, _) => true,
                (_, Kind::Service) => false,
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

/// Whether `inner` is a vSwitch whose own VPC's prefix overlaps that of `outer`, another VPC: that is
/// told, and this follows from it.
fn own_vpc_overlaps(c: &Context<'_>, outer: &Claim<'_>, inner: &Claim<'_>) -> bool {
    let (Kind::VpcPrefix { .. }, Kind::VSwitch { site }) = (outer.kind, inner.kind) else {
        return false;
    };
    let mut own = c.sites()[site].prefixes.iter();
    own.any(|p| covers(*p, inner.prefix) && overlap(*p, outer.prefix))
}

/// Whether `inner` is a pool whose own subnet overlaps that of `outer`, or of its VLAN: that is told,
/// and this follows from it.
fn own_subnet_overlaps(c: &Context<'_>, outer: &Claim<'_>, inner: &Claim<'_>) -> bool {
    let of_pool = |pool: &Claim<'_>| -> Option<(usize, usize, IpNetwork)> {
        let (site, network) = network_of(c, pool)?;
        let vlan = c.vlan(site, network.vlan?)?;
        let mut subnets = c.sites()[site].vlans[vlan].subnets.iter();
        let own = subnets.find(|s| covers(s.prefix, pool.prefix))?;
        Some((site, vlan, own.prefix))
    };
    let (Kind::Pool, Some((site, vlan, own))) = (inner.kind, of_pool(inner)) else {
        return false;
    };
    let other = match outer.kind {
        Kind::Vlan { site, vlan } => Some((site, vlan, outer.prefix)),
        Kind::Pool => of_pool(outer),
        _ => None,
    };
    other.is_some_and(|(s, v, prefix)| (s, v) != (site, vlan) && overlap(prefix, own))
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
        // The VLAN that the line ends in.
        (Kind::Vlan { site, vlan }, Kind::Transfer { idc }) => {
            idc == Some(site) && c.sites()[site].vlans[vlan].role == VlanRole::Transit
        }
        // It is told that the pool is in no VLAN of its own.
        (Kind::Vlan { site, .. }, Kind::Pool) if c.is_stray(site, inner.network, inner.prefix) => {
            true
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
    if [outer.kind, inner.kind]
        .iter()
        .any(|kind| matches!(kind, Kind::Transfer { .. }))
    {
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
