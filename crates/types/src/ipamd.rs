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
//! | `GET /v1/pools` | | a list of [`PoolView`] |
//! | `GET /v1/plan` | | [`PlanReply`] |
//! | `POST /v1/ledger/trust` | | |
//! | `GET /v1/grants` | | [`Grants`] of all hosts, for programs that maintain route tables |
//! | `GET /v1/hosts/{host}/peers` | | [`Grants`] of the hosts in its segment, for its routes |
//!
//! `/ranges`, `/grants` and `/peers` are watched with `?after=REVISION&wait=30s`.
//!
//! Success is 2xx; every other status bears an [`ErrorBody`].

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

use crate::api::view::PlanStatus;
use crate::{NetworkName, NodeName, Timestamp};

mod lease;

pub use lease::{DrainReason, GrantState, Incarnation, Lease, LeaseId, LeaseSource, LeaseState};

/// The answer to `GET /v1/hosts/{name}/ranges` and to `POST /v1/hosts/{name}/use`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostRanges {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// Changes whenever the answer does. Opaque: to be compared for equality only.
    pub revision: String,
    /// The incarnation of the ledger. A host that sees another one than before reports what it
    /// holds.
    pub ledger: Incarnation,
    /// Ranges that it holds.
    pub ranges: Vec<RangeGrant>,
    /// Ranges that it should own and has not been granted yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waiting: Vec<Waiting>,
}

/// A range that a host holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RangeGrant {
    /// The lease's number.
    pub lease: LeaseId,
    /// The incarnation of the ledger that granted it.
    pub ledger: Incarnation,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// Whether the host may assign addresses of it.
    pub state: GrantState,
}

impl RangeGrant {
    /// The entry of a [`Report`] for this range. `used` and `capacity` are counts of addresses.
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Waiting {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The range, where the plan names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub prefix: Option<IpNetwork>,
    /// Why it is not granted yet, for programs.
    pub reason: WaitReason,
    /// The reason in a sentence, with what an operator can do.
    pub message: String,
}

/// What hosts hold, for the programs that route to them: the answer to `GET /v1/grants` and to
/// `GET /v1/hosts/{host}/peers`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Grants {
    /// Changes whenever the answer does. Opaque: to be compared for equality only.
    pub revision: String,
    /// Whether ipamd is in its grace period after a start and not every host has reported yet:
    /// a range that is not listed may be held all the same. Do not delete its routes.
    #[serde(rename = "settling")]
    pub in_grace_period: bool,
    /// Every range that a host holds, IPv4 first, by address. No two overlap.
    pub ranges: Vec<HostGrant>,
}

/// A range and the host that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct HostGrant {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// A range that drains is routed as one that is active: it is in use.
    pub state: GrantState,
}

/// Why a range is not granted yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub enum WaitReason {
    /// ipamd is in its grace period after a start: it waits for hosts to report what they hold.
    #[serde(rename = "settling")]
    GracePeriod,
    /// Another host owns it, or a part of it.
    Owned,
    /// It was released and is in quarantine.
    #[serde(rename = "resting")]
    Quarantined,
    /// No pool has a free slice.
    Exhausted,
}

/// The body of `POST /v1/hosts/{name}/use`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// All ranges that the host holds, draining ones included.
    pub held: Vec<Held>,
}

/// A range that a host holds, and how full it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Held {
    /// The lease's number.
    pub lease: LeaseId,
    /// The incarnation of the ledger that granted it.
    pub ledger: Incarnation,
    /// The plan's network.
    pub network: NetworkName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// Addresses in use or in quarantine after a release.
    pub used: u64,
    /// Addresses that the range has for containers.
    pub capacity: u64,
}

/// The body of `POST /v1/ranges/drain`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// `true` cancels a drain that was begun.
    #[serde(default)]
    pub cancel: bool,
}

/// The body of `POST /v1/ranges/release`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Release {
    /// Name of the host that owns the range.
    pub host: NodeName,
    /// The range as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub prefix: IpNetwork,
    /// The lease that is meant; a later lease of the same range is then left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseId>,
    /// Releases a range even if it is not drained, is in use, or its use is unknown. For a
    /// host that is gone for good.
    #[serde(default)]
    pub force: bool,
}

