//! Invalid values of configuration keys and arguments.

use std::net::AddrParseError;

use ipnetwork::IpNetworkError;
use thiserror::Error;

use crate::{NameError, NetError};

/// Shortens a value of any length for an error message.
pub(super) fn shorten(value: &str) -> String {
    const SHOWN: usize = 64;
    match value.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    }
}

/// Invalid value of the right JSON type.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ValueError {
    /// Invalid name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A MAC, VLAN ID or MTU is out of bounds.
    #[error(transparent)]
    Net(#[from] NetError),
    /// Not an IP address.
    #[error("{value:?} is not an IP address")]
    Address {
        /// The value, shortened.
        value: String,
    },
    /// Not an address with a prefix length.
    #[error("{value:?} is not an IP address with a prefix length")]
    Prefix {
        /// The value, shortened.
        value: String,
    },
    /// Address and next hop are of different families.
    #[error("the next hop {gateway} is not of the family of {dst}")]
    FamilyMismatch {
        /// The route's destination prefix.
        dst: ipnetwork::IpNetwork,
        /// The next hop.
        gateway: std::net::IpAddr,
    },
    /// Not an absolute path that a socket or directory may have.
    #[error("{value:?} is not an absolute path of at most {max} bytes without NUL")]
    Path {
        /// The value, shortened.
        value: String,
        /// The longest allowed, in bytes.
        max: usize,
    },
    /// A number beyond what is allowed there.
    #[error("{value} is out of bounds: {min} to {max} are allowed")]
    OutOfBounds {
        /// The number as it was given.
        value: u64,
        /// The lowest number that is allowed.
        min: u64,
        /// The highest number that is allowed.
        max: u64,
    },
    /// A rate without a burst or a burst without a rate.
    #[error("rate and burst belong together: give both, or neither")]
    HalfRate,
    /// The first VLAN of a range is above its last.
    #[error("minID {min} is above maxID {max}")]
    EmptyVlanRange {
        /// `minID`.
        min: u16,
        /// `maxID`.
        max: u16,
    },
    /// Neither a VLAN ID nor a range.
    #[error("it must be a VLAN ID, {{\"id\":N}}, or {{\"minID\":N,\"maxID\":M}}")]
    NotATrunkEntry,
    /// Not a list of VLAN IDs in an annotation.
    #[error("{value:?} is neither a VLAN ID (1 to 4094) nor a range: `10,20-29` is a list of both")]
    NotAVlanList {
        /// The item, shortened.
        value: String,
    },
    /// The index is beyond the list of interfaces.
    #[error("there is no interface {index}: the list has {count}")]
    NoSuchInterface {
        /// The index that was given, from 0.
        index: u64,
        /// Number of interfaces.
        count: usize,
    },
    /// A list that is longer than allowed.
    #[error("it has {count} entries: at most {max} are allowed")]
    TooMany {
        /// Number of entries.
        count: usize,
        /// The largest allowed number.
        max: usize,
    },
}

impl ValueError {
    /// The error of a value that does not parse as an address.
    pub(super) fn address(value: &str, _: &AddrParseError) -> Self {
        Self::Address {
            value: shorten(value),
        }
    }

    /// The error of a value that does not parse as a prefix.
    pub(super) fn prefix(value: &str, _: &IpNetworkError) -> Self {
        Self::Prefix {
            value: shorten(value),
        }
    }
}
