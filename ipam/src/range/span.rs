//! A closed interval of addresses of one family.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// An address family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// The family of `ip`.
    pub fn of(ip: IpAddr) -> Self {
        match ip {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Invalid [`Span`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SpanError {
    /// Neither an address, a prefix, nor two addresses joined by `-`.
    #[error(
        "{0:?} is no range: an address, a prefix (10.0.0.0/26) or first-last (10.0.0.5-10.0.0.9) is wanted"
    )]
    Syntax(String),
    /// The prefix has bits set beyond its length.
    #[error("{given} has bits set beyond its length: {meant} is meant?")]
    HostBits {
        /// The prefix as it was given.
        given: IpNetwork,
        /// The prefix without the excess bits.
        meant: IpNetwork,
    },
    /// The ends are of two families.
    #[error("{first} and {last} are of two families")]
    TwoFamilies {
        /// The first address.
        first: IpAddr,
        /// The last address.
        last: IpAddr,
    },
    /// The first address is after the last.
    #[error("{first} is after {last}")]
    Reversed {
        /// The first address.
        first: IpAddr,
        /// The last address.
        last: IpAddr,
    },
}

/// A closed, non-empty interval of addresses of one family: `10.0.0.0/26`,
/// `10.0.0.5-10.0.0.9` or one address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span {
    family: Family,
    first: u128,
    last: u128,
}

impl Span {
    /// The interval from `first` to `last`, both inside.
    ///
    /// # Errors
    /// [`SpanError`] if they are of two families or in the wrong order.
    pub fn new(first: IpAddr, last: IpAddr) -> Result<Self, SpanError> {
        let family = Family::of(first);
        if family != Family::of(last) {
            return Err(SpanError::TwoFamilies { first, last });
        }
        if first > last {
            return Err(SpanError::Reversed { first, last });
        }
        Ok(Self {
            family,
            first: bits_of(first),
            last: bits_of(last),
        })
    }

    /// The address family.
    pub fn family(&self) -> Family {
        self.family
    }

    /// The first address.
    pub fn first(&self) -> IpAddr {
        ip_of(self.family, self.first)
    }

    /// The last address.
    pub fn last(&self) -> IpAddr {
        ip_of(self.family, self.last)
    }

    /// Whether `ip` is inside.
    pub fn contains(&self, ip: IpAddr) -> bool {
        Family::of(ip) == self.family && (self.first..=self.last).contains(&bits_of(ip))
    }

    /// Whether all of `other` is inside.
    pub fn covers(&self, other: Self) -> bool {
        self.family == other.family && self.first <= other.first && other.last <= self.last
    }

    /// Whether the two have an address in common.
    pub fn overlaps(&self, other: Self) -> bool {
        self.family == other.family && self.first <= other.last && other.first <= self.last
    }

    /// First and last address as numbers.
    pub(crate) fn bits(&self) -> (u128, u128) {
        (self.first, self.last)
    }

    /// The prefix length, if the interval is exactly a prefix.
    fn prefix_len(&self) -> Option<u32> {
        let width = match self.family {
            Family::V4 => 32,
            Family::V6 => 128,
        };
        let host_bits = (self.first ^ self.last).count_ones();
        let mask = match host_bits {
            0 => 0,
            n => u128::MAX >> (128 - n),
        };
        (self.first & mask == 0 && self.last == self.first | mask).then(|| width - host_bits)
    }
}

impl From<IpAddr> for Span {
    fn from(ip: IpAddr) -> Self {
        Self {
            family: Family::of(ip),
            first: bits_of(ip),
            last: bits_of(ip),
        }
    }
}

impl From<IpNetwork> for Span {
    /// All of the prefix; bits beyond its length do not count.
    fn from(net: IpNetwork) -> Self {
        Self {
            family: Family::of(net.ip()),
            first: bits_of(net.network()),
            last: bits_of(net.broadcast()),
        }
    }
}

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, SpanError> {
        let bad = || SpanError::Syntax(text.chars().take(100).collect());
        if let Some((first, last)) = text.split_once('-') {
            let first = first.trim().parse().map_err(|_| bad())?;
            let last = last.trim().parse().map_err(|_| bad())?;
            return Self::new(first, last);
        }
        let given: IpNetwork = text.trim().parse().map_err(|_| bad())?;
        let span = Self::from(given);
        if given.ip() != given.network() {
            let meant = IpNetwork::new(given.network(), given.prefix()).map_err(|_| bad())?;
            return Err(SpanError::HostBits { given, meant });
        }
        Ok(span)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.prefix_len() {
            _ if self.first == self.last => write!(f, "{}", self.first()),
            Some(len) => write!(f, "{}/{len}", self.first()),
            None => write!(f, "{}-{}", self.first(), self.last()),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TryFrom<String> for Span {
    type Error = SpanError;
    fn try_from(text: String) -> Result<Self, SpanError> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> String {
        span.to_string()
    }
}

/// The address as a number; an IPv4 address is in the low 32 bits.
pub(crate) fn bits_of(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(ip) => u128::from(u32::from(ip)),
        IpAddr::V6(ip) => u128::from(ip),
    }
}

/// The inverse of [`bits_of`]. For IPv4 `bits` is at most `u32::MAX`, since spans are checked.
pub(crate) fn ip_of(family: Family, bits: u128) -> IpAddr {
    match family {
        Family::V4 => {
            Ipv4Addr::from_bits(u32::try_from(bits & 0xffff_ffff).unwrap_or_default()).into()
        }
        Family::V6 => Ipv6Addr::from_bits(bits).into(),
    }
}

/// Blocks that hold no unicast address of an interface that can be routed to: "this
/// network", loopback, multicast and class E (RFC 6890 §2.2.2, RFC 5771); unspecified,
/// loopback, link-local and multicast (RFC 4291 §2.4).
pub(super) fn not_unicast(family: Family) -> impl Iterator<Item = Span> {
    let v4 = [(0x0000_0000, 8), (0x7f00_0000, 8), (0xe000_0000, 3)];
    let v6 = [(0_u128, 127), (0xfe80 << 112, 10), (0xff00 << 112, 8)];
    let (blocks, width) = match family {
        Family::V4 => (v4, 32),
        Family::V6 => (v6, 128),
    };
    blocks.into_iter().map(move |(first, len)| Span {
        family,
        first,
        last: first | (u128::MAX >> (128 - (width - len))),
    })
}
