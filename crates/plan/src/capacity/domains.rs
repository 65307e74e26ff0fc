//! How full broadcast domains and MAC tables are.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use flatnet_types::VlanId;
use serde::Serialize;

use crate::model::{Host, HostVlans, MacMode, Network, NetworkPlan, Site, SiteType, VlanRole};
use crate::prefix::size;

/// How full a VLAN is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct VlanCapacity {
    /// The IDC.
    pub site: String,
    /// The 802.1Q ID.
    pub id: VlanId,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub role: VlanRole,
    /// Hosts that use it.
    pub hosts: u64,
    /// Containers planned in it.
    pub containers: u64,
    /// Containers, hosts' own addresses and the router.
    pub neighbours: u64,
    /// How many neighbours it may have (`budgets.neighbours`).
    pub budget: u64,
    /// How many more it may have; negative: how many are too many.
    pub headroom: i64,
    /// MACs that are learnt in it.
    pub macs: u64,
    /// How many hosts more fit, in neighbours and, where hosts have their own addresses in
    /// it, in addresses; none: no host to go by.
    pub more_hosts: Option<u64>,
}

/// How full a switch's MAC table is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SwitchCapacity {
    /// The IDC.
    pub site: String,
    /// The switch.
    pub name: String,
    /// Hosts that are plugged into it.
    pub hosts: u64,
    /// VLANs that it carries.
    pub vlans: Vec<VlanId>,
    /// MACs that it learns: those of all of its VLANs.
    pub macs: u64,
    /// What its table may hold of ours (`budgets.macTablePercent` of its size); none: the
    /// size is not known.
    pub budget: Option<u64>,
    /// How many more it may learn; negative: how many are too many.
    pub headroom: Option<i64>,
    /// How many hosts more the table has room for, wherever in its VLANs; none: the size is
    /// not known, or there is no host to go by.
    pub more_hosts: Option<u64>,
}

#[derive(Debug, Default)]
struct Domain {
    hosts: u64,
    containers: u64,
    neighbours: u64,
    macs: u64,
}

/// A host in an IDC with what it brings into each VLAN.
struct Member<'p> {
    host: &'p Host,
    vlans: BTreeMap<VlanId, Domain>,
}

pub(super) fn domains(plan: &NetworkPlan) -> (Vec<VlanCapacity>, Vec<SwitchCapacity>) {
    let networks: HashMap<&str, &Network> = plan
        .spec
        .networks
        .iter()
        .map(|n| (n.name.as_str(), n))
        .collect();
    let mut hosts: HashMap<&str, Vec<&Host>> = HashMap::new();
    for host in &plan.spec.hosts {
        hosts.entry(host.site.as_str()).or_default().push(host);
    }
    let (mut vlans, mut switches) = (Vec::new(), Vec::new());
    let idcs = plan.spec.sites.iter();
    for site in idcs.filter(|s| s.site_type == SiteType::Idc) {
        let host_vlans = HostVlans::of(site);
        let members: Vec<Member<'_>> = hosts
            .remove(site.name.as_str())
            .unwrap_or_default()
            .into_iter()
            .map(|host| member(plan, &host_vlans, host, &networks))
            .collect();
        let mut all: BTreeMap<VlanId, Domain> = BTreeMap::new();
        for vlan in &site.vlans {
            // The router of a VLAN with subnets.
            let router = u64::from(!vlan.subnets.is_empty());
            let domain = all.entry(vlan.id).or_default();
            (domain.neighbours, domain.macs) = (router, router);
        }
        for brought in members.iter().flat_map(|m| &m.vlans) {
            let domain = all.entry(*brought.0).or_default();
            domain.hosts += brought.1.hosts;
            domain.containers += brought.1.containers;
            domain.neighbours += brought.1.neighbours;
            domain.macs += brought.1.macs;
        }
        vlans.extend(
            site.vlans
                .iter()
                .map(|v| vlan_capacity(plan, site, v, &all)),
        );
        switches.extend(switch_capacities(plan, site, &members, &all));
    }
    (vlans, switches)
}

fn member<'p>(
    plan: &NetworkPlan,
    host_vlans: &HostVlans<'_>,
    host: &'p Host,
    networks: &HashMap<&str, &Network>,
) -> Member<'p> {
    let mut vlans: BTreeMap<VlanId, Domain> = BTreeMap::new();
    if let Some(vlan) = host_vlans.of_host(host) {
        let domain = vlans.entry(vlan.id).or_default();
        *domain = Domain {
            hosts: 1,
            neighbours: 1,
            macs: 1,
            containers: 0,
        };
    }
    let names: BTreeSet<&str> = host.ranges.iter().map(|r| r.network.as_str()).collect();
    for network in names.iter().filter_map(|n| networks.get(n)) {
        let Some(id) = network.vlan else { continue };
        let planned = plan.density(host, network).map(u64::from);
        let domain = vlans.entry(id).or_default();
        if domain.hosts == 0 {
            (domain.hosts, domain.macs) = (1, 1);
        }
        domain.containers += planned.unwrap_or(0);
        domain.neighbours += planned.unwrap_or(0);
        if network.mac == MacMode::Pod {
            domain.macs += planned.unwrap_or_else(|| at_most(host, network));
        }
    }
    Member { host, vlans }
}

