//! Configuration of a node's address management.

use std::time::Duration;

use crate::range::Networks;

/// Default quarantine of a released address: as long as a neighbour entry stays reachable without
/// confirmation (RFC 4861 §10, `REACHABLE_TIME`: 30 s).
pub const DEFAULT_QUARANTINE: Duration = Duration::from_secs(30);

/// Default number of slots. OpenFlow port numbers end at 65,279, and other users of the bridge need
/// some.
pub const DEFAULT_SLOTS: u16 = 30_000;

/// Default number of releases that a range remembers: all of an IPv4 host range of common size, in
/// half a megabyte at most.
pub const DEFAULT_REMEMBERED: usize = 8192;

/// The configuration of an [`Ipam`](crate::Ipam).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The ranges, by the plan's networks.
    pub networks: Networks,
    /// Quarantine: how long a released address is not assigned again.
    pub quarantine: Duration,
    /// Number of slots; they are numbered from 1.
    pub slots: u16,
    /// Number of releases that a range remembers, in their order.
    pub remembered: usize,
}

impl Config {
    /// `networks`, and the defaults for the rest.
    pub fn new(networks: Networks) -> Self {
        Self {
            networks,
            quarantine: DEFAULT_QUARANTINE,
            slots: DEFAULT_SLOTS,
            remembered: DEFAULT_REMEMBERED,
        }
    }
}
