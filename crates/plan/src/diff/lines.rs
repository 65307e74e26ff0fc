//! Changes of leased lines, and what no line carries any more.

use std::collections::BTreeSet;
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::kinds::{GONE, NEW, NOTED};
use super::notice::{Done, Kind, NOBODY, Notices, Until, Whom};
use super::{EVERYTHING, Found, Phase, is_another, is_reordered, paired};
use crate::model::{LeasedLine, NetworkPlan, VlanRole};
use crate::routes::parts::{common, without};

const MOVED: Kind = Kind::new(Phase::Forget, Done::Crossed)
    .brief("while the routers go over to another line; what is under way is lost");
const CUT: Kind = Kind::new(Phase::Forget, Done::Routed).outage(
    Until::Undone,
    "for nothing else leads there: whatever talks across the line is cut off",
);
/// What a change is called by which a prefix is reached across no line any more.
pub(super) const CUT_OFF: &str = "cut a way between the sites";

pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    for pair in paired(&old.spec.links, &new.spec.links, |l| &l.name) {
        match pair {
            (None, Some(l)) => {
                let kind = Kind {
                    done: Done::Crossed,
                    ..NEW
                };
                found.add(kind, "new leased line", NOBODY, l.name.clone());
            }
            (Some(l), None) => {
                cut(l, (old, new), found);
                found.add(GONE, "remove the leased line", NOBODY, l.name.clone());
            }
            (Some(a), Some(b)) => {
                if a != b {
                    changed(a, b, (old, new), found);
                }
                cut(a, (old, new), found);
            }
            (None, None) => {}
        }
    }
}

fn changed(
    a: &LeasedLine,
    b: &LeasedLine,
    (old, new): (&NetworkPlan, &NetworkPlan),
    found: &mut Found,
) {
    let name = || b.name.clone();
    let whom = || -> Whom { vec![Notices::Between([a.idc.clone(), a.vpc.clone()])] };
    let ends = |l: &LeasedLine| -> Vec<(IpNetwork, IpAddr, IpAddr)> {
        let all = l.transfer.iter();
        all.map(|t| (t.prefix, t.idc, t.vpc)).collect()
    };
    let transfer = (ends(a), ends(b));
    let reordered = is_reordered(&transfer.0, &transfer.1);
    if (&a.idc, &a.vpc) != (&b.idc, &b.vpc) || a.transfer != b.transfer && !reordered {
        let why = "for what it carries takes another line meanwhile, or waits";
        let kind = Kind::new(Phase::Carry, Done::Crossed).outage(Until::Done, why);
        found.add(kind, "change a leased line's ends", whom(), name());
    } else if reordered {
        let what = "order of a leased line's transfer networks";
        found.add(NOTED, what, NOBODY, name());
    }
    let mtu = |l: &LeasedLine, plan: &NetworkPlan| l.mtu.unwrap_or(plan.spec.mtu);
    if mtu(a, old) != mtu(b, new) {
        let kind = Kind::new(Phase::Carry, Done::Sized)
            .at_most_brief("while its two ends differ, for packets larger than the smaller MTU")
            .mind("larger at both ends first");
        found.add(kind, "change a leased line's MTU", whom(), name());
    } else if a.mtu != b.mtu {
        let what = "leased line's MTU, which stays what it is";
        found.add(NOTED, what, NOBODY, name());
    }
    if a.accept != b.accept && !gives(a, b) {
        found.add(NOTED, "what a leased line accepts", NOBODY, name());
    } else if a.accept != b.accept {
        let kind = Kind::new(Phase::Carry, Done::Crossed);
        found.add(kind, "change what a leased line accepts", NOBODY, name());
    }
    ids(a, b, found);
}

/// IDs of the cloud. One that is said for the first time, or no longer, leads no entry elsewhere.
fn ids(a: &LeasedLine, b: &LeasedLine, found: &mut Found) {
    if (&a.vbr, &a.router_interface) == (&b.vbr, &b.router_interface) {
        return;
    }
    let all = |l: &LeasedLine| {
        let vbr = l.vbr.as_ref();
        let table = vbr.map(|v| v.route_table.clone().unwrap_or_else(|| v.id.clone()));
        [
            vbr.map(|v| v.id.clone()),
            table,
            vbr.and_then(|v| v.router_interface.clone()),
            l.router_interface.clone(),
        ]
    };
    let (was, is) = (all(a), all(b));
    let mut pairs = was.iter().zip(&is);
    if pairs.any(|(was, is)| is_another(was, is)) {
        let why = "while its entries go over to another next hop, one after the other";
        let kind = Kind::new(Phase::HandOn, Done::Routed).brief(why);
        let whom = vec![Notices::Between([a.idc.clone(), a.vpc.clone()])];
        let what = "change a leased line's IDs in the cloud";
        found.add(kind, what, whom, b.name.clone());
    } else if was != is {
        found.add(NOTED, "IDs of a leased line", NOBODY, b.name.clone());
    } else {
        let what = "quota or aggregation of a VBR";
        found.add(NOTED, what, NOBODY, b.name.clone());
    }
}

