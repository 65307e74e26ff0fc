//! Cutting slices: the lowest one that is free.

use super::*;
use crate::assign::declared::DeclaredPool;
use crate::range::ip_of;

impl Ledger {
    /// The lowest slice of a pool that has nothing of a lease, of the plan's ranges, of what
    /// a host shows, or of what the plan blocks. A function of the ledger and the plan
    /// alone.
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
            // The next slice after what is in the way.
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

    /// The last address of something that has an address of `slice`.
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

/// What is left of `whole` without `part`, as prefixes, in order. `part` is inside.
pub(super) fn without(whole: IpNetwork, part: IpNetwork) -> Vec<IpNetwork> {
    let mut left = Vec::new();
    let mut right = Vec::new();
    let mut rest = whole;
    while rest.prefix() < part.prefix() {
        let Some((low, high)) = halves(rest) else {
            break;
        };
        if covers(low, part) {
            right.push(high);
            rest = low;
        } else {
            left.push(low);
            rest = high;
        }
    }
    left.extend(right.into_iter().rev());
    left
}

fn halves(whole: IpNetwork) -> Option<(IpNetwork, IpNetwork)> {
    let (family, first) = key_of(whole);
    let (_, last) = ends(whole);
    let length = whole.prefix().checked_add(1)?;
    let middle = first + (last - first) / 2 + 1;
    Some((
        IpNetwork::new(ip_of(family, first), length).ok()?,
        IpNetwork::new(ip_of(family, middle), length).ok()?,
    ))
}
