//! Leased lines: who can be reached must be able to answer.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::finding::{NO_WAY_BACK, OTHER_WAY_BACK, PART_NO_WAY_BACK, Rule};
use crate::model::{LeasedLine, Pool, Subnet, VlanRole};
use crate::prefix::{bounds, covers};
use crate::routes::parts::without;
use crate::slices::is_cut;
use crate::source::Path;

/// Prefixes one side accepts, sorted, so that many can be asked for.
struct Accepted(Option<Vec<IpNetwork>>);

impl Accepted {
    fn of(list: Option<&[IpNetwork]>) -> Self {
        Self(list.map(|list| {
            let mut all = list.to_vec();
            all.sort_by_key(|p| (bounds(*p).0, p.prefix()));
            // What lies in another is of no use, and would hide it from the search.
            let mut apart: Vec<IpNetwork> = Vec::with_capacity(all.len());
            for prefix in all {
                if !apart.last().is_some_and(|before| covers(*before, prefix)) {
                    apart.push(prefix);
                }
            }
            apart
        }))
    }

    /// Whether every address of `prefix` is accepted. Two accepted halves are a whole.
    fn takes(&self, prefix: IpNetwork) -> bool {
        let Some(list) = &self.0 else { return true };
        let (first, last) = bounds(prefix);
        let from = list.partition_point(|p| bounds(*p).1 < first);
        let mut next = first;
        for p in &list[from..] {
            let (start, end) = bounds(*p);
            if start > next {
                return false;
            }
            if end >= last {
                return true;
            }
            match end.forward(1) {
                Some(after) => next = after,
                None => return false,
            }
        }
        false
    }
}

/// A prefix that has machines or containers in it.
struct Place<'p> {
    prefix: IpNetwork,
    owner: String,
    site: &'p str,
    /// Whether it is a subnet of hosts' own addresses.
    hosts: bool,
}

pub(super) fn check(c: &Context<'_>, found: &mut Findings) {
    if c.plan.spec.links.iter().all(|l| l.accept.is_none()) {
        return;
    }
    let places = places(c);
    let mut pairs: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for (i, link) in c.plan.spec.links.iter().enumerate() {
        pairs.entry((&link.idc, &link.vpc)).or_default().push(i);
    }
    for ((idc, vpc), links) in pairs {
        for v4 in [true, false] {
            let of = |site: &str, from_idc: bool| {
                let all = places
                    .iter()
                    .filter(|p| p.site == site && p.prefix.is_ipv4() == v4);
                by_lines(c, all, &links, from_idc)
            };
            let (mut in_idc, mut in_vpc) = (of(idc, true), of(vpc, false));
            // Where no host is accepted on either side, hosts are not meant to cross.
            if !in_idc.crossed && !in_vpc.crossed {
                in_idc.hosts_stay();
                in_vpc.hosts_stay();
            }
            let rule = rule_of_unanswered(&in_idc, &in_vpc);
            // A packet to the VPC takes a line whose other side accepted the destination;
            // the answer takes one that accepted the sender.
            let (in_idc, in_vpc) = (in_idc.by, in_vpc.by);
            for (there, to) in &in_vpc {
                for (back, from) in &in_idc {
                    let both = Both {
                        there,
                        to,
                        back,
                        from,
                    };
                    pair(c, both, (&links, rule), found);
                }
            }
        }
    }
}

/// What it is if packets between two sites get no answer. A part that is left out may be meant to
/// stay inside. That nobody of a site is accepted is a mistake, and so is that none of its
/// containers is, while those of the other site are.
fn rule_of_unanswered(in_idc: &ByLines<'_>, in_vpc: &ByLines<'_>) -> &'static Rule {
    let crosses = |side: &ByLines<'_>| side.by.keys().any(|l| !l.is_empty());
    let one_sided = match (in_idc.containers_cross, in_vpc.containers_cross) {
        (Some(idc), Some(vpc)) => idc != vpc,
        _ => false,
    };
    match crosses(in_idc) && crosses(in_vpc) && !one_sided {
        true => &PART_NO_WAY_BACK,
        false => &NO_WAY_BACK,
    }
}

type Lines = BTreeSet<usize>;

/// Places by the lines that accept them, one for each set of lines: the first.
struct ByLines<'a> {
    by: BTreeMap<Lines, &'a Place<'a>>,
    /// Whether a subnet of hosts is accepted by any.
    crossed: bool,
    /// Whether a place of containers is accepted by any; `None` if the site has no such place.
    containers_cross: Option<bool>,
    /// The first place of containers that none accepts.
    stays: Option<&'a Place<'a>>,
}

impl ByLines<'_> {
    /// Leaves out the hosts that no line accepts.
    fn hosts_stay(&mut self) {
        let none = Lines::new();
        match self.stays {
            Some(place) => self.by.insert(none, place),
            None => self.by.remove(&none),
        };
    }
}

fn by_lines<'a>(
    c: &Context<'_>,
    places: impl Iterator<Item = &'a Place<'a>>,
    links: &[usize],
    from_idc: bool,
) -> ByLines<'a> {
    let accepted: Vec<(usize, Accepted)> = links
        .iter()
        .map(|l| {
            let accept = c.plan.spec.links[*l].accept.as_ref();
            let list = accept.map(|a| match from_idc {
                true => a.from_idc.as_slice(),
                false => a.from_vpc.as_slice(),
            });
            (*l, Accepted::of(list))
        })
        .collect();
    let mut by: BTreeMap<Lines, &Place<'_>> = BTreeMap::new();
    let (mut crossed, mut containers_cross, mut stays) = (false, None, None);
    for place in places {
        let lines: Lines = accepted
            .iter()
            .filter(|(_, a)| a.takes(place.prefix))
            .map(|(l, _)| *l)
            .collect();
        crossed |= place.hosts && !lines.is_empty();
        if !place.hosts {
            *containers_cross.get_or_insert(false) |= !lines.is_empty();
        }
        if lines.is_empty() && !place.hosts {
            stays.get_or_insert(place);
        }
        by.entry(lines).or_insert(place);
    }
    ByLines {
        by,
        crossed,
        containers_cross,
        stays,
    }
}

