//! Leased lines: who can be reached must be able to answer.

use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::{Context, Findings};
use crate::diagnostics::{NO_WAY_BACK, OTHER_WAY_BACK};
use crate::model::{LeasedLine, VlanRole};
use crate::prefix::{bounds, covers};
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
            let (in_idc, in_vpc) = (of(idc, true), of(vpc, false));
            // A packet to the VPC takes a line whose other side accepted the destination;
            // the answer takes one that accepted the sender.
            for (there, to) in &in_vpc {
                for (back, from) in &in_idc {
                    pair(c, (there, to), (back, from), &links, found);
                }
            }
        }
    }
}

type Lines = BTreeSet<usize>;

/// Places by the lines that accept them, one for each set of lines: the first.
fn by_lines<'a>(
    c: &Context<'_>,
    places: impl Iterator<Item = &'a Place<'a>>,
    links: &[usize],
    from_idc: bool,
) -> BTreeMap<Lines, &'a Place<'a>> {
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
    for place in places {
        let lines = accepted
            .iter()
            .filter(|(_, a)| a.takes(place.prefix))
            .map(|(l, _)| *l)
            .collect();
        by.entry(lines).or_insert(place);
    }
    by
}

fn pair(
    c: &Context<'_>,
    (there, to): (&Lines, &&Place<'_>),
    (back, from): (&Lines, &&Place<'_>),
    links: &[usize],
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
                &NO_WAY_BACK,
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
                &NO_WAY_BACK,
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
                });
            }
        }
        for v in &site.v_switches {
            for subnet in &v.subnets {
                all.push(Place {
                    prefix: subnet.prefix,
                    owner: format!("vSwitch {}", v.name),
                    site: &site.name,
                });
            }
        }
    }
    for r in c.ranges() {
        let host = &c.hosts()[r.host];
        all.push(Place {
            prefix: r.range.prefix,
            owner: host.name.to_string(),
            site: &host.site,
        });
    }
    all
}
