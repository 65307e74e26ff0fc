//! The errors of the node's own side: addresses, routes and sysctls.

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use thiserror::Error;

use super::{Fault, RequestError};

/// Why an address was not added or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AddressError {
    /// There is no interface of this name.
    #[error("there is no interface named {name}")]
    NoSuchLink {
        /// The name.
        name: IfName,
    },
    /// Anything else.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl AddressError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoSuchLink { .. } => false,
            Self::Request(e) => e.is_retryable(),
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoSuchLink { .. } => Some(Errno::ENODEV as i32),
            Self::Request(e) => e.errno(),
        }
    }
}

/// Why a route was not added or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RouteError {
    /// A route with the same destination, table and metric is there, and it is not ours.
    #[error("the route to {dst} in table {table} belongs to protocol {protocol}")]
    Foreign {
        /// The destination.
        dst: IpNetwork,
        /// The table.
        table: u32,
        /// Whose it is (`rtm_protocol`).
        protocol: u8,
    },
    /// The next hop's interface is down or absent, or the gateway is in no prefix of it.
    #[error("the route to {dst}: its next hop is not usable: {fault}")]
    NextHopUnusable {
        /// The destination.
        dst: IpNetwork,
        /// What the kernel said.
        fault: Fault,
    },
    /// Anything else.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl RouteError {
    /// Whether the same call may well succeed a little later. A next hop that is not usable
    /// yet counts: its interface may come up.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Foreign { .. } => false,
            Self::NextHopUnusable { .. } => true,
            Self::Request(e) => e.is_retryable(),
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Foreign { .. } => Some(Errno::EEXIST as i32),
            Self::NextHopUnusable { fault, .. } => fault.errno(),
            Self::Request(e) => e.errno(),
        }
    }
}

/// Why a sysctl was not read or written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SysctlError {
    /// The key is not one below `/proc/sys/net`.
    #[error("{key:?} is not a sysctl key below net")]
    BadKey {
        /// The key.
        key: String,
    },
    /// This kernel (or interface) has no such key.
    #[error("there is no sysctl {key}")]
    Absent {
        /// The key.
        key: String,
    },
    /// `/proc/sys` is mounted read-only: a container needs it writable.
    #[error("sysctl {key}: /proc/sys is read-only")]
    ReadOnly {
        /// The key.
        key: String,
    },
    /// The kernel does not take the value.
    #[error("sysctl {key} does not take {value:?}")]
    BadValue {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// The value read is not what it should be.
    #[error("sysctl {key} has the value {value:?}, which is not a number")]
    NotANumber {
        /// The key.
        key: String,
        /// The value.
        value: String,
    },
    /// Anything else.
    #[error("sysctl {key}: {fault}")]
    Io {
        /// The key.
        key: String,
        /// What failed.
        fault: Fault,
    },
}

impl SysctlError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { fault, .. } => fault.is_retryable(),
            Self::BadKey { .. }
            | Self::Absent { .. }
            | Self::ReadOnly { .. }
            | Self::BadValue { .. }
            | Self::NotANumber { .. } => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Io { fault, .. } => fault.errno(),
            Self::Absent { .. } => Some(Errno::ENOENT as i32),
            Self::ReadOnly { .. } => Some(Errno::EROFS as i32),
            Self::BadValue { .. } => Some(Errno::EINVAL as i32),
            Self::BadKey { .. } | Self::NotANumber { .. } => None,
        }
    }
}
