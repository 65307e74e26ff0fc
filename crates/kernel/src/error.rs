//! What can go wrong, for each operation: what was attempted, the errno, and the kernel's
//! own words (the extended acknowledgement of netlink) where it gave any.

use std::path::PathBuf;
use std::time::Duration;

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::errno::Errno;
use thiserror::Error;

/// Why one request to the kernel failed, without what it was for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum Fault {
    /// The kernel answered with an errno.
    #[error("the kernel refused: {errno}{}", said(text.as_deref()))]
    Refused {
        /// Its number.
        errno: Errno,
        /// The extended acknowledgement's text, if the kernel gave one.
        text: Option<String>,
    },
    /// A system call on the way failed.
    #[error("{during} failed: {errno}")]
    Syscall {
        /// The step.
        during: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// The calling thread could not enter the namespace.
    #[error("the network namespace could not be entered: {errno}")]
    Namespace {
        /// The errno of `setns`.
        errno: Errno,
    },
    /// The answer does not follow the protocol.
    #[error("the kernel's answer was not understood: {reason}")]
    Undecodable {
        /// What is wrong with it.
        reason: String,
    },
    /// No answer came.
    #[error("no answer came within {} s", .0.as_secs())]
    NoAnswer(Duration),
    /// A list changed whenever it was read.
    #[error("the list changed each of the {0} times that it was read")]
    Unstable(u32),
    /// More requests wait than are allowed to.
    #[error("{0} requests wait already")]
    Busy(usize),
    /// The adapter was stopped, or the worker that had the request died.
    #[error("the worker that had the request is gone")]
    Stopped,
}

/// The kernel's words in parentheses, or nothing.
fn said(text: Option<&str>) -> String {
    text.map(|t| format!(" ({t})")).unwrap_or_default()
}

impl Fault {
    /// Whether the same request may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Refused { errno, .. } | Self::Syscall { errno, .. } => matches!(
                errno,
                Errno::EAGAIN
                    | Errno::EBUSY
                    | Errno::EINTR
                    | Errno::ENOBUFS
                    | Errno::ENOMEM
                    | Errno::EMFILE
                    | Errno::ENFILE
            ),
            Self::NoAnswer(_) | Self::Unstable(_) | Self::Busy(_) => true,
            Self::Namespace { .. } | Self::Undecodable { .. } | Self::Stopped => false,
        }
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Refused { errno, .. }
            | Self::Syscall { errno, .. }
            | Self::Namespace { errno } => Some(*errno as i32),
            _ => None,
        }
    }

    /// The errno, if it was the kernel's answer to the request itself.
    pub(crate) fn refusal(&self) -> Option<Errno> {
        match self {
            Self::Refused { errno, .. } => Some(*errno),
            _ => None,
        }
    }
}

/// A request that failed, and what it was for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{attempted}: {fault}")]
pub struct RequestError {
    /// What was attempted, in words, with the names and addresses.
    pub attempted: String,
    /// Why it failed.
    pub fault: Fault,
}

impl RequestError {
    /// Whether the same request may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.fault.is_retryable()
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        self.fault.errno()
    }
}

/// Names what a fallible step was for.
pub(crate) trait Attempt<T> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, RequestError>;
}

impl<T> Attempt<T> for Result<T, Fault> {
    fn attempting(self, what: impl FnOnce() -> String) -> Result<T, RequestError> {
        self.map_err(|fault| RequestError {
            attempted: what(),
            fault,
        })
    }
}

/// Why the adapter did not start.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StartError {
    /// The namespace that the calling thread is in could not be opened.
    #[error("opening {path:?}: {errno}")]
    Home {
        /// The file.
        path: &'static str,
        /// Its errno.
        errno: Errno,
    },
    /// A netlink socket could not be opened or joined to the link group.
    #[error("the monitor of links: {0}")]
    Monitor(Fault),
    /// An OS thread could not be started.
    #[error("starting a thread: {errno}")]
    Thread {
        /// Its errno.
        errno: Errno,
    },
}

/// Why a path is not a container's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NetnsError {
    /// Nothing is there: the sandbox is gone, or never was.
    #[error("there is no network namespace at {path:?}")]
    NotFound {
        /// The path.
        path: PathBuf,
    },
    /// A file of another kind is there.
    #[error("{path:?} is not a namespace")]
    NotANamespace {
        /// The path.
        path: PathBuf,
    },
    /// A namespace, but not a network one.
    #[error("{path:?} is a namespace of another kind ({kind}), not a network namespace")]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// The kind: `pid`, `mnt`, ….
        kind: &'static str,
    },
    /// The namespace that this process itself is in.
    #[error("{path:?} is the host's own network namespace")]
    OwnNamespace {
        /// The path.
        path: PathBuf,
    },
    /// The path may not be opened.
    #[error("opening {path:?} is not permitted: {errno}")]
    NotPermitted {
        /// The path.
        path: PathBuf,
        /// EACCES or EPERM.
        errno: Errno,
    },
    /// Something else failed.
    #[error("{during} {path:?}: {errno}")]
    Io {
        /// The path.
        path: PathBuf,
        /// The step.
        during: &'static str,
        /// Its errno.
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
        /// The name.
        name: IfName,
    },
    /// The container has an interface with this index already.
    #[error("the container has an interface with index {ifindex} already")]
    ContainerIndexTaken {
        /// The index.
        ifindex: u32,
    },
    /// The node has an interface of this name already (EEXIST).
    #[error("the node has an interface named {name} already")]
    HostNameTaken {
        /// The name.
        name: IfName,
    },
    /// The node has an interface with this index already.
    #[error("the node has an interface with index {ifindex} already")]
    HostIndexTaken {
        /// The index.
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
        /// The name.
        name: IfName,
    },
    /// The link was still there when the time was up. The deletion goes on.
    #[error("deleting {name}: not done within {} ms", .after.as_millis())]
    TimedOut {
        /// The interface.
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
        /// The destination.
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

/// Why the kernel's state could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(transparent)]
pub struct ObserveError(#[from] pub RequestError);

impl ObserveError {
    /// Whether the same call may well succeed a little later.
    pub fn is_retryable(&self) -> bool {
        self.0.is_retryable()
    }

    /// The errno, if the failure has one.
    pub fn errno(&self) -> Option<i32> {
        self.0.errno()
    }
}

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
