//! Slices that ipamd cuts from pools: who gets one, and which.
//!
//! A host gets one slice of every network of its site whose pools have a `sliceLength`, in each
//! family in which the plan gives it no range of that network (docs/ipamd.md). What the plan
//! will need — entries of route tables, VLANs on trunks, MACs — it needs for these as well.
//!
//! ```text
//!   plan ─▶ [wanted] (host, network, family) ─▶ [with_slices] each the lowest free one, as
//!                                               ipamd gives them from an empty ledger
//! ```

use std::borrow::Cow;
use std::collections::HashMap;

use ipnetwork::IpNetwork;

use crate::model::{Host, Network, NetworkPlan, Pool, Range};
use crate::prefix::{Position, bits, bounds, overlap};

/// A slice that a host is to get.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The host, by its index in the plan.
    pub host: usize,
    /// The network, by its index in the plan.
    pub network: usize,
    /// Whether it is one of IPv4.
    pub v4: bool,
}

/// Whether slices can be cut from a pool; what says it and cannot be cut is FN0118's.
pub fn is_cut(pool: &Pool) -> bool {
    let fits = |length| (pool.prefix.prefix()..=bits(pool.prefix)).contains(&length);
    pool.slice_length
        .is_some_and(|length| length > 0 && fits(length))
}

/// The first pool of a family that is cut, by its index in the network.
pub fn first_cut(network: &Network, v4: bool) -> Option<usize> {
    let cut = |p: &Pool| p.prefix.is_ipv4() == v4 && is_cut(p);
    network.pools.iter().position(cut)
}

/// Every slice that a host is to get, in the order of hosts.
pub fn wanted(plan: &NetworkPlan) -> Vec<Wanted> {
    let mut by_site: HashMap<&str, Vec<(usize, &Network, bool)>> = HashMap::new();
    for (index, network) in plan.spec.networks.iter().enumerate() {
        for v4 in [true, false] {
            if first_cut(network, v4).is_some() {
                let of_site = by_site.entry(network.site.as_str()).or_default();
                of_site.push((index, network, v4));
            }
        }
    }
    if by_site.is_empty() {
        return Vec::new();
    }
    let mut all = Vec::new();
    for (host, h) in plan.spec.hosts.iter().enumerate() {
        for (network, of, v4) in by_site.get(h.site.as_str()).into_iter().flatten() {
            let shared = plan.cluster_of_network(of) == plan.cluster_of(&h.cluster);
            if shared && !has_range(h, of, *v4) {
                all.push(Wanted {
                    host,
                    network: *network,
                    v4: *v4,
                });
            }
        }
    }
    all
}

fn has_range(host: &Host, network: &Network, v4: bool) -> bool {
    let mut ranges = host.ranges.iter();
    ranges.any(|r| r.network == network.name && r.prefix.is_ipv4() == v4)
}

/// The plan with each slice as a range of the host that is to get it: the lowest that is
/// free, hosts in the order of the document. Which slice a host gets in the end depends on
/// who asks first; how many there are, and that they are apart, does not.
pub fn with_slices(plan: &NetworkPlan) -> Cow<'_, NetworkPlan> {
    let wanted = wanted(plan);
    if wanted.is_empty() {
        return Cow::Borrowed(plan);
    }
    let mut cutters: HashMap<(usize, bool), Cutter> = HashMap::new();
    let mut whole = plan.clone();
    for one in wanted {
        let network = &plan.spec.networks[one.network];
        let key = (one.network, one.v4);
        let cutter = cutters
            .entry(key)
            .or_insert_with(|| Cutter::new(plan, network, one.v4));
        // Where there is none left, FN0505 says so.
        if let Some(prefix) = cutter.next() {
            whole.spec.hosts[one.host].ranges.push(Range {
                network: network.name.clone(),
                prefix,
            });
        }
    }
    Cow::Owned(whole)
}

/// What of the address space no slice of a network may touch: exclusions, reservations,
/// ranges, hosts' own addresses, and in the network's site each subnet's gateway, first and
/// in IPv4 last address. As ipamd has it.
pub fn blocked(plan: &NetworkPlan, network: &Network) -> Vec<IpNetwork> {
    let mut blocked: Vec<IpNetwork> = Vec::new();
    for pool in &network.pools {
        blocked.extend(&pool.exclude);
        blocked.extend(pool.reservations.iter().map(|r| r.prefix));
    }
    for host in &plan.spec.hosts {
        blocked.extend(host.ranges.iter().map(|r| r.prefix));
        blocked.extend(host.addresses.iter().map(|a| IpNetwork::from(a.ip())));
    }
    if let Some(site) = plan.site(&network.site) {
        let vlans = site.vlans.iter().flat_map(|v| &v.subnets);
        for subnet in vlans.chain(site.v_switches.iter().flat_map(|v| &v.subnets)) {
            blocked.push(IpNetwork::from(subnet.gateway));
            blocked.push(IpNetwork::from(subnet.prefix.network()));
            if subnet.prefix.is_ipv4() {
                blocked.push(IpNetwork::from(subnet.prefix.broadcast()));
            }
        }
    }
    blocked
}

/// Cuts the slices of one network and family, one after the other.
struct Cutter {
    pools: std::vec::IntoIter<Cutting>,
    now: Option<Cutting>,
}

