//! A standing listener to the kernel's announcements about links (RTNLGRP_LINK), and on a
//! second socket about addresses, routes, rules and the settings of interfaces.
//!
//! One thread reads them, links first: a flood of routes from a routing daemon holds up no
//! deletion. If they come faster than they are read, the kernel drops some and says so
//! (ENOBUFS); then whoever waits for a deletion is told by a look at the links, and whoever
//! watches gets [`LinkEvent::Resync`] or [`HostEvent::Resync`].

use std::collections::HashMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use netlink_sys::protocols::NETLINK_ROUTE;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::socket::{setsockopt, sockopt};
use tokio::sync::{broadcast, oneshot};

use crate::error::{Fault, StartError};
use crate::ioctl;
use crate::message::{address, link, route};
use crate::socket::{DATAGRAM_MAX, messages};
use crate::view::{HostEvent, LinkEvent};

/// Multicast group of link announcements (linux/rtnetlink.h).
const RTNLGRP_LINK: u32 = 1;

/// Multicast groups of addresses, routes, rules and settings, for IPv4 and IPv6
/// (linux/rtnetlink.h: `RTNLGRP_*_IFADDR`, `_ROUTE`, `_RULE`, `_NETCONF`).
const HOST_GROUPS: [u32; 8] = [5, 9, 7, 11, 8, 19, 24, 25];

/// `RTM_NEWNETCONF` and `RTM_DELNETCONF`.
const NETCONF: [u16; 2] = [80, 81];

/// Bytes of announcements that may wait to be read: a link's takes about 2 KiB, so some
/// thousand.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;

/// Events that may wait for a watcher; one that falls behind gets [`LinkEvent::Resync`].
const EVENTS_MAX: usize = 1024;

/// Who waits for the deletion of which index.
type Waiting = HashMap<u32, Vec<oneshot::Sender<()>>>;

/// What the thread and the handles share.
pub(crate) struct Shared {
    waiting: Mutex<Waiting>,
    events: broadcast::Sender<LinkEvent>,
    host: broadcast::Sender<HostEvent>,
    stop: AtomicBool,
    wake: EventFd,
}

impl Shared {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has `gone` told when the link `ifindex` is announced as deleted.
    pub(crate) fn expect(&self, ifindex: u32, gone: oneshot::Sender<()>) {
        let mut waiting = self.waiting();
        // Those who gave up leave nothing behind.
        waiting.retain(|_, all| {
            all.retain(|w| !w.is_closed());
            !all.is_empty()
        });
        waiting.entry(ifindex).or_default().push(gone);
    }

    /// The link `ifindex` is gone.
    fn gone(&self, ifindex: u32) {
        for waiter in self.waiting().remove(&ifindex).into_iter().flatten() {
            // It may have given up meanwhile.
            let _ = waiter.send(());
        }
    }

    /// Announcements were lost: look which of the awaited links are gone.
    fn resync(&self, socket: &Socket) {
        let indices: Vec<u32> = self.waiting().keys().copied().collect();
        for ifindex in indices {
            if matches!(ioctl::name_of(socket, ifindex), Ok(None)) {
                self.gone(ifindex);
            }
        }
        // Nobody need be watching.
        let _ = self.events.send(LinkEvent::Resync);
    }

    /// Takes in one datagram of the second socket.
    fn take_in_host(&self, datagram: &[u8]) {
        if self.host.receiver_count() == 0 {
            return;
        }
        for message in messages(datagram) {
            let event = message.and_then(|m| host_event(m.message_type(), m.payload()));
            match event {
                // Nobody need be watching.
                Ok(Some(event)) => drop(self.host.send(event)),
                Ok(None) => {}
                Err(fault) => {
                    tracing::warn!(%fault, "an announcement about the host was not understood");
                    drop(self.host.send(HostEvent::Resync));
                }
            }
        }
    }

