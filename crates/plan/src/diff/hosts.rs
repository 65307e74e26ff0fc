//! Changes of hosts.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};

use ipnetwork::IpNetwork;

use super::{Disruption, Found, Phase, paired};
use crate::model::{Host, NetworkPlan, Range};
use crate::prefix::{Position, bounds, covers, overlap};

const LEAVES: (Phase, Disruption, &str) = (
    Phase::Drain,
    Disruption::Recreate,
    "its containers are made again elsewhere",
);

const RESTED: (Phase, Disruption, &str) = (
    Phase::HandOn,
    Disruption::None,
    "only after its addresses rested: others may still know them as somebody else's",
);

pub(super) fn compare(old: &NetworkPlan, new: &NetworkPlan, found: &mut Found) {
    let owners = Both {
        before: Owners::of(old),
        after: Owners::of(new),
    };
    for pair in paired(&old.spec.hosts, &new.spec.hosts, |h| &h.name) {
        match pair {
            (None, Some(host)) => {
                let detail = format!("{} {}", host.site, list(&host.addresses));
                let what = "new host";
                found.of_host(
                    (Phase::Give, Disruption::None, ""),
                    what,
                    host.name.as_str(),
                    &detail,
                );
                ranges(&[], host, &owners, found);
            }
            (Some(host), None) => {
                let name = host.name.as_str();
                found.of_host(LEAVES, "drain the host", name, "all of its containers");
                let gone = (Phase::Take, Disruption::None, "after it is drained");
                found.of_host(gone, "remove the host", name, &list(&host.addresses));
            }
            (Some(a), Some(b)) if a != b => changed(a, b, &owners, found),
            _ => {}
        }
    }
}

/// A few names, and how many more.
fn few(names: &[&str]) -> String {
    const SHOWN: usize = 4;
    match names.len() {
        n if n > SHOWN + 1 => format!("{} and {} more", names[..SHOWN].join(", "), n - SHOWN),
        _ => names.join(", "),
    }
}

fn list(prefixes: &[IpNetwork]) -> String {
    let all: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
    all.join(" ")
}

/// Who has which range, in either plan.
struct Both<'p> {
    before: Owners<'p>,
    after: Owners<'p>,
}

/// Who has which range; sorted when it is first asked.
struct Owners<'p> {
    plan: &'p NetworkPlan,
    sorted: OnceCell<Vec<(Position, IpNetwork, &'p Host)>>,
}

impl<'p> Owners<'p> {
    fn of(plan: &'p NetworkPlan) -> Self {
        Self {
            plan,
            sorted: OnceCell::new(),
        }
    }

    /// Every range by its first address.
    fn sorted(&self) -> &[(Position, IpNetwork, &'p Host)] {
        self.sorted.get_or_init(|| {
            let hosts = self.plan.spec.hosts.iter();
            let mut all: Vec<_> = hosts
                .flat_map(|h| {
                    h.ranges
                        .iter()
                        .map(move |r| (bounds(r.prefix).0, r.prefix, h))
                })
                .collect();
            all.sort_by_key(|(first, ..)| *first);
            all
        })
    }

    /// Hosts other than `host` that have part of `prefix`.
    fn others(&self, prefix: IpNetwork, host: &Host) -> BTreeSet<&'p str> {
        let (first, last) = bounds(prefix);
        // A range that begins before and reaches in is at most one to the left: they are apart.
        let sorted = self.sorted();
        let from = sorted.partition_point(|(begin, ..)| *begin < first);
        sorted[from.saturating_sub(1)..]
            .iter()
            .take_while(|(begin, ..)| *begin <= last)
            .filter(|(_, p, h)| overlap(*p, prefix) && h.name != host.name)
            .map(|(.., h)| h.name.as_str())
            .collect()
    }
}

fn changed(a: &Host, b: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = b.name.as_str();
    if a.site != b.site || a.v_switch != b.v_switch {
        let place = |h: &Host| match &h.v_switch {
            Some(v) => format!("{}/{v}", h.site),
            None => h.site.clone(),
        };
        found.of_host(
            (
                Phase::Drain,
                Disruption::Outage,
                "drain it first: a host moves empty",
            ),
            "move the host",
            name,
            &format!("{} → {}", place(a), place(b)),
        );
    }
    if a.addresses != b.addresses {
        found.of_host(
            (
                Phase::Give,
                Disruption::Outage,
                "the host is away while it changes, and routes that lead to it change with it",
            ),
            "change the host's own addresses",
            name,
            &format!("{} → {}", list(&a.addresses), list(&b.addresses)),
        );
    }
    if a.instance_id != b.instance_id {
        let id = |h: &Host| h.instance_id.clone().unwrap_or_else(|| "none".to_owned());
        found.of_host(
            (
                Phase::Give,
                Disruption::Brief,
                "its entries lead to the new instance",
            ),
            "change the instance",
            name,
            &format!("{} → {}", id(a), id(b)),
        );
    }
    uplink(a, b, found);
    ranges(&a.ranges, b, owners, found);
    if (a.density, &a.labels, &a.location) != (b.density, &b.labels, &b.location) {
        let kind = (Phase::Record, Disruption::None, "");
        found.of_host(kind, "note density, labels or place", name, "noted");
    }
}

