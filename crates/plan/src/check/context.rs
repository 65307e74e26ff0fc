//! A plan with its names looked up once.

use std::collections::{BTreeMap, HashMap};

use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;

use crate::expand::{Expanded, Origin};
use crate::model::{Host, Network, NetworkPlan, Range, Site, SiteType};
use crate::source::Path;

/// A plan whose names are looked up once. Where a name is given twice, the first counts.
pub(crate) struct Context<'p> {
    pub(crate) plan: &'p NetworkPlan,
    origins: &'p [Origin],
    sites: HashMap<&'p str, usize>,
    networks: HashMap<&'p str, usize>,
    /// For each site its VLANs, by ID.
    vlans: Vec<HashMap<VlanId, usize>>,
    /// For each site its switches, by name.
    switches: Vec<HashMap<&'p str, usize>>,
    /// For each host what several checks ask for: looking a name up reads it, and the names
    /// of many hosts are in no cache.
    looks: Vec<Look<'p>>,
    /// For each range of each host its network.
    range_networks: Vec<Option<usize>>,
}

/// What several checks ask of a host.
struct Look<'p> {
    site: Option<usize>,
    cables: Vec<Cable<'p>>,
    vlans: Vec<VlanId>,
    /// Where its ranges' networks begin in [`Context::range_networks`].
    first_range: usize,
}

/// One cable of a host, whose switch is known.
#[derive(Clone, Copy)]
pub(crate) struct Cable<'p> {
    /// Its index in `uplink.nics`; none for a single NIC.
    pub(crate) nic: Option<usize>,
    /// The switch, by its index in the site.
    pub(crate) switch: usize,
    /// The port.
    pub(crate) port: Option<&'p str>,
}

/// A host's range with all that it refers to.
#[derive(Clone, Copy)]
pub(crate) struct RangeOf<'p> {
    pub(crate) host: usize,
    pub(crate) index: usize,
    pub(crate) range: &'p Range,
}

impl<'p> Context<'p> {
    pub(crate) fn new(expanded: &'p Expanded) -> Self {
        let plan = &expanded.plan;
        let mut context = Self {
            plan,
            looks: Vec::with_capacity(plan.spec.hosts.len()),
            range_networks: Vec::new(),
            origins: &expanded.origins,
            sites: first(plan.spec.sites.iter().map(|s| s.name.as_str())),
            networks: first(plan.spec.networks.iter().map(|n| n.name.as_str())),
            vlans: plan
                .spec
                .sites
                .iter()
                .map(|s| first(s.vlans.iter().map(|v| v.id)))
                .collect(),
            switches: plan
                .spec
                .sites
                .iter()
                .map(|s| first(s.switches.iter().map(|w| w.name.as_str())))
                .collect(),
        };
        for host in &plan.spec.hosts {
            let site = context.site(&host.site).map(|(index, _)| index);
            let first_range = context.range_networks.len();
            for range in &host.ranges {
                let network = context.networks.get(range.network.as_str()).copied();
                context.range_networks.push(network);
            }
            let cables = site.map_or_else(Vec::new, |s| context.look_for_cables(s, host));
            let networks = &context.range_networks[first_range..];
            let vlans = site.map_or_else(Vec::new, |s| context.look_for_vlans(s, networks));
            context.looks.push(Look {
                site,
                cables,
                vlans,
                first_range,
            });
        }
        context
    }

