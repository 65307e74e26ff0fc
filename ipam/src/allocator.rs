//! The allocator: chooses the next address of a network. Pure, with time as a parameter.
//!
//! ```text
//!             never used, in order        released, the earliest release first
//!   range 1  ├─ cursor ──────────▶┤   ◀── queue (quarantine: 30 s) ◀── release
//!   range 2  ├─ cursor ──────────▶┤   ◀── queue                    ◀── release
//! ```
//!
//! # Policy
//! 1. An address that was never used, the ranges in their order, each from its start.
//! 2. Else the least recently released of all the network's ranges, once its quarantine is over.
//! 3. A requested address has to be free by the same rules: in quarantine it is refused, and the
//!    error says for how long: a neighbour may still have an entry for the former container.
//!
//! # Cost
//! O(log n) amortised at any fill: the cursor passes each used address once a sweep and each
//! withheld interval in one step. Memory grows with the addresses in use and with at most
//! `remembered` released addresses a range; beyond that the earliest releases are forgotten (and
//! count as never used) once their quarantine is over.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::api::AssignedIp;
use flatnet_types::{AttachmentKey, NetworkName};
use ipnetwork::IpNetwork;

use crate::range::{Family, Networks, Withheld};
use crate::time::MonotoneClock;
use flatnet_types::Timestamp;

mod error;
mod pool;
#[cfg(test)]
mod tests;
mod upkeep;

pub use error::{AllocateError, RangeUsage};
use pool::Pool;
pub(crate) use pool::QueuedRelease;

/// State of an address. An address that is not in the map was never used or is forgotten: it is
/// free.
#[derive(Debug, Clone)]
pub(crate) enum AddressState {
    /// An attachment has it.
    InUse(Arc<AttachmentKey>),
    /// It was released. It is free if its quarantine is over.
    Released {
        /// Its number in the order of releases.
        seq: u64,
    },
}

/// A request for the addresses of an attachment.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The plan's network to take from.
    pub network: &'a NetworkName,
    /// Requested addresses, at most one of a family; others are chosen.
    pub ips: &'a [IpAddr],
}

/// Addresses that [`Allocator::pick`] chose. They are not taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The addresses with their subnet's prefix length and gateway, IPv4 first.
    pub addresses: Vec<AssignedIp>,
}

/// A release. It begins the address's quarantine, and its number orders reuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// Number in the order of releases; increases with each release.
    pub seq: u64,
    /// The address that was released.
    pub ip: IpAddr,
    /// Time of the release, by the allocator's monotone clock.
    pub at: Timestamp,
}

/// The ranges of one host, and the state of their addresses.
#[derive(Debug, Clone)]
pub struct Allocator {
    quarantine: Duration,
    remembered: usize,
    clock: MonotoneClock,
    held: HashMap<IpAddr, AddressState>,
    pools: Vec<Pool>,
    by_network: BTreeMap<NetworkName, Vec<usize>>,
    /// Released addresses that no range has any more. Their quarantine continues, in case a range
    /// gets them again.
    outside_ranges: BTreeMap<u64, QueuedRelease>,
    next_seq: u64,
}

impl Allocator {
    /// An allocator in which every address is free. `quarantine`: how long a released address is
    /// not assigned again; `remembered`: how many releases a range remembers in order.
    pub fn new(networks: &Networks, quarantine: Duration, remembered: usize) -> Self {
        let mut allocator = Self {
            quarantine,
            remembered,
            clock: MonotoneClock::default(),
            held: HashMap::new(),
            pools: Vec::new(),
            by_network: BTreeMap::new(),
            outside_ranges: BTreeMap::new(),
            next_seq: 0,
        };
        allocator.reconfigure(networks);
        allocator
    }

    /// [`Allocator::pick`], then [`Allocator::take`].
    ///
    /// # Errors
    /// As [`Allocator::pick`].
    pub fn allocate(
        &mut self,
        request: Request<'_>,
        owner: &Arc<AttachmentKey>,
        now: Timestamp,
    ) -> Result<Picked, AllocateError> {
        let picked = self.pick(request, now)?;
        self.take(&picked, owner);
        Ok(picked)
    }

