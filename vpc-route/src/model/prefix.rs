//! Prefixes in canonical form, in an order in which a covering prefix precedes what it covers.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};
use serde::{Deserialize, Serialize};

/// An IP prefix without host bits. A bare address is its /32 or /128, as in clouds' APIs.
///
/// Ordered by family, first address, length: whatever covers a prefix comes before it, and
/// everything between the two is covered too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "IpNetwork", try_from = "IpNetwork")]
pub struct Prefix(IpNetwork);

/// Invalid prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Host bits are set.
    #[error("{given} has host bits set; write {canonical}")]
    HostBits {
        /// What was given.
        given: IpNetwork,
        /// What it should be.
        canonical: IpNetwork,
    },
    /// Not an address with a length.
    #[error("`{given}` is no IP prefix")]
    Syntax {
        /// What was given.
        given: String,
    },
}

impl Prefix {
    /// A prefix that has no host bits.
    ///
    /// # Errors
    /// [`PrefixError::HostBits`].
    pub fn new(network: IpNetwork) -> Result<Self, PrefixError> {
        let canonical = Self::truncating(network);
        if canonical.0 == network {
            Ok(canonical)
        } else {
            Err(PrefixError::HostBits {
                given: network,
                canonical: canonical.0,
            })
        }
    }

    /// The prefix that an address with a length is in: host bits are dropped.
    pub fn truncating(network: IpNetwork) -> Self {
        let bits = left_aligned(network.ip()) & mask(network.prefix());
        Self::from_bits(network.is_ipv6(), bits, network.prefix())
    }

    /// As the common type.
    pub fn network(self) -> IpNetwork {
        self.0
    }

    /// Its length in bits.
    pub fn length(self) -> u8 {
        self.0.prefix()
    }

    /// Whether it is IPv6.
    pub fn is_ipv6(self) -> bool {
        self.0.is_ipv6()
    }

    /// Whether every address of `other` is in it; true for itself.
    pub fn covers(self, other: Self) -> bool {
        self.is_ipv6() == other.is_ipv6()
            && self.length() <= other.length()
            && left_aligned(other.0.ip()) & mask(self.length()) == left_aligned(self.0.ip())
    }

    /// Whether the two share an address.
    pub fn overlaps(self, other: Self) -> bool {
        self.covers(other) || other.covers(self)
    }

    /// The next shorter prefix; `None` for the default route.
    pub fn parent(self) -> Option<Self> {
        let length = self.length().checked_sub(1)?;
        let bits = left_aligned(self.0.ip()) & mask(length);
        Some(Self::from_bits(self.is_ipv6(), bits, length))
    }

    /// The two prefixes that are one bit longer and together cover this one: 10.0.0.0/25 and
    /// 10.0.0.128/25 of 10.0.0.0/24; `None` for a single address.
    pub fn more_specifics(self) -> Option<[Self; 2]> {
        let longest = if self.is_ipv6() { 128 } else { 32 };
        if self.length() >= longest {
            return None;
        }
        let length = self.length() + 1;
        let low = left_aligned(self.0.ip());
        let high = low | (1 << (128 - u32::from(length)));
        Some([low, high].map(|bits| Self::from_bits(self.is_ipv6(), bits, length)))
    }

    /// The last key that can lie inside this prefix, for range scans of ordered maps.
    pub(crate) fn last_inside(self) -> Self {
        let longest = if self.is_ipv6() { 128 } else { 32 };
        let bits = left_aligned(self.0.ip()) | !mask(self.length());
        Self::from_bits(self.is_ipv6(), bits, longest)
    }

    /// First and last address, left-aligned in 128 bits.
    fn span(self) -> (u128, u128) {
        let first = left_aligned(self.0.ip());
        (first, first | !mask(self.length()))
    }

    #[allow(
        clippy::cast_possible_truncation,
        reason = "the upper half of 128 bits, shifted"
    )]
    fn from_bits(ipv6: bool, bits: u128, length: u8) -> Self {
        let network = if ipv6 {
            Ipv6Network::new(Ipv6Addr::from_bits(bits), length).map(IpNetwork::V6)
        } else {
            Ipv4Network::new(Ipv4Addr::from_bits((bits >> 96) as u32), length).map(IpNetwork::V4)
        };
        // A length that came out of a network is never too long for its family.
        Self(network.unwrap_or(IpNetwork::V4(Ipv4Network::from(Ipv4Addr::UNSPECIFIED))))
    }
}

/// Whether `parts` together hold every address of `whole`. Order and overlaps do not matter;
/// what lies outside of `whole` is ignored.
pub fn is_covered(whole: Prefix, parts: impl IntoIterator<Item = Prefix>) -> bool {
    let mut inside: Vec<Prefix> = Vec::new();
    for part in parts {
        if part.covers(whole) {
            return true;
        }
        if whole.covers(part) {
            inside.push(part);
        }
    }
    inside.sort_unstable();
    let (mut next, last) = whole.span();
    for part in inside {
        let (first, end) = part.span();
        if first > next {
            return false;
        }
        if end < next {
            continue;
        }
        match end.checked_add(1) {
            Some(after) => next = after,
            None => return true,
        }
    }
    next > last
}

fn left_aligned(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(a) => u128::from(a.to_bits()) << 96,
        IpAddr::V6(a) => a.to_bits(),
    }
}

fn mask(length: u8) -> u128 {
    u128::MAX
        .checked_shl(128 - u32::from(length.min(128)))
        .unwrap_or(0)
}

impl From<Prefix> for IpNetwork {
    fn from(prefix: Prefix) -> Self {
        prefix.0
    }
}

impl TryFrom<IpNetwork> for Prefix {
    type Error = PrefixError;

    fn try_from(network: IpNetwork) -> Result<Self, PrefixError> {
        Self::new(network)
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let network = text.parse().map_err(|_| PrefixError::Syntax {
            given: text.to_owned(),
        })?;
        Self::new(network)
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
