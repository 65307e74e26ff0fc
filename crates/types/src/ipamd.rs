//! The messages of ipamd's HTTP API, version 1: between it and netd, vpc-route and `flatctl`.
//!
//! | request | body | reply |
//! |---|---|---|
//! | `GET /v1/hosts/{host}/ranges` | | [`HostRanges`] |
//! | `POST /v1/hosts/{host}/use` | [`Report`] | [`HostRanges`] |
//! | `GET /v1/ranges` | | [`Listing`] |
//! | `POST /v1/ranges/drain` | [`Drain`] | [`HostRanges`] |
//! | `POST /v1/ranges/release` | [`Release`] | [`HostRanges`] |
//! | `POST /v1/ranges/grow` | [`Grow`] | [`HostRanges`] |
//! | `GET /v1/owner?address=A` | | [`OwnerView`] |
//! | `GET /v1/grants` | | [`Grants`] of all hosts, for who keeps route tables |
//! | `GET /v1/hosts/{host}/peers` | | [`Grants`] of the hosts in its segment, for its routes |
//!
//! `/ranges`, `/grants` and `/peers` are watched with `?after=REVISION&wait=30s`.
//!
//! Success is 2xx; every other status bears an [`ErrorBody`].

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::{NetworkName, NodeName, Timestamp};

mod lease;

pub use lease::{DrainReason, GrantState, Incarnation, Lease, LeaseId, LeaseState, Source};

/// The answer to `GET /v1/hosts/{name}/ranges` and to `POST /v1/hosts/{name}/use`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostRanges {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// Changes whenever the answer does. Opaque: to be compared for equality only.
    pub revision: String,
    /// The ledger's life. A host that sees another than before reports what it holds.
    pub ledger: Incarnation,
    /// What it owns.
    pub ranges: Vec<RangeGrant>,
    /// What it should own and does not yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// A range in a host's hands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RangeGrant {
    /// The lease's number.
    pub lease: LeaseId,
    /// The life of the ledger that granted it.
    pub ledger: Incarnation,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// What to do with it.
    pub state: GrantState,
}

impl RangeGrant {
    /// What its host says of it: so many addresses in use of so many.
    pub fn held(&self, used: u64, capacity: u64) -> Held {
        Held {
            lease: self.lease,
            ledger: self.ledger,
            network: self.network.clone(),
            prefix: self.prefix,
            used,
            capacity,
        }
    }
}

/// A range that a host should own and does not yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The range, where the plan names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<IpNetwork>,
    /// Why not yet.
    pub reason: WaitReason,
    /// The same for a person, with what to do.
    pub message: String,
}

/// What hosts hold, for whoever routes to them: the answer to `GET /v1/grants` and to
/// `GET /v1/hosts/{host}/peers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Changes whenever the answer does. Opaque: to be compared for equality only.
    pub revision: String,
    /// Whether ipamd has just started and still hears what hosts hold: what is not in here
    /// may be held all the same.
    pub settling: bool,
    /// Every range in a host's hands, IPv4 first, by address. No two overlap.
    pub ranges: Vec<HostGrant>,
}

/// A range and the host that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostGrant {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// A range that drains is routed as one that is active: it is in use.
    pub state: GrantState,
}

/// Why a range is not granted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitReason {
    /// The daemon has just started and hears first what hosts hold.
    Settling,
    /// Another host owns it, or a part of it.
    Owned,
    /// It was released and rests.
    Resting,
    /// No pool has a free slice.
    Exhausted,
}

/// The body of `POST /v1/hosts/{name}/use`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// All that the host holds, drained ranges included.
    pub held: Vec<Held>,
}

/// A range that a host holds, and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The lease's number.
    pub lease: LeaseId,
    /// The life of the ledger that granted it.
    pub ledger: Incarnation,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// Addresses in use or at rest after a release.
    pub used: u64,
    /// Addresses that the range has for containers.
    pub capacity: u64,
}

/// The body of `POST /v1/ranges/drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// Take a drain back.
    #[serde(default)]
    pub cancel: bool,
}

/// The body of `POST /v1/ranges/release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The range as a prefix.
    pub prefix: IpNetwork,
    /// The lease that is meant; a later lease of the same range is then left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// Release what is not drained, is in use, or of which it is not known. For a host
    /// that is gone for good.
    #[serde(default)]
    pub force: bool,
}

/// The body of `POST /v1/ranges/grow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grow {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// The network of which it gets one slice more in each family.
    pub network: NetworkName,
}

/// A lease as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// What was granted, to whom, and its state.
    #[serde(flatten)]
    pub lease: Lease,
    /// Addresses in use as the host last reported; none: it has not since the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Addresses that it has for containers, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// When that was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
}

/// The answer to `GET /v1/ranges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The ledger's life.
    pub ledger: Incarnation,
    /// Whether it still hears what hosts hold, and grants nothing new.
    pub settling: bool,
    /// Every lease, IPv4 first, by address.
    pub ranges: Vec<LeaseView>,
    /// What hosts have asked for and wait for.
    pub waiting: Vec<HostWaiting>,
}

/// A host and a range that it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostWaiting {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// What it waits for.
    #[serde(flatten)]
    pub waiting: Waiting,
}

/// The answer to `GET /v1/owner?address=A`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    /// The address that was asked for.
    pub address: IpAddr,
    /// The lease that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseView>,
    /// The host that the plan gives it to, whether it has asked or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub declared: Option<NodeName>,
    /// The networks and pools that it is in.
    pub pools: Vec<PoolRef>,
}

/// A pool by name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolRef {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The pool as a prefix.
    pub pool: IpNetwork,
}

/// The body of every answer that is no success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// For programs: stable.
    pub code: String,
    /// For people: what is wrong and what to do.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}
