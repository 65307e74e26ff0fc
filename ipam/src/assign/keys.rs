//! Prefixes in the order of their addresses.

use ipnetwork::IpNetwork;

use crate::range::{Family, Span, bits_of};

/// First address of a range as a number. IPv4 sorts before IPv6.
pub(super) type Key = (Family, u128);

/// The key of a prefix.
pub(super) fn key_of(prefix: IpNetwork) -> Key {
    (Family::of(prefix.ip()), bits_of(prefix.network()))
}

/// The first and the last address of a prefix as numbers.
pub(super) fn ends(prefix: IpNetwork) -> (u128, u128) {
    Span::from(prefix).bits()
}

/// Whether the two share an address.
pub(super) fn overlap(a: IpNetwork, b: IpNetwork) -> bool {
    Span::from(a).overlaps(Span::from(b))
}