    fn look_for_cables(&self, site: usize, host: &'p Host) -> Vec<Cable<'p>> {
        let of = |nic: Option<usize>, switch: &'p Option<String>, port: &'p Option<String>| {
            Some(Cable {
                nic,
                switch: self.switch(site, switch.as_deref()?)?,
                port: port.as_deref(),
            })
        };
        if host.uplink.nics.is_empty() {
            return of(None, &host.uplink.switch, &host.uplink.port)
                .into_iter()
                .collect();
        }
        let nics = host.uplink.nics.iter().enumerate();
        nics.filter_map(|(i, n)| of(Some(i), &n.switch, &n.port))
            .collect()
    }

    /// The cables of a host that end at a switch of its site.
    pub(crate) fn cables(&self, host: usize) -> &[Cable<'p>] {
        self.looks.get(host).map_or(&[], |l| &l.cables)
    }

    /// The VLANs that a host in an IDC uses: its own, and those of its ranges' networks.
    pub(crate) fn vlans_of(&self, host: usize) -> &[VlanId] {
        self.looks.get(host).map_or(&[], |l| &l.vlans)
    }

    /// A host's site.
    pub(crate) fn site_of(&self, host: usize) -> Option<(usize, &'p Site)> {
        let index = self.looks.get(host)?.site?;
        Some((index, &self.sites()[index]))
    }

    /// The network of a host's range.
    pub(crate) fn network_of(&self, host: usize, range: usize) -> Option<(usize, &'p Network)> {
        let place = self.looks.get(host)?.first_range + range;
        let index = (*self.range_networks.get(place)?)?;
        Some((index, &self.networks()[index]))
    }

    pub(crate) fn sites(&self) -> &'p [Site] {
        &self.plan.spec.sites
    }

    pub(crate) fn networks(&self) -> &'p [Network] {
        &self.plan.spec.networks
    }

    pub(crate) fn hosts(&self) -> &'p [Host] {
        &self.plan.spec.hosts
    }

    pub(crate) fn site(&self, name: &str) -> Option<(usize, &'p Site)> {
        let index = *self.sites.get(name)?;
        Some((index, &self.sites()[index]))
    }

    pub(crate) fn network(&self, name: &str) -> Option<(usize, &'p Network)> {
        let index = *self.networks.get(name)?;
        Some((index, &self.networks()[index]))
    }

    pub(crate) fn vlan(&self, site: usize, id: VlanId) -> Option<usize> {
        self.vlans.get(site)?.get(&id).copied()
    }

    pub(crate) fn switch(&self, site: usize, name: &str) -> Option<usize> {
        self.switches.get(site)?.get(name).copied()
    }

    /// Where a host is written: itself, or its group.
    pub(crate) fn host_at(&self, host: usize) -> Path {
        match self.origins.get(host) {
            Some(Origin::Written { index }) => Path::spec().at("hosts").at(*index),
            Some(Origin::Member { group, .. }) => Path::spec().at("hostGroups").at(*group),
            None => Path::spec().at("hosts"),
        }
    }

    /// Where a host's range is written, or the rule that carves it.
    pub(crate) fn range_at(&self, host: usize, index: usize) -> Path {
        let range = self.host_at(host).at("ranges").at(index);
        match self.origins.get(host) {
            Some(Origin::Member { .. }) => range.at("from"),
            _ => range.at("prefix"),
        }
    }

    /// Every range of every host.
    pub(crate) fn ranges(&self) -> impl Iterator<Item = RangeOf<'p>> + '_ {
        self.hosts().iter().enumerate().flat_map(|(host, h)| {
            h.ranges
                .iter()
                .enumerate()
                .map(move |(index, range)| RangeOf { host, index, range })
        })
    }

    fn look_for_vlans(&self, site: usize, networks: &[Option<usize>]) -> Vec<VlanId> {
        let site = &self.sites()[site];
        if site.site_type != SiteType::Idc {
            return Vec::new();
        }
        let networks = networks
            .iter()
            .filter_map(|index| self.networks().get((*index)?))
            .filter(|n| n.site == site.name)
            .filter_map(|n| n.vlan);
        let mut used: Vec<VlanId> = networks.chain(site.host_vlan().map(|v| v.id)).collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The MTU of a network's containers, in bytes.
    pub(crate) fn mtu_of(&self, network: &Network) -> Mtu {
        network.mtu.unwrap_or(self.plan.spec.mtu)
    }

    /// For each host its ranges by network.
    pub(crate) fn ranges_by_network(host: &'p Host) -> BTreeMap<&'p str, Vec<IpNetwork>> {
        let mut by: BTreeMap<&str, Vec<IpNetwork>> = BTreeMap::new();
        for range in &host.ranges {
            by.entry(range.network.as_str())
                .or_default()
                .push(range.prefix);
        }
        by
    }
}

fn first<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut map = HashMap::new();
    for (i, key) in keys.enumerate() {
        map.entry(key).or_insert(i);
    }
    map
}
