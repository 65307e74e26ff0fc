//! Edits of leased lines: their ends.

use super::Edit;
use crate::finding::{DANGLING, NO_WAY_BACK};
use crate::model::{NetworkPlan, Site, SiteType};
use crate::prefix::overlap;
use crate::source::Path;

/// A line whose ends are the wrong way round.
pub(super) fn swap(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(link) = plan.spec.links.get(index) else {
        return;
    };
    let at = Path::spec().at("links").at(index);
    let of = |name: &str| plan.site(name).map(|s| s.site_type);
    if of(&link.idc) == Some(SiteType::Vpc) && of(&link.vpc) == Some(SiteType::Idc) {
        let words = (
            format!(
                "the ends of {} are the wrong way round: {} is a VPC and {} an IDC",
                link.name, link.idc, link.vpc
            ),
            format!("Write `idc: {}` and `vpc: {}`.", link.vpc, link.idc),
        );
        let apply = move |p: &mut NetworkPlan| {
            let link = &mut p.spec.links[index];
            std::mem::swap(&mut link.idc, &mut link.vpc);
        };
        edits.push(Edit::new(at.at("idc"), &DANGLING, words, apply).in_own_words());
    }
}

/// A line that ends in another site than the one whose prefixes it accepts.
pub(super) fn ends(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(link) = plan.spec.links.get(index) else {
        return;
    };
    let Some(accept) = &link.accept else { return };
    let sides = [
        ("idc", &link.idc, &accept.from_idc, SiteType::Idc),
        ("vpc", &link.vpc, &accept.from_vpc, SiteType::Vpc),
    ];
    for (end, name, accepted, kind) in sides {
        let has = |site: &Site| {
            let all = prefixes_of(plan, site);
            let all_are = accepted.iter().all(|a| all.iter().any(|p| overlap(*a, *p)));
            !accepted.is_empty() && all_are
        };
        let of_kind = |s: &&Site| s.site_type == kind && s.name != *name;
        let Some(target) = plan.spec.sites.iter().filter(of_kind).find(|s| has(s)) else {
            continue;
        };
        let rule = match plan.site(name) {
            Some(site) if site.site_type == kind => &NO_WAY_BACK,
            _ => &DANGLING,
        };
        let words = (
            format!(
                "{} ends in {name}, and accepts what is in {}",
                link.name, target.name
            ),
            format!(
                "Write `{end}: {}`, or correct what it accepts.",
                target.name
            ),
        );
        let target = target.name.clone();
        let apply = move |p: &mut NetworkPlan| {
            let link = &mut p.spec.links[index];
            let end = if end == "idc" {
                &mut link.idc
            } else {
                &mut link.vpc
            };
            end.clone_from(&target);
        };
        let place = Path::spec().at("links").at(index).at(end);
        edits.push(Edit::new(place, rule, words, apply).in_own_words().alone());
    }
}

/// The prefixes that a site has: its subnets, and the pools of its networks.
fn prefixes_of(plan: &NetworkPlan, site: &Site) -> Vec<ipnetwork::IpNetwork> {
    let vlans = site.vlans.iter().flat_map(|v| &v.subnets);
    let subnets = vlans.chain(site.v_switches.iter().flat_map(|v| &v.subnets));
    let networks = plan.spec.networks.iter().filter(|n| n.site == site.name);
    let pools = networks.flat_map(|n| n.pools.iter().map(|p| p.prefix));
    subnets.map(|s| s.prefix).chain(pools).collect()
}
