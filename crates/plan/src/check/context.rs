//! A plan with its names looked up once.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use flatnet_types::{Mtu, VlanId};
use ipnetwork::IpNetwork;

use crate::expand::{Expanded, Origin};
use crate::model::{
    Host, HostVlans, Network, NetworkPlan, Pool, Range, Site, SiteType, Subnet, Vlan, VlanRole,
};
use crate::prefix::covers;
use crate::slices;
use crate::source::Path;

/// A plan whose names are looked up once. Where a name is given twice, the first counts.
pub(crate) struct Context<'p> {
    pub(crate) plan: &'p NetworkPlan,
    expanded: &'p Expanded,
    sites: HashMap<&'p str, usize>,
    networks: HashMap<&'p str, usize>,
    /// For each site its VLANs, by ID.
    vlans: Vec<HashMap<VlanId, usize>>,
    /// For each site its switches, by name.
    switches: Vec<HashMap<&'p str, usize>>,
    /// For each site its vSwitches, by name.
    v_switches: Vec<HashMap<&'p str, usize>>,
    /// For each host what several checks ask for: looking a name up reads it, and the names
    /// of many hosts are in no cache.
    looks: Vec<Look<'p>>,
    /// For each range of each host its network.
    range_networks: Vec<Option<usize>>,
}

/// What several checks ask of a host.
struct Look<'p> {
    site: Option<usize>,
    /// The VLAN of its own addresses, by its index in the site.
    host_vlan: Option<usize>,
    cables: Vec<Cable<'p>>,
    vlans: Vec<VlanId>,
    /// Where its ranges' networks begin in [`Context::range_networks`].
    first_range: usize,
    /// The slices that ipamd is to cut for it.
    slices: Vec<SliceOf>,
}

