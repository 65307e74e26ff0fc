//! What changes from one plan to another, for which hosts, who notices it and for how long, in
//! which order to do it, and how to see that it is done.
//!
//! ```text
//!   old, new ─┬─ places: sites, switches, VLANs, networks, pools, lines ─┐
//!             ├─ hosts: addresses, uplinks, ranges                       ├─▶ [Change] by phase
//!             └─ tables: routes(old) against routes(new)                 ┘
//!                  each with its kind and whom it concerns ([notice]), and where it is of a
//!                  node's part, with its verdict ([crate::takeover])
//! ```
//!
//! The order is that of [`Phase`]: what carries comes before what is carried, additions
//! before deletions, whoever loses something is drained before it is taken, and what another
//! host had is given only after that: at no time has an address two owners. A change
//! that no process acts on (a label, a density) is told as [`Phase::Record`].
//!
//! Guarantees: a pure function of both plans; `diff(a, a)` is empty; O(n log n).

mod allowed;
mod bindings;
mod hosts;
mod kinds;
mod lines;
mod networks;
mod notice;
mod owners;
mod places;
mod renames;
mod segments;
mod switches;
mod tables;
mod trunks;
mod uplinks;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde::Serialize;

use crate::model::NetworkPlan;
use crate::routes::RoutesError;
use crate::takeover::Verdict;
use notice::{Kind, Whom};

pub use notice::{Check, Lasts, Notices, Until, checks};

/// When to do a change. A plan's changes are done in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Nothing is to be done.
    Record,
    /// Switches, VLANs, subnets and lines that are to carry more.
    Carry,
    /// Entries that are added to route tables.
    Reach,
    /// New hosts, new ranges, and what hosts do differently.
    Give,
    /// Containers that have to leave before something is taken.
    Drain,
    /// Hosts and ranges that go.
    Take,
    /// Ranges that were another host's, and entries that lead there now.
    HandOn,
    /// Entries that are taken out of route tables.
    Forget,
    /// Switches, VLANs, subnets and lines that are no longer needed.
    Clear,
}

impl Phase {
    /// What is done in it, for people.
    pub fn title(self) -> &'static str {
        match self {
            Self::Record => "for the record",
            Self::Carry => "prepare switches, VLANs, subnets and lines",
            Self::Reach => "add routes",
            Self::Give => "change hosts, give ranges",
            Self::Drain => "drain",
            Self::Take => "take hosts and ranges away",
            Self::HandOn => "hand ranges on",
            Self::Forget => "delete routes",
            Self::Clear => "clear switches, VLANs, subnets and lines",
        }
    }
}

/// What containers notice of a change that is done in its phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Disruption {
    /// Nothing.
    None,
    /// Packets may be lost for seconds.
    Brief,
    /// Containers have to be made again.
    Recreate,
    /// There is no way to do it while it carries traffic.
    Outage,
}

impl Disruption {
    /// One word for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "no",
            Self::Brief => "seconds",
            Self::Recreate => "recreate",
            Self::Outage => "outage",
        }
    }
}

/// One change, of several things alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// When to do it.
    pub phase: Phase,
    /// What it is.
    pub what: String,
    /// What containers notice.
    pub disrupts: Disruption,
    /// Which of them; empty: nobody notices anything.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notices: Vec<Notices>,
    /// For how long.
    pub lasts: Lasts,
    /// When netd takes it over; none where nothing of it is in a node's part.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub netd: Option<Verdict>,
    /// What to mind.
    #[serde(skip_serializing_if = "str::is_empty")]
    pub mind: &'static str,
    /// How to see that it is done; none where nothing is to be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check: Option<Check>,
    /// The hosts that it concerns; empty: none in particular.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// What it is for each thing, in the order of hosts where there are any.
    pub details: Vec<String>,
}

impl Change {
    /// What it is, without names of the plan: `give a range of NETWORK`. With its phase and its
    /// [`Lasts`] it is a kind of step, as docs/plan-diff.md lists them.
    pub fn general(&self) -> String {
        kinds::general(&self.what)
    }
}

/// All changes, in the order in which to do them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Diff {
    /// The changes.
    pub changes: Vec<Change>,
}

impl Diff {
    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The worst that containers notice.
    pub fn disruption(&self) -> Disruption {
        let all = self.changes.iter().map(|c| c.disrupts);
        all.max().unwrap_or(Disruption::None)
    }
}

/// What changes from `old` to `new`, both with their groups written out.
///
/// # Errors
/// [`RoutesError`] where one of them contradicts itself.
pub fn diff(old: &NetworkPlan, new: &NetworkPlan) -> Result<Diff, RoutesError> {
    let mut found = Found::default();
    let old = &*renames::followed(old, new, &mut found);
    places::compare(old, new, &mut found);
    hosts::compare(old, new, &mut found);
    segments::compare(old, new, &mut found);
    tables::compare(old, new, &mut found)?;
    Ok(found.diff())
}