    /// Takes in one datagram.
    fn take_in(&self, socket: &Socket, datagram: &[u8]) {
        for message in messages(datagram) {
            let event = message.and_then(|m| event(m.message_type(), m.payload()));
            match event {
                Ok(Some(event)) => {
                    if let LinkEvent::Deleted { ifindex, .. } = &event {
                        self.gone(*ifindex);
                    }
                    let _ = self.events.send(event);
                }
                Ok(None) => {}
                Err(fault) => {
                    tracing::warn!(%fault, "an announcement about a link was not understood");
                    self.resync(socket);
                }
            }
        }
    }
}

/// What a message announces, if it is about a link itself.
fn event(kind: u16, payload: &[u8]) -> Result<Option<LinkEvent>, Fault> {
    Ok(match kind {
        libc::RTM_NEWLINK => link::read(payload)?.map(LinkEvent::Changed),
        libc::RTM_DELLINK => link::read(payload)?.map(|l| LinkEvent::Deleted {
            name: l.name,
            ifindex: l.ifindex,
        }),
        _ => None,
    })
}

/// What a message of the second socket announces.
fn host_event(kind: u16, payload: &[u8]) -> Result<Option<HostEvent>, Fault> {
    Ok(match kind {
        libc::RTM_NEWADDR | libc::RTM_DELADDR => address::read(payload)?.map(HostEvent::Address),
        libc::RTM_NEWROUTE | libc::RTM_DELROUTE => {
            route::read(payload)?.map(|r| HostEvent::Route(Box::new(r)))
        }
        libc::RTM_NEWRULE | libc::RTM_DELRULE => Some(HostEvent::Rule),
        kind if NETCONF.contains(&kind) => Some(HostEvent::Setting),
        _ => None,
    })
}

/// The listener; dropping it ends its thread.
pub(crate) struct Monitor(Arc<Shared>);

impl Monitor {
    /// Starts listening in the calling thread's namespace: what happens after this returns
    /// is not missed.
    pub(crate) fn start() -> Result<Self, StartError> {
        let socket = subscribe(&[RTNLGRP_LINK]).map_err(StartError::Monitor)?;
        let host = subscribe(&HOST_GROUPS).map_err(StartError::Monitor)?;
        let wake = EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)
            .map_err(|errno| StartError::Thread { errno })?;
        let shared = Arc::new(Shared {
            waiting: Mutex::new(HashMap::new()),
            events: broadcast::channel(EVENTS_MAX).0,
            host: broadcast::channel(EVENTS_MAX).0,
            stop: AtomicBool::new(false),
            wake,
        });
        let theirs = Arc::clone(&shared);
        thread::Builder::new()
            .name("kernel-monitor".to_owned())
            .spawn(move || listen(&socket, &host, &theirs))
            .map_err(|e| StartError::Thread {
                errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EAGAIN)),
            })?;
        Ok(Self(shared))
    }

    /// What a job needs to await a deletion.
    pub(crate) fn handle(&self) -> Arc<Shared> {
        Arc::clone(&self.0)
    }

    /// What happens to addresses, routes, rules and settings from now on.
    pub(crate) fn watch_host(&self) -> HostEvents {
        HostEvents(self.0.host.subscribe())
    }

    /// The events from now on.
    pub(crate) fn watch(&self) -> LinkEvents {
        LinkEvents(self.0.events.subscribe())
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Release);
        // It only fails when its counter is full, and then the thread is awake.
        let _ = self.0.wake.write(1);
    }
}

/// The events of home's links. At most 1024 wait; beyond that the oldest are dropped and
/// [`LinkEvent::Resync`] takes their place.
#[derive(Debug)]
pub struct LinkEvents(broadcast::Receiver<LinkEvent>);

