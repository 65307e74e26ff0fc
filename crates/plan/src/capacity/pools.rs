//! How full pools are.

use std::collections::{BTreeMap, HashMap};

use ipnetwork::IpNetwork;
use serde::Serialize;

use crate::aggregate::cut;
use crate::model::{Host, Network, NetworkPlan, Pool, Site, SiteType, Subnet};
use crate::prefix::{bits, bounds, covers, size};

/// How full a pool is. Numbers are addresses, unless they say otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolCapacity {
    /// The name of the site.
    pub site: String,
    /// The name of the network.
    pub network: String,
    /// The pool.
    pub prefix: IpNetwork,
    /// All of it.
    pub size: u128,
    /// Excluded, reserved, or a router's.
    pub withheld: u128,
    /// In hosts' ranges: what is used.
    pub given: u128,
    /// Of those, what containers can have.
    pub usable: u128,
    /// Neither withheld nor given: the headroom.
    pub free: u128,
    /// Hosts with a range here.
    pub hosts: u64,
    /// Containers planned on those hosts; none: the plan has no density.
    pub planned: Option<u64>,
    /// The prefix length that most ranges here have.
    pub range_length: Option<u8>,
    /// How many hosts more fit, each with a range of that length; none: no host to go by.
    pub more_hosts: Option<u128>,
}

impl PoolCapacity {
    /// The part that is given away or withheld, in percent of the pool.
    pub fn percent(&self) -> u64 {
        let taken = self.given.saturating_add(self.withheld);
        percent(taken, self.size)
    }
}

/// `part` of `whole` in percent, rounded down but never down to 0.
pub(crate) fn percent(part: u128, whole: u128) -> u64 {
    if part == 0 || whole == 0 {
        return 0;
    }
    let exact = part
        .checked_mul(100)
        .map_or_else(|| part / (whole / 100).max(1), |p| p / whole);
    u64::try_from(exact).unwrap_or(u64::MAX).max(1)
}

/// A closed interval of one family.
type Span = (u128, u128);

struct RangeHere<'p> {
    prefix: IpNetwork,
    host: &'p Host,
}

pub(super) fn pools(plan: &NetworkPlan) -> Vec<PoolCapacity> {
    each_pool(plan, |site, network, pool, ranges| {
        pool_capacity(plan, site, network, pool, ranges)
    })
}

/// What of a pool is neither given nor withheld.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FreeSpace {
    /// The name of the site.
    pub site: String,
    /// The name of the network.
    pub network: String,
    /// The pool.
    pub pool: IpNetwork,
    /// The free prefixes, the fewest that there are.
    pub free: Vec<IpNetwork>,
    /// Where the next range of the usual length fits, whatever is added there counting up
    /// from it.
    pub next: Option<IpNetwork>,
}

/// What is free in each pool of a plan whose groups are written out.
pub fn free_space(plan: &NetworkPlan) -> Vec<FreeSpace> {
    each_pool(plan, |site, network, pool, ranges| {
        let taken = taken(site, network, pool, ranges);
        let whole = span(pool.prefix);
        let mut free = Vec::new();
        for (first, last) in gaps(whole, &taken) {
            free.extend(cut(pool.prefix.is_ipv6(), first, last));
        }
        let length = usual_length(ranges);
        // Where the most ranges follow each other.
        let next = length.and_then(|length| {
            let fits = free.iter().filter(|p| p.prefix() <= length);
            let widest = fits.min_by_key(|p| p.prefix())?;
            IpNetwork::new(widest.network(), length).ok()
        });
        FreeSpace {
            site: site.name.clone(),
            network: network.name.to_string(),
            pool: pool.prefix,
            free,
            next,
        }
    })
}

