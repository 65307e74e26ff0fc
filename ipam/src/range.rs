//! Host ranges: address intervals, each with its subnet.
//!
//! Addresses are never enumerated: a range is stored as the intervals between withheld addresses,
//! so that an IPv6 /64 needs no more memory than an IPv4 /28.

use std::fmt;
use std::net::IpAddr;

use flatnet_types::NetworkName;
use ipnetwork::IpNetwork;
use thiserror::Error;

mod networks;
mod span;
#[cfg(test)]
mod tests;

pub use networks::Networks;
pub use span::{Family, Span, SpanError};
pub(crate) use span::{bits_of, ip_of};

/// Invalid range or set of ranges.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RangeError {
    /// The range is not inside its subnet.
    #[error("the range {range} is not inside its subnet {subnet}")]
    OutsideSubnet {
        /// First and last address of the range.
        range: Span,
        /// The subnet of the range.
        subnet: IpNetwork,
    },
    /// The gateway is not an address of the subnet.
    #[error("the gateway {gateway} is not inside the subnet {subnet} of the range {range}")]
    GatewayOutsideSubnet {
        /// First and last address of the range.
        range: Span,
        /// The subnet of the range.
        subnet: IpNetwork,
        /// The gateway's address.
        gateway: IpAddr,
    },
    /// The range overlaps a block without unicast addresses.
    #[error("the range {range} reaches into {reserved}, which holds no container's address")]
    NotUnicast {
        /// First and last address of the range.
        range: Span,
        /// The reserved block.
        reserved: Span,
    },
    /// Two ranges of one host have addresses in common.
    #[error("{first} overlaps {second}")]
    Overlap {
        /// The range that was given first.
        first: Box<NetworkRange>,
        /// The range that was given after it.
        second: Box<NetworkRange>,
    },
    /// A network is given twice.
    #[error("the network {network} is given twice")]
    DuplicateNetwork {
        /// Name of the network in the plan.
        network: NetworkName,
    },
}

/// A range and its network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRange {
    /// The plan's network.
    pub network: NetworkName,
    /// First and last address of the range.
    pub range: Span,
}

impl fmt::Display for NetworkRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the range {} of network {}", self.range, self.network)
    }
}

impl RangeError {
    /// Always `false`: the configuration has to change.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::OutsideSubnet { .. }
            | Self::GatewayOutsideSubnet { .. }
            | Self::NotUnicast { .. }
            | Self::Overlap { .. }
            | Self::DuplicateNetwork { .. } => false,
        }
    }

    /// CNI 1.1 "Error": 7, the network's configuration is wrong.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::OutsideSubnet { .. }
            | Self::GatewayOutsideSubnet { .. }
            | Self::NotUnicast { .. }
            | Self::Overlap { .. }
            | Self::DuplicateNetwork { .. } => flatnet_types::api::code::INVALID_CONFIG,
        }
    }
}

/// Why an address inside a range is not assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Withheld {
    /// It is a gateway.
    Gateway,
    /// It is an IPv4 subnet's own address (all host bits zero).
    NetworkAddress,
    /// It is an IPv4 subnet's directed broadcast address (all host bits one).
    Broadcast,
    /// It is the subnet-router anycast address (RFC 4291 §2.6.1).
    RouterAnycast,
    /// The plan excludes it.
    Excluded,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gateway => "it is a gateway",
            Self::NetworkAddress => "it is the subnet's own address",
            Self::Broadcast => "it is the subnet's broadcast address",
            Self::RouterAnycast => "it is the subnet-router anycast address (RFC 4291 2.6.1)",
            Self::Excluded => "the plan excludes it",
        })
    }
}

/// A checked range that a host owns: an interval of a subnet, less what is withheld.
///
/// # Guarantees
/// - It lies inside its subnet, and so does its gateway, but for a router's link-local
///   address in IPv6 (RFC 4291 §2.5.6).
/// - [`HostRange::is_usable`] is false for the gateway, for the IPv4 network and broadcast
///   addresses of the subnet (not in a /31 or /32: RFC 3021), for the IPv6 subnet-router
///   anycast address (not in a /127 or /128: RFC 6164 §6), and for every exclusion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostRange {
    span: Span,
    subnet: IpNetwork,
    gateway: Option<IpAddr>,
    /// Withheld addresses inside `span`, with the reason.
    withheld: Vec<(Span, Withheld)>,
    /// The intervals of `span` that may be assigned: sorted, disjoint, not adjacent.
    gaps: Vec<(u128, u128)>,
}

