//! Sub-allocation: the lowest free slice of a pool.

use super::*;
use crate::assign::declared::DeclaredPool;
use crate::range::ip_of;

impl Ledger {
    /// The lowest slice of a pool that overlaps no lease, no range that the plan names, no claim of
    /// a host, and no prefix that the plan blocks. Depends on the ledger and the plan only.
    pub(super) fn free_slice(
        &mut self,
        network: &NetworkName,
        pool: &DeclaredPool,
    ) -> Option<IpNetwork> {
        let length = pool.slice?;
        let (family, _) = key_of(pool.prefix);
        let width: u8 = match family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let step = 1_u128.checked_shl(u32::from(width.checked_sub(length)?))?;
        let (first, last) = ends(pool.prefix);
        let cursor = (network.clone(), pool.prefix, length);
        let mut at = self.cursors.get(&cursor).copied().unwrap_or(first);
        let found = loop {
            let end = at.checked_add(step - 1).filter(|end| *end <= last);
            let Some(end) = end else {
                break None;
            };
            let slice = IpNetwork::new(ip_of(family, at), length).ok()?;
            let Some(taken) = self.taken_until(slice, pool) else {
                break Some(slice);
            };
            // The first slice after the overlapping range.
            let next = (taken.max(end) / step)
                .checked_add(1)
                .and_then(|n| n.checked_mul(step));
            match next {
                Some(next) => at = next,
                None => break None,
            }
        };
        self.cursors.insert(cursor, at);
        found
    }

    /// The last address of a range that overlaps `slice`; `None` if the slice is free.
    fn taken_until(&self, slice: IpNetwork, pool: &DeclaredPool) -> Option<u128> {
        let lease = self.overlapping(slice).map(|l| ends(l.prefix).1).next();
        let declared = || self.declared.overlapping(slice);
        let claimed = || {
            let mut claims = self.claims.values().map(|c| c.prefix);
            claims.find(|c| overlap(*c, slice)).map(|c| ends(c).1)
        };
        let blocked = || {
            let mut blocked = pool.blocked.iter();
            blocked.find(|b| overlap(**b, slice)).map(|b| ends(*b).1)
        };
        lease.or_else(declared).or_else(claimed).or_else(blocked)
    }
}

/// The prefixes of `whole` that are not in `part`, in order; `whole` must cover `part`.
/// 10.0.0.0/24 without 10.0.0.64/26 is 10.0.0.0/26 and 10.0.0.128/25.
pub(super) fn without(whole: IpNetwork, part: IpNetwork) -> Vec<IpNetwork> {
    let mut left = Vec::new();
    let mut right = Vec::new();
    let mut remaining = whole;
    while remaining.prefix() < part.prefix() {
        let Some((low, high)) = more_specifics(remaining) else {
            break;
        };
        if covers(low, part) {
            right.push(high);
            remaining = low;
        } else {
            left.push(low);
            remaining = high;
        }
    }
    left.extend(right.into_iter().rev());
    left
}

/// The two more-specific prefixes of `whole`, each one bit longer; `None` for a single address.
fn more_specifics(whole: IpNetwork) -> Option<(IpNetwork, IpNetwork)> {
    let (family, first) = key_of(whole);
    let (_, last) = ends(whole);
    let length = whole.prefix().checked_add(1)?;
    let middle = first + (last - first) / 2 + 1;
    Some((
        IpNetwork::new(ip_of(family, first), length).ok()?,
        IpNetwork::new(ip_of(family, middle), length).ok()?,
    ))
}
