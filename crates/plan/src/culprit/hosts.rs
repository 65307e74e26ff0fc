//! Edits of hosts and host groups: where they are, what they are of, what they carry.

use std::collections::BTreeMap;
use std::net::IpAddr;

use flatnet_types::{NetworkName, VlanId};
use ipnetwork::IpNetwork;

use super::addresses::moved;
use super::{Edit, Subjects};
use crate::finding::{
    ADDRESS_OUTSIDE, DANGLING, DUPLICATE_NAME, FOREIGN_NETWORK, HOST_BITS, NOT_TRUNKED,
    RANGE_OUTSIDE, RANGES_OVERLAP,
};
use crate::model::{Network, NetworkPlan, Site, SiteType, Uplink};
use crate::prefix::{bits, covers};
use crate::source::{Path, Step};

/// A host that is written out, or a group.
#[derive(Clone, Copy)]
pub(super) enum Member {
    Host(usize),
    Group(usize),
}

/// What a host and a group have in common.
pub(super) struct Common<'p> {
    pub(super) name: &'p str,
    site: &'p str,
    v_switch: Option<&'p str>,
    addresses: &'p [IpNetwork],
    /// Each range with its network: of a group that of the first member.
    ranges: Vec<(&'p NetworkName, IpNetwork)>,
}

impl Member {
    pub(super) fn at(self) -> Path {
        match self {
            Self::Host(i) => Path::spec().at("hosts").at(i),
            Self::Group(i) => Path::spec().at("hostGroups").at(i),
        }
    }

    pub(super) fn look(self, plan: &NetworkPlan) -> Option<Common<'_>> {
        match self {
            Self::Host(i) => {
                let host = plan.spec.hosts.get(i)?;
                Some(Common {
                    name: host.name.as_str(),
                    site: &host.site,
                    v_switch: host.v_switch.as_deref(),
                    addresses: &host.addresses,
                    ranges: host.ranges.iter().map(|r| (&r.network, r.prefix)).collect(),
                })
            }
            Self::Group(i) => {
                let group = plan.spec.host_groups.get(i)?;
                let ranges = group.ranges.iter();
                let ranges = ranges.filter_map(|r| {
                    let prefix = IpNetwork::new(r.from, r.length).ok()?;
                    Some((&r.network, prefix))
                });
                Some(Common {
                    name: &group.name,
                    site: &group.site,
                    v_switch: group.v_switch.as_deref(),
                    addresses: &group.addresses,
                    ranges: ranges.collect(),
                })
            }
        }
    }

    fn set_site(self, plan: &mut NetworkPlan, site: &str) {
        match self {
            Self::Host(i) => site.clone_into(&mut plan.spec.hosts[i].site),
            Self::Group(i) => site.clone_into(&mut plan.spec.host_groups[i].site),
        }
    }

    fn set_v_switch(self, plan: &mut NetworkPlan, name: &str) {
        let field = match self {
            Self::Host(i) => &mut plan.spec.hosts[i].v_switch,
            Self::Group(i) => &mut plan.spec.host_groups[i].v_switch,
        };
        *field = Some(name.to_owned());
    }

    fn set_address(self, plan: &mut NetworkPlan, at: usize, address: IpNetwork) {
        let all = match self {
            Self::Host(i) => &mut plan.spec.hosts[i].addresses,
            Self::Group(i) => &mut plan.spec.host_groups[i].addresses,
        };
        all[at] = address;
    }

    fn set_network(self, plan: &mut NetworkPlan, at: usize, network: &NetworkName) {
        match self {
            Self::Host(i) => plan.spec.hosts[i].ranges[at].network = network.clone(),
            Self::Group(i) => plan.spec.host_groups[i].ranges[at].network = network.clone(),
        }
    }

    fn set_range(self, plan: &mut NetworkPlan, at: usize, prefix: IpNetwork) {
        match self {
            Self::Host(i) => plan.spec.hosts[i].ranges[at].prefix = prefix,
            Self::Group(i) => {
                let sub_allocation = &mut plan.spec.host_groups[i].ranges[at];
                (sub_allocation.from, sub_allocation.length) = (prefix.ip(), prefix.prefix());
            }
        }
    }

    pub(super) fn uplink(self, plan: &mut NetworkPlan) -> &mut Uplink {
        match self {
            Self::Host(i) => &mut plan.spec.hosts[i].uplink,
            Self::Group(i) => &mut plan.spec.host_groups[i].uplink,
        }
    }

    /// Where a range's prefix is written.
    fn range_at(self, at: usize) -> Path {
        let range = self.at().at("ranges").at(at);
        match self {
            Self::Host(_) => range.at("prefix"),
            Self::Group(_) => range.at("from"),
        }
    }
}