/// Whether `b` accepts anything that `a` does not, in the families that the line carries.
fn gives(a: &LeasedLine, b: &LeasedLine) -> bool {
    let lists = |l: &LeasedLine| match &l.accept {
        None => [EVERYTHING.to_vec(), EVERYTHING.to_vec()],
        Some(accept) => [accept.from_idc.clone(), accept.from_vpc.clone()],
    };
    let carried = |p: &IpNetwork| {
        let mut families = b.transfer.iter().map(|t| t.prefix.is_ipv6());
        families.any(|v6| v6 == p.is_ipv6())
    };
    let mut pairs = lists(a).into_iter().zip(lists(b));
    pairs.any(|(old, new)| {
        let new: Vec<IpNetwork> = new.into_iter().filter(carried).collect();
        !minus(&new, &old).is_empty()
    })
}

/// What a line carried and does not carry any more, though it is still there.
fn cut(a: &LeasedLine, (old, new): (&NetworkPlan, &NetworkPlan), found: &mut Found) {
    let after = new.spec.links.iter().find(|l| l.name == a.name);
    let (there, still) = (places(old, a), places(new, a));
    let others: Vec<&LeasedLine> = new
        .spec
        .links
        .iter()
        .filter(|l| l.name != a.name && (&l.idc, &l.vpc) == (&a.idc, &a.vpc))
        .collect();
    for (from_idc, prefix) in there.intersection(&still) {
        let (from_idc, prefix) = (*from_idc, *prefix);
        let site = if from_idc { &a.vpc } else { &a.idc };
        let whom = |prefix| -> Whom {
            let site = site.clone();
            vec![Notices::Across { prefix, site }]
        };
        let taken = |l: &LeasedLine| accepted(l, from_idc, prefix);
        let kept: Vec<IpNetwork> = after.map(taken).unwrap_or_default();
        let mut instead: Vec<IpNetwork> = Vec::new();
        for lost in minus(&taken(a), &kept) {
            if instead.is_empty() {
                instead = others.iter().flat_map(|l| taken(l)).collect();
            }
            let gone = minus(&[lost], &instead);
            for part in minus(&[lost], &gone) {
                let detail = format!("{part} over {}", a.name);
                found.add(MOVED, "lead over another line", whom(part), detail);
            }
            for part in gone {
                let detail = format!("{part} over {}", a.name);
                found.add(CUT, CUT_OFF, whom(part), detail);
            }
        }
    }
}

/// What of some prefixes, which are apart, no other has.
fn minus(all: &[IpNetwork], away: &[IpNetwork]) -> Vec<IpNetwork> {
    let each = all.iter();
    each.flat_map(|p| without(*p, away.iter().copied()))
        .collect()
}

/// The parts of a prefix of one of a line's sides that it carries packets to.
fn accepted(line: &LeasedLine, from_idc: bool, prefix: IpNetwork) -> Vec<IpNetwork> {
    match &line.accept {
        None => vec![prefix],
        Some(a) if from_idc => common(prefix, &a.from_idc),
        Some(a) => common(prefix, &a.from_vpc),
    }
}

/// What is at the two ends of a line: of hosts and of containers, and whether it is the data
/// centre's.
fn places(plan: &NetworkPlan, line: &LeasedLine) -> BTreeSet<(bool, IpNetwork)> {
    let vlans = plan.site(&line.idc).into_iter().flat_map(|s| &s.vlans);
    let vlans = vlans.filter(|v| matches!(v.role, VlanRole::Host | VlanRole::Pod));
    let in_idc = vlans.flat_map(|v| v.subnets.iter().map(|s| (true, s.prefix)));
    let switches = plan.site(&line.vpc).into_iter().flat_map(|s| &s.v_switches);
    let subnets = switches.flat_map(|v| v.subnets.iter().map(|s| (false, s.prefix)));
    let networks = plan.spec.networks.iter().filter(|n| n.site == line.vpc);
    let pools = networks.flat_map(|n| n.pools.iter().map(|p| (false, p.prefix)));
    in_idc.chain(subnets).chain(pools).collect()
}
