//! What happens beside allocating: restarts, other ranges, forgetting.

use std::net::IpAddr;

use super::{Allocator, Held, Pool, Released, Resting};
use crate::range::Networks;
use flatnet_types::Timestamp;

impl Allocator {
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
}