    /// Chooses one address of each family that the network has; takes none.
    ///
    /// # Errors
    /// [`AllocateError`]: what is not available, and for how long.
    pub fn pick(&mut self, request: Request<'_>, now: Timestamp) -> Result<Picked, AllocateError> {
        let clock = self.clock.read(now);
        let pools = self.pools_of(request.network)?.to_vec();
        one_of_a_family(request.ips)?;
        let mut addresses = Vec::with_capacity(2);
        for family in [Family::V4, Family::V6] {
            let asked = request.ips.iter().find(|ip| Family::of(**ip) == family);
            let found = match asked {
                Some(&ip) => Some(self.pick_named(request.network, &pools, ip, clock)?),
                None => self.pick_any(request.network, &pools, family, clock)?,
            };
            if let Some((pool, ip)) = found {
                addresses.push(self.pools[pool].assigned(ip));
            }
        }
        Ok(Picked { addresses })
    }

    /// Takes addresses that [`Allocator::pick`] chose; nothing may have changed in between. Returns
    /// the numbers of the releases whose addresses are in use again.
    pub fn take(&mut self, picked: &Picked, owner: &Arc<AttachmentKey>) -> Vec<u64> {
        self.hold(picked.addresses.iter().map(|a| a.address.ip()), owner)
    }

    /// Marks addresses as in use by `owner`, inside the ranges or not: a restart restores the
    /// attachments of the store with it. An address that is in use already keeps its owner.
    pub fn hold(
        &mut self,
        ips: impl IntoIterator<Item = IpAddr>,
        owner: &Arc<AttachmentKey>,
    ) -> Vec<u64> {
        let mut reused = Vec::new();
        for ip in ips {
            let pool = self.pool_of(ip);
            match self.held.get(&ip) {
                Some(&AddressState::Released { seq }) => {
                    match pool {
                        Some(pool) => self.pools[pool].released.remove(&seq),
                        None => self.outside_ranges.remove(&seq),
                    };
                    reused.push(seq);
                }
                Some(AddressState::InUse(_)) => continue,
                None => {}
            }
            self.held.insert(ip, AddressState::InUse(Arc::clone(owner)));
            if let Some(pool) = pool {
                self.pools[pool].in_use += 1;
            }
        }
        reused
    }

    /// Releases addresses of `owner`: their quarantine begins. Addresses of other owners are
    /// skipped.
    pub fn release(
        &mut self,
        ips: impl IntoIterator<Item = IpAddr>,
        owner: &AttachmentKey,
        now: Timestamp,
    ) -> Vec<Released> {
        let at = self.clock.read(now);
        let mut released = Vec::with_capacity(2);
        for ip in ips {
            match self.held.get(&ip) {
                Some(AddressState::InUse(key)) if **key == *owner => {}
                _ => continue,
            }
            self.held.remove(&ip);
            if let Some(pool) = self.pool_of(ip) {
                self.pools[pool].in_use -= 1;
            }
            let one = Released {
                seq: self.next_seq(),
                ip,
                at,
            };
            self.restore_release(one);
            released.push(one);
        }
        released
    }

    /// The attachment that has `ip`.
    pub fn owner_of(&self, ip: IpAddr) -> Option<&Arc<AttachmentKey>> {
        match self.held.get(&ip)? {
            AddressState::InUse(owner) => Some(owner),
            AddressState::Released { .. } => None,
        }
    }

    /// Whether `ip` is in a range and not withheld.
    pub fn is_usable(&self, ip: IpAddr) -> bool {
        self.pool_of(ip).is_some()
    }

    /// Usage of each range of a network, in the order of the ranges.
    pub fn usage(&mut self, network: &NetworkName, now: Timestamp) -> Option<Vec<RangeUsage>> {
        let clock = self.clock.read(now);
        let pools = self.by_network.get(network)?;
        Some(
            pools
                .iter()
                .map(|&p| self.pools[p].usage(clock, self.quarantine))
                .collect(),
        )
    }

    /// Whether [`Allocator::pick`] without requested addresses would succeed, in O(ranges).
    ///
    /// # Errors
    /// The error that it would fail with.
    pub fn check_free(
        &mut self,
        network: &NetworkName,
        now: Timestamp,
    ) -> Result<(), AllocateError> {
        let clock = self.clock.read(now);
        let pools = self.pools_of(network)?;
        for family in [Family::V4, Family::V6] {
            let mut of_family = pools
                .iter()
                .map(|&p| &self.pools[p])
                .filter(|pool| pool.range.family() == family)
                .peekable();
            if of_family.peek().is_some()
                && !of_family.any(|pool| pool.has_free(clock, self.quarantine))
            {
                return Err(self.exhausted(network, pools, family, clock));
            }
        }
        Ok(())
    }