/// The body of `POST /v1/ranges/grow`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Grow {
    /// Name of the host in the plan.
    pub host: NodeName,
    /// The network of which it gets one slice more in each family.
    pub network: NetworkName,
}

/// A lease as it is listed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct LeaseView {
    /// What was granted, to whom, and its state.
    #[serde(flatten)]
    pub lease: Lease,
    /// Addresses in use as the host last reported; `None` if it has not reported since ipamd
    /// started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used: Option<u64>,
    /// Addresses that it has for containers, as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capacity: Option<u64>,
    /// Time of that report, in milliseconds since the Unix epoch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reported_at: Option<Timestamp>,
}

/// The answer to `GET /v1/ranges`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    /// The incarnation of the ledger.
    pub ledger: Incarnation,
    /// Whether ipamd is in its grace period after a start: it waits for hosts' reports and
    /// grants nothing new.
    #[serde(rename = "settling")]
    pub in_grace_period: bool,
    /// Every lease, IPv4 first, by address.
    pub ranges: Vec<LeaseView>,
    /// What hosts have asked for and wait for.
    pub waiting: Vec<HostWaiting>,
}

/// A host and a range that it waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct OwnerView {
    /// The address that was asked for.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
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
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolRef {
    /// Name of the network in the plan.
    pub network: NetworkName,
    /// The pool as a prefix.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub pool: IpNetwork,
}

/// A pool in the reply of `GET /v1/pools`. Addresses are counted up to 2⁶⁴ − 1.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PoolView {
    /// Name of the network in the plan.
    pub network: String,
    /// The pool as a prefix.
    pub pool: String,
    /// Prefix length of the slices that are sub-allocated from it; absent where none are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slice_length: Option<u8>,
    /// Addresses that it has.
    pub size: u64,
    /// Addresses of ranges that hosts own.
    pub owned: u64,
    /// Addresses of ranges in quarantine.
    #[serde(rename = "resting")]
    pub quarantined: u64,
    /// Addresses that the plan keeps from ranges.
    pub withheld: u64,
    /// Addresses that could be granted now.
    pub free: u64,
    /// Leases of ranges in it.
    pub leases: u64,
    /// Addresses in use, as hosts last reported.
    pub used: u64,
    /// Addresses that the owned ranges have for containers, as hosts last reported.
    pub capacity: u64,
    /// Seconds until no slice is free, at the rate of the last day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ranges_exhausted_in: Option<u64>,
    /// Seconds until the ranges that hosts own are full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub addresses_exhausted_in: Option<u64>,
}

/// The reply of `GET /v1/plan`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlanReply {
    /// Equals `since`; kept for clients of releases before plans had versions.
    pub loaded_at: Timestamp,
    /// The accepted plan.
    #[serde(flatten)]
    pub status: PlanStatus,
}

/// The body of every answer whose status is not 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// Stable name of the error, for programs.
    pub code: String,
    /// What is wrong and what to do, for people.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::{json, to_value};

    use super::*;

    #[test]
    fn names_on_the_wire_and_in_the_store_are_stable() {
        let quarantined = LeaseState::Quarantined {
            since: Timestamp::from_millis(7),
            drained: true,
        };
        let wire = json!({"is": "resting", "since": 7, "drained": true});
        assert_eq!(to_value(quarantined).expect("JSON"), wire);
        let source = to_value(LeaseSource::SubAllocated).expect("JSON");
        assert_eq!(source, LeaseSource::SubAllocated.as_str());
        let reasons = [WaitReason::GracePeriod, WaitReason::Quarantined];
        let wire = json!(["settling", "resting"]);
        assert_eq!(to_value(reasons).expect("JSON"), wire);
        let wire = json!({"revision": "", "settling": false, "ranges": []});
        assert_eq!(to_value(Grants::default()).expect("JSON"), wire);
    }
}