pub(super) fn edits(plan: &NetworkPlan, subjects: &Subjects, edits: &mut Vec<Edit>) {
    let hosts = subjects.hosts.iter().map(|i| Member::Host(*i));
    let groups = subjects.groups.iter().map(|i| Member::Group(*i));
    let members: Vec<Member> = hosts.chain(groups).collect();
    for member in members {
        let Some(common) = member.look(plan) else {
            continue;
        };
        site(plan, member, &common, edits);
        own(plan, member, &common, edits);
        ranges(plan, member, &common, edits);
    }
    for group in subjects.groups.iter().copied() {
        of_group(plan, group, edits);
        let both = ["addresses", "ranges"];
        if both
            .iter()
            .all(|f| subjects.of_groups.contains(&(group, f)))
        {
            fewer(plan, group, edits);
        }
    }
    for trunk in &subjects.trunks {
        carried(plan, trunk, edits);
    }
}

/// The site that all ranges' networks are in.
fn site(plan: &NetworkPlan, member: Member, common: &Common<'_>, edits: &mut Vec<Edit>) {
    let mut sites = common.ranges.iter().filter_map(|(n, _)| plan.network(n));
    let Some(target) = sites.next().map(|n| n.site.clone()) else {
        return;
    };
    if target == common.site || sites.any(|n| n.site != target) {
        return;
    }
    let (rule, message) = match plan.site(common.site) {
        Some(_) => (
            &FOREIGN_NETWORK,
            format!(
                "{} is in {}, and the networks of its ranges are in {target}",
                common.name, common.site
            ),
        ),
        None => (&DANGLING, format!("there is no site {:?}", common.site)),
    };
    let help = format!("Write `site: {target}`, or give it ranges of networks of its own site.");
    let apply = move |p: &mut NetworkPlan| member.set_site(p, &target);
    edits.push(Edit::new(member.at().at("site"), rule, (message, help), apply).alone());
}

/// Its own addresses, and the vSwitch that they are in.
fn own(plan: &NetworkPlan, member: Member, common: &Common<'_>, edits: &mut Vec<Edit>) {
    let Some(site) = plan.site(common.site) else {
        return;
    };
    if site.site_type == SiteType::Vpc
        && let Some(first) = common.addresses.first()
    {
        let mut bears = site.v_switches.iter().filter(|v| {
            let is_other = common.v_switch != Some(v.name.as_str());
            is_other && v.subnets.iter().any(|s| s.prefix.contains(first.ip()))
        });
        if let Some(target) = bears.next() {
            let (place, has) = match common.v_switch {
                Some(name) => (member.at().at("vSwitch"), format!("is in vSwitch {name}")),
                None => (member.at(), "has no vSwitch".to_owned()),
            };
            let words = (
                format!(
                    "{} {has}, and its address {first} is in that of {}",
                    common.name, target.name
                ),
                format!("Write `vSwitch: {}`, or correct the address.", target.name),
            );
            let name = target.name.clone();
            let apply = move |p: &mut NetworkPlan| member.set_v_switch(p, &name);
            edits.push(Edit::new(place, &ADDRESS_OUTSIDE, words, apply).alone());
        }
    }
    for (j, address) in common.addresses.iter().enumerate() {
        for subnet in subnets(site, common.v_switch) {
            if subnet.is_ipv4() != address.is_ipv4() {
                continue;
            }
            let Some(target) = moved(*address, subnet).filter(|t| t != address) else {
                continue;
            };
            let words = (
                format!(
                    "{address} of {} does not fit the subnet {subnet}",
                    common.name
                ),
                format!("Correct the address: {target} would be in {subnet}."),
            );
            let apply = move |p: &mut NetworkPlan| member.set_address(p, j, target);
            let place = member.at().at("addresses").at(j);
            edits.push(Edit::new(place, &ADDRESS_OUTSIDE, words, apply));
        }
    }
}

/// The subnets that a host's own addresses may be in.
fn subnets(site: &Site, v_switch: Option<&str>) -> Vec<IpNetwork> {
    let of_vlans = site.host_vlans().flat_map(|v| &v.subnets);
    let of_v_switch = v_switch.and_then(|name| site.v_switch(name));
    let of_v_switch = of_v_switch.into_iter().flat_map(|v| &v.subnets);
    let all = of_vlans.chain(of_v_switch).map(|s| s.prefix);
    all.take(4).collect()
}

