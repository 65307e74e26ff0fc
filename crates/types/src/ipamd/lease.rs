//! One range in one host's hands.

use std::fmt;
use std::str::FromStr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{NetworkName, NodeName, Timestamp};

/// The number of a lease: the ledger's sequence when it was granted. Within one
/// incarnation none is used twice.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// Which life of the ledger granted something: a random number, new at each start, so that
/// two lives that grew from one backup can be told apart.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u64);

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for Incarnation {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u64::from_str_radix(text, 16).map(Self)
    }
}

// JSON's numbers hold 53 bits only, so it is written in hexadecimal digits.
impl Serialize for Incarnation {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Incarnation {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl fmt::Display for LeaseId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a lease comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The plan gives the range to the host by name.
    Plan,
    /// It was cut from a pool.
    Carved,
    /// The host showed it, and the ledger did not know it.
    Adopted,
}

/// Why a lease is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DrainReason {
    /// The plan no longer gives it to the host.
    Plan,
    /// An admin wants it back.
    Admin,
    /// Another host has shown that it uses the same addresses.
    Contested,
}

impl Source {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Carved => "carved",
            Self::Adopted => "adopted",
        }
    }
}

impl DrainReason {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::Admin => "admin",
            Self::Contested => "contested",
        }
    }
}

/// What may be done with a lease's addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum LeaseState {
    /// The host gives them out.
    Active,
    /// The host gives out no more of them; those in use stay.
    Draining {
        /// What began the drain.
        reason: DrainReason,
    },
    /// The host has let go of it; nobody else gets it yet.
    Resting {
        /// Since when.
        since: Timestamp,
        /// Whether it was drained before: then the same host waits too.
        drained: bool,
    },
}

/// What a host is told of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GrantState {
    /// Give its addresses out.
    Active,
    /// Give out no more; those in use stay. Let go of it when none is.
    Draining,
}

impl GrantState {
    /// As the API writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
        }
    }
}

/// One range and its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    /// Number of the lease in the ledger.
    pub id: LeaseId,
    /// Which life of the ledger granted it.
    pub ledger: Incarnation,
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// Where it comes from.
    pub source: Source,
    /// What may be done with it.
    pub state: LeaseState,
    /// When the host first had it.
    pub granted_at: Timestamp,
    /// The ledger's sequence at its last change.
    pub stamp: u64,
}

impl Lease {
    /// Whether the host has it in its hands: active or draining.
    pub fn is_held(&self) -> bool {
        match self.state {
            LeaseState::Active | LeaseState::Draining { .. } => true,
            LeaseState::Resting { .. } => false,
        }
    }
}
