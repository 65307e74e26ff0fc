//! The handle by which the node's kernel is asked and changed.

mod read;

use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use flatnet_types::IfName;
use ipnetwork::IpNetwork;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

use crate::detail::{self, LinkDetail};
use crate::entry::{self, Entry, EntryKind};
use crate::error::{
    AddressError, Attempt, ConfigureError, Fault, LinkError, ObserveError, PacketError,
    RequestError, RouteError, StartError, SysctlError,
};
use crate::identity::{NetnsId, THREAD_NETNS};
use crate::monitor::{HostEvents, LinkEvents, Monitor};
use crate::netns::Netns;
use crate::packet::{PacketSocket, Receives};
use crate::pool::{Pool, Worker};
use crate::spec::{
    AddressSpec, ContainerSpec, LinkChange, PairSpec, RouteSpec, VethMade, VethSpec,
};
use crate::sysctl::SysctlKey;
use crate::view::{Deleted, NeighbourLimits};
use crate::{configure, delete, host, packet, sysctl, veth};

/// Threads for requests. The kernel does most of them one after another (the rtnl lock);
/// eight at once is what a node sees when a batch of pods starts.
const REQUEST_THREADS: usize = 8;

/// Threads for deletions. Each is held some 20 ms after its link is gone, so that many allow
/// for about a thousand deletions a second.
const DELETION_THREADS: usize = 24;

/// The adapter: a handle that is cheap to clone. See the crate's documentation for its
/// assumptions and for the cancel safety of its futures.
#[derive(Clone)]
pub struct Kernel {
    inner: Arc<Inner>,
}

struct Inner {
    home: NetnsId,
    requests: Pool,
    deletions: Pool,
    monitor: Monitor,
    sysctls: Arc<Mutex<sysctl::OpenKeys>>,
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kernel")
            .field("home", &self.inner.home)
            .finish_non_exhaustive()
    }
}

impl Kernel {
    /// Starts the adapter in the calling thread's namespace, which is home from then on.
    ///
    /// # Errors
    /// [`StartError`] if a descriptor, a socket or a thread cannot be had.
    pub fn start() -> Result<Self, StartError> {
        let failed = |errno| StartError::Home {
            path: THREAD_NETNS,
            errno,
        };
        let fd: OwnedFd = open(
            THREAD_NETNS,
            OFlag::O_RDONLY | OFlag::O_CLOEXEC,
            Mode::empty(),
        )
        .map_err(failed)?;
        let home = NetnsId::of(&fd).map_err(failed)?;
        let fd = Arc::new(fd);
        Ok(Self {
            inner: Arc::new(Inner {
                home,
                monitor: Monitor::start()?,
                requests: Pool::new("kernel", REQUEST_THREADS, Arc::clone(&fd)),
                deletions: Pool::new("kernel-delete", DELETION_THREADS, fd),
                sysctls: Arc::default(),
            }),
        })
    }

    /// The namespace that it works in.
    pub fn home(&self) -> NetnsId {
        self.inner.home
    }