fn ranges(plan: &NetworkPlan, member: Member, common: &Common<'_>, edits: &mut Vec<Edit>) {
    for (j, (name, prefix)) in common.ranges.iter().enumerate() {
        let of_family = |n: &Network| {
            let pools = n.pools.iter().map(|p| p.prefix);
            pools
                .filter(|p| p.is_ipv4() == prefix.is_ipv4())
                .collect::<Vec<_>>()
        };
        let holds = |n: &&Network| of_family(n).iter().any(|p| covers(*p, *prefix));
        let others = plan.spec.networks.iter().filter(|n| n.name != **name);
        if let Some(other) = others.clone().find(holds) {
            let words = (
                format!(
                    "{prefix} of {} is in the pool of {}, not of {name}",
                    common.name, other.name
                ),
                format!("Write `network: {}`, or correct the prefix.", other.name),
            );
            let other = other.name.clone();
            let apply = move |p: &mut NetworkPlan| member.set_network(p, j, &other);
            let place = member.at().at("ranges").at(j).at("network");
            edits.push(Edit::new(place, &RANGE_OUTSIDE, words, apply));
        }
        let place = member.range_at(j);
        let own = plan.network(name).map(of_family).unwrap_or_default();
        let into = own.iter().filter_map(|pool| shifted(*prefix, *pool));
        let usual = usual_length(plan, name, prefix.is_ipv4());
        let usual = usual.and_then(|length| IpNetwork::new(prefix.ip(), length).ok());
        let whole = IpNetwork::new(prefix.network(), prefix.prefix()).ok();
        let into = into.map(|t| (t, &RANGE_OUTSIDE));
        let usual = usual.map(|t| (t, &RANGES_OVERLAP));
        let aligned = bits(*prefix).saturating_sub(zeros(prefix.ip()));
        let aligned = IpNetwork::new(prefix.ip(), aligned).ok();
        let is_whole = prefix.ip() == prefix.network();
        let whole = whole.into_iter().chain(aligned).filter(|_| !is_whole);
        let whole = whole.map(|t| (t, &HOST_BITS));
        for (target, rule) in into
            .chain(usual)
            .chain(whole)
            .filter(|(t, _)| t != prefix)
            .take(4)
        {
            let words = (
                format!(
                    "{prefix} of {} does not fit the other ranges of {name}",
                    common.name
                ),
                format!("Correct the prefix: {target} would fit."),
            );
            let apply = move |p: &mut NetworkPlan| member.set_range(p, j, target);
            edits.push(Edit::new(place.clone(), rule, words, apply).alone());
        }
    }
}

/// A range of the same length, as far from the beginning of `pool` as it is from that of the prefix of
/// the pool's length which it is in.
fn shifted(range: IpNetwork, pool: IpNetwork) -> Option<IpNetwork> {
    if covers(pool, range) || range.prefix() < pool.prefix() {
        return None;
    }
    let address = moved(IpNetwork::new(range.ip(), range.prefix()).ok()?, pool)?.ip();
    IpNetwork::new(address, range.prefix()).ok()
}

/// How many of its last bits are zero.
fn zeros(address: IpAddr) -> u8 {
    let zeros = match address {
        IpAddr::V4(a) => u32::from(a).trailing_zeros(),
        IpAddr::V6(a) => u128::from(a).trailing_zeros(),
    };
    u8::try_from(zeros).unwrap_or_default()
}

/// The length that most ranges of a network have.
fn usual_length(plan: &NetworkPlan, network: &NetworkName, v4: bool) -> Option<u8> {
    let hosts = plan.spec.hosts.iter().flat_map(|h| &h.ranges);
    let hosts = hosts.filter(|r| r.network == *network && r.prefix.is_ipv4() == v4);
    let groups = plan.spec.host_groups.iter();
    let groups = groups.flat_map(|g| g.ranges.iter().map(|r| (r, g.count as usize)));
    let groups =
        groups.filter(|(r, _)| r.network == *network && matches!(r.from, IpAddr::V4(_)) == v4);
    let mut counts: BTreeMap<u8, usize> = BTreeMap::new();
    let all = hosts.map(|r| (r.prefix.prefix(), 1));
    for (length, count) in all.chain(groups.map(|(r, count)| (r.length, count))) {
        *counts.entry(length).or_default() += count;
    }
    let (length, n) = counts.iter().max_by_key(|(_, n)| **n)?;
    // Several have it, and more than have another one.
    let others: usize = counts.values().sum::<usize>() - n;
    (*n > 1 && *n > others).then_some(*length)
}