/// What changes of one kind and one name are made of.
#[derive(Default)]
struct Alike {
    hosts: Vec<String>,
    whom: BTreeSet<Notices>,
    details: Vec<String>,
}

/// By phase, what it is, and the rest of what they have in common.
#[derive(Default)]
struct Found(BTreeMap<(Phase, String, Kind), Alike>);

impl Found {
    fn alike(&mut self, kind: Kind, what: &str, whom: Whom) -> &mut Alike {
        let kind = match whom.is_empty() {
            true => kind.unnoticed(),
            false => kind,
        };
        let alike = self.0.entry((kind.phase, what.to_owned(), kind));
        let alike = alike.or_default();
        if kind.disrupts != Disruption::None {
            alike.whom.extend(whom);
        }
        alike
    }

    fn add(&mut self, kind: Kind, what: &str, whom: Whom, detail: String) {
        self.alike(kind, what, whom).details.push(detail);
    }

    /// A change of a host, which it and its containers notice.
    fn of_host(&mut self, kind: Kind, what: &str, host: &str, detail: &str) {
        let whom = vec![Notices::Host(host.to_owned())];
        self.at_host(kind, what, (host, whom), detail);
    }

    /// A change of a host that others notice.
    fn at_host(&mut self, kind: Kind, what: &str, (host, whom): (&str, Whom), detail: &str) {
        let alike = self.alike(kind, what, whom);
        if alike.hosts.last().is_none_or(|h| h != host) {
            alike.hosts.push(host.to_owned());
        }
        alike.details.push(format!("{host}: {detail}"));
    }

    /// The prefixes that are reached across no line any more.
    fn cut(&self) -> Vec<IpNetwork> {
        let cuts = self
            .0
            .iter()
            .filter(|((_, what, _), _)| what == lines::CUT_OFF);
        let whom = cuts.flat_map(|(_, alike)| &alike.whom);
        let across = whom.filter_map(|n| match n {
            Notices::Across { prefix, .. } => Some(*prefix),
            _ => None,
        });
        across.collect()
    }

    fn diff(self) -> Diff {
        let changes = self
            .0
            .into_iter()
            .map(|((phase, what, kind), alike)| Change {
                phase,
                what,
                disrupts: kind.disrupts,
                notices: alike.whom.into_iter().collect(),
                lasts: kind.lasts,
                netd: kind.netd,
                mind: kind.mind,
                check: kind.done.check(),
                hosts: alike.hosts,
                details: alike.details,
            });
        Diff {
            changes: changes.collect(),
        }
    }
}

/// Every address there is.
const EVERYTHING: [IpNetwork; 2] = [
    IpNetwork::V4(Ipv4Network::new_checked(Ipv4Addr::UNSPECIFIED, 0).expect("a length of IPv4")),
    IpNetwork::V6(Ipv6Network::new_checked(Ipv6Addr::UNSPECIFIED, 0).expect("a length of IPv6")),
];

/// Whether two lists have the same in another order.
fn is_reordered<T: Clone + Ord>(a: &[T], b: &[T]) -> bool {
    let sorted = |all: &[T]| {
        let mut all = all.to_vec();
        all.sort();
        all
    };
    a != b && sorted(a) == sorted(b)
}

/// Whether something has become another one. What a plan says of it for the first time, or no
/// longer, changes nothing of it.
fn is_another<T: PartialEq>(was: &Option<T>, is: &Option<T>) -> bool {
    was.is_some() && is.is_some() && was != is
}

/// Pairs what has the same name in both, in the order of names; of several with one name in
/// one list, the last counts.
///
/// Sorting what is in order already, as most plans are, is one walk in the order of memory:
/// of large plans most of the time goes into waiting for it.
fn paired<'a, T, K: Ord>(
    old: &'a [T],
    new: &'a [T],
    key: impl Fn(&'a T) -> K,
) -> Vec<(Option<&'a T>, Option<&'a T>)> {
    let by_name = |all: &'a [T]| -> Vec<(K, &'a T)> {
        let mut named: Vec<(K, &T)> = all.iter().map(|item| (key(item), item)).collect();
        named.sort_by(|a, b| a.0.cmp(&b.0));
        named.dedup_by(|next, kept| {
            let again = next.0 == kept.0;
            if again {
                kept.1 = next.1;
            }
            again
        });
        named
    };
    let (old, new) = (by_name(old), by_name(new));
    let mut pairs = Vec::with_capacity(old.len().max(new.len()));
    let (mut old, mut new) = (old.into_iter().peekable(), new.into_iter().peekable());
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return pairs,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(a), Some(b)) => a.0.cmp(&b.0),
        };
        let gone = if order.is_le() { old.next() } else { None };
        let come = if order.is_ge() { new.next() } else { None };
        pairs.push((gone.map(|p| p.1), come.map(|p| p.1)));
    }
}

#[cfg(test)]
mod tests;
