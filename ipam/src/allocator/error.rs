//! Why there is no address, with all that an operator needs to see why.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use flatnet_types::api::code;
use flatnet_types::{AttachmentKey, NetworkName};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::range::{Family, Span, Withheld};

/// How full a range is. `capacity = used + resting + free`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RangeUsage {
    /// First and last address of the range.
    pub range: Span,
    /// How many addresses can be handed out in all.
    pub capacity: u128,
    /// How many attachments have one.
    pub used: u128,
    /// How many were released and still rest.
    pub resting: u128,
    /// How many could be had now.
    pub free: u128,
}

impl fmt::Display for RangeUsage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} used and {} resting of {}",
            self.range, self.used, self.resting, self.capacity
        )
    }
}

/// Why no address was allocated.
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
        /// Those that there are.
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
        /// The family that has none.
        family: Family,
        /// The network's ranges of that family, and how full each is.
        ranges: Vec<RangeUsage>,
        /// When the next resting address is free, if one rests.
        next_free_in: Option<Duration>,
    },
    /// The address asked for is in no range of the network on this host.
    #[error(
        "{ip} is in no range of network {network} on this host{}",
        listed("; it has ", ranges)
    )]
    Outside {
        /// The address that was asked for.
        ip: IpAddr,
        /// Name of the network in the plan.
        network: NetworkName,
        /// The network's ranges on this host.
        ranges: Vec<Span>,
    },
    /// The address asked for is never handed out.
    #[error("{ip} is not handed out: {why}")]
    Withheld {
        /// The address that was asked for.
        ip: IpAddr,
        /// What it is withheld for.
        why: Withheld,
    },
    /// The address asked for is an attachment's.
    #[error("{ip} is taken by the attachment {owner}")]
    Taken {
        /// The address that was asked for.
        ip: IpAddr,
        /// Who has it.
        owner: Arc<AttachmentKey>,
    },
    /// The address asked for was released a short while ago.
    #[error("{ip} was released a short while ago and rests; it is free in {} ms", free_in.as_millis())]
    Resting {
        /// The address that was asked for.
        ip: IpAddr,
        /// How long it still rests.
        free_in: Duration,
    },
    /// Two addresses of one family were asked for.
    #[error("{first} and {second} are of one family: one attachment gets one address of each")]
    TwoOfOneFamily {
        /// The first of the two.
        first: IpAddr,
        /// The second of the two.
        second: IpAddr,
    },
}

impl AllocateError {
    /// Whether the same call can succeed with nothing done but waiting.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exhausted { next_free_in, .. } => next_free_in.is_some(),
            Self::Resting { .. } => true,
            Self::UnknownNetwork { .. }
            | Self::NoRange { .. }
            | Self::Outside { .. }
            | Self::Withheld { .. }
            | Self::Taken { .. }
            | Self::TwoOfOneFamily { .. } => false,
        }
    }

    /// The code that CNI 1.1 ("Error") or Flatnet gives to it.
    pub fn cni_code(&self) -> u32 {
        match self {
            Self::UnknownNetwork { .. } => code::INVALID_CONFIG,
            Self::Exhausted {
                next_free_in: Some(_),
                ..
            }
            | Self::Resting { .. } => code::TRY_AGAIN_LATER,
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

/// `before` and the items, or nothing where there are none.
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
