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
        /// Name of the interface.
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

/// Why a packet socket was not opened.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PacketError {
    /// There is no interface of this name.
    #[error("there is no interface named {name}")]
    NoSuchLink {
        /// Name of the interface.
        name: IfName,
    },
    /// Anything else.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl PacketError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::NoSuchLink { .. } => true,
            Self::Request(e) => e.is_retryable(),
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
        /// Destination prefix; a /0 is the default route.
        dst: IpNetwork,
        /// Number of the routing table; 254 is `main`.
        table: u32,
        /// Whose it is (`rtm_protocol`).
        protocol: u8,
    },
    /// The next hop's interface is down or absent, or the gateway is in no prefix of it.
    #[error("the route to {dst}: its next hop is not usable: {fault}")]
    NextHopUnusable {
        /// Destination prefix; a /0 is the default route.
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
        /// Key below `net`, with `/` between its parts.
        key: String,
    },
    /// This kernel (or interface) has no such key.
    #[error("there is no sysctl {key}")]
    Absent {
        /// Key below `net`, with `/` between its parts.
        key: String,
    },
    /// `/proc/sys` is mounted read-only, as runtimes do in containers.
    #[error(
        "sysctl {key}: /proc/sys is read-only; in a container mount the host's /proc/sys/net \
         elsewhere and name that place by --sysctls"
    )]
    ReadOnly {
        /// Key below `net`, with `/` between its parts.
        key: String,
    },
    /// The kernel does not take the value.
    #[error("sysctl {key} does not take {value:?}")]
    BadValue {
        /// Key below `net`, with `/` between its parts.
        key: String,
        /// The value as text.
        value: String,
    },
    /// The value read is not what it should be.
    #[error("sysctl {key} has the value {value:?}, which is not a number")]
    NotANumber {
        /// Key below `net`, with `/` between its parts.
        key: String,
        /// The value as text.
        value: String,
    },
    /// Anything else.
    #[error("sysctl {key}: {fault}")]
    Io {
        /// Key below `net`, with `/` between its parts.
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
