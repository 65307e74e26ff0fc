//! Errors of allocation, with the usage that explains them.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::api::code;
use flatnet_types::{AttachmentKey, NetworkName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::range::{Family, Span, Withheld};

/// Usage of a range, in addresses. `capacity = used + quarantined + free`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeUsage {
    /// First and last address of the range.
    pub range: Span,
    /// Addresses that can be assigned.
    pub capacity: u128,
    /// Addresses that attachments have.
    pub used: u128,
    /// Released addresses in quarantine.
    #[serde(rename = "resting")]
    pub quarantined: u128,
    /// Addresses that can be assigned now.
    pub free: u128,
}

impl fmt::Display for RangeUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} used and {} resting of {}",
            self.range, self.used, self.quarantined, self.capacity
        )
    }
}

/// No address was allocated.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AllocateError {
    /// The host has no such network.
    #[error(
        "the network {network} is not on this host{}",
        listed("; it has ", known)
    )]
    UnknownNetwork {
        /// The network asked for.
        network: NetworkName,
        /// The networks of the host.
        known: Vec<NetworkName>,
    },
    /// The network has no range on this host.
    #[error("the network {network} has no address range on this host")]
    NoRange {
        /// Name of the network in the plan.
        network: NetworkName,
    },
    /// No address of a family is free.
    #[error(
        "no {family} address of network {network} is free{}{}",
        listed(" (", ranges),
        when(*next_free_in)
    )]
    Exhausted {
        /// Name of the network in the plan.
        network: NetworkName,
        /// The exhausted family.
        family: Family,
        /// Usage of the network's ranges of that family.
        ranges: Vec<RangeUsage>,
        /// Time until the next quarantine ends; `None` if no address is in quarantine.
        next_free_in: Option<Duration>,
    },
    /// The requested address is in no range of the network on this host.
    #[error(
        "{ip} is in no range of network {network} on this host{}",
        listed("; it has ", ranges)
    )]
    Outside {
        /// The requested address.
        ip: IpAddr,
        /// Name of the network in the plan.
        network: NetworkName,
        /// The network's ranges on this host.
        ranges: Vec<Span>,
    },
    /// The requested address is never assigned.
    #[error("{ip} is not handed out: {why}")]
    Withheld {
        /// The requested address.
        ip: IpAddr,
        /// Reserved by the subnet, or excluded by the plan.
        why: Withheld,
    },
    /// The requested address is in use.
    #[error("{ip} is taken by the attachment {owner}")]
    Taken {
        /// The requested address.
        ip: IpAddr,
        /// The attachment that has it.
        owner: Arc<AttachmentKey>,
    },
    /// The requested address is in quarantine.
    #[error("{ip} was released a short while ago and is in quarantine; it is free in {} ms", free_in.as_millis())]
    Quarantined {
        /// The requested address.
        ip: IpAddr,
        /// Time until its quarantine ends.
        free_in: Duration,
    },
    /// Two addresses of one family were requested.
    #[error("{first} and {second} are of one family: one attachment gets one address of each")]
    TwoOfOneFamily {
        /// The first of the two.
        first: IpAddr,
        /// The second of the two.
        second: IpAddr,
    },
}

impl AllocateError {
    /// Whether the same call can succeed later without a change of the configuration.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exhausted { next_free_in, .. } => next_free_in.is_some(),
            Self::Quarantined { .. } => true,
            Self::UnknownNetwork { .. }
            | Self::NoRange { .. }
            | Self::Outside { .. }
            | Self::Withheld { .. }
            | Self::Taken { .. }
            | Self::TwoOfOneFamily { .. } => false,
        }
    }

    /// The CNI error code: of CNI 1.1 ("Error"), or Flatnet's own.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::UnknownNetwork { .. } => code::INVALID_CONFIG,
            Self::Exhausted {
                next_free_in: Some(_),
                ..
            }
            | Self::Quarantined { .. } => code::TRY_AGAIN_LATER,
            Self::Exhausted {
                next_free_in: None, ..
            }
            | Self::NoRange { .. } => code::RANGE_EXHAUSTED,
            Self::Outside { .. }
            | Self::Withheld { .. }
            | Self::Taken { .. }
            | Self::TwoOfOneFamily { .. } => code::ADDRESS_UNAVAILABLE,
        }
    }
}

/// `before` and the items, separated by commas; empty without items.
fn listed<T: fmt::Display>(before: &str, items: &[T]) -> String {
    if items.is_empty() {
        return String::new();
    }
    let items: Vec<String> = items.iter().map(T::to_string).collect();
    let after = if before.ends_with('(') { ")" } else { "" };
    format!("{before}{}{after}", items.join(", "))
}

fn when(next_free_in: Option<Duration>) -> String {
    match next_free_in {
        Some(wait) => format!("; the next one is free in {} ms", wait.as_millis()),
        None => String::new(),
    }
}
