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
use crate::time::{MonotoneClock, Timestamp};

mod error;
mod pool;
#[cfg(test)]
mod tests;

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
    /// The address.
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

    /// Puts back a release that the store remembers; one of an address that is held is
    /// ignored. Releases have to come in their order.
    pub fn rest_one(&mut self, released: Released) {
        let Released { seq, ip, at } = released;
        self.next_seq = self.next_seq.max(seq + 1);
        if self.held.contains_key(&ip) {
            return;
        }
        self.held.insert(ip, Held::Resting { seq });
        let resting = Resting { ip, at };
        match self.pool_of(ip) {
            Some(pool) => self.pools[pool].resting.insert(seq, resting),
            None => self.strays.insert(seq, resting),
        };
    }

    /// Forgets the longest released beyond what is to be remembered, if they have rested.
    /// Returns the numbers of their releases.
    ///
    /// It goes a quarter below the bound, so that the cursor's next sweep finds many.
    pub fn forget(&mut self) -> Vec<u64> {
        let now = self.clock.last();
        let mut forgotten = Vec::new();
        let queues = self.pools.iter_mut().map(|pool| &mut pool.resting);
        for queue in queues.chain([&mut self.strays]) {
            if queue.len() <= self.remembered {
                continue;
            }
            let keep = self.remembered - self.remembered / 4;
            while queue.len() > keep {
                let Some(oldest) = queue.first_entry() else {
                    break;
                };
                if oldest.get().at.saturating_add(self.rest) > now {
                    break;
                }
                let (seq, resting) = oldest.remove_entry();
                self.held.remove(&resting.ip);
                forgotten.push(seq);
            }
        }
        forgotten
    }

    /// Goes over to other ranges: what lives or rests stays as it is, inside them or not.
    pub fn reconfigure(&mut self, networks: &Networks) {
        let old = std::mem::take(&mut self.pools);
        let mut resting = std::mem::take(&mut self.strays);
        for pool in &old {
            resting.extend(pool.resting.iter().map(|(&seq, &r)| (seq, r)));
        }
        self.by_network.clear();
        for (network, ranges) in networks.iter() {
            let mut members = Vec::with_capacity(ranges.len());
            for range in ranges {
                members.push(self.pools.len());
                let mut pool = Pool::new(range.clone());
                pool.resume(&old);
                self.pools.push(pool);
            }
            self.by_network.insert(network.clone(), members);
        }
        for (seq, r) in resting {
            match self.pool_of(r.ip) {
                Some(pool) => self.pools[pool].resting.insert(seq, r),
                None => self.strays.insert(seq, r),
            };
        }
        let living: Vec<IpAddr> = self
            .held
            .iter()
            .filter_map(|(ip, held)| matches!(held, Held::Living(_)).then_some(*ip))
            .collect();
        for ip in living {
            if let Some(pool) = self.pool_of(ip) {
                self.pools[pool].living += 1;
            }
        }
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

    /// The monotone clock's last reading.
    pub fn last_reading(&self) -> Timestamp {
        self.clock.last()
    }

    /// Tells the clock what time it is.
    pub fn tell(&mut self, now: Timestamp) {
        self.clock.read(now);
    }

    /// A number for a release that was not made by [`Allocator::release`].
    pub fn next_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Takes over the place in time and the cursors of `before`: what a rebuild after a
    /// failed write must not lose.
    pub fn resume(&mut self, before: &Self) {
        self.clock = before.clock;
        self.next_seq = self.next_seq.max(before.next_seq);
        for pool in &mut self.pools {
            pool.resume(&before.pools);
        }
    }

    /// Lets the cursor of `ip`'s range go on after `ip`.
    pub fn advance_past(&mut self, ip: IpAddr) {
        if let Some(pool) = self.pool_of(ip) {
            self.pools[pool].advance_past(ip);
        }
    }

    /// Whether addresses of `ip`'s range may have been forgotten: it remembers so many.
    pub fn may_have_forgotten(&self, ip: IpAddr) -> bool {
        self.pool_of(ip)
            .is_some_and(|pool| self.pools[pool].resting.len() >= self.remembered / 2)
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