fn uplink(a: &Host, b: &Host, found: &mut Found) {
    let name = b.name.as_str();
    let (old, new) = (&a.uplink, &b.uplink);
    let cables = |h: &Host| -> String {
        let all: Vec<String> = h
            .uplink
            .cables()
            .iter()
            .map(|c| {
                let part = |p: &Option<String>| p.clone().unwrap_or_else(|| "-".to_owned());
                format!("{}={}:{}", c.interface, part(&c.switch), part(&c.port))
            })
            .collect();
        all.join(" ")
    };
    if (&old.interface, old.bond, old.mac) != (&new.interface, new.bond, new.mac) {
        let of = |h: &Host| match h.uplink.bond {
            Some(mode) => format!("{} {mode:?}", h.uplink.interface),
            None => h.uplink.interface.to_string(),
        };
        found.of_host(
            (
                Phase::Give,
                Disruption::Outage,
                "the host is cut off while its uplink is made anew: drain it, or have a console",
            ),
            "change the uplink",
            name,
            &format!("{} → {}", of(a), of(b)),
        );
    } else if old.cables() != new.cables() {
        let bonded = new.nics.len() > 1 && old.nics.len() > 1;
        let kind = if bonded {
            (
                Phase::Give,
                Disruption::Brief,
                "one cable at a time: the bond carries on",
            )
        } else {
            (
                Phase::Give,
                Disruption::Outage,
                "its only cable is moved: drain it first",
            )
        };
        found.of_host(
            kind,
            "move cables",
            name,
            &format!("{} → {}", cables(a), cables(b)),
        );
    }
    if old.trunk != new.trunk {
        let ids = |t: &Option<Vec<flatnet_types::VlanId>>| {
            let all: Vec<String> = t.iter().flatten().map(ToString::to_string).collect();
            all.join(" ")
        };
        let kind = (
            Phase::Carry,
            Disruption::None,
            "new VLANs before they are used",
        );
        let detail = format!("{} → {}", ids(&old.trunk), ids(&new.trunk));
        found.of_host(kind, "change the VLANs on the trunk", name, &detail);
    }
    if old.mtu != new.mtu {
        let kind = (
            Phase::Give,
            Disruption::Brief,
            "larger at the switches first",
        );
        found.of_host(kind, "change the uplink's MTU", name, "changed");
    }
}

/// The ranges that a host gets, loses, or that grow and shrink.
fn ranges(old: &[Range], host: &Host, owners: &Both<'_>, found: &mut Found) {
    let name = host.name.as_str();
    let mut networks: BTreeMap<&str, (Vec<IpNetwork>, Vec<IpNetwork>)> = BTreeMap::new();
    for range in old {
        let network = networks.entry(range.network.as_str()).or_default();
        network.0.push(range.prefix);
    }
    for range in &host.ranges {
        let network = networks.entry(range.network.as_str()).or_default();
        network.1.push(range.prefix);
    }
    for (network, (old, new)) in networks {
        for prefix in new.iter().filter(|p| !old.contains(p)) {
            let inner: Vec<IpNetwork> = old
                .iter()
                .copied()
                .filter(|o| covers(*prefix, *o))
                .collect();
            if old.iter().any(|o| covers(*o, *prefix)) {
                // A part of what it had: told with what it loses.
                continue;
            }
            let had = owners.before.others(*prefix, host);
            let of_others: Vec<&str> = had.into_iter().collect();
            if !of_others.is_empty() {
                let detail = format!("{prefix}, from {}", few(&of_others));
                found.of_host(
                    RESTED,
                    &format!("hand on a range of {network}"),
                    name,
                    &detail,
                );
            } else if inner.is_empty() {
                let kind = (Phase::Give, Disruption::None, "");
                let what = format!("give a range of {network}");
                found.of_host(kind, &what, name, &prefix.to_string());
            } else {
                let kind = (
                    Phase::Give,
                    Disruption::None,
                    "what it has stays where it is",
                );
                let detail = format!("{} → {prefix}", list(&inner));
                found.of_host(kind, &format!("grow a range of {network}"), name, &detail);
            }
        }
        for prefix in old.iter().filter(|p| !new.iter().any(|n| covers(*n, **p))) {
            let left: Vec<IpNetwork> = new
                .iter()
                .copied()
                .filter(|n| covers(*prefix, *n))
                .collect();
            let detail = if left.is_empty() {
                prefix.to_string()
            } else {
                format!("{prefix} → {}", list(&left))
            };
            let heirs = owners.after.others(*prefix, host);
            let why = if heirs.is_empty() {
                "containers with these addresses are made again"
            } else {
                "containers with these addresses are made again, before another host has them"
            };
            let kind = (Phase::Drain, Disruption::Recreate, why);
            found.of_host(kind, &format!("drain a range of {network}"), name, &detail);
            let kind = (Phase::Take, Disruption::None, "after it is drained");
            found.of_host(kind, &format!("take a range of {network}"), name, &detail);
        }
    }
}