    /// Runs `f` on a request thread; `what` names it if the thread itself fails.
    async fn run<T, E>(
        &self,
        what: &'static str,
        f: impl FnOnce(&mut Worker) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<RequestError> + Send + 'static,
    {
        self.inner
            .requests
            .run(f)
            .await
            .attempting(|| what.to_owned())?
    }

    /// Makes a veth pair: the container's end up, with its MAC, in the container's
    /// namespace; the host's end up, without IPv6, in home. If a later step fails, the pair
    /// is deleted again.
    ///
    /// # Errors
    /// [`LinkError`] tells the taken name or index apart, a namespace that is gone, and a
    /// missing capability.
    pub async fn create_veth(&self, spec: &VethSpec) -> Result<VethMade, LinkError> {
        let spec = spec.clone();
        self.run("creating a veth pair", move |worker| {
            veth::create(worker, &spec)
        })
        .await
    }

    /// Makes a veth pair with both ends in home, up, and without IPv6 addresses of their own. If
    /// a later step fails, the pair is deleted again.
    ///
    /// # Errors
    /// [`LinkError::HostNameTaken`] if there is a link of one of the names; [`LinkError`]
    /// otherwise.
    pub async fn create_pair(&self, spec: &PairSpec) -> Result<(), LinkError> {
        let spec = spec.clone();
        self.run("creating a veth pair", move |worker| {
            veth::create_pair(worker, &spec)
        })
        .await
    }

    /// Opens a packet socket on a link of home.
    ///
    /// Assumptions: it is called in a tokio runtime with its I/O driver.
    ///
    /// # Errors
    /// [`PacketError`].
    pub async fn packet_socket(
        &self,
        ifname: &IfName,
        receives: Receives,
    ) -> Result<PacketSocket, PacketError> {
        let name = ifname.clone();
        let fd = self
            .run("opening a packet socket", move |worker| {
                packet::open(worker, &name, receives)
            })
            .await?;
        let socket = PacketSocket::new(fd);
        Ok(socket.attempting(|| format!("opening a packet socket on {ifname}"))?)
    }

    /// Gives a container's interface its addresses and routes, in one send. What is there
    /// already is left as it is.
    ///
    /// Where an address is IPv6, the interface no longer heeds router advertisements, forms
    /// its link-local address from its MAC (EUI-64) from then on, and IPv6 is switched on for
    /// it if it was off.
    ///
    /// Returns the destinations of the routes that yielded to another interface's
    /// ([`ContainerRoute::yields`](crate::ContainerRoute::yields)) and were left out.
    ///
    /// On an error some of it may be done: whoever made the pair deletes it.
    ///
    /// # Errors
    /// [`ConfigureError`].
    pub async fn configure_container(
        &self,
        netns: &Netns,
        spec: &ContainerSpec,
    ) -> Result<Vec<IpNetwork>, ConfigureError> {
        let (netns, spec) = (netns.clone(), spec.clone());
        self.run("configuring a container's interface", move |worker| {
            configure::configure(worker, &netns, &spec)
        })
        .await
    }

    /// Deletes the link that has this name, and, if `ifindex` is given, this index as well:
    /// a link of the same name or index that is not both is not touched and counts as
    /// absent.
    ///
    /// Returns when the kernel announces that the link is gone, which is long before the
    /// request itself returns. A new link of the same name may be made at once: the kernel
    /// puts it behind the deletion.
    ///
    /// # Errors
    /// [`LinkError::TimedOut`] after `timeout`: a deletion that was begun goes on.
    /// [`LinkError`] otherwise.
    pub async fn delete_link(
        &self,
        name: &IfName,
        ifindex: Option<u32>,
        timeout: Duration,
    ) -> Result<Deleted, LinkError> {
        let inner = &self.inner;
        delete::delete(&inner.deletions, &inner.monitor, name, ifindex, timeout).await
    }

    /// The events of home's links from now on.
    pub fn watch(&self) -> LinkEvents {
        self.inner.monitor.watch()
    }

    /// What happens to home's addresses, routes, rules and settings from now on.
    pub fn watch_host(&self) -> HostEvents {
        self.inner.monitor.watch_host()
    }

    /// Changes a link of home; `true` if it was otherwise before.
    ///
    /// # Errors
    /// [`LinkError::NoSuchLink`]; [`LinkError`] otherwise.
    pub async fn set_link(&self, name: &IfName, change: &LinkChange) -> Result<bool, LinkError> {
        let (name, change) = (name.clone(), change.clone());
        self.run("changing a link", move |worker| {
            host::set_link(worker, &name, &change)
        })
        .await
    }

    /// Sees to it that an interface of home has an address; `true` if it had not. An IPv6
    /// address with another prefix length is replaced.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn ensure_address(
        &self,
        ifname: &IfName,
        address: &AddressSpec,
    ) -> Result<bool, AddressError> {
        let (ifname, address) = (ifname.clone(), address.clone());
        self.run("adding an address", move |worker| {
            host::ensure_address(worker, &ifname, &address)
        })
        .await
    }

