//! A Linux router's main table, by netlink, in a network namespace.
//!
//! A kernel's routes have no names: ours are those of route protocol [`PROTOCOL`]. They are
//! shown as generation 0, since a kernel is written by the one process that is beside it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use flatnet_kernel::{
    Kernel, NextHop as KernelHop, Route, RouteError, RouteKind, RouteSpec, TABLE_MAIN,
};
use nix::sched::{CloneFlags, setns};

use super::{Capabilities, ErrorKind, Failure, Provider, ProviderError, TableScope};
use crate::diff::Op;
use crate::model::{
    ClusterName, Entry, EntryKind, Generation, NextHop, NextHopKind, NextHops, Owner, Prefix,
    Status, Table,
};

/// The route protocol that marks our routes (netd's is 94).
pub const PROTOCOL: u8 = 95;
/// What the kernel made itself, such as the routes of its links' prefixes (`RTPROT_KERNEL`).
const KERNEL_MADE: u8 = 2;

/// Why a kernel's routes could not be read or written.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "what a field is, its name and type say")]
pub enum LinuxError {
    /// The network namespace cannot be entered.
    #[error("cannot enter {}", path.display())]
    Enter {
        /// Its path, such as `/run/netns/edge`.
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// The kernel's routes cannot be read.
    #[error("netlink: {message}")]
    Netlink {
        /// Why not, in the kernel adapter's words.
        message: String,
        /// Whether it may succeed later.
        retryable: bool,
    },
    /// A kernel's routes have a protocol and no names.
    #[error("{destination}: a kernel's route cannot be taken over: delete it, and it is made anew")]
    NoNames {
        /// The destination.
        destination: Prefix,
    },
}

impl From<LinuxError> for ProviderError {
    fn from(error: LinuxError) -> Self {
        // Never ambiguous: the kernel answers each route.
        let kind = match &error {
            LinuxError::Netlink {
                retryable: true, ..
            } => ErrorKind::Transient,
            LinuxError::NoNames { .. } => ErrorKind::EntryRejected {
                code: "NoNames".to_owned(),
                message: error.to_string(),
            },
            LinuxError::Enter { .. } | LinuxError::Netlink { .. } => ErrorKind::Refused,
        };
        Self::new(kind, error)
    }
}

/// The kernel of one network namespace.
#[derive(Clone)]
pub struct LinuxRouter {
    kernel: Kernel,
    cluster: ClusterName,
}

impl LinuxRouter {
    /// The router whose routes are in this process's namespace, or in that of a path such as
    /// `/run/netns/edge`.
    ///
    /// # Errors
    /// The namespace cannot be entered, or netlink cannot be reached.
    pub fn start(netns: Option<&Path>, cluster: ClusterName) -> Result<Self, LinuxError> {
        let netns = netns.map(Path::to_path_buf);
        let kernel = match &netns {
            None => start()?,
            Some(path) => {
                let path = path.clone();
                // A thread of its own: its namespace is its own, too.
                let thread = std::thread::spawn(move || {
                    enter(&path)?;
                    start()
                });
                thread.join().map_err(|_| LinuxError::Netlink {
                    message: "the thread of the namespace ended".to_owned(),
                    retryable: false,
                })??
            }
        };
        Ok(Self { kernel, cluster })
    }

    fn name(&self, label: &str) -> String {
        let owner = Owner {
            cluster: self.cluster.clone(),
            generation: Generation(0),
            label: label.to_owned(),
        };
        owner.name()
    }

    /// A route as an entry; none for what is no destination of packets that pass through.
    fn entry(&self, route: &Route) -> Option<Entry> {
        if route.table != TABLE_MAIN || route.kind != RouteKind::Unicast {
            return None;
        }
        let hops = route.nexthops.iter().map(|hop| NextHop {
            kind: NextHopKind::Gateway,
            id: match (hop.via, hop.ifindex) {
                (Some(via), _) => via.to_string(),
                (None, Some(index)) => format!("link {index}"),
                (None, None) => "nowhere".to_owned(),
            },
            weight: hop.weight,
        });
        Some(Entry {
            destination: Prefix::truncating(route.dst),
            next_hops: NextHops::new(hops.collect()).ok()?,
            name: match route.protocol {
                PROTOCOL => self.name("linux"),
                other => format!("protocol {other}"),
            },
            id: None,
            status: Status::Available,
            kind: match route.protocol {
                KERNEL_MADE => EntryKind::System,
                _ => EntryKind::Custom,
            },
        })
    }

    async fn act(&self, op: &Op) -> Result<(), RouteError> {
        match op {
            Op::Create { next_hops: to, .. } | Op::Modify { to, .. } => {
                self.kernel
                    .ensure_route(&spec(op.destination(), to))
                    .await?;
            }
            Op::Delete { next_hops, .. } => {
                let spec = spec(op.destination(), next_hops);
                self.kernel.delete_route(&spec).await?;
            }
        }
        Ok(())
    }
}

fn start() -> Result<Kernel, LinuxError> {
    Kernel::start().map_err(|error| LinuxError::Netlink {
        message: error.to_string(),
        retryable: false,
    })
}

/// Moves this thread into a namespace.
fn enter(path: &Path) -> Result<(), LinuxError> {
    let fail = |source: std::io::Error| LinuxError::Enter {
        path: PathBuf::from(path),
        source,
    };
    let file = std::fs::File::open(path).map_err(fail)?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| fail(e.into()))
}

fn spec(destination: Prefix, to: &NextHops) -> RouteSpec {
    // What is no address is none of ours: such next hops come from the plan's transfer networks.
    let gateways = to.iter().filter_map(|hop| {
        let mut found = KernelHop::via(hop.id.parse::<IpAddr>().ok()?);
        found.weight = hop.weight.max(1);
        Some(found)
    });
    RouteSpec::new(destination.network(), gateways.collect(), PROTOCOL)
}

impl Provider for LinuxRouter {
    fn capabilities(&self, _table: &TableScope) -> Capabilities {
        Capabilities::default()
    }

    async fn list(&self, table: &TableScope) -> Result<Table, ProviderError> {
        let routes = self.kernel.routes().await;
        let mut routes = routes.map_err(|error| LinuxError::Netlink {
            message: error.to_string(),
            retryable: true,
        })?;
        // Of several with one destination, ours counts, and then the one that is used.
        routes.sort_by_key(|r| (r.protocol != PROTOCOL, r.metric.unwrap_or(0)));
        let mut entries: BTreeMap<Prefix, Entry> = BTreeMap::new();
        for entry in routes.iter().filter_map(|r| self.entry(r)) {
            entries.entry(entry.destination).or_insert(entry);
        }
        Ok(Table {
            table: table.id.clone(),
            entries: entries.into_values().collect(),
            not_understood: Vec::new(),
        })
    }

    async fn write(&self, _table: &TableScope, ops: &[Op]) -> Result<Vec<Failure>, ProviderError> {
        let mut failures = Vec::new();
        for op in ops {
            if let Err(error) = self.act(op).await {
                failures.push(Failure {
                    destination: Some(op.destination()),
                    next_hop: String::new(),
                    code: "netlink".to_owned(),
                    message: error.to_string(),
                    retryable: error.is_retryable(),
                });
            }
        }
        Ok(failures)
    }

    async fn rename(
        &self,
        _table: &TableScope,
        entry: &Entry,
        _name: &str,
    ) -> Result<(), ProviderError> {
        Err(LinuxError::NoNames {
            destination: entry.destination,
        }
        .into())
    }
}
