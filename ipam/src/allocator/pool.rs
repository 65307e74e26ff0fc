//! One range with its cursor and its queue of released addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_types::api::AssignedIp;

use super::{AddressState, RangeUsage, with_prefix_of};
use crate::range::{HostRange, bits_of, ip_of};
use flatnet_types::Timestamp;

/// A released address in the queue, with the time of its release.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct QueuedRelease {
    pub(crate) ip: IpAddr,
    pub(crate) at: Timestamp,
}

/// A range, its cursor, its released addresses, and the number of addresses in use.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) range: HostRange,
    capacity: u128,
    /// The search for a never used address continues at this address.
    cursor: u128,
    pub(super) in_use: u128,
    /// Released addresses by number of the release, hence by time too.
    pub(super) released: BTreeMap<u64, QueuedRelease>,
}

impl Pool {
    pub(super) fn new(range: HostRange) -> Self {
        Self {
            capacity: range.capacity(),
            cursor: range.span().bits().0,
            in_use: 0,
            released: BTreeMap::new(),
            range,
        }
    }

    /// Takes the cursor of the former pool with the same first address, if there is one.
    pub(super) fn resume(&mut self, old: &[Self]) {
        let (first, last) = self.range.span().bits();
        let same_start = old.iter().find(|pool| {
            pool.range.family() == self.range.family() && pool.range.span().bits().0 == first
        });
        if let Some(pool) = same_start
            && pool.cursor <= last
        {
            self.cursor = pool.cursor;
        }
    }

    pub(super) fn advance_past(&mut self, ip: IpAddr) {
        self.cursor = bits_of(ip).saturating_add(1);
    }

    /// Number of addresses that are neither in use nor remembered as released.
    fn unused(&self) -> u128 {
        let remembered = u128::try_from(self.released.len()).unwrap_or(u128::MAX);
        self.capacity
            .saturating_sub(self.in_use)
            .saturating_sub(remembered)
    }

    /// The next unused address at the cursor or after it; the search wraps around at the end of the
    /// range. O(1) if there is none.
    pub(super) fn next_unused(&mut self, held: &HashMap<IpAddr, AddressState>) -> Option<IpAddr> {
        if self.unused() == 0 {
            return None;
        }
        let first = self.range.span().bits().0;
        let mut may_wrap = true;
        loop {
            let Some(bits) = self.range.usable_at_or_after(self.cursor) else {
                if !std::mem::take(&mut may_wrap) {
                    return None;
                }
                self.cursor = first;
                continue;
            };
            let ip = ip_of(self.range.family(), bits);
            self.cursor = bits;
            if !held.contains_key(&ip) {
                return Some(ip);
            }
            match bits.checked_add(1) {
                Some(next) => self.cursor = next,
                None if std::mem::take(&mut may_wrap) => self.cursor = first,
                None => return None,
            }
        }
    }

    pub(super) fn has_free(&self, clock: Timestamp, quarantine: Duration) -> bool {
        self.unused() > 0
            || self
                .released
                .first_key_value()
                .is_some_and(|(_, r)| r.at.saturating_add(quarantine) <= clock)
    }

    /// O(addresses in quarantine): the queue is in the order of time, so counting from its end
    /// stops at the first address whose quarantine is over.
    pub(super) fn usage(&self, clock: Timestamp, quarantine: Duration) -> RangeUsage {
        let quarantined = self
            .released
            .values()
            .rev()
            .take_while(|r| r.at.saturating_add(quarantine) > clock)
            .count();
        let quarantined = u128::try_from(quarantined).unwrap_or(u128::MAX);
        RangeUsage {
            range: self.range.span(),
            capacity: self.capacity,
            used: self.in_use,
            quarantined,
            free: self
                .capacity
                .saturating_sub(self.in_use)
                .saturating_sub(quarantined),
        }
    }

    pub(super) fn assigned(&self, ip: IpAddr) -> AssignedIp {
        AssignedIp {
            address: with_prefix_of(self.range.subnet(), ip),
            gateway: self.range.gateway(),
        }
    }
}