/// Whether the gateway of an IPv6 subnet is a link-local address.
fn is_link_local(subnet: IpNetwork, gateway: IpAddr) -> bool {
    subnet.is_ipv6() && matches!(gateway, IpAddr::V6(ip) if ip.is_unicast_link_local())
}

impl HostRange {
    /// A range `span` of `subnet`, less `exclude`. An exclusion that does not touch the
    /// range is no error: the plan's exclusions are those of a whole pool.
    ///
    /// # Errors
    /// [`RangeError`].
    pub fn new(
        span: Span,
        subnet: IpNetwork,
        gateway: Option<IpAddr>,
        exclude: &[Span],
    ) -> Result<Self, RangeError> {
        let whole = Span::from(subnet);
        if !whole.covers(span) {
            return Err(RangeError::OutsideSubnet {
                range: span,
                subnet,
            });
        }
        for reserved in span::not_unicast(span.family()) {
            if reserved.overlaps(span) {
                return Err(RangeError::NotUnicast {
                    range: span,
                    reserved,
                });
            }
        }
        if let Some(gateway) = gateway
            && !whole.contains(gateway)
            && !is_link_local(subnet, gateway)
        {
            return Err(RangeError::GatewayOutsideSubnet {
                range: span,
                subnet,
                gateway,
            });
        }
        let mut range = Self {
            span,
            subnet,
            gateway,
            withheld: Vec::new(),
            gaps: vec![span.bits()],
        };
        for (ip, why) in range.reserved() {
            range.withhold(Span::from(ip), why);
        }
        for &excluded in exclude {
            range.withhold(excluded, Withheld::Excluded);
        }
        Ok(range)
    }

    /// The interval, withheld addresses included.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The subnet that the range belongs to.
    pub fn subnet(&self) -> IpNetwork {
        self.subnet
    }

    /// The subnet's gateway.
    pub fn gateway(&self) -> Option<IpAddr> {
        self.gateway
    }

    /// The address family.
    pub fn family(&self) -> Family {
        self.span.family()
    }

    /// Number of addresses that may be assigned.
    pub fn capacity(&self) -> u128 {
        self.gaps
            .iter()
            .fold(0, |n, (a, z)| n.saturating_add((z - a).saturating_add(1)))
    }

    /// Whether `ip` may be assigned: it is inside and not withheld.
    pub fn is_usable(&self, ip: IpAddr) -> bool {
        let bits = bits_of(ip);
        self.span.contains(ip) && self.gap_at_or_after(bits).is_some_and(|(a, _)| a <= bits)
    }

    /// The reason, if `ip` is inside and withheld.
    pub fn withheld(&self, ip: IpAddr) -> Option<Withheld> {
        let mut reasons = self.withheld.iter();
        let (_, why) = reasons.find(|(span, _)| span.contains(ip) && self.span.contains(ip))?;
        Some(*why)
    }

    /// The first usable address at or after `bits`.
    pub(crate) fn usable_at_or_after(&self, bits: u128) -> Option<u128> {
        self.gap_at_or_after(bits).map(|(a, _)| a.max(bits))
    }

    /// The addresses that are reserved in the subnet: gateway, network, broadcast, anycast.
    pub(crate) fn reserved(&self) -> Vec<(IpAddr, Withheld)> {
        let mut reserved = Vec::with_capacity(3);
        reserved.extend(self.gateway.map(|ip| (ip, Withheld::Gateway)));
        match self.subnet {
            IpNetwork::V4(net) if net.prefix() <= 30 => {
                reserved.push((net.network().into(), Withheld::NetworkAddress));
                reserved.push((net.broadcast().into(), Withheld::Broadcast));
            }
            IpNetwork::V6(net) if net.prefix() <= 126 => {
                reserved.push((net.network().into(), Withheld::RouterAnycast));
            }
            IpNetwork::V4(_) | IpNetwork::V6(_) => {}
        }
        reserved
    }

    /// Withholds the addresses of `span`.
    pub(crate) fn withhold(&mut self, span: Span, why: Withheld) {
        if !self.span.overlaps(span) {
            return;
        }
        self.withheld.push((span, why));
        let (from, to) = span.bits();
        self.gaps = self
            .gaps
            .iter()
            .flat_map(|&(a, z)| {
                let before = (a < from).then(|| (a, z.min(from.saturating_sub(1))));
                let after = (z > to).then(|| (a.max(to.saturating_add(1)), z));
                [before, after]
            })
            .flatten()
            .collect();
    }

    /// The gap that holds `bits`, or the next one after it.
    fn gap_at_or_after(&self, bits: u128) -> Option<(u128, u128)> {
        let index = self.gaps.partition_point(|&(_, z)| z < bits);
        self.gaps.get(index).copied()
    }
}
