//! Ranges that ipamd cut from pools, or that are still in use where the plan has moved them:
//! joined with the plan, for whoever routes to hosts.
//!
//! ```text
//!   what was heard before ─┐
//!   ipamd's answer ────────┴─▶ [heard] ─┬─▶ disk
//!   plan ───────────────────────────────┴─▶ [with_grants] ─▶ plan ─▶ routes, node::derive
//! ```

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;

use flatnet_types::NodeName;
use flatnet_types::ipamd::{Grants, HostGrant};
use ipnetwork::IpNetwork;

use crate::model::{NetworkPlan, Range};
use crate::prefix::{Position, bounds};

/// What is known when ipamd has answered. While it settles it may not know yet what hosts
/// hold: then nothing that was heard before is forgotten, but for what it gives to others.
#[must_use]
pub fn heard(before: Option<&Grants>, answer: Grants) -> Grants {
    let Some(before) = before.filter(|_| answer.in_grace_period) else {
        return answer;
    };
    let mut known = Prefixes::default();
    for grant in &answer.ranges {
        known.insert(grant.prefix, &grant.host);
    }
    let missing: Vec<HostGrant> = before
        .ranges
        .iter()
        .filter(|grant| known.overlapping(grant.prefix).is_none())
        .cloned()
        .collect();
    let mut all = answer;
    all.ranges.extend(missing);
    all.ranges.sort_by_key(|g| bounds(g.prefix));
    all
}

/// A grant that the plan has no place for. It is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Misfit {
    /// The grant.
    pub grant: HostGrant,
    /// What the plan lacks.
    pub lacks: &'static str,
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let HostGrant {
            host,
            network,
            prefix,
            ..
        } = &self.grant;
        write!(
            f,
            "{host} holds {prefix} of {network}, and the plan has no such {}: it is not routed",
            self.lacks
        )
    }
}

/// The plan with each host's ranges as they are held: those that the plan declares, and those
/// that ipamd granted. Where the two differ, addresses are with the host that holds them: a
/// declared range that another host has a part of is not that host's yet.
pub fn with_grants(mut plan: NetworkPlan, grants: &[HostGrant]) -> (NetworkPlan, Vec<Misfit>) {
    let mut misfits = Vec::new();
    let networks = plan.spec.networks.iter().map(|n| (&n.name, &n.site));
    let networks: HashMap<_, _> = networks.collect();
    let sites = plan.spec.hosts.iter().map(|h| (&h.name, &h.site));
    let sites: HashMap<_, _> = sites.collect();
    let mut held = Prefixes::default();
    let mut of_host: BTreeMap<&NodeName, Vec<&HostGrant>> = BTreeMap::new();
    for grant in grants {
        let lacks = match (sites.get(&grant.host), networks.get(&grant.network)) {
            (None, _) => Some("host"),
            (Some(here), Some(there)) if here == there => None,
            (Some(_), _) => Some("network in the host's site"),
        };
        if let Some(lacks) = lacks {
            let grant = grant.clone();
            misfits.push(Misfit { grant, lacks });
            continue;
        }
        held.insert(grant.prefix, &grant.host);
        of_host.entry(&grant.host).or_default().push(grant);
    }
    for host in &mut plan.spec.hosts {
        let name = &host.name;
        // What overlaps one's own grant has grown or shrunk: the grant is what is in use.
        host.ranges
            .retain(|range| held.overlapping(range.prefix).is_none());
        for grant in of_host.get(name).into_iter().flatten() {
            host.ranges.push(Range {
                network: grant.network.clone(),
                prefix: grant.prefix,
            });
        }
    }
    (plan, misfits)
}

/// Prefixes with their hosts, to be asked for overlaps.
#[derive(Default)]
struct Prefixes<'h> {
    by_first: BTreeMap<(Position, u8), &'h NodeName>,
    /// The lengths that there are, by family: few, however many prefixes.
    lengths: BTreeSet<(bool, u8)>,
}

impl<'h> Prefixes<'h> {
    fn insert(&mut self, prefix: IpNetwork, host: &'h NodeName) {
        let (first, _) = bounds(prefix);
        self.by_first.insert((first, prefix.prefix()), host);
        self.lengths.insert((first.v6, prefix.prefix()));
    }

    /// The host of one that shares an address with `prefix`.
    fn overlapping(&self, prefix: IpNetwork) -> Option<&'h NodeName> {
        let (first, last) = bounds(prefix);
        let inside = self.by_first.range((first, 0)..=(last, u8::MAX)).next();
        if let Some((_, host)) = inside {
            return Some(host);
        }
        let shorter = self
            .lengths
            .range((first.v6, 0)..(first.v6, prefix.prefix()));
        shorter
            .filter_map(|(_, length)| IpNetwork::new(prefix.network(), *length).ok())
            .find_map(|outer| {
                self.by_first
                    .get(&(bounds(outer).0, outer.prefix()))
                    .copied()
            })
    }
}

#[cfg(test)]
mod tests;
