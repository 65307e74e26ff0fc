//! Usage of pools, as hosts report it.

use super::*;
use flatnet_types::ipamd::Held;

/// Usage of a lease in its host's last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportedUse {
    /// Number of addresses in use or in quarantine.
    pub(super) used: u64,
    /// Number of addresses that containers may have.
    pub(super) capacity: u64,
    /// Time of the report.
    pub(super) at: Timestamp,
}

/// Usage of one pool, in addresses. Counts of an IPv6 pool saturate at `u64::MAX`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUsage {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The pool as a prefix.
    pub pool: IpNetwork,
    /// Addresses of the pool.
    pub size: u64,
    /// Addresses that belong to a host, draining ones included.
    pub owned: u64,
    /// Addresses of ranges in quarantine.
    pub quarantined: u64,
    /// Addresses that the plan gives to hosts that have not asked for them, or keeps from
    /// all hosts.
    pub withheld: u64,
    /// Addresses that hosts report to be in use.
    pub used: u64,
    /// Addresses that hosts' ranges have for containers.
    pub capacity: u64,
    /// Leases that hosts hold.
    pub leases: u64,
    /// Prefix length of the pool's slices; `None` if the pool is not sub-allocated.
    pub slice: Option<u8>,
}

impl PoolUsage {
    /// Addresses that no host owns and that may be given to one.
    pub fn free(&self) -> u64 {
        let unavailable = self.owned.saturating_add(self.quarantined);
        self.size
            .saturating_sub(unavailable.saturating_add(self.withheld))
    }
}

fn size(prefix: IpNetwork) -> u64 {
    let (first, last) = ends(prefix);
    u64::try_from((last - first).saturating_add(1)).unwrap_or(u64::MAX)
}

impl Ledger {
    pub(super) fn record_use(&mut self, report: &Held, now: Timestamp) {
        self.usage.insert(
            key_of(report.prefix),
            ReportedUse {
                used: report.used,
                capacity: report.capacity,
                at: now,
            },
        );
    }

    /// Usage of every pool, by network and in the order of each network's pools.
    pub fn pools(&self) -> Vec<PoolUsage> {
        let mut found = Vec::new();
        for (name, network) in self.declared.networks() {
            for pool in &network.pools {
                found.push(self.pool(name, pool));
            }
        }
        found
    }

    fn pool(
        &self,
        network: &NetworkName,
        pool: &crate::assign::declared::DeclaredPool,
    ) -> PoolUsage {
        let mut of_pool = PoolUsage {
            network: network.clone(),
            pool: pool.prefix,
            size: size(pool.prefix),
            owned: 0,
            quarantined: 0,
            withheld: 0,
            used: 0,
            capacity: 0,
            leases: 0,
            slice: pool.slice,
        };
        for lease in self.overlapping(pool.prefix) {
            if !covers(pool.prefix, lease.prefix) {
                continue;
            }
            let addresses = size(lease.prefix);
            if !lease.is_held() {
                of_pool.quarantined = of_pool.quarantined.saturating_add(addresses);
                continue;
            }
            of_pool.owned = of_pool.owned.saturating_add(addresses);
            of_pool.leases += 1;
            if let Some(usage) = self.usage.get(&key_of(lease.prefix)) {
                of_pool.used = of_pool.used.saturating_add(usage.used);
                of_pool.capacity = of_pool.capacity.saturating_add(usage.capacity);
            }
        }
        let mut withheld: Vec<(u128, u128)> = pool
            .blocked
            .iter()
            .copied()
            .chain(self.declared.ranges().map(|(_, r)| r.prefix))
            .filter(|p| covers(pool.prefix, *p) && self.overlapping(*p).next().is_none())
            .map(ends)
            .collect();
        withheld.sort_unstable();
        let mut past = None;
        for (first, last) in withheld {
            let first = past.map_or(first, |p: u128| first.max(p.saturating_add(1)));
            if first <= last {
                let addresses = u64::try_from((last - first).saturating_add(1));
                of_pool.withheld = of_pool
                    .withheld
                    .saturating_add(addresses.unwrap_or(u64::MAX));
                past = Some(last);
            }
        }
        of_pool
    }
}