    /// Sees to it that an interface of home does not have an address; `true` if it had. No
    /// interface, no address: that is `Ok(false)`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub async fn delete_address(
        &self,
        ifname: &IfName,
        address: IpNetwork,
    ) -> Result<bool, AddressError> {
        let ifname = ifname.clone();
        self.run("deleting an address", move |worker| {
            host::delete_address(worker, &ifname, address)
        })
        .await
    }

    /// Sees to it that home has a route; `true` if it had not, or not such a one. A route of
    /// the same protocol with the same destination, table and metric is replaced without
    /// a gap.
    ///
    /// # Errors
    /// [`RouteError::Foreign`] if one of another protocol is in its place: it is not
    /// touched. [`RouteError`] otherwise.
    pub async fn ensure_route(&self, route: &RouteSpec) -> Result<bool, RouteError> {
        let route = route.clone();
        self.run("adding a route", move |worker| {
            host::ensure_route(worker, &route)
        })
        .await
    }

    /// Sees to it that home has no route with the destination, table, protocol and metric of
    /// `route`, wherever it leads; `true` if it had.
    ///
    /// # Errors
    /// [`RouteError`].
    pub async fn delete_route(&self, route: &RouteSpec) -> Result<bool, RouteError> {
        let route = route.clone();
        self.run("deleting a route", move |worker| {
            host::delete_route(worker, &route)
        })
        .await
    }

    /// All links of home, with their other names and what makes them again.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn link_details(&self) -> Result<Vec<LinkDetail>, ObserveError> {
        self.run("listing links", detail::list).await
    }

    /// Makes a link that was deleted, from [`LinkDetail::making`]; `false` if it is there.
    ///
    /// # Errors
    /// [`LinkError`].
    pub async fn make_link(&self, making: &[u8]) -> Result<bool, LinkError> {
        let making = making.to_vec();
        self.run("making a link again", move |worker| {
            detail::make(worker, &making)
        })
        .await
    }

    /// Every address, route, rule or permanent neighbour of home, of both families, whole.
    ///
    /// # Errors
    /// [`ObserveError`].
    pub async fn entries(&self, kind: EntryKind) -> Result<Vec<Entry>, ObserveError> {
        self.run("listing entries", move |worker| entry::list(worker, kind))
            .await
    }

    /// Sees to it that home has an entry; `true` if it had not. A route is put behind those that
    /// are in its place; a neighbour takes the place of one with its address; an IPv6 address is
    /// usable at once.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn put_entry(&self, entry: &Entry) -> Result<bool, RequestError> {
        let entry = entry.clone();
        self.run("adding an entry", move |worker| entry::put(worker, &entry))
            .await
    }

    /// Sees to it that home does not have an entry; `true` if it had.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn remove_entry(&self, entry: &Entry) -> Result<bool, RequestError> {
        let entry = entry.clone();
        self.run("removing an entry", move |worker| {
            entry::remove(worker, &entry)
        })
        .await
    }

    /// Forgets what home knows of a neighbour and asks for it on that interface, by ARP or
    /// neighbour discovery, as for a packet. [`Kernel::neighbours`] shows whether it answered.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn ask_neighbour(&self, ifindex: u32, ip: IpAddr) -> Result<(), RequestError> {
        self.run("asking for a neighbour", move |worker| {
            entry::ask(worker, ifindex, ip, true)
        })
        .await
    }

    /// Asks for a neighbour on that interface as a packet to it would: what the kernel knows stays,
    /// and is confirmed when it is old. [`Kernel::neighbours`] shows whether it answers.
    ///
    /// # Errors
    /// [`RequestError`].
    pub async fn touch_neighbour(&self, ifindex: u32, ip: IpAddr) -> Result<(), RequestError> {
        self.run("asking for a neighbour", move |worker| {
            entry::ask(worker, ifindex, ip, false)
        })
        .await
    }

    /// The value of a sysctl of home, without white space around it.
    ///
    /// # Errors
    /// [`SysctlError`].
    pub async fn sysctl(&self, key: &SysctlKey) -> Result<String, SysctlError> {
        let key2 = key.clone();
        self.on_thread(key, move |_| sysctl::read(&key2)).await
    }

    /// The values of several sysctls of home, in their order; `None` for one that is not there
    /// or cannot be read.
    ///
    /// # Errors
    /// [`SysctlError::Io`] if no thread could be had.
    pub async fn sysctls(&self, keys: Vec<SysctlKey>) -> Result<Vec<Option<String>>, SysctlError> {
        let Some(first) = keys.first().cloned() else {
            return Ok(Vec::new());
        };
        let open = Arc::clone(&self.inner.sysctls);
        self.on_thread(&first, move |_| {
            let mut open = open.lock().unwrap_or_else(PoisonError::into_inner);
            Ok(keys.iter().map(|key| open.read(key)).collect())
        })
        .await
    }

    /// Sees to it that a sysctl of home has a value; `true` if it had another.
    ///
    /// # Errors
    /// [`SysctlError`].
    pub async fn set_sysctl(&self, key: &SysctlKey, value: &str) -> Result<bool, SysctlError> {
        let (key2, value) = (key.clone(), value.to_owned());
        self.on_thread(key, move |_| sysctl::ensure(&key2, &value))
            .await
    }

    /// The bounds of the neighbour table of IPv4, or of IPv6.
    ///
    /// # Errors
    /// [`SysctlError::Absent`] where home is a namespace in which the kernel does not show
    /// them; [`SysctlError`] otherwise.
    pub async fn neighbour_limits(&self, ipv6: bool) -> Result<NeighbourLimits, SysctlError> {
        let key = SysctlKey::neighbour_limit(ipv6, 1);
        self.on_thread(&key, move |_| sysctl::neighbour_limits(ipv6))
            .await
    }

    /// Runs what reads or writes sysctls on a request thread.
    async fn on_thread<T: Send + 'static>(
        &self,
        key: &SysctlKey,
        f: impl FnOnce(&mut Worker) -> Result<T, SysctlError> + Send + 'static,
    ) -> Result<T, SysctlError> {
        let failed = |fault: Fault| SysctlError::Io {
            key: key.to_string(),
            fault,
        };
        self.inner.requests.run(f).await.map_err(failed)?
    }
}
