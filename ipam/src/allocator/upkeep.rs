//! Maintenance of the allocator: restoring it after a restart, changing its ranges, forgetting old
//! releases.

use std::net::IpAddr;

use super::{AddressState, Allocator, Pool, QueuedRelease, Released};
use crate::range::Networks;
use flatnet_types::Timestamp;

impl Allocator {
    /// Restores a release of the store; it is ignored if the address is in use or released already.
    /// Releases must be restored in the order of their numbers.
    pub fn restore_release(&mut self, released: Released) {
        let Released { seq, ip, at } = released;
        self.next_seq = self.next_seq.max(seq + 1);
        if self.held.contains_key(&ip) {
            return;
        }
        self.held.insert(ip, AddressState::Released { seq });
        let queued = QueuedRelease { ip, at };
        match self.pool_of(ip) {
            Some(pool) => self.pools[pool].released.insert(seq, queued),
            None => self.outside_ranges.insert(seq, queued),
        };
    }

    /// Forgets the earliest releases beyond the bound `remembered`, if their quarantine is over.
    /// Returns their numbers.
    ///
    /// Forgets down to three quarters of the bound, so that the cursor's next sweep finds many
    /// addresses.
    pub fn forget(&mut self) -> Vec<u64> {
        let now = self.clock.last();
        let mut forgotten = Vec::new();
        let queues = self.pools.iter_mut().map(|pool| &mut pool.released);
        for queue in queues.chain([&mut self.outside_ranges]) {
            if queue.len() <= self.remembered {
                continue;
            }
            let keep = self.remembered - self.remembered / 4;
            while queue.len() > keep {
                let Some(oldest) = queue.first_entry() else {
                    break;
                };
                if oldest.get().at.saturating_add(self.quarantine) > now {
                    break;
                }
                let (seq, queued) = oldest.remove_entry();
                self.held.remove(&queued.ip);
                forgotten.push(seq);
            }
        }
        forgotten
    }

    /// Replaces the ranges. Addresses in use or released keep their state, inside the new ranges or
    /// not.
    pub fn reconfigure(&mut self, networks: &Networks) {
        let old = std::mem::take(&mut self.pools);
        let mut all = std::mem::take(&mut self.outside_ranges);
        for pool in &old {
            all.extend(pool.released.iter().map(|(&seq, &r)| (seq, r)));
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
        for (seq, r) in all {
            match self.pool_of(r.ip) {
                Some(pool) => self.pools[pool].released.insert(seq, r),
                None => self.outside_ranges.insert(seq, r),
            };
        }
        let in_use: Vec<IpAddr> = self
            .held
            .iter()
            .filter_map(|(ip, held)| matches!(held, AddressState::InUse(_)).then_some(*ip))
            .collect();
        for ip in in_use {
            if let Some(pool) = self.pool_of(ip) {
                self.pools[pool].in_use += 1;
            }
        }
    }

    /// The monotone clock's last reading.
    pub fn last_reading(&self) -> Timestamp {
        self.clock.last()
    }

    /// Advances the monotone clock to `now`.
    pub fn advance_clock(&mut self, now: Timestamp) {
        self.clock.read(now);
    }

    /// The next release number, for a release that [`Allocator::release`] does not make.
    pub fn next_seq(&mut self) -> u64 {
        let seq = self.next_seq;
        self.next_seq += 1;
        seq
    }

    /// Takes the clock, the release numbers and the cursors of `before`, which must not go back
    /// when the allocator is rebuilt after a failed write.
    pub fn resume(&mut self, before: &Self) {
        self.clock = before.clock;
        self.next_seq = self.next_seq.max(before.next_seq);
        for pool in &mut self.pools {
            pool.resume(&before.pools);
        }
    }

    /// Moves the cursor of `ip`'s range to the address after `ip`.
    pub fn advance_past(&mut self, ip: IpAddr) {
        if let Some(pool) = self.pool_of(ip) {
            self.pools[pool].advance_past(ip);
        }
    }

    /// Whether releases of `ip`'s range may have been forgotten: at least half of the bound is
    /// remembered.
    pub fn may_have_forgotten(&self, ip: IpAddr) -> bool {
        self.pool_of(ip)
            .is_some_and(|pool| self.pools[pool].released.len() >= self.remembered / 2)
    }
}
