//! Who has what in either plan: addresses, ranges, slices, ports of switches.

use std::cell::OnceCell;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::model::{Host, NetworkPlan, SiteType};
use crate::prefix::{Position, bounds, overlap};
use crate::slices::wanted;

/// Who has which range, in either plan.
pub(super) struct Both<'p> {
    pub(super) before: Owners<'p>,
    pub(super) after: Owners<'p>,
}

/// Who has which range; sorted when it is first asked.
pub(super) struct Owners<'p> {
    pub(super) plan: &'p NetworkPlan,
    sorted: OnceCell<Vec<(Position, IpNetwork, &'p Host)>>,
    slices: OnceCell<HashSet<(&'p str, &'p str, bool)>>,
    addresses: OnceCell<HashMap<IpAddr, &'p str>>,
    ports: OnceCell<HashMap<Cable<'p>, &'p str>>,
}

impl<'p> Owners<'p> {
    pub(super) fn of(plan: &'p NetworkPlan) -> Self {
        Self {
            plan,
            sorted: OnceCell::new(),
            slices: OnceCell::new(),
            addresses: OnceCell::new(),
            ports: OnceCell::new(),
        }
    }

    /// Another host that has one of a host's own addresses.
    pub(super) fn addressed(&self, host: &Host) -> Option<&'p str> {
        let all = self.addresses.get_or_init(|| {
            let hosts = self.plan.spec.hosts.iter();
            let each =
                hosts.flat_map(|h| h.addresses.iter().map(move |a| (a.ip(), h.name.as_str())));
            each.collect()
        });
        let mut own = host.addresses.iter().filter_map(|a| all.get(&a.ip()));
        own.find(|owner| **owner != host.name.as_str()).copied()
    }

    /// Whether a cable of another host is in a port that a host's cable is to be in.
    pub(super) fn cabled(&self, host: &Host) -> bool {
        let all = self.ports.get_or_init(|| {
            let hosts = self.plan.spec.hosts.iter();
            let each = hosts.flat_map(|h| ends(h).map(move |end| (end, h.name.as_str())));
            each.collect()
        });
        let mut own = ends(host).filter_map(|end| all.get(&end));
        own.any(|owner| **owner != *host.name.as_str())
    }

    /// Whether ipamd cuts a host a slice of a network, of IPv4 or IPv6.
    pub(super) fn sliced(&self, host: &str, network: &str, v4: bool) -> bool {
        let all = self.slices.get_or_init(|| {
            let spec = &self.plan.spec;
            let each = wanted(self.plan).into_iter().map(|w| {
                let (host, network) = (&spec.hosts[w.host].name, &spec.networks[w.network].name);
                (host.as_str(), network.as_str(), w.v4)
            });
            each.collect()
        });
        all.contains(&(host, network, v4))
    }

    /// Whether the host itself is the gateway of its ranges, as it is in a VPC.
    pub(super) fn is_routed(&self, host: &Host) -> bool {
        let site = self.plan.site(&host.site);
        site.is_some_and(|s| s.site_type == SiteType::Vpc)
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
    pub(super) fn others(&self, prefix: IpNetwork, host: &Host) -> BTreeSet<&'p str> {
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

/// Where a cable ends: its site, switch and port.
type Cable<'p> = (&'p str, &'p str, &'p str);

/// Where a host's cables end, as far as it is said.
fn ends(host: &Host) -> impl Iterator<Item = Cable<'_>> {
    let uplink = &host.uplink;
    let one = (&uplink.switch, &uplink.port);
    let nics = uplink.nics.iter().map(|n| (&n.switch, &n.port));
    let all = std::iter::once(one).chain(nics);
    all.filter_map(|(switch, port)| {
        Some((host.site.as_str(), switch.as_deref()?, port.as_deref()?))
    })
}
