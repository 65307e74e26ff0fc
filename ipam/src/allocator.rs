//! Which address is next: pure, with time as a parameter.
//!
//! ```text
//!             never used, in order        released, longest-rested first
//!   range 1  ├─ cursor ──────────▶┤   ◀── queue (rests for `rest`) ◀── release
//!   range 2  ├─ cursor ──────────▶┤   ◀── queue                    ◀── release
//! ```
//!
//! # Policy
//! 1. An address that was never used, the ranges in their order, each from its start.
//! 2. Else the least recently released of all the network's ranges, once it has rested.
//! 3. An address asked for by name has to be free by the same rules: while it rests it is
//!    refused, and the error says until when. A name does not make a stale neighbour entry
//!    somewhere in the network any fresher.
//!
//! # Cost
//! O(log n) amortised at any fill: the cursor passes each used address once a sweep and
//! each withheld interval in one jump. Memory grows with the living and with at most
//! `remembered` released addresses a range; beyond that the longest released are forgotten
//! (and count as never used) once they have rested.

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
pub(crate) use pool::Resting;

/// What an address is doing; one that is not in the map is free.
#[derive(Debug, Clone)]
pub(crate) enum Held {
    /// An attachment has it.
    Living(Arc<AttachmentKey>),
    /// It was released as number `seq`.
    Resting {
        /// The place in the order of releases.
        seq: u64,
    },
}

/// What an attachment wants.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The plan's network to take from.
    pub network: &'a NetworkName,
    /// Addresses asked for by name, at most one of a family.
    pub ips: &'a [IpAddr],
}

/// What [`Allocator::pick`] chose; nothing is taken yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picked {
    /// The addresses with their subnet's prefix length and gateway, IPv4 first.
    pub addresses: Vec<AssignedIp>,
}

/// A release that is remembered: what makes an address rest, and come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Released {
    /// The place in the order of releases; ever rising.
    pub seq: u64,
    /// The address that was released.
    pub ip: IpAddr,
    /// When, by the allocator's monotone clock.
    pub at: Timestamp,
}

/// The pools of one host.
#[derive(Debug, Clone)]
pub struct Allocator {
    rest: Duration,
    remembered: usize,
    clock: MonotoneClock,
    held: HashMap<IpAddr, Held>,
    pools: Vec<Pool>,
    by_network: BTreeMap<NetworkName, Vec<usize>>,
    /// Released addresses that no range has any more; they rest on all the same.
    strays: BTreeMap<u64, Resting>,
    next_seq: u64,
}

impl Allocator {
    /// An allocator in which every address is free. `rest`: how long a released address
    /// is left alone; `remembered`: how many released addresses a range keeps in order.
    pub fn new(networks: &Networks, rest: Duration, remembered: usize) -> Self {
        let mut allocator = Self {
            rest,
            remembered,
            clock: MonotoneClock::default(),
            held: HashMap::new(),
            pools: Vec::new(),
            by_network: BTreeMap::new(),
            strays: BTreeMap::new(),
            next_seq: 0,
        };
        allocator.reconfigure(networks);
        allocator
    }

    /// Picks and takes.
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
    /// [`AllocateError`] says what is not to be had, and from when on it is.
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

    /// Takes what [`Allocator::pick`] chose since the last change. Returns the numbers of
    /// the releases that are thereby history.
    pub fn take(&mut self, picked: &Picked, owner: &Arc<AttachmentKey>) -> Vec<u64> {
        self.hold(picked.addresses.iter().map(|a| a.address.ip()), owner)
    }

    /// Marks addresses as living, wherever they are: also how a restart puts back what it
    /// finds in the store. One that lives already stays its owner's.
    pub fn hold(
        &mut self,
        ips: impl IntoIterator<Item = IpAddr>,
        owner: &Arc<AttachmentKey>,
    ) -> Vec<u64> {
        let mut history = Vec::new();
        for ip in ips {
            let pool = self.pool_of(ip);
            match self.held.get(&ip) {
                Some(&Held::Resting { seq }) => {
                    match pool {
                        Some(pool) => self.pools[pool].resting.remove(&seq),
                        None => self.strays.remove(&seq),
                    };
                    history.push(seq);
                }
                Some(Held::Living(_)) => continue,
                None => {}
            }
            self.held.insert(ip, Held::Living(Arc::clone(owner)));
            if let Some(pool) = pool {
                self.pools[pool].living += 1;
            }
        }
        history
    }

    /// Gives addresses of `owner` back; from now on they rest. An address that is not
    /// `owner`'s is left alone.
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
                Some(Held::Living(key)) if **key == *owner => {}
                _ => continue,
            }
            self.held.remove(&ip);
            if let Some(pool) = self.pool_of(ip) {
                self.pools[pool].living -= 1;
            }
            let one = Released {
                seq: self.next_seq(),
                ip,
                at,
            };
            self.rest_one(one);
            released.push(one);
        }
        released
    }

    /// Who has `ip`.
    pub fn owner_of(&self, ip: IpAddr) -> Option<&Arc<AttachmentKey>> {
        match self.held.get(&ip)? {
            Held::Living(owner) => Some(owner),
            Held::Resting { .. } => None,
        }
    }

    /// Whether a range has `ip` and hands it out.
    pub fn is_usable(&self, ip: IpAddr) -> bool {
        self.pool_of(ip).is_some()
    }

    /// How full each range of a network is, in their order.
    pub fn usage(&mut self, network: &NetworkName, now: Timestamp) -> Option<Vec<RangeUsage>> {
        let clock = self.clock.read(now);
        let pools = self.by_network.get(network)?;
        Some(
            pools
                .iter()
                .map(|&p| self.pools[p].usage(clock, self.rest))
                .collect(),
        )
    }

    /// Whether [`Allocator::pick`] without names would succeed, in O(ranges).
    ///
    /// # Errors
    /// What it would fail with.
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
            if of_family.peek().is_some() && !of_family.any(|pool| pool.has_free(clock, self.rest))
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

    /// The pool that hands `ip` out.
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
            Some(Held::Living(owner)) => Err(AllocateError::Taken {
                ip,
                owner: Arc::clone(owner),
            }),
            Some(Held::Resting { seq }) => {
                let due = self.pools[pool]
                    .resting
                    .get(seq)
                    .map_or(clock, |r| r.at.saturating_add(self.rest));
                if due <= clock {
                    return Ok((pool, ip));
                }
                Err(AllocateError::Resting {
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
            .filter_map(|&p| Some((self.pools[p].resting.first_key_value()?, p)))
            .min_by_key(|((seq, _), _)| **seq);
        match oldest {
            Some(((_, r), p)) if r.at.saturating_add(self.rest) <= clock => Ok(Some((p, r.ip))),
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
            ranges: of_family().map(|p| p.usage(clock, self.rest)).collect(),
            next_free_in: of_family()
                .filter_map(|pool| pool.resting.first_key_value())
                .map(|(_, r)| r.at.saturating_add(self.rest).saturating_since(clock))
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

/// `ip` as an interface of `subnet` bears it.
fn with_prefix_of(subnet: IpNetwork, ip: IpAddr) -> IpNetwork {
    // The prefix length comes from a network of the same family, so it always fits.
    IpNetwork::new(ip, subnet.prefix()).unwrap_or(IpNetwork::from(ip))
}
