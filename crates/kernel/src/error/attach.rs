//! The errors of attaching: namespaces, links, and a container's configuration.

use std::path::PathBuf;
use std::time::Duration;

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use thiserror::Error;

use super::{Fault, RequestError, SysctlError};

/// Why a path is not a container's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetnsError {
    /// Nothing is there: the sandbox is gone, or never was.
    #[error("there is no network namespace at {path:?}")]
    NotFound {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
    },
    /// A file of another kind is there.
    #[error("{path:?} is not a namespace")]
    NotANamespace {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
    },
    /// A namespace, but not a network one.
    #[error("{path:?} is a namespace of another kind ({kind}), not a network namespace")]
    WrongKind {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
        /// The kind: `pid`, `mnt`, ….
        kind: &'static str,
    },
    /// The namespace that this process itself is in.
    #[error("{path:?} is the host's own network namespace")]
    OwnNamespace {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
    },
    /// The path may not be opened.
    #[error("opening {path:?} is not permitted: {errno}")]
    NotPermitted {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
        /// EACCES or EPERM.
        errno: Errno,
    },
    /// Something else failed.
    #[error("{during} {path:?}: {errno}")]
    Io {
        /// Path of the file that was to be the namespace.
        path: PathBuf,
        /// What was attempted, in the words of the message.
        during: &'static str,
        /// The errno of the failed system call.
        errno: Errno,
    },
}

impl NetnsError {
    /// Whether the same path may well open a little later: only when a resource was short.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Io { errno, .. } => matches!(
                errno,
                Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM | Errno::EINTR
            ),
            Self::NotFound { .. }
            | Self::NotANamespace { .. }
            | Self::WrongKind { .. }
            | Self::OwnNamespace { .. }
            | Self::NotPermitted { .. } => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NotFound { .. } => Some(Errno::ENOENT as i32),
            Self::NotPermitted { errno, .. } | Self::Io { errno, .. } => Some(*errno as i32),
            Self::NotANamespace { .. } | Self::WrongKind { .. } | Self::OwnNamespace { .. } => None,
        }
    }
}

/// Why a link was not made, changed or deleted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LinkError {
    /// The container has an interface of this name already (EEXIST).
    #[error("the container has an interface named {name} already")]
    ContainerNameTaken {
        /// Name of the interface.
        name: IfName,
    },
    /// The container has an interface with this index already.
    #[error("the container has an interface with index {ifindex} already")]
    ContainerIndexTaken {
        /// Interface index.
        ifindex: u32,
    },
    /// The node has an interface of this name already (EEXIST).
    #[error("the node has an interface named {name} already")]
    HostNameTaken {
        /// Name of the interface.
        name: IfName,
    },
    /// The node has an interface with this index already.
    #[error("the node has an interface with index {ifindex} already")]
    HostIndexTaken {
        /// Interface index.
        ifindex: u32,
    },
    /// The index is not one that a link of a pair can have: 2 to 2³¹ − 1.
    #[error("{ifindex} cannot be the index of an interface: 2 to 2147483647 can")]
    BadIndex {
        /// Interface index.
        ifindex: u32,
    },
    /// The container's namespace is gone, or is being taken down.
    #[error("{attempted}: the container's network namespace is gone: {fault}")]
    NamespaceGone {
        /// What was attempted.
        attempted: String,
        /// What the kernel said.
        fault: Fault,
    },
    /// CAP_NET_ADMIN or CAP_SYS_ADMIN is missing.
    #[error("{attempted}: {fault}; CAP_NET_ADMIN and CAP_SYS_ADMIN are needed")]
    NotPermitted {
        /// What was attempted.
        attempted: String,
        /// What the kernel said.
        fault: Fault,
    },
    /// There is no interface of this name.
    #[error("there is no interface named {name}")]
    NoSuchLink {
        /// Name of the interface.
        name: IfName,
    },
    /// The link was still there when the time was up. A deletion that was begun goes on;
    /// one that still waited for a thread is not done.
    #[error("deleting {name}: not done within {} ms", .after.as_millis())]
    TimedOut {
        /// Name of the interface.
        name: IfName,
        /// How long was waited.
        after: Duration,
    },
    /// Anything else.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl LinkError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TimedOut { .. } => true,
            Self::Request(e) => e.is_retryable(),
            Self::ContainerNameTaken { .. }
            | Self::ContainerIndexTaken { .. }
            | Self::HostNameTaken { .. }
            | Self::HostIndexTaken { .. }
            | Self::BadIndex { .. }
            | Self::NamespaceGone { .. }
            | Self::NotPermitted { .. }
            | Self::NoSuchLink { .. } => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::ContainerNameTaken { .. }
            | Self::ContainerIndexTaken { .. }
            | Self::HostNameTaken { .. }
            | Self::HostIndexTaken { .. } => Some(Errno::EEXIST as i32),
            Self::BadIndex { .. } => Some(Errno::EINVAL as i32),
            Self::NoSuchLink { .. } => Some(Errno::ENODEV as i32),
            Self::TimedOut { .. } => Some(Errno::ETIMEDOUT as i32),
            Self::NamespaceGone { fault, .. } | Self::NotPermitted { fault, .. } => fault.errno(),
            Self::Request(e) => e.errno(),
        }
    }
}

/// Why a container's interface was not configured.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ConfigureError {
    /// The interface is not there (any more): it, its host end or the namespace was deleted.
    #[error("{attempted}: the interface is not in the container: {fault}")]
    NoInterface {
        /// What was attempted.
        attempted: String,
        /// What the kernel said.
        fault: Fault,
    },
    /// Another interface of the container holds the route already (EEXIST).
    #[error("the container has another route to {dst} already")]
    RouteTaken {
        /// Destination prefix; a /0 is the default route.
        dst: IpNetwork,
    },
    /// The next hop cannot be reached through the interface (ENETUNREACH, EHOSTUNREACH).
    #[error("{attempted}: the gateway is in no prefix of the interface: {fault}")]
    GatewayUnreachable {
        /// What was attempted.
        attempted: String,
        /// What the kernel said.
        fault: Fault,
    },
    /// IPv6 is off in the container and could not be switched on.
    #[error("IPv6 is off in the container, and switching it on failed")]
    Ipv6Off(#[source] SysctlError),
    /// A sysctl of the container could not be set.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// CAP_NET_ADMIN or CAP_SYS_ADMIN is missing.
    #[error("{attempted}: {fault}; CAP_NET_ADMIN and CAP_SYS_ADMIN are needed")]
    NotPermitted {
        /// What was attempted.
        attempted: String,
        /// What the kernel said.
        fault: Fault,
    },
    /// Anything else.
    #[error(transparent)]
    Request(#[from] RequestError),
}

impl ConfigureError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Request(e) => e.is_retryable(),
            Self::Sysctl(e) | Self::Ipv6Off(e) => e.is_retryable(),
            Self::NoInterface { .. }
            | Self::RouteTaken { .. }
            | Self::GatewayUnreachable { .. }
            | Self::NotPermitted { .. } => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Request(e) => e.errno(),
            Self::Sysctl(e) | Self::Ipv6Off(e) => e.errno(),
            Self::RouteTaken { .. } => Some(Errno::EEXIST as i32),
            Self::NoInterface { fault, .. }
            | Self::GatewayUnreachable { fault, .. }
            | Self::NotPermitted { fault, .. } => fault.errno(),
        }
    }
}
