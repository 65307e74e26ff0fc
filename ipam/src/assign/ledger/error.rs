//! Errors of the ledger's commands.

use std::time::Duration;

use flatnet_types::{NetworkName, NodeName};
use ipnetwork::IpNetwork;
use thiserror::Error;

/// A refused command; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AssignError {
    /// Neither the plan nor the ledger has such a host.
    #[error("the plan has no host {host}: add it to the plan, or correct the name")]
    UnknownHost {
        /// The name in the request.
        host: NodeName,
    },
    /// The plan has no such network, or it is not of the host's site.
    #[error("the plan has no network {network} that host {host} could have a range of")]
    UnknownNetwork {
        /// Name of the host in the plan.
        host: NodeName,
        /// Name of the network in the plan.
        network: NetworkName,
    },
    /// There is no such lease.
    #[error(
        "host {host} owns no range {prefix}: `GET /v1/ranges` lists what there is, and ranges are named exactly"
    )]
    NoLease {
        /// Name of the host in the plan.
        host: NodeName,
        /// The range as a prefix.
        prefix: IpNetwork,
    },
    /// The request names a lease that is gone; the host has a later one of the same range.
    #[error("the lease that was meant is gone: host {host} has {prefix} by lease {current} now")]
    NotCurrent {
        /// Name of the host in the plan.
        host: NodeName,
        /// The range as a prefix.
        prefix: IpNetwork,
        /// ID of the current lease.
        current: u64,
    },
    /// A release of a range that is not drained.
    #[error(
        "the range {prefix} of host {host} is in service: drain it first, wait until it is empty, and release it then (or force it, if the host is gone for good)"
    )]
    NotDrained {
        /// Name of the host in the plan.
        host: NodeName,
        /// The range as a prefix.
        prefix: IpNetwork,
    },
    /// A release of a range that is in use.
    #[error(
        "{used} addresses of the range {prefix} of host {host} are in use: wait until it is empty (or force it, if the host is gone for good)"
    )]
    InUse {
        /// Name of the host in the plan.
        host: NodeName,
        /// The range as a prefix.
        prefix: IpNetwork,
        /// Number of addresses in use, in the host's last report.
        used: u64,
    },
    /// A release of a range whose use the host has not reported.
    #[error(
        "host {host} has not reported since ipamd started, so whether {prefix} is in use is not known: wait for its report (or force it, if the host is gone for good)"
    )]
    UseUnknown {
        /// Name of the host in the plan.
        host: NodeName,
        /// The range as a prefix.
        prefix: IpNetwork,
    },
    /// Another host reports the same addresses.
    #[error(
        "host {other} reports that it uses addresses of {prefix} too: drain both, and find out from their stores which is right"
    )]
    Contested {
        /// The range as a prefix.
        prefix: IpNetwork,
        /// The other host.
        other: NodeName,
    },
    /// ipamd is in its grace period after a start.
    #[error("ipamd has just started and first collects what hosts hold; ask again")]
    GracePeriod {
        /// Length of the grace period.
        retry_in: Duration,
    },
    /// No pool of the network has a free slice.
    #[error(
        "no pool of network {network} has a free slice for host {host}: add a pool, or release ranges that nobody needs"
    )]
    Exhausted {
        /// Name of the host in the plan.
        host: NodeName,
        /// Name of the network in the plan.
        network: NetworkName,
    },
    /// No pool of the network is sub-allocated.
    #[error(
        "the pools of network {network} have no sliceLength: write host {host}'s range into the plan, or give a pool a sliceLength"
    )]
    NotSliced {
        /// Name of the host in the plan.
        host: NodeName,
        /// Name of the network in the plan.
        network: NetworkName,
    },
}

impl AssignError {
    /// The error's stable name.
    pub fn code(&self) -> &'static str {
        match self {
            Self::UnknownHost { .. } => "unknownHost",
            Self::UnknownNetwork { .. } => "unknownNetwork",
            Self::NoLease { .. } => "noLease",
            Self::NotCurrent { .. } => "notCurrent",
            Self::NotDrained { .. } => "notDrained",
            Self::InUse { .. } => "inUse",
            Self::UseUnknown { .. } => "useUnknown",
            Self::Contested { .. } => "contested",
            Self::GracePeriod { .. } => "settling",
            Self::Exhausted { .. } => "exhausted",
            Self::NotSliced { .. } => "notSliced",
        }
    }

    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::InUse { .. } | Self::UseUnknown { .. } | Self::GracePeriod { .. } => true,
            Self::UnknownHost { .. }
            | Self::UnknownNetwork { .. }
            | Self::NoLease { .. }
            | Self::NotCurrent { .. }
            | Self::NotDrained { .. }
            | Self::Contested { .. }
            | Self::Exhausted { .. }
            | Self::NotSliced { .. } => false,
        }
    }
}
