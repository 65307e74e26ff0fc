//! Arithmetic of prefixes and addresses, the same for both families.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

/// An address of either family as a number that sorts IPv4 before IPv6.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Whether it is IPv6.
    pub v6: bool,
    /// The address.
    pub value: u128,
}

impl Position {
    /// Of an address.
    pub fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(a) => Self {
                v6: false,
                value: u32::from(a).into(),
            },
            IpAddr::V6(a) => Self {
                v6: true,
                value: a.into(),
            },
        }
    }

    /// The address again; none for what no IPv4 address can be.
    pub fn address(self) -> Option<IpAddr> {
        if self.v6 {
            Some(IpAddr::V6(self.value.into()))
        } else {
            u32::try_from(self.value).ok().map(|a| IpAddr::V4(a.into()))
        }
    }

    /// The position `by` addresses further on, if the family goes so far.
    pub fn forward(self, by: u128) -> Option<Self> {
        let next = Self {
            value: self.value.checked_add(by)?,
            ..self
        };
        next.address().map(|_| next)
    }
}

/// The first and the last address of a prefix.
pub fn bounds(prefix: IpNetwork) -> (Position, Position) {
    (
        Position::of(prefix.network()),
        Position::of(prefix.broadcast()),
    )
}

/// How many addresses a prefix has, at most `u128::MAX`.
pub fn size(prefix: IpNetwork) -> u128 {
    let (first, last) = bounds(prefix);
    (last.value - first.value).saturating_add(1)
}

/// Bits of an address of the prefix's family.
pub fn bits(prefix: IpNetwork) -> u8 {
    if prefix.is_ipv4() { 32 } else { 128 }
}

/// Whether `outer` covers all of `inner`.
pub fn covers(outer: IpNetwork, inner: IpNetwork) -> bool {
    outer.is_ipv4() == inner.is_ipv4()
        && outer.prefix() <= inner.prefix()
        && outer.contains(inner.network())
}

/// Whether two prefixes share an address: prefixes nest or are apart.
pub fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    covers(a, b) || covers(b, a)
}

/// The first address of a prefix that a host can bear: network address + 1.
pub fn first_address(prefix: IpNetwork) -> IpAddr {
    match prefix {
        IpNetwork::V4(p) => IpAddr::from((u32::from(p.network()).saturating_add(1)).to_be_bytes()),
        IpNetwork::V6(p) => IpAddr::from(u128::from(p.network()).saturating_add(1).to_be_bytes()),
    }
}

/// The address `by` further on than this one.
pub fn forward(address: IpAddr, by: u32) -> Option<IpAddr> {
    Position::of(address).forward(by.into())?.address()
}

/// The `slot`-th prefix of `length` counted from `from`; none where the family has no such
/// length or no such prefix, or where `from` is not the beginning of one.
pub fn slot(from: IpAddr, length: u8, slot: u32) -> Option<IpNetwork> {
    let whole: u8 = if from.is_ipv4() { 32 } else { 128 };
    let step = match whole.checked_sub(length)? {
        128 => return None,
        host_bits => 1_u128 << host_bits,
    };
    let start = Position::of(from);
    if !start.value.is_multiple_of(step) {
        return None;
    }
    let first = start.forward(step.checked_mul(slot.into())?)?;
    IpNetwork::new(first.address()?, length).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_counted_from_their_beginning_and_end_with_the_family() {
        let at = |from: &str, length, k| {
            slot(from.parse().expect("address"), length, k).map(|p| p.to_string())
        };
        assert_eq!(at("10.0.0.0", 26, 3).as_deref(), Some("10.0.0.192/26"));
        assert_eq!(at("10.0.0.64", 26, 1).as_deref(), Some("10.0.0.128/26"));
        assert_eq!(at("10.0.0.1", 26, 0), None);
        assert_eq!(
            at("255.255.255.0", 24, 0).as_deref(),
            Some("255.255.255.0/24")
        );
        assert_eq!(at("255.255.255.0", 24, 1), None);
        assert_eq!(at("10.0.0.0", 33, 0), None);
        assert_eq!(at("fd00::1:0", 112, 2).as_deref(), Some("fd00::3:0/112"));
        assert_eq!(at("::", 0, 0), None);
    }

    #[test]
    fn sizes_do_not_wrap() {
        let of = |p: &str| size(p.parse().expect("prefix"));
        assert_eq!(of("10.0.0.0/8"), 1 << 24);
        assert_eq!(of("::/0"), u128::MAX);
        assert_eq!(of("fd00::1/128"), 1);
    }
}
