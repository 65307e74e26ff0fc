//! Packet sockets (packet(7)): whole Ethernet frames in and out of one link of home.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use flatnet_types::IfName;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockType, recv, send, socket};
use tokio::io::unix::AsyncFd;

use crate::error::{Attempt, Fault, PacketError, RequestError};
use crate::ioctl;
use crate::pool::Worker;

/// What a socket takes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Receives {
    /// Nothing: it only sends.
    Nothing,
    /// Every frame that comes in by the link, whoever it is for.
    All,
}

/// A packet socket on one link. It ends with the link: one of the same name that comes later
/// needs a socket of its own.
#[derive(Debug)]
pub struct PacketSocket(AsyncFd<OwnedFd>);

impl PacketSocket {
    /// Wraps a descriptor from [`open`].
    ///
    /// # Errors
    /// [`Fault::Syscall`] if the runtime cannot watch it.
    pub(crate) fn new(fd: OwnedFd) -> Result<Self, Fault> {
        // SAFETY: an `OwnedFd` is open, and stays the same descriptor, until it is dropped, and
        // the `AsyncFd` that owns it deregisters it before that.
        #[allow(unsafe_code)]
        let registered = unsafe { AsyncFd::register(fd) };
        registered.map(Self).map_err(|e| Fault::Syscall {
            during: "watching a packet socket",
            errno: Errno::from_raw(io::Error::from(e).raw_os_error().unwrap_or(libc::EIO)),
        })
    }

    /// Sends one frame, from its destination MAC to the end of its payload.
    ///
    /// # Errors
    /// [`Fault::Syscall`]: `ENETDOWN` if the link is down, `ENXIO` or `ENODEV` if it is gone,
    /// `ENOBUFS` or `EAGAIN` if its queue is full.
    pub fn send(&self, frame: &[u8]) -> Result<(), Fault> {
        send(self.0.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT)
            .map(drop)
            .map_err(|errno| Fault::Syscall {
                during: "sending a frame",
                errno,
            })
    }

    /// Waits for a frame and returns its length; what does not fit into `frame` is lost.
    ///
    /// Cancel safety: a dropped future loses no frame.
    ///
    /// # Errors
    /// [`Fault::Syscall`]: `ENETDOWN` once after the link went down or away.
    pub async fn receive(&self, frame: &mut [u8]) -> Result<usize, Fault> {
        let failed = |errno| Fault::Syscall {
            during: "receiving a frame",
            errno,
        };
        loop {
            let mut ready = self
                .0
                .readable()
                .await
                .map_err(|e| failed(Errno::from_raw(e.raw_os_error().unwrap_or(libc::EIO))))?;
            match recv(self.0.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT) {
                Ok(n) => return Ok(n),
                Err(Errno::EAGAIN) => ready.clear_ready(),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(failed(errno)),
            }
        }
    }
}

/// Opens a packet socket on a link of home.
pub(crate) fn open(
    worker: &mut Worker,
    ifname: &IfName,
    receives: Receives,
) -> Result<OwnedFd, PacketError> {
    let attempted = || format!("opening a packet socket on {ifname}");
    let found = worker.at_home(|socket| ioctl::index_of(&*socket, ifname));
    let Some(ifindex) = found.attempting(attempted)? else {
        return Err(PacketError::NoSuchLink {
            name: ifname.clone(),
        });
    };
    let opened = socket(
        AddressFamily::Packet,
        SockType::Raw,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        // Protocol 0: nothing comes in until the socket is bound to one link.
        None,
    )
    .map_err(|errno| (errno, "socket"));
    let bound = opened.and_then(|fd| {
        let protocol = match receives {
            Receives::Nothing => 0,
            Receives::All => libc::ETH_P_ALL,
        };
        ioctl::bind_packet(fd.as_fd(), ifindex, protocol)
            .map(|()| fd)
            .map_err(|errno| (errno, "bind"))
    });
    bound.map_err(|(errno, during)| match errno {
        Errno::ENODEV | Errno::ENXIO => PacketError::NoSuchLink {
            name: ifname.clone(),
        },
        errno => PacketError::Request(RequestError {
            attempted: attempted(),
            fault: Fault::Syscall { during, errno },
        }),
    })
}
