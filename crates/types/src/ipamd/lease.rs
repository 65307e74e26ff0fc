//! A lease: one range that one host holds.

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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// Incarnation of the ledger: a random number, new at each start of ipamd, so that two ledgers
/// that were restored from the same backup can be distinguished.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = String))]
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

/// Why a host has a lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum LeaseSource {
    /// The plan gives the range to the host by name.
    Plan,
    /// ipamd sub-allocated it from a pool.
    #[serde(rename = "carved")]
    SubAllocated,
    /// The host reported that it holds the range, and the ledger had no record of it.
    Adopted,
}

/// Why a lease is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DrainReason {
    /// The plan no longer gives it to the host.
    Plan,
    /// An admin drained it.
    Admin,
    /// Another host has reported that it uses the same addresses.
    Contested,
}

impl LeaseSource {
    /// The spelling in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plan => "plan",
            Self::SubAllocated => "carved",
            Self::Adopted => "adopted",
        }
    }
}

impl DrainReason {
    /// The spelling in the API.
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase", tag = "is")]
pub enum LeaseState {
    /// The host assigns them to containers.
    Active,
    /// The host assigns no more of them; those in use stay.
    Draining {
        /// What began the drain.
        reason: DrainReason,
    },
    /// The host has released it; it is in quarantine and nobody else gets it yet.
    #[serde(rename = "resting")]
    Quarantined {
        /// Time of the release.
        since: Timestamp,
        /// Whether it was drained before the release: if so, the quarantine holds for the same
        /// host too.
        drained: bool,
    },
}

/// The state of a range as its host sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum GrantState {
    /// The host may assign its addresses.
    Active,
    /// The host must assign no more of its addresses; those in use stay. It releases the range
    /// when none is in use.
    Draining,
}

impl GrantState {
    /// The spelling in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Draining => "draining",
        }
    }
}

/// One range and its owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Lease {
    /// Number of the lease in the ledger.
    pub id: LeaseId,
    /// The incarnation of the ledger that granted it.
    pub ledger: Incarnation,
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// Why the host has it.
    pub source: LeaseSource,
    /// Active, draining or in quarantine.
    pub state: LeaseState,
    /// When the host first had it.
    pub granted_at: Timestamp,
    /// The ledger's sequence at its last change.
    pub stamp: u64,
}

impl Lease {
    /// Whether the host holds it: active or draining, not in quarantine.
    pub fn is_held(&self) -> bool {
        match self.state {
            LeaseState::Active | LeaseState::Draining { .. } => true,
            LeaseState::Quarantined { .. } => false,
        }
    }
}
