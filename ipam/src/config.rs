//! What a node is told about its addresses.

use std::time::Duration;

use crate::range::Networks;

/// How long a released address is left alone, unless configured: three times what a
/// neighbour entry commonly stays reachable (RFC 4861 §10, `REACHABLE_TIME`).
pub const DEFAULT_REST: Duration = Duration::from_secs(30);

/// How many slots there are, unless configured: OpenFlow ports end at 65,279 and other
/// users of the bridge need some.
pub const DEFAULT_SLOTS: u16 = 30_000;

/// How many released addresses a range keeps in order, unless configured: all of an IPv4
/// host range of common size, and half a megabyte at most.
pub const DEFAULT_REMEMBERED: usize = 8192;

/// The configuration of an [`Ipam`](crate::Ipam).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The ranges, by the plan's networks.
    pub networks: Networks,
    /// How long a released address is left alone.
    pub rest: Duration,
    /// Slots are 1 to this.
    pub slots: u16,
    /// How many released addresses a range keeps in the order of their release.
    pub remembered: usize,
}

impl Config {
    /// `networks`, and the defaults for the rest.
    pub fn new(networks: Networks) -> Self {
        Self {
            networks,
            rest: DEFAULT_REST,
            slots: DEFAULT_SLOTS,
            remembered: DEFAULT_REMEMBERED,
        }
    }
}