/// As many containers as the host's ranges of a network can hold, each with one address of
/// each family.
fn at_most(host: &Host, network: &Network) -> u64 {
    let of = |v4: bool| {
        let mut total: Option<u128> = None;
        let ranges = host.ranges.iter().filter(|r| r.network == network.name);
        for range in ranges.filter(|r| r.prefix.is_ipv4() == v4) {
            total = Some(total.unwrap_or(0).saturating_add(size(range.prefix)));
        }
        total
    };
    let most = match (of(true), of(false)) {
        (Some(a), Some(b)) => a.min(b),
        (a, b) => a.or(b).unwrap_or(0),
    };
    u64::try_from(most).unwrap_or(u64::MAX >> 16)
}

fn left(limit: u64, used: u64) -> i64 {
    let of = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    of(limit).saturating_sub(of(used))
}

fn vlan_capacity(
    plan: &NetworkPlan,
    site: &Site,
    vlan: &crate::model::Vlan,
    all: &BTreeMap<VlanId, Domain>,
) -> VlanCapacity {
    let none = Domain::default();
    let domain = all.get(&vlan.id).unwrap_or(&none);
    let budget = u64::from(plan.spec.budgets.neighbours);
    let headroom = left(budget, domain.neighbours);
    let router = u64::from(!vlan.subnets.is_empty());
    let of_hosts = domain.neighbours.saturating_sub(router);
    let each = of_hosts.div_ceil(domain.hosts.max(1));
    let mut more = (each > 0).then(|| u64::try_from(headroom).unwrap_or(0) / each);
    if vlan.role == VlanRole::Host && domain.hosts > 0 {
        let addresses = vlan.subnets.iter().filter(|s| s.prefix.is_ipv4());
        for subnet in addresses {
            // Network, broadcast, router.
            let room = size(subnet.prefix).saturating_sub(3 + u128::from(domain.hosts));
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            more = Some(more.map_or(room, |m| m.min(room)));
        }
    }
    VlanCapacity {
        site: site.name.clone(),
        id: vlan.id,
        name: vlan.name.clone(),
        role: vlan.role,
        hosts: domain.hosts,
        containers: domain.containers,
        neighbours: domain.neighbours,
        budget,
        headroom,
        macs: domain.macs,
        more_hosts: more,
    }
}

fn switch_capacities(
    plan: &NetworkPlan,
    site: &Site,
    members: &[Member<'_>],
    all: &BTreeMap<VlanId, Domain>,
) -> Vec<SwitchCapacity> {
    let index: HashMap<&str, usize> = site
        .switches
        .iter()
        .enumerate()
        .map(|(i, s)| (s.name.as_str(), i))
        .collect();
    let mut carried: Vec<BTreeSet<VlanId>> = vec![BTreeSet::new(); site.switches.len()];
    let mut plugged = vec![0_u64; site.switches.len()];
    for member in members {
        let cables = member.host.uplink.cables();
        let switches: BTreeSet<usize> = cables
            .iter()
            .filter_map(|c| index.get(c.switch.as_deref()?).copied())
            .collect();
        for i in switches {
            plugged[i] += 1;
            carried[i].extend(member.vlans.keys());
        }
    }
    spread(site, &index, &mut carried);
    // What the members bring into each VLAN, once for all switches.
    let mut brought: BTreeMap<VlanId, u64> = BTreeMap::new();
    for (id, domain) in members.iter().flat_map(|m| &m.vlans) {
        *brought.entry(*id).or_default() += domain.macs;
    }
    let percent = u64::from(plan.spec.budgets.mac_table_percent);
    site.switches
        .iter()
        .enumerate()
        .map(|(i, switch)| {
            let macs: u64 = carried[i]
                .iter()
                .filter_map(|v| Some(all.get(v)?.macs))
                .sum();
            let budget = switch.mac_table_size.map(|s| u64::from(s) * percent / 100);
            let headroom = budget.map(|b| left(b, macs));
            // A host more brings what the present ones bring on average into these VLANs.
            let of_members: u64 = carried[i].iter().filter_map(|id| brought.get(id)).sum();
            let count = u64::try_from(members.len()).unwrap_or(u64::MAX);
            let each = of_members.div_ceil(count.max(1));
            SwitchCapacity {
                site: site.name.clone(),
                name: switch.name.clone(),
                hosts: plugged[i],
                vlans: carried[i].iter().copied().collect(),
                macs,
                budget,
                headroom,
                more_hosts: headroom
                    .filter(|_| each > 0)
                    .map(|h| u64::try_from(h).unwrap_or(0) / each),
            }
        })
        .collect()
}

/// A VLAN on a switch is on its peers, and on the switches that it hangs on: a broadcast
/// reaches them, so they learn its MACs.
fn spread(site: &Site, index: &HashMap<&str, usize>, carried: &mut [BTreeSet<VlanId>]) {
    let mut next: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); site.switches.len()];
    let mut peers = next.clone();
    for (i, switch) in site.switches.iter().enumerate() {
        for peer in switch.peers.iter().filter_map(|p| index.get(p.as_str())) {
            peers[i].insert(*peer);
            peers[*peer].insert(i);
        }
        next[i].extend(switch.uplinks.iter().filter_map(|u| index.get(u.as_str())));
    }
    let mut new: Vec<(usize, VlanId)> = carried
        .iter()
        .enumerate()
        .flat_map(|(i, vlans)| vlans.iter().map(move |v| (i, *v)))
        .collect();
    while let Some((i, id)) = new.pop() {
        let to_peers = peers[i].iter().filter(|peer| {
            site.switches[i].carries_to_peers(id) && site.switches[**peer].carries_to_peers(id)
        });
        for other in next[i].iter().chain(to_peers).copied() {
            if carried[other].insert(id) {
                new.push((other, id));
            }
        }
    }
}