/// A place in a VPC with the lines that lead there, and one in an IDC with those that lead back.
struct Both<'a> {
    there: &'a Lines,
    to: &'a Place<'a>,
    back: &'a Lines,
    from: &'a Place<'a>,
}

/// `rule`: what it is if one of the two gets no answer.
fn pair(
    c: &Context<'_>,
    Both {
        there,
        to,
        back,
        from,
    }: Both<'_>,
    (links, rule): (&[usize], &'static Rule),
    found: &mut Findings,
) {
    let at = |l: usize, side: &'static str| {
        let at = Path::spec().at("links").at(l);
        match c.plan.spec.links[l].accept {
            Some(_) => at.at("accept").at(side),
            None => at,
        }
    };
    let name = |l: usize| c.plan.spec.links[l].name.as_str();
    let both = |p: &Place<'_>, q: &Place<'_>| {
        format!("{} of {} to {} of {}", p.prefix, p.owner, q.prefix, q.owner)
    };
    // The line that would have to accept what is not accepted.
    let lacking = |side: fn(&LeasedLine) -> bool| {
        links.iter().copied().find(|l| side(&c.plan.spec.links[*l]))
    };
    match (there.first(), back.first()) {
        (None, None) => {}
        (Some(l), None) => {
            let place = lacking(|l| l.accept.is_some()).unwrap_or(*l);
            let message = format!(
                "{} leads over {}, and there is no way back: {} is accepted from {} nowhere",
                both(from, to),
                name(*l),
                from.prefix,
                from.site
            );
            found.add_with(
                rule,
                at(place, "fromIdc"),
                message,
                (at(*l, "fromVpc"), "the way there"),
            );
        }
        (None, Some(l)) => {
            let place = lacking(|l| l.accept.is_some()).unwrap_or(*l);
            let message = format!(
                "{} leads over {}, and there is no way back: {} is accepted from {} nowhere",
                both(to, from),
                name(*l),
                to.prefix,
                to.site
            );
            found.add_with(
                rule,
                at(place, "fromVpc"),
                message,
                (at(*l, "fromIdc"), "the way there"),
            );
        }
        (Some(_), Some(_)) if there == back => {}
        (Some(t), Some(b)) => {
            let l = there.symmetric_difference(back).next().unwrap_or(t);
            let message = format!(
                "{} may lead over {}, the way back over {}",
                both(from, to),
                there
                    .iter()
                    .map(|l| name(*l))
                    .collect::<Vec<_>>()
                    .join(", "),
                back.iter().map(|l| name(*l)).collect::<Vec<_>>().join(", ")
            );
            let side = if there.contains(l) {
                "fromIdc"
            } else {
                "fromVpc"
            };
            found.add_with(
                &OTHER_WAY_BACK,
                at(*l, side),
                message,
                (at(*b, "fromIdc"), "the way back"),
            );
        }
    }
}

/// The prefixes that have anyone in them: subnets of hosts, and hosts' ranges.
fn places<'p>(c: &Context<'p>) -> Vec<Place<'p>> {
    let mut all = Vec::new();
    for site in c.sites() {
        for vlan in site.vlans.iter().filter(|v| v.role == VlanRole::Host) {
            for subnet in &vlan.subnets {
                all.push(Place {
                    prefix: subnet.prefix,
                    owner: format!("VLAN {}", vlan.id),
                    site: &site.name,
                    hosts: true,
                });
            }
        }
        for v in &site.v_switches {
            // One outside of its VPC is told as that.
            let of_vpc = |s: &&Subnet| {
                site.prefixes.is_empty() || site.prefixes.iter().any(|p| covers(*p, s.prefix))
            };
            for subnet in v.subnets.iter().filter(of_vpc) {
                all.push(Place {
                    prefix: subnet.prefix,
                    owner: format!("vSwitch {}", v.name),
                    site: &site.name,
                    hosts: true,
                });
            }
        }
    }
    all.extend(cut_by_ipamd(c));
    for r in c.ranges() {
        let host = &c.hosts()[r.host];
        all.push(Place {
            prefix: r.range.prefix,
            owner: host.name.to_string(),
            site: &host.site,
            hosts: false,
        });
    }
    all
}

/// What ipamd may cut slices of, where a host is to get one: which, nobody knows yet.
fn cut_by_ipamd<'p>(c: &Context<'p>) -> Vec<Place<'p>> {
    let mut networks: Vec<(usize, bool)> = (0..c.hosts().len())
        .flat_map(|host| c.slices_of(host))
        .map(|s| (s.network, s.like.is_ipv4()))
        .collect();
    networks.sort_unstable();
    networks.dedup();
    let mut all = Vec::new();
    for (index, v4) in networks {
        let network = &c.networks()[index];
        let pools = network.pools.iter().filter(|p| is_cut(p));
        for pool in pools.filter(|p| p.prefix.is_ipv4() == v4) {
            for prefix in left(pool) {
                all.push(Place {
                    prefix,
                    owner: format!("the pool of {}, which ipamd cuts", network.name),
                    site: &network.site,
                    hosts: false,
                });
            }
        }
    }
    all
}

/// A pool without its exclusions and reservations.
fn left(pool: &Pool) -> Vec<IpNetwork> {
    let away = pool.exclude.iter().copied();
    let away = away.chain(pool.reservations.iter().map(|r| r.prefix));
    without(pool.prefix, away)
}
