//! One range and what is known of its addresses.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::Duration;

use flatnet_types::api::AssignedIp;

use super::{Held, RangeUsage, with_prefix_of};
use crate::range::{HostRange, bits_of, ip_of};
use flatnet_types::Timestamp;

/// A released address in its queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) ip: IpAddr,
    pub(crate) at: Timestamp,
}

/// A range with its cursor, its queue and its count of living addresses.
#[derive(Debug, Clone)]
pub(super) struct Pool {
    pub(super) range: HostRange,
    capacity: u128,
    /// Where the search for an unused address goes on.
    cursor: u128,
    pub(super) living: u128,
    /// By the order of their release, so by time too.
    pub(super) resting: BTreeMap<u64, Resting>,
}

impl Pool {
    pub(super) fn new(range: HostRange) -> Self {
        Self {
            capacity: range.capacity(),
            cursor: range.span().bits().0,
            living: 0,
            resting: BTreeMap::new(),
            range,
        }
    }

    /// Takes over the cursor of the pool that had its place before.
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

    /// How many addresses neither live nor are remembered as released.
    fn unused(&self) -> u128 {
        let remembered = u128::try_from(self.resting.len()).unwrap_or(u128::MAX);
        self.capacity
            .saturating_sub(self.living)
            .saturating_sub(remembered)
    }

    /// The next unused address at the cursor or after it; the search starts over at the
    /// range's end. O(1) if there is none.
    pub(super) fn next_unused(&mut self, held: &HashMap<IpAddr, Held>) -> Option<IpAddr> {
        if self.unused() == 0 {
            return None;
        }
        let first = self.range.span().bits().0;
        let mut start_over = true;
        loop {
            let Some(bits) = self.range.usable_at_or_after(self.cursor) else {
                if !std::mem::take(&mut start_over) {
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
                None if std::mem::take(&mut start_over) => self.cursor = first,
                None => return None,
            }
        }
    }

    pub(super) fn has_free(&self, clock: Timestamp, rest: Duration) -> bool {
        self.unused() > 0
            || self
                .resting
                .first_key_value()
                .is_some_and(|(_, r)| r.at.saturating_add(rest) <= clock)
    }

    /// O(resting): the queue is in the order of time, so the count stops at the first that
    /// has rested.
    pub(super) fn usage(&self, clock: Timestamp, rest: Duration) -> RangeUsage {
        let tired = self
            .resting
            .values()
            .rev()
            .take_while(|r| r.at.saturating_add(rest) > clock)
            .count();
        let resting = u128::try_from(tired).unwrap_or(u128::MAX);
        RangeUsage {
            range: self.range.span(),
            capacity: self.capacity,
            used: self.living,
            resting,
            free: self
                .capacity
                .saturating_sub(self.living)
                .saturating_sub(resting),
        }
    }

    pub(super) fn assigned(&self, ip: IpAddr) -> AssignedIp {
        AssignedIp {
            address: with_prefix_of(self.range.subnet(), ip),
            gateway: self.range.gateway(),
        }
    }
}