/// A pool that is being cut.
struct Cutting {
    prefix: IpNetwork,
    length: u8,
    /// What is in the way, by its beginning.
    blocked: Vec<(u128, u128)>,
    /// The next of `blocked` to look at.
    at: usize,
    /// Where the next slice may begin; none: the pool has ended.
    next: Option<u128>,
}

impl Cutter {
    fn new(plan: &NetworkPlan, network: &Network, v4: bool) -> Self {
        let blocked = blocked(plan, network);
        let cut = network.pools.iter().filter(|p| is_cut(p));
        let pools: Vec<Cutting> = cut
            .filter(|p| p.prefix.is_ipv4() == v4)
            .filter_map(|pool| {
                let mut here: Vec<(u128, u128)> = blocked
                    .iter()
                    .filter(|b| overlap(**b, pool.prefix))
                    .map(|b| {
                        let (first, last) = bounds(*b);
                        (first.value, last.value)
                    })
                    .collect();
                here.sort_unstable();
                Some(Cutting {
                    prefix: pool.prefix,
                    length: pool.slice_length?,
                    blocked: here,
                    at: 0,
                    next: Some(bounds(pool.prefix).0.value),
                })
            })
            .collect();
        let mut pools = pools.into_iter();
        Self {
            now: pools.next(),
            pools,
        }
    }

    fn next(&mut self) -> Option<IpNetwork> {
        loop {
            if let Some(slice) = self.now.as_mut()?.next() {
                return Some(slice);
            }
            self.now = self.pools.next();
        }
    }
}

impl Cutting {
    fn next(&mut self) -> Option<IpNetwork> {
        let v6 = self.prefix.is_ipv6();
        let last = bounds(self.prefix).1.value;
        let step = 1_u128.checked_shl(u32::from(bits(self.prefix) - self.length))?;
        loop {
            let first = self.next?;
            let end = first.checked_add(step - 1).filter(|end| *end <= last)?;
            self.next = end.checked_add(1);
            while self.blocked.get(self.at).is_some_and(|b| b.1 < first) {
                self.at += 1;
            }
            match self.blocked.get(self.at) {
                Some((from, to)) if *from <= end => {
                    // On to the first slice after what is in the way.
                    let after = (to.max(&end) / step).checked_add(1);
                    self.next = after.and_then(|n| n.checked_mul(step));
                }
                _ => {
                    let first = Position { v6, value: first }.address()?;
                    return IpNetwork::new(first, self.length).ok();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(pool: &str, exclude: &[&str], hosts: u32) -> Vec<String> {
        let text = format!(
            "apiVersion: flatnet.io/v1alpha1\nkind: NetworkPlan\nmetadata: {{name: t}}\nspec:\n  \
             sites: [{{name: vpc, type: VPC, vSwitches: [{{name: a, subnets: [{{prefix: 172.20.0.0/16, gateway: 172.20.255.253}}]}}]}}]\n  \
             networks: [{{name: cloud, site: vpc, pools: [{{{pool}, exclude: [{}]}}]}}]\n  \
             hostGroups: [{{name: g, site: vpc, hostName: 'h{{n}}', count: {hosts}, addresses: [172.20.0.9/16], \
             uplink: {{interface: eth0}}}}]\n",
            exclude.join(", ")
        );
        let plan = crate::expand::expand(&crate::parse(&text).expect("a plan")).plan;
        let whole = with_slices(&plan).into_owned();
        let ranges = whole.spec.hosts.iter().flat_map(|h| &h.ranges);
        ranges.map(|r| r.prefix.to_string()).collect()
    }

    #[test]
    fn each_host_gets_the_lowest_slice_that_nothing_blocks() {
        let pool = "prefix: 172.30.0.0/24, sliceLength: 26";
        assert_eq!(
            cut(pool, &["172.30.0.0/27", "172.30.0.130/32"], 3),
            ["172.30.0.64/26", "172.30.0.192/26"],
            "a third one is not there"
        );
    }

    #[test]
    fn the_last_slice_of_a_family_is_cut_and_the_counting_ends_there() {
        let pool = "prefix: 255.255.255.0/24, sliceLength: 25";
        assert_eq!(
            cut(pool, &[], 3),
            ["255.255.255.0/25", "255.255.255.128/25"]
        );
        let pool = "prefix: 'fd00::/127', sliceLength: 128";
        assert_eq!(cut(pool, &[], 3), ["fd00::/128", "fd00::1/128"]);
    }

    #[test]
    fn a_host_with_a_range_of_the_family_gets_no_slice_of_it() {
        let mut plan = crate::load(include_str!("../../../examples/lab.yaml")).expect("a plan");
        for pool in &mut plan.spec.networks[2].pools {
            pool.slice_length = Some(if pool.prefix.is_ipv4() { 26 } else { 112 });
        }
        assert_eq!(wanted(&plan), []);
        plan.spec.hosts[2].ranges.truncate(1);
        let one = Wanted {
            host: 2,
            network: 2,
            v4: false,
        };
        assert_eq!(wanted(&plan), [one]);
        let whole = with_slices(&plan);
        let range = &whole.spec.hosts[2].ranges[1];
        assert_eq!(range.prefix.to_string(), "fd20:30::/112");
    }
}