impl LinkEvents {
    /// The next event; `None` when the adapter was stopped.
    ///
    /// Cancel safety: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<LinkEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(LinkEvent::Resync),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// The events of home's addresses, routes, rules and settings. At most 1024 wait; beyond that
/// the oldest are dropped and [`HostEvent::Resync`] takes their place.
#[derive(Debug)]
pub struct HostEvents(broadcast::Receiver<HostEvent>);

impl HostEvents {
    /// The next event; `None` when the adapter was stopped.
    ///
    /// Cancel safety: a dropped future loses no event.
    pub async fn next(&mut self) -> Option<HostEvent> {
        match self.0.recv().await {
            Ok(event) => Some(event),
            Err(broadcast::error::RecvError::Lagged(_)) => Some(HostEvent::Resync),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

/// A socket that hears what is announced to these groups.
fn subscribe(groups: &[u32]) -> Result<Socket, Fault> {
    let during = |during| {
        move |e: std::io::Error| Fault::Syscall {
            during,
            errno: Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)),
        }
    };
    let mut socket = Socket::new(NETLINK_ROUTE).map_err(during("opening a netlink socket"))?;
    socket
        .bind(&SocketAddr::new(0, 0))
        .map_err(during("binding a netlink socket"))?;
    // Beyond net.core.rmem_max, for which CAP_NET_ADMIN is needed.
    if let Err(errno) = setsockopt(&socket, sockopt::RcvBufForce, &SOCKET_BUFFER) {
        tracing::debug!(%errno, "the monitor's buffer stays at its default size");
    }
    socket
        .set_non_blocking(true)
        .map_err(during("making a socket non-blocking"))?;
    for group in groups {
        match socket.add_membership(*group) {
            Ok(()) => {}
            // A kernel that is older than the group, or without its family.
            Err(e) if *group != RTNLGRP_LINK && e.raw_os_error() == Some(libc::EINVAL) => {}
            Err(e) => return Err(during("joining a group of announcements")(e)),
        }
    }
    Ok(socket)
}

/// The thread's life.
fn listen(links: &Socket, host: &Socket, shared: &Shared) {
    let mut buffer = Vec::with_capacity(DATAGRAM_MAX);
    while !shared.stop.load(Ordering::Acquire) {
        if let Err(errno) = wait(links.as_fd(), host.as_fd(), shared.wake.as_fd()) {
            tracing::error!(%errno, "the monitor of the kernel's announcements cannot wait");
            return;
        }
        let read = drain(links, &mut buffer, |datagram| match datagram {
            Some(datagram) => shared.take_in(links, datagram),
            None => shared.resync(links),
        });
        let read = read.and_then(|()| {
            drain(host, &mut buffer, |datagram| match datagram {
                Some(datagram) => shared.take_in_host(datagram),
                None => drop(shared.host.send(HostEvent::Resync)),
            })
        });
        if let Err(errno) = read {
            tracing::error!(%errno, "the monitor of the kernel's announcements cannot read");
            return;
        }
    }
}

/// Datagrams of one socket that are read before the other one has its turn.
const TURN: usize = 256;

/// Reads what is there; `None` stands for announcements that were lost.
fn drain(
    socket: &Socket,
    buffer: &mut Vec<u8>,
    mut take: impl FnMut(Option<&[u8]>),
) -> nix::Result<()> {
    for _ in 0..TURN {
        buffer.clear();
        match socket.recv(buffer, libc::MSG_TRUNC) {
            Ok(n) if n > buffer.len() => take(None),
            Ok(_) => take(Some(buffer)),
            Err(e) => match Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO)) {
                Errno::EAGAIN => return Ok(()),
                Errno::EINTR => {}
                Errno::ENOBUFS => take(None),
                errno => return Err(errno),
            },
        }
    }
    Ok(())
}

/// Waits until one of them is readable.
fn wait(links: BorrowedFd<'_>, host: BorrowedFd<'_>, wake: BorrowedFd<'_>) -> nix::Result<()> {
    let mut fds = [links, host, wake].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
    match poll(&mut fds, PollTimeout::NONE) {
        Ok(_) | Err(Errno::EINTR) => Ok(()),
        Err(errno) => Err(errno),
    }
}

#[cfg(test)]
#[path = "monitor/tests.rs"]
mod tests;