    fn pools_of(&self, network: &NetworkName) -> Result<&[usize], AllocateError> {
        let Some(pools) = self.by_network.get(network) else {
            return Err(AllocateError::UnknownNetwork {
                network: network.clone(),
                known: self.by_network.keys().cloned().collect(),
            });
        };
        if pools.is_empty() {
            return Err(AllocateError::NoRange {
                network: network.clone(),
            });
        }
        Ok(pools)
    }

    /// The pool in which `ip` is usable.
    fn pool_of(&self, ip: IpAddr) -> Option<usize> {
        self.pools.iter().position(|pool| pool.range.is_usable(ip))
    }

    fn pick_named(
        &self,
        network: &NetworkName,
        pools: &[usize],
        ip: IpAddr,
        clock: Timestamp,
    ) -> Result<(usize, IpAddr), AllocateError> {
        let inside = |&&p: &&usize| self.pools[p].range.span().contains(ip);
        let Some(&pool) = pools.iter().find(inside) else {
            return Err(AllocateError::Outside {
                ip,
                network: network.clone(),
                ranges: pools.iter().map(|&p| self.pools[p].range.span()).collect(),
            });
        };
        if !self.pools[pool].range.is_usable(ip) {
            let why = self.pools[pool].range.withheld(ip);
            return Err(AllocateError::Withheld {
                ip,
                why: why.unwrap_or(Withheld::Excluded),
            });
        }
        match self.held.get(&ip) {
            None => Ok((pool, ip)),
            Some(AddressState::InUse(owner)) => Err(AllocateError::Taken {
                ip,
                owner: Arc::clone(owner),
            }),
            Some(AddressState::Released { seq }) => {
                let due = self.pools[pool]
                    .released
                    .get(seq)
                    .map_or(clock, |r| r.at.saturating_add(self.quarantine));
                if due <= clock {
                    return Ok((pool, ip));
                }
                Err(AllocateError::Quarantined {
                    ip,
                    free_in: due.saturating_since(clock),
                })
            }
        }
    }

    fn pick_any(
        &mut self,
        network: &NetworkName,
        pools: &[usize],
        family: Family,
        clock: Timestamp,
    ) -> Result<Option<(usize, IpAddr)>, AllocateError> {
        let mut has_family = false;
        for &p in pools {
            let pool = &mut self.pools[p];
            if pool.range.family() != family {
                continue;
            }
            has_family = true;
            if let Some(ip) = pool.next_unused(&self.held) {
                return Ok(Some((p, ip)));
            }
        }
        if !has_family {
            return Ok(None);
        }
        let oldest = pools
            .iter()
            .filter(|&&p| self.pools[p].range.family() == family)
            .filter_map(|&p| Some((self.pools[p].released.first_key_value()?, p)))
            .min_by_key(|((seq, _), _)| **seq);
        match oldest {
            Some(((_, r), p)) if r.at.saturating_add(self.quarantine) <= clock => {
                Ok(Some((p, r.ip)))
            }
            _ => Err(self.exhausted(network, pools, family, clock)),
        }
    }

    fn exhausted(
        &self,
        network: &NetworkName,
        pools: &[usize],
        family: Family,
        clock: Timestamp,
    ) -> AllocateError {
        let of_family = || {
            pools
                .iter()
                .map(|&p| &self.pools[p])
                .filter(|pool| pool.range.family() == family)
        };
        AllocateError::Exhausted {
            network: network.clone(),
            family,
            ranges: of_family()
                .map(|p| p.usage(clock, self.quarantine))
                .collect(),
            next_free_in: of_family()
                .filter_map(|pool| pool.released.first_key_value())
                .map(|(_, r)| r.at.saturating_add(self.quarantine).saturating_since(clock))
                .min(),
        }
    }
}

fn one_of_a_family(ips: &[IpAddr]) -> Result<(), AllocateError> {
    for (i, &first) in ips.iter().enumerate() {
        let mut later = ips[i + 1..].iter();
        if let Some(&second) = later.find(|ip| Family::of(**ip) == Family::of(first)) {
            return Err(AllocateError::TwoOfOneFamily { first, second });
        }
    }
    Ok(())
}

/// `ip` with the prefix length of `subnet`.
fn with_prefix_of(subnet: IpNetwork, ip: IpAddr) -> IpNetwork {
    // The prefix length comes from a network of the same family, so it always fits.
    IpNetwork::new(ip, subnet.prefix()).unwrap_or(IpNetwork::from(ip))
}
