//! Prefixes as numbers: what sorting, joining and splitting them needs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnetwork::IpNetwork;

/// The addresses of one prefix as a closed interval of numbers. Blocks of one family are
/// either nested or apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Block {
    pub(super) v6: bool,
    pub(super) first: u128,
    pub(super) last: u128,
}

impl Block {
    /// The block of a prefix. Host bits are ignored.
    pub(super) fn of(prefix: IpNetwork) -> Self {
        let (v6, at, host_bits) = match prefix {
            IpNetwork::V4(p) => (
                false,
                u128::from(u32::from(p.ip())),
                32 - u32::from(p.prefix()),
            ),
            IpNetwork::V6(p) => (true, u128::from(p.ip()), 128 - u32::from(p.prefix())),
        };
        Self::around(v6, at, host_bits)
    }

    /// The block of `2^host_bits` addresses that holds `at`.
    fn around(v6: bool, at: u128, host_bits: u32) -> Self {
        let mask = u128::MAX.checked_shr(128 - host_bits).unwrap_or_default();
        Self {
            v6,
            first: at & !mask,
            last: at | mask,
        }
    }

    /// The prefix.
    pub(super) fn prefix(self) -> IpNetwork {
        let host_bits = 128 - (self.first ^ self.last).leading_zeros();
        let width = if self.v6 { 128 } else { 32 };
        // Both fit: the block was made from a prefix of this family.
        let length = u8::try_from(width - host_bits).unwrap_or(0);
        let made = IpNetwork::new(address(self.v6, self.first), length);
        made.unwrap_or(IpNetwork::V6(ipnetwork::Ipv6Network::from(
            Ipv6Addr::UNSPECIFIED,
        )))
    }

    /// Whether all of `other` lies in this.
    pub(super) fn covers(self, other: Self) -> bool {
        self.v6 == other.v6 && self.first <= other.first && other.last <= self.last
    }

    /// The smallest block that holds both, which are of one family.
    pub(super) fn join(self, other: Self) -> Self {
        let first = self.first.min(other.first);
        let last = self.last.max(other.last);
        Self::around(self.v6, first, 128 - (first ^ last).leading_zeros())
    }
}

/// A number as an address of its family.
pub(super) fn address(v6: bool, n: u128) -> IpAddr {
    if v6 {
        Ipv6Addr::from(n).into()
    } else {
        // The numbers of an IPv4 block have 32 bits.
        Ipv4Addr::from(u32::try_from(n).unwrap_or(u32::MAX)).into()
    }
}

/// The fewest prefixes that cover exactly `first..=last`.
pub(crate) fn cut(v6: bool, first: u128, last: u128) -> Vec<IpNetwork> {
    let mut prefixes = Vec::new();
    let mut at = first;
    loop {
        // As large as its alignment and the end allow.
        let mut host_bits = at.trailing_zeros().min(if v6 { 128 } else { 32 });
        let mut block = Block::around(v6, at, host_bits);
        while block.last > last {
            host_bits -= 1;
            block = Block::around(v6, at, host_bits);
        }
        prefixes.push(block.prefix());
        if block.last >= last {
            return prefixes;
        }
        at = block.last + 1;
    }
}