/// A quarter of a group's hosts: where the last members' addresses are wrong, and their ranges too, there
/// are too many of them.
fn fewer(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(group) = plan.spec.host_groups.get(index).filter(|g| g.count > 3) else {
        return;
    };
    let words = (
        format!(
            "{} hosts of {} are more than its addresses and ranges have room for",
            group.count, group.name
        ),
        "Correct the number, or give the group larger subnets and pools.".to_owned(),
    );
    let apply = move |p: &mut NetworkPlan| p.spec.host_groups[index].count /= 4;
    let place = Path::spec().at("hostGroups").at(index).at("count");
    edits.push(Edit::new(place, &ADDRESS_OUTSIDE, words, apply).in_own_words());
}

/// What a group counts by.
fn of_group(plan: &NetworkPlan, index: usize, edits: &mut Vec<Edit>) {
    let Some(group) = plan.spec.host_groups.get(index) else {
        return;
    };
    let at = Path::spec().at("hostGroups").at(index);
    if !group.host_name.contains("{n") {
        let words = (
            format!(
                "the members of {} have one name: {}",
                group.name, group.host_name
            ),
            "Write `{n}` where the member's number is to stand.".to_owned(),
        );
        let apply = move |p: &mut NetworkPlan| p.spec.host_groups[index].host_name += "{n}";
        edits.push(Edit::new(
            at.clone().at("hostName"),
            &DUPLICATE_NAME,
            words,
            apply,
        ));
    }
    // Groups of one pattern count on where the one before ends.
    let alike = plan.spec.host_groups.iter().enumerate();
    let alike = alike.filter(|(i, g)| *i < index && g.host_name == group.host_name);
    let end = alike.map(|(_, g)| g.first.saturating_add(g.count)).max();
    if let Some(end) = end.filter(|end| group.first > 1 && group.first < *end) {
        let words = (
            format!(
                "{} begins at number {}, and another group of such names ends at {}",
                group.name,
                group.first,
                end - 1
            ),
            format!("Write `first: {end}`, or other names."),
        );
        let apply = move |p: &mut NetworkPlan| p.spec.host_groups[index].first = end;
        let edit = Edit::new(at.clone().at("first"), &DUPLICATE_NAME, words, apply);
        edits.push(edit.in_own_words().alone());
    }
    let others = plan
        .spec
        .host_groups
        .iter()
        .filter_map(|g| g.hosts_per_rack);
    let Some(own) = group.hosts_per_rack else {
        return;
    };
    if let Some(usual) = others.max().filter(|n| *n > own) {
        let words = (
            format!(
                "{own} hosts to a rack make more racks than {} has switches for",
                group.name
            ),
            format!("Correct the number; other groups have {usual}."),
        );
        let apply =
            move |p: &mut NetworkPlan| p.spec.host_groups[index].hosts_per_rack = Some(usual);
        edits.push(Edit::new(at.at("hostsPerRack"), &DANGLING, words, apply));
    }
}

/// A list of VLANs that carries one in place of another.
fn carried(plan: &NetworkPlan, place: &Path, edits: &mut Vec<Edit>) {
    let mut copy = plan.clone();
    let Some(list) = list_mut(&mut copy, place).cloned() else {
        return;
    };
    let ids = plan
        .spec
        .sites
        .iter()
        .flat_map(|s| s.vlans.iter().map(|v| v.id));
    let others: Vec<VlanId> = ids.filter(|id| !list.contains(id)).take(6).collect();
    for (k, old) in list.iter().enumerate() {
        for id in others.iter().copied() {
            let words = (
                format!(
                    "VLAN {old} is carried, which nothing uses, and VLAN {id} is not, which is used"
                ),
                format!("Write {id} in place of {old}."),
            );
            let at = place.clone();
            let apply = move |p: &mut NetworkPlan| {
                if let Some(list) = list_mut(p, &at) {
                    list[k] = id;
                }
            };
            edits.push(Edit::new(place.clone(), &NOT_TRUNKED, words, apply));
        }
    }
}

fn list_mut<'p>(plan: &'p mut NetworkPlan, place: &Path) -> Option<&'p mut Vec<VlanId>> {
    use Step::{Index, Key};
    match *place.steps() {
        [_, Key("hosts"), Index(i), ..] => Member::Host(i).uplink(plan).trunk.as_mut(),
        [_, Key("hostGroups"), Index(i), ..] => Member::Group(i).uplink(plan).trunk.as_mut(),
        [
            _,
            Key("sites"),
            Index(s),
            Key("switches"),
            Index(i),
            Key("trunk"),
        ] => plan.spec.sites[s].switches[i].trunk.as_mut(),
        [
            _,
            Key("sites"),
            Index(s),
            Key("switches"),
            Index(i),
            Key("ports"),
            Index(k),
            ..,
        ] => Some(&mut plan.spec.sites[s].switches[i].ports[k].trunk),
        _ => None,
    }
}