/// A slice that ipamd is to cut for a host.
#[derive(Clone, Copy)]
pub(crate) struct SliceOf {
    /// The network, by its index.
    pub(crate) network: usize,
    /// A slice of that size: which one it will be, ipamd decides.
    pub(crate) like: IpNetwork,
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

/// Where a host's own addresses are.
#[derive(Clone, Copy)]
pub(crate) struct Segment<'p> {
    /// The list of the site that it is in: `vlans` or `vSwitches`.
    pub(crate) list: &'static str,
    /// Its index there.
    pub(crate) at: usize,
    /// Its subnets.
    pub(crate) subnets: &'p [Subnet],
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
            expanded,
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
            v_switches: plan
                .spec
                .sites
                .iter()
                .map(|s| first(s.v_switches.iter().map(|v| v.name.as_str())))
                .collect(),
        };
        let host_vlans: Vec<HostVlans<'p>> = plan.spec.sites.iter().map(HostVlans::of).collect();
        let mut wanted = slices::wanted(plan).into_iter().peekable();
        for (index, host) in plan.spec.hosts.iter().enumerate() {
            let mut slices = Vec::new();
            while let Some(one) = wanted.next_if(|w| w.host == index) {
                slices.extend(context.slice_of(one));
            }
            let site = context.site(&host.site).map(|(index, _)| index);
            let first_range = context.range_networks.len();
            for range in &host.ranges {
                let network = context.networks.get(range.network.as_str()).copied();
                context.range_networks.push(network);
            }
            let cables = site.map_or_else(Vec::new, |s| context.look_for_cables(s, host));
            let networks = context.range_networks[first_range..].iter().copied();
            let networks = networks.flatten().chain(slices.iter().map(|s| s.network));
            let host_vlan = site.and_then(|s| host_vlans[s].index_of(host));
            let vlans =
                site.map_or_else(Vec::new, |s| context.look_for_vlans(s, host_vlan, networks));
            context.looks.push(Look {
                site,
                host_vlan,
                cables,
                vlans,
                first_range,
                slices,
            });
        }
        context
    }

    fn slice_of(&self, wanted: slices::Wanted) -> Option<SliceOf> {
        let network = self.networks().get(wanted.network)?;
        let pool = slices::first_cut(network, wanted.v4)?;
        let Pool {
            prefix,
            slice_length,
            ..
        } = &network.pools[pool];
        Some(SliceOf {
            network: wanted.network,
            like: IpNetwork::new(prefix.network(), (*slice_length)?).ok()?,
        })
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

    /// The slices that ipamd is to cut for a host.
    pub(crate) fn slices_of(&self, host: usize) -> &[SliceOf] {
        self.looks.get(host).map_or(&[], |l| &l.slices)
    }

    /// The networks that a host has addresses of: those of its ranges and its slices.
    pub(crate) fn networks_of(&self, host: usize) -> impl Iterator<Item = &'p Network> + '_ {
        let ranges = self.hosts().get(host).map_or(0, |h| h.ranges.len());
        let ranges = (0..ranges).filter_map(move |r| self.network_of(host, r));
        let slices = self.slices_of(host).iter();
        ranges
            .map(|(_, n)| n)
            .chain(slices.map(|s| &self.networks()[s.network]))
    }

    /// The VLANs that a host in an IDC uses: its own, and those of its ranges' and slices'
    /// networks.
    pub(crate) fn vlans_of(&self, host: usize) -> &[VlanId] {
        self.looks.get(host).map_or(&[], |l| &l.vlans)
    }

    /// The VLANs that a host's containers may ask to send tagged. Not every host has to carry them.
    pub(crate) fn tagged_of(&self, host: usize) -> impl Iterator<Item = VlanId> + '_ {
        let networks = self.networks_of(host);
        networks.flat_map(|n| n.trunk.iter().map(|t| t.vlan))
    }

    /// The VLAN that bears a host's own addresses.
    pub(crate) fn host_vlan_of(&self, host: usize) -> Option<&'p Vlan> {
        let look = self.looks.get(host)?;
        self.sites()[look.site?].vlans.get(look.host_vlan?)
    }

    /// The subnets that a host's own addresses are in, and where they are written in its site: those
    /// of its VLAN or its vSwitch.
    pub(crate) fn segment_of(&self, host: usize) -> Option<Segment<'p>> {
        let (index, site) = self.site_of(host)?;
        let (list, at, subnets) = match site.site_type {
            SiteType::Idc => {
                let at = self.looks.get(host)?.host_vlan?;
                ("vlans", at, &site.vlans[at].subnets)
            }
            SiteType::Vpc => {
                let name = self.hosts()[host].v_switch.as_deref()?;
                let at = *self.v_switches[index].get(name)?;
                ("vSwitches", at, &site.v_switches[at].subnets)
            }
        };
        Some(Segment { list, at, subnets })
    }

    /// A host's site.
    pub(crate) fn site_of(&self, host: usize) -> Option<(usize, &'p Site)> {
        let index = self.looks.get(host)?.site?;
        Some((index, &self.sites()[index]))
    }

    /// Whether a network's site or VLAN is told to be wrong: nothing is said then of what would
    /// follow from it.
    pub(crate) fn is_lost(&self, network: &Network) -> bool {
        let Some((index, site)) = self.site(&network.site) else {
            return true;
        };
        let vlan = network.vlan.map(|id| self.vlan(index, id));
        match (site.site_type, vlan) {
            (SiteType::Vpc, vlan) => vlan.is_some(),
            (SiteType::Idc, vlan) => {
                let vlan = vlan.flatten().map(|at| &site.vlans[at]);
                vlan.is_none_or(|v| v.role != VlanRole::Pod)
            }
        }
    }

    /// Whether a network has no VLAN of that site, or one whose subnets a pool of it is outside of.
    /// Either is told.
    pub(crate) fn is_stray(&self, site: usize, network: Option<&Network>, pool: IpNetwork) -> bool {
        let Some(network) = network else {
            return false;
        };
        let elsewhere = || {
            let here = self.site(&network.site).is_some_and(|(i, _)| i == site);
            let subnets = self.subnets_of(network).filter(|_| here);
            subnets.is_some_and(|all| !all.iter().any(|s| covers(s.prefix, pool)))
        };
        self.is_lost(network) || elsewhere()
    }

    /// The subnets of the VLAN that a network in an IDC is in; none where there is no such VLAN.
    pub(crate) fn subnets_of(&self, network: &Network) -> Option<&'p [Subnet]> {
        let (index, site) = self.site(&network.site)?;
        let vlan = self.vlan(index, network.vlan?)?;
        (site.site_type == SiteType::Idc).then(|| site.vlans[vlan].subnets.as_slice())
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

    /// Whether hosts of a site are not there for the checks to see: a group of it could not be
    /// written out, which is told.
    pub(crate) fn lacks_hosts(&self, site: &Site) -> bool {
        let mut faults = self.expanded.faults.iter();
        faults.any(|f| {
            let group = self.expanded.groups.get(f.group);
            group.is_some_and(|g| g.site == site.name)
        })
    }

    /// Whether a host is a member of a group.
    pub(crate) fn is_member(&self, host: usize) -> bool {
        matches!(self.expanded.origins.get(host), Some(Origin::Member { .. }))
    }

    /// Where a host is written: itself, or its group.
    pub(crate) fn host_at(&self, host: usize) -> Path {
        match self.expanded.origins.get(host) {
            Some(Origin::Written { index }) => Path::spec().at("hosts").at(*index),
            Some(Origin::Member { group, .. }) => Path::spec().at("hostGroups").at(*group),
            None => Path::spec().at("hosts"),
        }
    }

    /// Where a host's instance is written: of a group, in its pattern or its list.
    pub(crate) fn instance_at(&self, host: usize) -> Path {
        let at = self.host_at(host);
        match self.expanded.origins.get(host) {
            Some(Origin::Member { group, number }) => {
                let field = self.expanded.instances_at(*group);
                match self.expanded.groups.get(*group) {
                    Some(group) if group.lists_instances => {
                        let index = number.saturating_sub(group.first);
                        at.at(field).at(usize::try_from(index).unwrap_or(0))
                    }
                    _ => at.at(field),
                }
            }
            _ => at.at("instanceId"),
        }
    }

    /// Where a host's range is written, or the rule that sub-allocates it.
    pub(crate) fn range_at(&self, host: usize, index: usize) -> Path {
        let range = self.host_at(host).at("ranges").at(index);
        match self.expanded.origins.get(host) {
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

    fn look_for_vlans(
        &self,
        site: usize,
        host_vlan: Option<usize>,
        networks: impl Iterator<Item = usize>,
    ) -> Vec<VlanId> {
        let site = &self.sites()[site];
        if site.site_type != SiteType::Idc {
            return Vec::new();
        }
        let networks = networks
            .filter_map(|index| self.networks().get(index))
            .filter(|n| n.site == site.name);
        let mut used: Vec<VlanId> = networks
            .filter_map(|n| n.vlan)
            .chain(host_vlan.map(|j| site.vlans[j].id))
            .collect();
        used.sort_unstable();
        used.dedup();
        used
    }

    /// The MTU of a network's containers, in bytes.
    pub(crate) fn mtu_of(&self, network: &Network) -> Mtu {
        network.mtu.unwrap_or(self.plan.spec.mtu)
    }

    /// A host's ranges by network, and for each slice one of its size.
    pub(crate) fn held_by_network(&self, host: usize) -> BTreeMap<&'p str, Vec<IpNetwork>> {
        let mut by = self
            .hosts()
            .get(host)
            .map_or_else(BTreeMap::new, Self::ranges_by_network);
        for slice in self.slices_of(host) {
            let network = self.networks()[slice.network].name.as_str();
            by.entry(network).or_default().push(slice.like);
        }
        by
    }

    /// A host's ranges by network.
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

/// Whether a subnet's own router is outside of it, which is told: its prefix may be mistyped, so
/// nothing is said of what else is outside.
pub(crate) fn is_doubtful(subnet: &Subnet) -> bool {
    !is_link_local(subnet.gateway) && !subnet.prefix.contains(subnet.gateway)
}

fn first<K: std::hash::Hash + Eq>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    let mut map = HashMap::new();
    for (i, key) in keys.enumerate() {
        map.entry(key).or_insert(i);
    }
    map
}

/// Whether it is an address of the link alone (RFC 4291 §2.5.6): routers are known to their
/// neighbours by it.
pub(super) fn is_link_local(address: IpAddr) -> bool {
    matches!(address, IpAddr::V6(a) if a.is_unicast_link_local())
}