/// Looks at each pool with the ranges in it.
fn each_pool<T>(
    plan: &NetworkPlan,
    look: impl Fn(&Site, &Network, &Pool, &[RangeHere<'_>]) -> T,
) -> Vec<T> {
    let mut by_network: HashMap<&str, Vec<RangeHere<'_>>> = HashMap::new();
    for host in &plan.spec.hosts {
        for range in &host.ranges {
            let here = by_network.entry(range.network.as_str()).or_default();
            here.push(RangeHere {
                prefix: range.prefix,
                host,
            });
        }
    }
    let mut found = Vec::new();
    for network in &plan.spec.networks {
        let Some(site) = plan.site(&network.site) else {
            continue;
        };
        let mut ranges = by_network.remove(network.name.as_str()).unwrap_or_default();
        ranges.sort_by_key(|r| bounds(r.prefix));
        for pool in &network.pools {
            let (first, last) = bounds(pool.prefix);
            let from = ranges.partition_point(|r| bounds(r.prefix).0 < first);
            let to = ranges.partition_point(|r| bounds(r.prefix).0 <= last);
            found.push(look(site, network, pool, &ranges[from..to]));
        }
    }
    found
}

/// What of a pool is given or withheld.
fn taken(site: &Site, network: &Network, pool: &Pool, ranges: &[RangeHere<'_>]) -> Vec<Span> {
    let mut both = withheld_in(site, network, pool);
    both.extend(ranges.iter().map(|r| span(r.prefix)));
    merged(both)
}

fn withheld_in(site: &Site, network: &Network, pool: &Pool) -> Vec<Span> {
    let vlan = network.vlan.and_then(|id| site.vlan(id));
    let subnets: Vec<&Subnet> = vlan.map_or_else(Vec::new, |v| v.subnets.iter().collect());
    merged(withheld(pool, &subnets))
}

/// The prefix length that most ranges have, the longer one of two.
fn usual_length(ranges: &[RangeHere<'_>]) -> Option<u8> {
    let mut lengths: BTreeMap<u8, usize> = BTreeMap::new();
    for range in ranges {
        *lengths.entry(range.prefix.prefix()).or_default() += 1;
    }
    let most = lengths
        .into_iter()
        .max_by_key(|(length, count)| (*count, *length));
    most.map(|(length, _)| length)
}

fn pool_capacity(
    plan: &NetworkPlan,
    site: &Site,
    network: &Network,
    pool: &Pool,
    ranges: &[RangeHere<'_>],
) -> PoolCapacity {
    let withheld = withheld_in(site, network, pool);
    let given: Vec<Span> = merged(ranges.iter().map(|r| span(r.prefix)).collect());
    let taken = taken(site, network, pool, ranges);
    let whole = span(pool.prefix);
    let lost: u128 = ranges
        .iter()
        .map(|r| lost(site, r.prefix, &withheld))
        .fold(0, u128::saturating_add);
    let size = size(pool.prefix);
    let given = total(&given);
    let mut planned = Some(0_u64);
    let mut hosts: Vec<&str> = Vec::new();
    hosts.extend(ranges.iter().map(|r| r.host.name.as_str()));
    hosts.sort_unstable();
    hosts.dedup();
    let mut counted = std::collections::BTreeSet::new();
    for range in ranges {
        if counted.insert(range.host.name.as_str()) {
            let density = plan.density(range.host, network);
            planned = planned.zip(density).map(|(sum, d)| sum + u64::from(d));
        }
    }
    let range_length = usual_length(ranges).or(pool.slice_length);
    PoolCapacity {
        site: site.name.clone(),
        network: network.name.to_string(),
        prefix: pool.prefix,
        size,
        withheld: total(&taken).saturating_sub(given),
        given,
        usable: given.saturating_sub(lost),
        free: size.saturating_sub(total(&taken)),
        hosts: u64::try_from(hosts.len()).unwrap_or(u64::MAX),
        planned: planned.filter(|_| !hosts.is_empty()),
        range_length,
        more_hosts: range_length
            .filter(|length| *length <= bits(pool.prefix))
            .map(|length| slots(whole, &taken, bits(pool.prefix) - length)),
    }
}

fn span(prefix: IpNetwork) -> Span {
    let (first, last) = bounds(prefix);
    (first.value, last.value)
}

fn total(spans: &[Span]) -> u128 {
    spans
        .iter()
        .map(|(a, b)| (b - a).saturating_add(1))
        .fold(0, u128::saturating_add)
}

/// Sorted, apart, and not touching.
fn merged(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut kept: Vec<Span> = Vec::with_capacity(spans.len());
    for (first, last) in spans {
        match kept.last_mut() {
            Some(before) if before.1.checked_add(1).is_none_or(|next| first <= next) => {
                before.1 = before.1.max(last);
            }
            _ => kept.push((first, last)),
        }
    }
    kept
}

/// What no container can have: exclusions, reservations, routers, and in an IDC the network
/// and broadcast addresses of the subnet.
fn withheld(pool: &Pool, subnets: &[&Subnet]) -> Vec<Span> {
    let mut spans: Vec<Span> = pool
        .exclude
        .iter()
        .copied()
        .chain(pool.reservations.iter().map(|r| r.prefix))
        .filter(|p| covers(pool.prefix, *p))
        .map(span)
        .collect();
    for subnet in subnets {
        let (first, last) = bounds(subnet.prefix);
        let router = crate::prefix::Position::of(subnet.gateway);
        for ip in [first, last, router] {
            if ip.address().is_some_and(|a| pool.prefix.contains(a)) {
                spans.push((ip.value, ip.value));
            }
        }
    }
    spans
}

/// The addresses of a range that containers cannot have. In a VPC the host's gateway and
/// the range's own network and broadcast addresses are among them.
fn lost(site: &Site, range: IpNetwork, withheld: &[Span]) -> u128 {
    let (first, last) = span(range);
    let from = withheld.partition_point(|w| w.1 < first);
    let mut lost: Vec<Span> = withheld[from..]
        .iter()
        .take_while(|w| w.0 <= last)
        .map(|w| (w.0.max(first), w.1.min(last)))
        .collect();
    if site.site_type == SiteType::Vpc {
        lost.push((first, first.saturating_add(1).min(last)));
        lost.push((last, last));
    }
    total(&merged(lost))
}

/// How many blocks of `2^host_bits` addresses are free in `whole`.
fn slots(whole: Span, taken: &[Span], host_bits: u8) -> u128 {
    let Some(step) = 1_u128.checked_shl(host_bits.into()) else {
        return u128::from(taken.is_empty());
    };
    let count = |first: u128, last: u128| {
        // Aligned blocks in first..=last.
        let from = first.div_ceil(step);
        let to = match last.checked_add(1) {
            Some(end) => end / step,
            None => (u128::MAX / step).saturating_add(1),
        };
        to.saturating_sub(from)
    };
    gaps(whole, taken)
        .into_iter()
        .map(|(first, last)| count(first, last))
        .fold(0, u128::saturating_add)
}

/// What of `whole` is not in `taken`, which is sorted and apart.
fn gaps(whole: Span, taken: &[Span]) -> Vec<Span> {
    let mut free = Vec::new();
    let mut at = Some(whole.0);
    for (first, last) in taken {
        if let Some(from) = at
            && from < *first
            && from <= whole.1
        {
            free.push((from, (first - 1).min(whole.1)));
        }
        at = at.and_then(|at| Some(at.max(last.checked_add(1)?)));
    }
    if let Some(from) = at.filter(|from| *from <= whole.1) {
        free.push((from, whole.1));
    }
    free
}
